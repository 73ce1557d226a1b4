// SPDX-License-Identifier: GPL-2.0-only
/* Ways out of a bridge: to other bridges, to the host's network, and from the host to a node. Methods of bridges. */
#include <stdlib.h>

#include "lab/router.h"
#include "script/internal.h"

#define MAX_PORT 65535

int script_bridge_enable_uplink(lua_State *L)
{
	struct error err;

	return router_enable_uplink(script_open_bridge(L), &err) ? script_raise(L, &err) : 0;
}

int script_bridge_disable_uplink(lua_State *L)
{
	struct error err;

	return router_disable_uplink(script_open_bridge(L), &err) ? script_raise(L, &err) : 0;
}

int script_bridge_has_uplink(lua_State *L)
{
	lua_pushboolean(L, router_has_uplink(script_open_bridge(L)));
	return 1;
}

static struct bridge *check_other(lua_State *L, int index)
{
	struct bridge *bridge = script_test_object(L, 1, &script_class_bridge);
	struct bridge *other = script_test_object(L, index, &script_class_bridge);

	if (!other && lua_type(L, index) == LUA_TSTRING) {
		other = lab_find_bridge(bridge->home, script_check_string(L, index, "other"));
		if (!other)
			script_fail(L, "no bridge named `%s` in this lab; make it with provium:bridge(\"%s\")",
				    lua_tostring(L, index), lua_tostring(L, index));
	}
	if (!other)
		script_refuse(L, index, "other", "a bridge, the name of one, or a list of them");
	if (other->closed)
		script_fail(L, "bridge `%s` is closed", other->name);
	return other;
}

/* A bridge or a list of them. */
static struct bridge **check_others(lua_State *L, size_t *count)
{
	bool is_list = lua_istable(L, 2);
	struct bridge **others;

	*count = is_list ? script_check_list(L, 2, "other", "a list of bridges or their names") : 1;
	if (!*count)
		script_fail(L, "argument `other` is an empty list; bridges or their names are accepted");
	others = lua_newuserdatauv(L, *count * sizeof(*others), 0);
	if (!is_list)
		others[0] = check_other(L, 2);
	for (size_t i = 0; is_list && i < *count; i++) {
		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		others[i] = check_other(L, lua_gettop(L));
		lua_pop(L, 1);
	}
	return others;
}

int script_bridge_route(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L), **others;
	struct error err;
	size_t count;

	others = check_others(L, &count);
	return router_join(bridge, others, count, &err) ? script_raise(L, &err) : 0;
}

int script_bridge_unroute(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L), **others;
	struct error err;
	size_t count;

	others = check_others(L, &count);
	return router_part(bridge, others, count, &err) ? script_raise(L, &err) : 0;
}

int script_bridge_routes(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L), **others;
	size_t count = router_joined(bridge, &others);
	const char **names = lua_newuserdatauv(L, (count + 1) * sizeof(*names), 0);

	for (size_t i = 0; i < count; i++)
		names[i] = others[i]->name;
	free(others);
	script_push_names(L, names, count);
	return 1;
}

/* publish(node, {port=, host_port=, address=}) → address, port */
int script_bridge_publish(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party party = script_check_party(L, 2, "node");
	const char *address = "127.0.0.1";
	uint64_t port = 0, host_port = 0;
	const struct option keys[] = {
		{ "port", OPTION_INTEGER, &port, .limit = MAX_PORT },
		{ "host_port", OPTION_INTEGER, &host_port, .limit = MAX_PORT },
		{ "address", OPTION_STRING, &address },
	};
	struct member *member;
	uint16_t used_port;
	struct error err;

	SCRIPT_READ_OPTIONS(L, 3, keys);
	if (!port)
		return script_fail(L,
				   "`port` is missing; it is the TCP port of the node: bridge:publish(a, {port=80})");
	member = bridge_attached(bridge, party.name, &err);
	used_port = (uint16_t)host_port;
	if (!member || router_publish(member, (uint16_t)port, address, &used_port, &err))
		return script_raise(L, &err);
	lua_pushstring(L, address);
	lua_pushinteger(L, used_port);
	return 2;
}
