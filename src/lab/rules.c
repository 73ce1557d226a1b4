// SPDX-License-Identifier: GPL-2.0-only
/* Partitions, isolation and the whole: what is cut, and what a path consists of. Impairments are in impair.c. */
#include "lab/rules.h"

#include <errno.h>
#include <string.h>

#include "lab/heal.h"
#include "lab/lab.h"
#include "lab/rules_internal.h"
#include "lab/run.h"
#include "util/error.h"
#include "wire/wire.h"

struct wire_key rules_key(const struct bridge *bridge, const struct member *from, const struct member *to)
{
	return (struct wire_key){
		.bridge = bridge->number,
		.from = from ? from->port : 0,
		.to = to ? to->port : 0,
	};
}

static void set_partition(struct bridge *bridge, struct wire_changes *changes, const struct member *from,
			  const struct member *to, enum wire_partition partition)
{
	wire_edit_link(bridge->run->wire, changes, rules_key(bridge, from, to))->partition = partition;
}

/* Both ways between two names: cut, or whole again. */
static int cut_pair(struct bridge *bridge, struct wire_changes *changes, const char *one, const char *other,
		    struct error *err)
{
	struct member *a = bridge_expect(bridge, one, err), *b = a ? bridge_expect(bridge, other, err) : NULL;

	if (!b)
		return -err->code;
	set_partition(bridge, changes, a, b, WIRE_CUT);
	set_partition(bridge, changes, b, a, WIRE_CUT);
	return 0;
}

/* Under partition_all() a pair that is whole again must say so itself. */
static enum wire_partition lifted(const struct bridge *bridge)
{
	return rules_medium(bridge).partition == WIRE_OPEN ? WIRE_OPEN : WIRE_LIFTED;
}

/* Names that the bridge never heard of cannot be cut from anything. */
static int heal_pair(struct bridge *bridge, struct wire_changes *changes, const char *one, const char *other,
		     struct error *err)
{
	struct member *a = bridge_find(bridge, one), *b = bridge_find(bridge, other);

	(void)err;
	if (a && b && a != b) {
		set_partition(bridge, changes, a, b, lifted(bridge));
		set_partition(bridge, changes, b, a, lifted(bridge));
	}
	return 0;
}

static int each_pair(struct bridge *bridge, const struct name_list *group, const struct name_list *others,
		     int (*act)(struct bridge *bridge, struct wire_changes *changes, const char *one, const char *other,
				struct error *err),
		     struct error *err)
{
	struct wire_changes changes = { 0 };

	for (size_t i = 0; i < group->count; i++) {
		for (size_t k = 0; k < others->count; k++) {
			if (act(bridge, &changes, group->names[i], others->names[k], err)) {
				wire_forget_changes(&changes);
				return -err->code;
			}
		}
	}
	return heal_commit(bridge, &changes, err);
}

int rules_partition(struct bridge *bridge, const struct name_list *group, const struct name_list *others,
		    struct error *err)
{
	size_t before = bridge->member_count;

	for (size_t i = 0; i < group->count; i++)
		for (size_t k = 0; k < others->count; k++)
			if (strcmp(group->names[i], others->names[k]) == 0)
				return error_set(err, EINVAL, "`%s` cannot be partitioned from itself",
						 group->names[i]);
	if (!each_pair(bridge, group, others, cut_pair, err))
		return 0;
	bridge_drop_places(bridge, before);
	return -err->code;
}

int rules_unpartition(struct bridge *bridge, const struct name_list *group, const struct name_list *others,
		      struct error *err)
{
	return each_pair(bridge, group, others, heal_pair, err);
}

int rules_partition_one_way(struct bridge *bridge, const char *from, const char *to, struct error *err)
{
	struct member *sender = bridge_attached(bridge, from, err);
	struct member *receiver = sender ? bridge_attached(bridge, to, err) : NULL;
	struct wire_changes changes = { 0 };

	if (!receiver)
		return -err->code;
	if (sender == receiver)
		return error_set(err, EINVAL, "`%s` cannot be partitioned from itself", from);
	set_partition(bridge, &changes, sender, receiver, WIRE_CUT_ONE_WAY);
	return heal_commit(bridge, &changes, err);
}

int rules_unpartition_one_way(struct bridge *bridge, const char *from, const char *to, struct error *err)
{
	struct member *sender = bridge_find(bridge, from), *receiver = bridge_find(bridge, to);
	struct wire_changes changes = { 0 };

	if (!sender || !receiver || sender == receiver)
		return 0;
	set_partition(bridge, &changes, sender, receiver, lifted(bridge));
	return heal_commit(bridge, &changes, err);
}

struct sweep {
	struct wire_changes changes;
	const struct wire *wire;
	enum wire_partition only; /* WIRE_OPEN: any */
	const struct member *member;
};

static void lift_partition(const struct wire_key *key, const struct wire_link *link, void *context)
{
	struct sweep *sweep = context;
	struct wire_change change = { .key = *key, .link = *link };

	if (link->partition == WIRE_OPEN || (sweep->only != WIRE_OPEN && link->partition != sweep->only))
		return;
	change.link.partition = WIRE_OPEN;
	wire_note_link(sweep->wire, &sweep->changes, key, link);
	wire_change(&sweep->changes, &change);
}

int rules_partition_all(struct bridge *bridge, struct error *err)
{
	struct sweep sweep = { .wire = bridge->run->wire, .only = WIRE_LIFTED };

	wire_each_link(bridge->run->wire, bridge->number, lift_partition, &sweep);
	set_partition(bridge, &sweep.changes, NULL, NULL, WIRE_CUT);
	return heal_commit(bridge, &sweep.changes, err);
}

int rules_restore_all(struct bridge *bridge, struct error *err)
{
	struct sweep sweep = { .wire = bridge->run->wire };

	wire_each_link(bridge->run->wire, bridge->number, lift_partition, &sweep);
	return heal_commit(bridge, &sweep.changes, err);
}

static int set_isolated(struct bridge *bridge, const struct member *member, bool isolated, struct error *err)
{
	struct wire_key keys[] = { rules_key(bridge, member, NULL), rules_key(bridge, NULL, member) };
	struct wire_changes changes = { 0 };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct wire_change change = { .key = keys[i], .link = wire_link(bridge->run->wire, keys[i]) };

		change.link.isolated = isolated;
		wire_change(&changes, &change);
	}
	return heal_commit(bridge, &changes, err);
}

int rules_isolate(struct bridge *bridge, const char *name, struct error *err)
{
	size_t before = bridge->member_count;
	struct member *member = bridge_expect(bridge, name, err);

	if (!member)
		return -err->code;
	if (member->router)
		return error_set(err, EINVAL,
				 "the router stays in reach of isolated nodes; to cut one off from it: "
				 "bridge:partition(a, \"router\")");
	if (!set_isolated(bridge, member, true, err))
		return 0;
	bridge_drop_places(bridge, before);
	return -err->code;
}

int rules_unisolate(struct bridge *bridge, const char *name, struct error *err)
{
	struct member *member = bridge_find(bridge, name);

	return member ? set_isolated(bridge, member, false, err) : 0;
}

bool rules_is_isolated(const struct bridge *bridge, const char *name)
{
	const struct member *member = bridge_find(bridge, name);

	return member && wire_link(bridge->run->wire, rules_key(bridge, member, NULL)).isolated;
}

struct wire_link rules_medium(const struct bridge *bridge)
{
	return wire_link(bridge->run->wire, rules_key(bridge, NULL, NULL));
}

static void reset_link(const struct wire_key *key, const struct wire_link *link, void *context)
{
	struct sweep *sweep = context;
	struct wire_change change = { .key = *key, .link = { .isolated = link->isolated } };

	wire_note_link(sweep->wire, &sweep->changes, key, link);
	wire_change(&sweep->changes, &change);
}

int rules_reset(struct bridge *bridge, struct error *err)
{
	struct sweep sweep = { .wire = bridge->run->wire };

	wire_each_link(bridge->run->wire, bridge->number, reset_link, &sweep);
	if (heal_commit(bridge, &sweep.changes, err))
		return -err->code;
	wire_forget_dice(bridge->run->wire, bridge->number);
	return 0;
}

static void forget_link(const struct wire_key *key, const struct wire_link *link, void *context)
{
	struct sweep *sweep = context;
	struct wire_change change = { .key = *key };

	if (key->from != sweep->member->port && key->to != sweep->member->port)
		return;
	/* What was cut both ways is about the two names, wherever they are. */
	if (link->partition == WIRE_CUT || link->partition == WIRE_LIFTED)
		change.link.partition = link->partition;
	wire_note_link(sweep->wire, &sweep->changes, key, link);
	wire_change(&sweep->changes, &change);
}

void rules_forget_member(struct member *member)
{
	struct sweep sweep = { .wire = member->bridge->run->wire, .member = member };
	struct error ignored; /* only takes away, which needs no room */

	wire_each_link(sweep.wire, member->bridge->number, forget_link, &sweep);
	rules_commit(member->bridge, &sweep.changes, &ignored);
}

/* As the wire program decides it: see bpf/cut.h. Leaves in force what a frame really meets. */
static void decide(struct wire_link path[static WIRE_HOPS], bool router)
{
	if (path[WIRE_PAIR].partition != WIRE_OPEN || router)
		path[WIRE_MEDIUM].partition = WIRE_OPEN;
	if (path[WIRE_PAIR].partition == WIRE_LIFTED)
		path[WIRE_PAIR].partition = WIRE_OPEN;
	if (router)
		path[WIRE_ACCESS_OUT].isolated = path[WIRE_ACCESS_IN].isolated = false;
	path[WIRE_ACCESS_OUT].lifted = false;
}

/* All zero where nothing is said. Nobody sends a frame to itself. */
static void read_path(const struct bridge *bridge, const char *from, const char *to,
		      struct wire_link path[static WIRE_HOPS])
{
	const struct member *a = bridge_find(bridge, from), *b = bridge_find(bridge, to);
	const struct wire *wire = bridge->run->wire;

	memset(path, 0, WIRE_HOPS * sizeof(*path));
	if (strcmp(from, to) == 0)
		return;
	if (a)
		path[WIRE_ACCESS_OUT] = wire_link(wire, rules_key(bridge, a, NULL));
	path[WIRE_MEDIUM] = rules_medium(bridge);
	if (a && b)
		path[WIRE_PAIR] = wire_link(wire, rules_key(bridge, a, b));
	if (b)
		path[WIRE_ACCESS_IN] = wire_link(wire, rules_key(bridge, NULL, b));
	decide(path, (a && a->router) || (b && b->router));
}

bool rules_is_partitioned(const struct bridge *bridge, const char *from, const char *to)
{
	struct wire_link path[WIRE_HOPS];

	read_path(bridge, from, to, path);
	return path[WIRE_MEDIUM].partition != WIRE_OPEN || path[WIRE_PAIR].partition != WIRE_OPEN;
}

size_t rules_path(const struct bridge *bridge, const char *from, const char *to,
		  struct path_link links[static WIRE_HOPS])
{
	struct wire_link path[WIRE_HOPS];
	size_t count = 0;

	read_path(bridge, from, to, path);
	for (size_t i = 0; i < WIRE_HOPS; i++)
		if (!wire_is_nothing(&path[i]))
			links[count++] = (struct path_link){ .kind = wire_hops[i], .link = path[i] };
	return count;
}
