// SPDX-License-Identifier: GPL-2.0-only
/* Ways out of a bridge: to other bridges, to the host's network, and from the host to a node. Methods of bridges. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#define PORTS "a port from 1 to 65535, a range like \"8000-8010\", or a list of these"

/* "8000-8010" */
static bool read_range(const char *text, struct host_ports *ports)
{
	unsigned int first, last;
	int end = 0;

	if (strspn(text, "0123456789-") != strlen(text) || sscanf(text, "%5u-%5u%n", &first, &last, &end) != 2 ||
	    text[end] || !first || first > last || last > MAX_PORT)
		return false;
	ports->first = (uint16_t)first;
	ports->last = (uint16_t)last;
	return true;
}

static struct host_ports check_ports(lua_State *L, int index, const char *argument, bool udp)
{
	struct host_ports ports = { .udp = udp };
	lua_Integer port = lua_isinteger(L, index) ? lua_tointeger(L, index) : 0;

	if (lua_type(L, index) == LUA_TSTRING && read_range(script_check_string(L, index, argument), &ports))
		return ports;
	if (lua_type(L, index) != LUA_TNUMBER || port < 1 || port > MAX_PORT)
		script_refuse(L, index, argument, PORTS);
	ports.first = ports.last = (uint16_t)port;
	return ports;
}

static struct host_ports *check_port_list(lua_State *L, int index, bool udp, size_t *count)
{
	bool is_list = lua_istable(L, index);
	struct host_ports *ports;
	char element[32];

	*count = is_list ? script_check_list(L, index, "port", PORTS) : 1;
	if (!*count)
		script_fail(L, "`port` is an empty list; " PORTS " is accepted");
	ports = lua_newuserdatauv(L, *count * sizeof(*ports), 0);
	if (!is_list)
		ports[0] = check_ports(L, index, "port", udp);
	for (size_t i = 0; is_list && i < *count; i++) {
		snprintf(element, sizeof(element), "port[%zu]", i + 1);
		lua_rawgeti(L, index, (lua_Integer)i + 1);
		ports[i] = check_ports(L, lua_gettop(L), element, udp);
		lua_pop(L, 1);
	}
	return ports;
}

static bool is_udp(lua_State *L, const char *protocol)
{
	if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
		script_fail(L, "`protocol` is \"%s\"; \"tcp\" or \"udp\" is accepted", protocol);
	return strcmp(protocol, "udp") == 0;
}

/* allow_host({port=, protocol=}) → the host's address, or nil as long as there is no uplink */
int script_bridge_allow_host(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	const char *protocol = "tcp";
	int port;
	const struct option keys[] = {
		{ "port", OPTION_VALUE, &port },
		{ "protocol", OPTION_STRING, &protocol },
	};
	char text[ADDRESS_TEXT_SIZE];
	struct address address;
	struct host_ports *ports;
	struct error err;
	size_t count;

	SCRIPT_READ_OPTIONS(L, 2, keys);
	if (lua_isnil(L, port))
		return script_fail(L, "`port` is missing; it is that of a service of this machine: "
				      "bridge:allow_host({port = 5432})");
	ports = check_port_list(L, port, is_udp(L, protocol), &count);
	if (router_allow_host(bridge, ports, count, &err))
		return script_raise(L, &err);
	if (router_host_address(bridge, &address))
		lua_pushstring(L, address_text(&address, text));
	else
		lua_pushnil(L);
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
