// SPDX-License-Identifier: GPL-2.0-only
/* All rules of a bridge as a list of tables, and back: what lua/lab_snapshot.lua keeps of it. */
#include <string.h>

#include "lab/rules.h"
#include "script/internal.h"

static void set_name(lua_State *L, const char *key, const char *name)
{
	lua_pushstring(L, name);
	lua_setfield(L, -2, key);
}

static void push_link(const struct named_link *named, void *context)
{
	lua_State *L = context;

	lua_createtable(L, 0, 8);
	set_name(L, "from", named->from);
	set_name(L, "to", named->to);
	script_set_count(L, "partition", named->link.partition);
	lua_pushboolean(L, named->link.isolated);
	lua_setfield(L, -2, "isolated");
	script_set_count(L, "loss_ppb", named->link.loss_ppb);
	script_set_count(L, "delay_ns", named->link.delay_ns);
	script_set_count(L, "rate_bps", named->link.rate_bps);
	script_set_count(L, "queue_ns", named->link.queue_ns);
	lua_rawseti(L, -2, luaL_len(L, -2) + 1);
}

/* rules(bridge) → list */
int script_native_rules(lua_State *L)
{
	lua_newtable(L);
	rules_each(script_open_bridge(L), push_link, L);
	return 1;
}

/* NULL: whatever there is at that end. */
static const char *get_name(lua_State *L, const char *key)
{
	const char *name;

	lua_getfield(L, -1, key);
	name = lua_isnil(L, -1) ? NULL : script_check_string(L, -1, key);
	lua_pop(L, 1); /* the table keeps it alive */
	return name;
}

static uint64_t get_count(lua_State *L, const char *key)
{
	lua_Integer value;

	lua_getfield(L, -1, key);
	value = luaL_checkinteger(L, -1);
	lua_pop(L, 1);
	return (uint64_t)value;
}

/* What is too much for the field becomes what is too much for the rule, which is then refused. */
static uint32_t get_small_count(lua_State *L, const char *key)
{
	uint64_t count = get_count(L, key);

	return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

/* set_rules(bridge, list) */
int script_native_set_rules(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	size_t count = script_check_list(L, 2, "rules", "a list of rules");
	struct named_link *links = lua_newuserdatauv(L, (count + 1) * sizeof(*links), 0);
	struct error err;

	memset(links, 0, (count + 1) * sizeof(*links));
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		script_check_table(L, -1, "rule");
		links[i].from = get_name(L, "from");
		links[i].to = get_name(L, "to");
		links[i].link.partition = (enum wire_partition)get_small_count(L, "partition");
		lua_getfield(L, -1, "isolated");
		links[i].link.isolated = lua_toboolean(L, -1);
		lua_pop(L, 1);
		links[i].link.loss_ppb = get_small_count(L, "loss_ppb");
		links[i].link.delay_ns = get_count(L, "delay_ns");
		links[i].link.rate_bps = get_count(L, "rate_bps");
		links[i].link.queue_ns = get_count(L, "queue_ns");
		lua_pop(L, 1);
	}
	return rules_replace(bridge, links, count, &err) ? script_raise(L, &err) : 0;
}
