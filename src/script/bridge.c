// SPDX-License-Identifier: GPL-2.0-only
/* Bridges: who is on them. What is done to their traffic is in rules.c. */
#include <stdlib.h>
#include <string.h>

#include "script/internal.h"

/* Every element of a list is looked at before anything is attached. */
static int attach_list(lua_State *L, struct bridge *bridge)
{
	size_t count = script_check_list(L, 2, "node", "a list of nodes or their names"), bad = 0;
	struct party *parties = lua_newuserdatauv(L, (count + 1) * sizeof(*parties), 0);
	struct error err;

	for (size_t i = 0; i < count; i++) {
		struct machine *machine;

		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		machine = script_test_object(L, -1, &script_class_vm);
		if (!machine && lua_type(L, -1) != LUA_TSTRING)
			return script_fail(L,
					   "element %zu of the list is a %s; a node or the name of one is accepted; "
					   "nothing was attached",
					   i + 1, luaL_typename(L, -1));
		parties[i].machine = machine;
		parties[i].name = machine ? machine->name : script_check_string(L, -1, "node");
		lua_pop(L, 1); /* the list keeps it alive */
	}
	if (!bridge_attach(bridge, parties, count, &bad, &err))
		return 0;
	error_wrap(&err, "element %zu of the list", bad + 1);
	error_append(&err, "; nothing was attached");
	return script_raise(L, &err);
}

static int bridge_attach_method(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party party;
	struct error err;
	size_t bad;

	if (lua_istable(L, 2)) {
		attach_list(L, bridge);
	} else {
		party = script_check_party(L, 2, "node");
		if (bridge_attach(bridge, &party, 1, &bad, &err))
			return script_raise(L, &err);
	}
	lua_pushvalue(L, 1);
	return 1;
}

static int bridge_attach_device_method(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	const char *device = script_check_string(L, 2, "device"), *name = device;
	const struct option keys[] = { { "name", OPTION_STRING, &name } };
	struct error err;

	if (!lua_isnoneornil(L, 3))
		SCRIPT_READ_OPTIONS(L, 3, keys);
	if (bridge_attach_device(bridge, device, name, &err))
		return script_raise(L, &err);
	lua_pushvalue(L, 1);
	return 1;
}

static int bridge_detach_method(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party party = script_check_party(L, 2, "node");
	struct error err;

	if (bridge_detach(bridge, party.name, &err))
		return script_raise(L, &err);
	lab_refresh(bridge->home);
	return 0;
}

/* The router comes and goes by itself, and is nobody's member. */
static bool is_listed(const struct member *member)
{
	return member->attached && !member->router;
}

static int bridge_members(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	const char **names = lua_newuserdatauv(L, (bridge->member_count + 1) * sizeof(*names), 0);
	size_t count = 0;

	for (size_t i = 0; i < bridge->member_count; i++)
		if (is_listed(bridge->members[i]))
			names[count++] = bridge->members[i]->name;
	script_push_names(L, names, count);
	return 1;
}

static int bridge_nic(lua_State *L)
{
	struct bridge *bridge = script_open_bridge(L);
	struct party party = script_check_party(L, 2, "node");
	struct error err;
	struct member *member = bridge_place(bridge, party.name, &err);

	if (!member)
		return script_raise(L, &err);
	script_push_nic(L, member);
	return 1;
}

static int bridge_name(lua_State *L)
{
	struct bridge *bridge = script_check_object(L, 1, &script_class_bridge);

	lua_pushstring(L, bridge->name);
	return 1;
}

/* The subnets, as "10.1.0.0/16". */
static int push_subnet(lua_State *L, const struct address *subnet)
{
	char text[ADDRESS_TEXT_SIZE + 4];

	subnet_text(subnet, text);
	lua_pushstring(L, text);
	return 1;
}

static int bridge_subnet(lua_State *L)
{
	return push_subnet(L, &script_open_bridge(L)->subnet);
}

static int bridge_subnet6(lua_State *L)
{
	return push_subnet(L, &script_open_bridge(L)->subnet6);
}

/* Every lab that has it lets go of it. Safe twice. */
static int bridge_close_method(lua_State *L)
{
	struct bridge *bridge = script_check_object(L, 1, &script_class_bridge);
	struct error err;

	while (!bridge->closed && bridge->home)
		if (lab_remove_bridge(bridge->home, bridge, &err))
			return script_raise(L, &err);
	return 0;
}

static int bridge_tostring(lua_State *L)
{
	struct bridge *bridge = script_check_object(L, 1, &script_class_bridge);

	size_t count = 0;

	for (size_t i = 0; i < bridge->member_count; i++)
		count += is_listed(bridge->members[i]);
	lua_pushfstring(L, "bridge(%s; %d member(s))", bridge->name, (int)count);
	return 1;
}

static const struct script_function methods[] = {
	{ "attach_device", bridge_attach_device_method, 2 },
	{ "attach", bridge_attach_method, 1 },
	{ "detach", bridge_detach_method, 1 },
	{ "members", bridge_members, 0 },
	{ "nic", bridge_nic, 1 },
	{ "name", bridge_name, 0 },
	{ "subnet", bridge_subnet, 0 },
	{ "subnet6", bridge_subnet6, 0 },
	{ "close", bridge_close_method, 0 },
	{ NULL },
};

static const luaL_Reg metamethods[] = {
	{ "__tostring", bridge_tostring },
	{ NULL, NULL },
};

static void ref_bridge(void *bridge)
{
	bridge_ref(bridge);
}

static void unref_bridge(void *bridge)
{
	bridge_unref(bridge);
}

const struct script_class script_class_bridge = {
	.type = "provium.bridge",
	.name = "bridge",
	.methods = methods,
	.more_methods = script_bridge_rules,
	.metamethods = metamethods,
	.ref = ref_bridge,
	.unref = unref_bridge,
};
