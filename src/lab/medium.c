// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who uses the medium of a bridge, as bpf/cut.h decides it. A node that does not is *mute*: nobody but the router hears it. Its bridge
 * learns no addresses from it, as none from a cable that is pulled: what it goes on saying about itself must not lead astray what
 * is meant for others. It keeps the one of its card, so that what the router says to it is not flooded.
 */
#include <stdlib.h>

#include "lab/lab.h"
#include "lab/rules.h"
#include "lab/rules_internal.h"
#include "lab/run.h"
#include "net/fdb.h"
#include "net/link.h"
#include "util/error.h"
#include "util/memory.h"
#include "wire/wire.h"

static bool is_medium(const struct wire_key *key)
{
	return !key->from && !key->to;
}

static bool is_access_out(const struct wire_key *key)
{
	return key->from && !key->to;
}

static struct wire_link changed_medium(const struct bridge *bridge, const struct wire_changes *changes)
{
	return wire_changed_link(bridge->run->wire, changes, rules_key(bridge, NULL, NULL));
}

/* Only where the medium is cut there are pairs that are lifted, and only there it matters. */
static bool moves_lifted(const struct bridge *bridge, struct wire_changes *changes)
{
	const struct wire_link *before = wire_before(bridge->run->wire, changes);
	bool was_cut = rules_medium(bridge).partition != WIRE_OPEN;
	bool is_cut = changed_medium(bridge, changes).partition != WIRE_OPEN;

	for (size_t i = 0; i < changes->count && was_cut && is_cut; i++) {
		const struct wire_link *after = &changes->list[i].link;

		if (before[i].lifted != after->lifted ||
		    (before[i].partition == WIRE_LIFTED) != (after->partition == WIRE_LIFTED))
			return true;
	}
	return was_cut != is_cut;
}

struct lifted {
	const struct wire_changes *changes;
	bool *from; /* by port */
};

static void note_lifted(const struct wire_key *key, const struct wire_link *link, void *context)
{
	const struct lifted *lifted = context;

	if (link->partition == WIRE_LIFTED && !wire_has_change(lifted->changes, *key))
		lifted->from[key->from] = true;
}

/* The flag of every access link says whether a pair from there is lifted, once the changes are in force. */
static void set_lifted(const struct bridge *bridge, struct wire_changes *changes)
{
	struct lifted lifted = { .changes = changes, .from = memory_new(bridge->member_count + 1) };

	wire_each_link(bridge->run->wire, bridge->number, note_lifted, &lifted);
	for (size_t i = 0; i < changes->count; i++)
		if (changes->list[i].link.partition == WIRE_LIFTED)
			lifted.from[changes->list[i].key.from] = true;
	for (size_t port = 1; port <= bridge->member_count; port++) {
		struct wire_key key = rules_key(bridge, bridge->members[port - 1], NULL);
		struct wire_change change = { .key = key, .link = wire_changed_link(bridge->run->wire, changes, key) };

		if (change.link.lifted == lifted.from[port])
			continue;
		change.link.lifted = lifted.from[port];
		wire_change(changes, &change);
	}
	free(lifted.from);
}

static bool is_mute(const struct member *member, const struct wire_changes *changes, const struct wire_link *medium)
{
	struct wire_link out =
		wire_changed_link(member->bridge->run->wire, changes, rules_key(member->bridge, member, NULL));

	return !member->router && (out.isolated || (medium->partition != WIRE_OPEN && !out.lifted));
}

static void set_mute(struct member *member, bool mute)
{
	struct netlink *nl = member->bridge->run->nl;
	struct error ignored; /* from a device that has gone nothing is learned */

	if (member->mute == mute)
		return;
	link_set_learning(nl, member->nic.ifindex, !mute, &ignored);
	/* What is behind a device of the host has one of its own. */
	if (mute && !member_is_device(member))
		fdb_keep(nl, member->nic.ifindex, member->nic.mac, &ignored);
	member->mute = mute;
}

/* Those who may become mute by the changes, or cease to be, by port. NULL if nobody does, as with most rules. */
static bool *find_concerned(const struct bridge *bridge, const struct wire_changes *changes)
{
	bool *concerned = memory_new(bridge->member_count + 1), all = false, any = false;

	for (size_t i = 0; i < changes->count; i++) {
		const struct wire_change *change = &changes->list[i];

		if (is_access_out(&change->key))
			any = concerned[change->key.from] = true;
		else if (is_medium(&change->key))
			all = change->link.partition != rules_medium(bridge).partition;
	}
	for (size_t port = 1; port <= bridge->member_count && all; port++)
		concerned[port] = true;
	if (any || all)
		return concerned;
	free(concerned);
	return NULL;
}

/* As it will be when the changes are in force; if there are none, as it is. */
static void settle_mute(struct bridge *bridge, const struct wire_changes *changes, const bool *concerned, bool may_end)
{
	struct wire_link medium = changed_medium(bridge, changes);

	for (size_t i = 0; i < bridge->member_count; i++) {
		struct member *member = bridge->members[i];
		bool mute;

		if (!concerned[member->port] || !member->plugged)
			continue;
		mute = is_mute(member, changes, &medium);
		if (mute || may_end)
			set_mute(member, mute);
	}
}

/* A node is mute for its bridge from before it is cut off until after that has ended. */
int rules_commit(struct bridge *bridge, struct wire_changes *changes, struct error *err)
{
	bool *concerned;
	int status;

	if (moves_lifted(bridge, changes))
		set_lifted(bridge, changes);
	concerned = find_concerned(bridge, changes);
	if (concerned)
		settle_mute(bridge, changes, concerned, false);
	status = wire_commit(bridge->run->wire, changes, err);
	if (concerned)
		settle_mute(bridge, changes, concerned, true);
	free(concerned);
	return status;
}

void rules_begin_port(struct member *member)
{
	const struct wire_changes none = { 0 };
	struct wire_link medium = rules_medium(member->bridge);

	member->mute = false;
	set_mute(member, is_mute(member, &none, &medium));
}
