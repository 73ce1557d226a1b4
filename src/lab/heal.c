// SPDX-License-Identifier: GPL-2.0-only
#include "lab/heal.h"

#include <stdlib.h>

#include "lab/lab.h"
#include "lab/rules_internal.h"
#include "lab/run.h"
#include "util/error.h"
#include "util/memory.h"
#include "wire/wire.h"

/* The links that heal: as changes, for these are quickly found by their keys. */
struct healing {
	const struct bridge *bridge;
	const struct wire_changes *links;
	const struct member *member; /* whose neighbours are looked at */
};

/* Also a slow link: what is held by it, or had no place in its queue, may be such a question. */
static bool lets_more_through(const struct wire_link *before, const struct wire_link *after)
{
	bool cuts = after->partition == WIRE_CUT || after->partition == WIRE_CUT_ONE_WAY;

	return (after->partition != before->partition && !cuts) || (before->isolated && !after->isolated) ||
	       after->loss_ppb < before->loss_ppb || after->delay_ns < before->delay_ns ||
	       (before->rate_bps && (!after->rate_bps || after->rate_bps > before->rate_bps)) ||
	       (before->rate_bps && after->queue_ns > before->queue_ns);
}

static bool heals(const struct healing *healing, const struct member *from, const struct member *to)
{
	return wire_has_change(healing->links, rules_key(healing->bridge, from, to));
}

static bool heals_either_way(const struct healing *healing, const struct member *one, const struct member *other)
{
	return heals(healing, one, other) || heals(healing, other, one);
}

static const struct member *who_has(const struct bridge *bridge, const struct address *address)
{
	uint32_t port = subnet_host_number(
		address->family == bridge->subnet.family ? &bridge->subnet : &bridge->subnet6, address);

	return port && port <= bridge->member_count ? bridge->members[port - 1] : NULL;
}

/* Addresses that nodes have taken by themselves may be anybody's. */
static bool is_spared(const struct address *address, void *context)
{
	const struct healing *healing = context;
	const struct member *asker = healing->member, *asked = who_has(healing->bridge, address);

	return asked && asked->attached && !heals(healing, NULL, NULL) && !heals_either_way(healing, asker, NULL) &&
	       !heals_either_way(healing, asked, NULL) && !heals_either_way(healing, asker, asked);
}

/* A link of more than two nodes is one with an end that is not given. */
static void note_ends(const struct wire_changes *links, bool *concerned, size_t member_count)
{
	for (size_t i = 0; i < links->count; i++) {
		const struct wire_key *key = &links->list[i].key;

		if (key->from && key->to) {
			concerned[key->from] = concerned[key->to] = true;
			continue;
		}
		for (size_t port = 1; port <= member_count; port++)
			concerned[port] = true;
		return;
	}
}

static void heal(struct bridge *bridge, const bool *concerned, const struct wire_changes *links)
{
	struct healing healing = { .bridge = bridge, .links = links };
	const struct neighbour_choice choice = { .spares = is_spared, .context = &healing };
	struct error ignored; /* the links have healed whatever a node's kernel says to it */

	for (size_t i = 0; i < bridge->member_count; i++) {
		struct member *member = bridge->members[i];
		const struct machine *machine = member->machine;

		if (!concerned[member->port] || !member->plugged || !machine->kind->forget_neighbours)
			continue;
		healing.member = member;
		machine->kind->forget_neighbours(machine->node, &member->nic, &choice, &ignored);
	}
}

int heal_commit(struct bridge *bridge, struct wire_changes *changes, struct error *err)
{
	bool *concerned = memory_new((bridge->member_count + 1) * sizeof(*concerned));
	const struct wire_link *before = wire_before(bridge->run->wire, changes);
	struct wire_changes healed = { 0 };
	int status;

	for (size_t i = 0; i < changes->count; i++)
		if (lets_more_through(&before[i], &changes->list[i].link))
			wire_change(&healed, &changes->list[i]);
	note_ends(&healed, concerned, bridge->member_count);
	status = rules_commit(bridge, changes, err);
	if (!status && healed.count)
		heal(bridge, concerned, &healed);
	wire_forget_changes(&healed);
	free(concerned);
	return status;
}

static void add_access(struct wire_changes *links, const struct member *member)
{
	struct wire_change change = { .key = rules_key(member->bridge, member, NULL) };

	wire_change(links, &change);
}

void heal_member(struct member *member)
{
	struct bridge *bridge = member->bridge;
	bool *concerned = memory_new((bridge->member_count + 1) * sizeof(*concerned));
	struct wire_changes links = { 0 };

	add_access(&links, member);
	note_ends(&links, concerned, bridge->member_count);
	heal(bridge, concerned, &links);
	wire_forget_changes(&links);
	free(concerned);
}

/* A new card has not asked for anybody yet. */
static void heal_bridge_arrivals(struct bridge *bridge, struct member *const *members, size_t count)
{
	bool *concerned = memory_new((bridge->member_count + 1) * sizeof(*concerned));
	struct wire_changes links = { 0 };

	for (size_t i = 0; i < count; i++)
		if (members[i]->bridge == bridge)
			add_access(&links, members[i]);
	note_ends(&links, concerned, bridge->member_count);
	for (size_t i = 0; i < count; i++)
		if (members[i]->bridge == bridge)
			concerned[members[i]->port] = false;
	heal(bridge, concerned, &links);
	wire_forget_changes(&links);
	free(concerned);
}

void heal_arrivals(struct member *const *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool done = false;

		for (size_t k = 0; k < i && !done; k++)
			done = members[k]->bridge == members[i]->bridge;
		if (!done)
			heal_bridge_arrivals(members[i]->bridge, members, count);
	}
}
