// SPDX-License-Identifier: GPL-2.0-only
/* What became of the frames of a pair, and what its frames meet on their way. Methods of bridges. */
#include <math.h>
#include <stdlib.h>

#include "lab/losses.h"
#include "lab/router.h"
#include "lab/rules.h"
#include "lab/run.h"
#include "script/internal.h"
#include "wire/wire.h"

const struct script_record script_record_counters = { .type = "provium.counters", .name = "counters" };
const struct script_record script_record_dropped = { .type = "provium.dropped", .name = "dropped" };
const struct script_record script_record_path = { .type = "provium.path", .name = "path" };

static void push_counters(lua_State *L, const struct wire_counters *counters)
{
	lua_newtable(L);
	script_set_count(L, "packets", counters->packets);
	script_set_count(L, "bytes", counters->bytes);
	script_set_count(L, "delayed", counters->delayed);
	script_set_count(L, "held", counters->held);
	lua_newtable(L);
	for (enum wire_verdict verdict = WIRE_DELIVERED + 1; verdict < WIRE_VERDICTS; verdict++)
		script_set_count(L, wire_verdict_name(verdict), wire_frames(counters, verdict));
	script_set_record(L, &script_record_dropped);
	lua_setfield(L, -2, "dropped");
	script_set_record(L, &script_record_counters);
}

/* A name that was never on the bridge would count nothing for ever: more likely a slip of the pen than a question. */
static struct member *check_place(lua_State *L, struct bridge *bridge, int index, const char *argument)
{
	struct party party = script_check_party(L, index, argument);
	struct member *member = bridge_find(bridge, party.name);

	if (!member)
		script_fail(L, "`%s` was never attached to bridge `%s`; use bridge:attach(\"%s\")", party.name,
			    bridge->name, party.name);
	return member;
}

/* What the bridge did not take from a sender, nobody got. */
static struct wire_counters with_refused(const struct bridge *bridge, struct wire_key key, struct wire_counters pair)
{
	key.to = 0;
	pair.dropped_error += wire_counters(bridge->run->wire, key).dropped_error;
	return pair;
}

struct pairs {
	lua_State *L;
	const struct bridge *bridge;
};

static void push_pair(const struct wire_key *key, const struct wire_counters *counters, void *context)
{
	struct pairs *pairs = context;
	lua_State *L = pairs->L;
	struct wire_counters all;

	if (!key->from || !key->to)
		return;
	all = with_refused(pairs->bridge, *key, *counters);
	push_counters(L, &all);
	lua_pushstring(L, pairs->bridge->members[key->from - 1]->name);
	lua_setfield(L, -2, "from");
	lua_pushstring(L, pairs->bridge->members[key->to - 1]->name);
	lua_setfield(L, -2, "to");
	lua_rawseti(L, -2, luaL_len(L, -2) + 1);
}

int script_bridge_counters(lua_State *L)
{
	struct bridge *bridge = script_check_object(L, 1, &script_class_bridge);
	struct pairs pairs = { .L = L, .bridge = bridge };
	struct wire_counters counters;
	struct wire_key key = { .bridge = bridge->number };
	struct error err;

	if (losses_check_counted(bridge->run, &err))
		script_raise(L, &err);
	if (lua_isnoneornil(L, 2) && lua_isnoneornil(L, 3)) {
		lua_newtable(L);
		wire_each_counters(bridge->run->wire, bridge->number, push_pair, &pairs);
		return 1;
	}
	key.from = check_place(L, bridge, 2, "a")->port;
	key.to = check_place(L, bridge, 3, "b")->port;
	counters = with_refused(bridge, key, wire_counters(bridge->run->wire, key));
	push_counters(L, &counters);
	return 1;
}

static void set_number(lua_State *L, const char *key, double value)
{
	lua_pushnumber(L, value);
	lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, key);
}

static void push_link(lua_State *L, const struct bridge *bridge, const struct path_link *step)
{
	lua_newtable(L);
	lua_pushstring(L, step->kind);
	lua_setfield(L, -2, "link");
	lua_pushstring(L, bridge->name);
	lua_setfield(L, -2, "bridge");
	set_number(L, "latency_ms", (double)step->link.delay_ns / 1e6);
	set_number(L, "drop_rate_pct", (double)step->link.loss_ppb / 1e7);
	script_set_count(L, "bandwidth_bps", step->link.rate_bps);
	set_number(L, "queue_ms", (double)step->link.queue_ns / 1e6);
	set_flag(L, "partitioned", step->link.partition != WIRE_OPEN);
	set_flag(L, "isolated", step->link.isolated);
	script_set_record(L, &script_record_path);
}

/* Delays add up, losses are independent, the narrowest rate wins. */
struct path_sum {
	double delay_ns, survival;
	uint64_t rate_bps;
	bool partitioned, isolated;
};

/* Adds what a frame meets on one bridge to the table on top of the stack. */
static void add_links(lua_State *L, const struct bridge *bridge, const struct member *from, const struct member *to,
		      struct path_sum *sum)
{
	struct path_link links[WIRE_HOPS];
	size_t count = rules_path(bridge, from->name, to->name, links);

	for (size_t i = 0; i < count; i++) {
		const struct wire_link *link = &links[i].link;

		push_link(L, bridge, &links[i]);
		lua_rawseti(L, -2, luaL_len(L, -2) + 1);
		sum->delay_ns += (double)link->delay_ns;
		sum->survival *= 1 - (double)link->loss_ppb / 1e9;
		if (link->rate_bps && (!sum->rate_bps || link->rate_bps < sum->rate_bps))
			sum->rate_bps = link->rate_bps;
		sum->isolated |= link->isolated;
		sum->partitioned |= link->partition != WIRE_OPEN;
	}
}

static int set_sum(lua_State *L, const struct path_sum *sum)
{
	set_number(L, "latency_ms", sum->delay_ns / 1e6);
	/* So that 5 % of a single link are 5, and not 5.0000000000000044. */
	set_number(L, "drop_rate_pct", round((1 - sum->survival) * 1e12) / 1e10);
	script_set_count(L, "bandwidth_bps", sum->rate_bps);
	set_flag(L, "partitioned", sum->partitioned);
	set_flag(L, "isolated", sum->isolated);
	script_set_record(L, &script_record_path);
	return 1;
}

int script_bridge_path(lua_State *L)
{
	struct bridge *bridge = script_check_object(L, 1, &script_class_bridge);
	const struct member *from = check_place(L, bridge, 2, "a"), *to = check_place(L, bridge, 3, "b");
	struct path_sum sum = { .survival = 1 };

	lua_newtable(L);
	add_links(L, bridge, from, to, &sum);
	return set_sum(L, &sum);
}

static struct machine *check_machine(lua_State *L, int index, const char *argument)
{
	struct lab *lab = script_check_object(L, 1, &script_class_lab);
	struct party party = script_check_party(L, index, argument);
	struct machine *machine = party.machine ? party.machine : lab_find_machine(lab, party.name);

	if (!machine)
		script_fail(L, "no vm named `%s` in this lab", party.name);
	return machine;
}

/* Where a frame from one to the other leaves and arrives: on one bridge, or on two that are joined. */
static bool find_way(const struct machine *a, const struct machine *b, struct member **out, struct member **in)
{
	struct member **from, **to;
	size_t from_count = machine_members(a, &from), to_count = machine_members(b, &to);
	bool found = false;

	for (int routed = 0; routed < 2 && !found; routed++) {
		for (size_t i = 0; i < from_count * to_count && !found; i++) {
			*out = from[i / to_count];
			*in = to[i % to_count];
			found = routed ? router_is_joined((*out)->bridge, (*in)->bridge)
				       : (*out)->bridge == (*in)->bridge;
		}
	}
	free(from);
	free(to);
	return found;
}

/* provium:path(a, c): the same across bridges. */
int script_lab_path(lua_State *L)
{
	struct machine *a = check_machine(L, 2, "a"), *b = check_machine(L, 3, "b");
	struct path_sum sum = { .survival = 1 };
	struct member *out = NULL, *in = NULL;

	if (!find_way(a, b, &out, &in))
		return script_fail(
			L,
			"there is no way from `%s` to `%s`: they share no bridge, and bridge:route(other) joins "
			"none of theirs",
			a->name, b->name);
	lua_newtable(L);
	if (out->bridge == in->bridge) {
		add_links(L, out->bridge, out, in, &sum);
		return set_sum(L, &sum);
	}
	add_links(L, out->bridge, out, out->bridge->members[0], &sum);
	add_links(L, in->bridge, in->bridge->members[0], in, &sum);
	return set_sum(L, &sum);
}
