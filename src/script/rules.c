// SPDX-License-Identifier: GPL-2.0-only
/* What a script does to the traffic of a bridge: partitions, isolation, impairments. Further methods of bridges. */
#include <stdio.h>

#include "lab/rules.h"
#include "script/internal.h"

struct bridge *script_open_bridge(lua_State *L)
{
	struct bridge *bridge = script_check_object(L, 1, &script_class_bridge);

	if (bridge->closed)
		script_fail(L, "bridge `%s` is closed; make a new one with provium:bridge(\"%s\")", bridge->name,
			    bridge->name);
	return bridge;
}

/* A node, a name, or a list of them. The names live as long as what this pushes. */
static struct name_list read_group(lua_State *L, int index, const char *argument)
{
	bool is_list = lua_istable(L, index);
	size_t count = is_list ? script_check_list(L, index, argument, "a list of nodes or their names") : 1;
	const char **names = lua_newuserdatauv(L, (count + 1) * sizeof(*names), 1);
	int keeper = lua_gettop(L) + 1;
	char element[32];

	/* Of the elements, whatever a finalizer does to the list meanwhile. */
	lua_createtable(L, (int)count, 0);
	lua_pushvalue(L, keeper);
	lua_setiuservalue(L, keeper - 1, 1);

	if (!count)
		script_fail(L, "argument `%s` is an empty list; nodes or their names are accepted", argument);
	if (!is_list)
		names[0] = script_check_party(L, index, argument).name;
	for (size_t i = 0; is_list && i < count; i++) {
		lua_rawgeti(L, index, (lua_Integer)i + 1);
		snprintf(element, sizeof(element), "%s[%zu]", argument, i + 1);
		names[i] = script_check_party(L, lua_gettop(L), element).name;
		lua_rawseti(L, keeper, (lua_Integer)i + 1);
	}
	return (struct name_list){ .names = names, .count = count };
}

static void check_groups(lua_State *L, struct name_list *group, struct name_list *others)
{
	/* Both before anything is pushed, which a missing argument would be taken for. */
	if (!lua_istable(L, 2))
		script_check_party(L, 2, "a");
	if (!lua_istable(L, 3))
		script_check_party(L, 3, "b");
	*group = read_group(L, 2, "a");
	*others = read_group(L, 3, "b");
}

/* {from=, to=} */
static void check_direction(lua_State *L, struct party *from, struct party *to)
{
	const struct option keys[] = {
		{ "from", OPTION_PARTY, from },
		{ "to", OPTION_PARTY, to },
	};

	SCRIPT_READ_OPTIONS(L, 2, keys);
	if (!from->name || !to->name)
		script_fail(L, "both `from` and `to` are needed: %s({from=a, to=b})",
			    lua_tostring(L, lua_upvalueindex(1)));
}

static bool is_direction(lua_State *L)
{
	if (!lua_istable(L, 2) || !lua_isnoneornil(L, 3))
		return false;
	if (lua_rawlen(L, 2) > 0)
		script_fail(L, "the second group is missing: %s({a, b}, {c, d}), or {from=a, to=b} for one way",
			    lua_tostring(L, lua_upvalueindex(1)));
	return true;
}

static int bridge_partition(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party from = { 0 }, to = { 0 };
	struct name_list group, others;
	struct error err;

	if (is_direction(L)) {
		check_direction(L, &from, &to);
		return rules_partition_one_way(bridge, from.name, to.name, &err) ? script_raise(L, &err) : 0;
	}
	check_groups(L, &group, &others);
	return rules_partition(bridge, &group, &others, &err) ? script_raise(L, &err) : 0;
}

static int bridge_unpartition(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party from = { 0 }, to = { 0 };
	struct name_list group, others;
	struct error err;

	if (is_direction(L)) {
		check_direction(L, &from, &to);
		return rules_unpartition_one_way(bridge, from.name, to.name, &err) ? script_raise(L, &err) : 0;
	}
	check_groups(L, &group, &others);
	return rules_unpartition(bridge, &group, &others, &err) ? script_raise(L, &err) : 0;
}

static int bridge_partition_all(lua_State *L)
{
	struct error err;

	return rules_partition_all(script_open_bridge(L), &err) ? script_raise(L, &err) : 0;
}

static int bridge_restore_all(lua_State *L)
{
	struct error err;

	return rules_restore_all(script_open_bridge(L), &err) ? script_raise(L, &err) : 0;
}

static int bridge_is_partitioned(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party from = script_check_party(L, 2, "a"), to = script_check_party(L, 3, "b");

	lua_pushboolean(L, rules_is_partitioned(bridge, from.name, to.name));
	return 1;
}

static int bridge_isolate(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party party = script_check_party(L, 2, "node");
	struct error err;

	return rules_isolate(bridge, party.name, &err) ? script_raise(L, &err) : 0;
}

static int bridge_unisolate(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party party = script_check_party(L, 2, "node");
	struct error err;

	return rules_unisolate(bridge, party.name, &err) ? script_raise(L, &err) : 0;
}

static int bridge_is_isolated(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party party = script_check_party(L, 2, "node");

	lua_pushboolean(L, rules_is_isolated(bridge, party.name));
	return 1;
}

static struct link_choice choice_of(const struct party *from, const struct party *to)
{
	return (struct link_choice){ .from = from->name, .to = to->name };
}

static int need_value(lua_State *L, bool given, const char *key)
{
	return given ? 0 : script_fail(L, "`%s` is missing; it is needed, with or without `from` and `to`", key);
}

static int bridge_add_latency(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party from = { 0 }, to = { 0 };
	uint64_t delay_ns = 0;
	bool given = false;
	const struct option keys[] = {
		{ "from", OPTION_PARTY, &from },
		{ "to", OPTION_PARTY, &to },
		{ "ms", OPTION_QUANTITY, &delay_ns, .quantity = QUANTITY_LATENCY, .given = &given },
		{ "jitter", OPTION_LATER },
		{ "distribution", OPTION_LATER },
		{ "reorder", OPTION_LATER },
	};
	struct error err;

	if (lua_istable(L, 2)) {
		SCRIPT_READ_OPTIONS(L, 2, keys);
		need_value(L, given, "ms");
	} else {
		delay_ns = script_check_quantity(L, 2, "ms", QUANTITY_LATENCY);
	}
	return rules_set_delay(bridge, choice_of(&from, &to), delay_ns, &err) ? script_raise(L, &err) : 0;
}

static int bridge_drop_rate(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party from = { 0 }, to = { 0 };
	uint64_t loss_ppb = 0;
	bool given = false;
	const struct option keys[] = {
		{ "from", OPTION_PARTY, &from },
		{ "to", OPTION_PARTY, &to },
		{ "p", OPTION_QUANTITY, &loss_ppb, .quantity = QUANTITY_PROBABILITY, .given = &given },
		{ "model", OPTION_LATER },
		{ "r", OPTION_LATER },
	};
	struct error err;

	if (lua_istable(L, 2)) {
		SCRIPT_READ_OPTIONS(L, 2, keys);
		need_value(L, given, "p");
	} else {
		loss_ppb = script_check_quantity(L, 2, "p", QUANTITY_PROBABILITY);
	}
	return rules_set_loss(bridge, choice_of(&from, &to), (uint32_t)loss_ppb, &err) ? script_raise(L, &err) : 0;
}

/* A time has its unit; anything else is bytes. */
static void read_queue(lua_State *L, int index, struct rate *rate)
{
	const char *text = script_text(L, index);
	bool is_number = lua_type(L, index) == LUA_TNUMBER;

	if (lua_isnil(L, index))
		return;
	/* Bare numbers are bytes, and "5m" is five minutes, as in all times. */
	rate->queue_kind = QUEUE_TIME;
	if (text && !units_is_bare(text) && units_from_string(QUANTITY_LATENCY, text, &rate->queue))
		return;
	rate->queue_kind = QUEUE_BYTES;
	if (text ? !units_from_string(QUANTITY_SIZE, text, &rate->queue)
		 : !is_number || !units_from_number(QUANTITY_SIZE, lua_tonumber(L, index), &rate->queue))
		script_refuse(L, index, "queue", "a time like \"100ms\" or a number of bytes like 64000 or \"64K\"");
}

static int bridge_bandwidth_limit(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party from = { 0 }, to = { 0 };
	struct rate rate = { 0 };
	bool given = false;
	int queue;
	const struct option keys[] = {
		{ "from", OPTION_PARTY, &from },
		{ "to", OPTION_PARTY, &to },
		{ "bps", OPTION_QUANTITY, &rate.bps, .quantity = QUANTITY_RATE, .given = &given },
		{ "queue", OPTION_VALUE, &queue },
	};
	struct error err;

	if (lua_istable(L, 2)) {
		SCRIPT_READ_OPTIONS(L, 2, keys);
		need_value(L, given, "bps");
		read_queue(L, queue, &rate);
	} else {
		rate.bps = script_check_quantity(L, 2, "bps", QUANTITY_RATE);
	}
	return rules_set_rate(bridge, choice_of(&from, &to), &rate, &err) ? script_raise(L, &err) : 0;
}

static int bridge_reset(lua_State *L)
{
	struct error err;

	return rules_reset(script_open_bridge(L), &err) ? script_raise(L, &err) : 0;
}

static int bridge_flush_method(lua_State *L)
{
	bridge_flush(script_open_bridge(L));
	return 0;
}

static int bridge_latency_ms(lua_State *L)
{
	lua_pushnumber(L, (double)rules_medium(script_open_bridge(L)).delay_ns / 1e6);
	return 1;
}

static int bridge_drop_rate_pct(lua_State *L)
{
	lua_pushnumber(L, (double)rules_medium(script_open_bridge(L)).loss_ppb / 1e7);
	return 1;
}

static int bridge_bandwidth_bps(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)rules_medium(script_open_bridge(L)).rate_bps);
	return 1;
}

const struct script_function script_bridge_rules[] = {
	{ "partition", bridge_partition, 2 },
	{ "unpartition", bridge_unpartition, 2 },
	{ "partition_all", bridge_partition_all, 0 },
	{ "restore_all", bridge_restore_all, 0 },
	{ "is_partitioned", bridge_is_partitioned, 2 },
	{ "isolate", bridge_isolate, 1 },
	{ "unisolate", bridge_unisolate, 1 },
	{ "is_isolated", bridge_is_isolated, 1 },
	{ "add_latency", bridge_add_latency, 1 },
	{ "add_directional_latency", bridge_add_latency, 1 },
	{ "drop_rate", bridge_drop_rate, 1 },
	{ "directional_drop_rate", bridge_drop_rate, 1 },
	{ "bandwidth_limit", bridge_bandwidth_limit, 1 },
	{ "reset", bridge_reset, 0 },
	{ "flush", bridge_flush_method, 0 },
	{ "latency_ms", bridge_latency_ms, 0 },
	{ "drop_rate_pct", bridge_drop_rate_pct, 0 },
	{ "bandwidth_bps", bridge_bandwidth_bps, 0 },
	{ "counters", script_bridge_counters, 2 },
	{ "path", script_bridge_path, 2 },
	{ "capture", script_bridge_capture, 1 },
	{ "wait_for", script_bridge_wait_for, 2 },
	{ "enable_uplink", script_bridge_enable_uplink, 0 },
	{ "disable_uplink", script_bridge_disable_uplink, 0 },
	{ "has_uplink", script_bridge_has_uplink, 0 },
	{ "allow_host", script_bridge_allow_host, 1 },
	{ "route", script_bridge_route, 1 },
	{ "unroute", script_bridge_unroute, 1 },
	{ "routes", script_bridge_routes, 0 },
	{ "publish", script_bridge_publish, 2 },
	{ NULL },
};
