// SPDX-License-Identifier: GPL-2.0-only
/* What a lab holds: its names, and what is shared with it or taken out of it. Further methods of labs. */
#include <stdlib.h>
#include <string.h>

#include "script/internal.h"

static struct lab *check_lab(lua_State *L)
{
	return script_check_object(L, 1, &script_class_lab);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void script_push_names(lua_State *L, const char **names, size_t count)
{
	if (count)
		qsort(names, count, sizeof(*names), by_text);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushstring(L, names[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static int lab_vm_names(lua_State *L)
{
	struct lab *lab = check_lab(L);
	const char **names = lua_newuserdatauv(L, (lab->machine_count + 1) * sizeof(*names), 0);

	for (size_t i = 0; i < lab->machine_count; i++)
		names[i] = lab->machines[i]->name;
	script_push_names(L, names, lab->machine_count);
	return 1;
}

static int lab_bridge_names(lua_State *L)
{
	struct lab *lab = check_lab(L);
	const char **names = lua_newuserdatauv(L, (lab->bridge_count + 1) * sizeof(*names), 0);

	for (size_t i = 0; i < lab->bridge_count; i++)
		names[i] = lab->bridges[i]->name;
	script_push_names(L, names, lab->bridge_count);
	return 1;
}

static int lab_sub_lab_names(lua_State *L)
{
	struct lab *lab = check_lab(L);
	const char **names = lua_newuserdatauv(L, (lab->lab_count + 1) * sizeof(*names), 0);

	for (size_t i = 0; i < lab->lab_count; i++)
		names[i] = lab->labs[i]->name;
	script_push_names(L, names, lab->lab_count);
	return 1;
}

const struct script_record script_record_member = { .type = "provium.member", .name = "member" };

/* Adds {kind, name, object} for each of the sorted names on top of the stack to the list below them, and takes them off. */
static void add_members(lua_State *L, const struct lab *lab, const char *kind,
			void (*push)(lua_State *L, const struct lab *lab, const char *name))
{
	lua_Integer count = luaL_len(L, -1);

	for (lua_Integer i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		lua_createtable(L, 0, 3);
		lua_pushstring(L, kind);
		lua_setfield(L, -2, "kind");
		push(L, lab, lua_tostring(L, -2));
		lua_setfield(L, -2, "object");
		lua_insert(L, -2);
		lua_setfield(L, -2, "name");
		script_set_record(L, &script_record_member);
		lua_rawseti(L, -3, luaL_len(L, -3) + 1);
	}
	lua_pop(L, 1);
}

static void push_vm(lua_State *L, const struct lab *lab, const char *name)
{
	script_push_object(L, &script_class_vm, lab_find_machine(lab, name));
}

static void push_bridge(lua_State *L, const struct lab *lab, const char *name)
{
	script_push_object(L, &script_class_bridge, lab_find_bridge(lab, name));
}

static void push_lab(lua_State *L, const struct lab *lab, const char *name)
{
	script_push_object(L, &script_class_lab, lab_find_sub(lab, name));
}

static int lab_members(lua_State *L)
{
	struct lab *lab = check_lab(L);

	lua_newtable(L);
	lab_vm_names(L);
	lua_remove(L, -2);
	add_members(L, lab, "vm", push_vm);
	lab_bridge_names(L);
	lua_remove(L, -2);
	add_members(L, lab, "bridge", push_bridge);
	lab_sub_lab_names(L);
	lua_remove(L, -2);
	add_members(L, lab, "lab", push_lab);
	return 1;
}

/* One thing that a lab may hold; all NULL if the value is none. */
struct thing {
	struct machine *machine;
	struct bridge *bridge;
	struct lab *lab;
	bool is_new; /* for include_list() */
};

static struct thing test_thing(lua_State *L, int index)
{
	return (struct thing){
		.machine = script_test_object(L, index, &script_class_vm),
		.bridge = script_test_object(L, index, &script_class_bridge),
		.lab = script_test_object(L, index, &script_class_lab),
	};
}

static bool is_thing(const struct thing *thing)
{
	return thing->machine || thing->bridge || thing->lab;
}

static bool holds(const struct lab *lab, const struct thing *thing)
{
	return (thing->machine && lab_find_machine(lab, thing->machine->name) == thing->machine) ||
	       (thing->bridge && lab_find_bridge(lab, thing->bridge->name) == thing->bridge) ||
	       (thing->lab && lab_find_sub(lab, thing->lab->name) == thing->lab);
}

static int include(struct lab *lab, const struct thing *thing, struct error *err)
{
	if (thing->machine)
		return lab_include_machine(lab, thing->machine, err);
	return thing->bridge ? lab_include_bridge(lab, thing->bridge, err) : lab_include_lab(lab, thing->lab, err);
}

static int exclude(struct lab *lab, const struct thing *thing, struct error *err)
{
	if (thing->machine)
		return lab_remove_machine(lab, thing->machine, err);
	return thing->bridge ? lab_remove_bridge(lab, thing->bridge, err) : lab_remove_lab(lab, thing->lab, err);
}

/* All of the list, or none. What another lab shares with this one is held by the other, so it outlives being taken back. */
static int include_list(lua_State *L, struct lab *lab, struct thing *things, size_t count)
{
	struct error err, ignored;
	size_t done;

	for (done = 0; done < count; done++) {
		things[done].is_new = !holds(lab, &things[done]);
		if (include(lab, &things[done], &err))
			break;
	}
	if (done == count)
		return 0;
	for (size_t i = done; i-- > 0;)
		if (things[i].is_new)
			exclude(lab, &things[i], &ignored);
	if (count == 1)
		return script_raise(L, &err);
	return script_fail(L, "element %zu of the list: %s; nothing was included", done + 1, err.text);
}

static int lab_include(lua_State *L)
{
	struct lab *lab = check_lab(L);
	size_t count = lua_istable(L, 2) ? script_check_list(L, 2, "what", "a list of nodes, bridges and labs") : 1;
	struct thing *things = lua_newuserdatauv(L, (count + 1) * sizeof(*things), 0);

	things[0] = test_thing(L, 2);
	if (!lua_istable(L, 2) && !is_thing(&things[0]))
		return script_refuse(L, 2, "what", "a node, a bridge or a lab, or a list of such userdata,");
	for (size_t i = 0; i < count && lua_istable(L, 2); i++) {
		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		things[i] = test_thing(L, -1);
		if (!is_thing(&things[i]))
			return script_fail(L, "element %zu of the list is a %s; a node, a bridge or a lab is accepted",
					   i + 1, luaL_typename(L, -1));
		lua_pop(L, 1); /* the list keeps it alive */
	}
	return include_list(L, lab, things, count);
}

/* By its name, of which a lab may have three: a node goes first, then a bridge. */
static struct thing find_thing(const struct lab *lab, const char *name)
{
	struct thing thing = { .machine = lab_find_machine(lab, name) };

	if (!thing.machine)
		thing.bridge = lab_find_bridge(lab, name);
	if (!thing.machine && !thing.bridge)
		thing.lab = lab_find_sub(lab, name);
	return thing;
}

/* What is not there is removed already. */
static int lab_remove(lua_State *L)
{
	struct lab *lab = check_lab(L);
	const char *name = script_text(L, 2);
	struct thing thing = name ? find_thing(lab, name) : test_thing(L, 2);
	struct error err;

	if (!name && !is_thing(&thing))
		return script_refuse(L, 2, "what", "a node, a bridge or a lab, or the name of one,");
	if (holds(lab, &thing) && exclude(lab, &thing, &err))
		return script_raise(L, &err);
	return 0;
}

const struct script_function script_lab_members[] = {
	{ "vm_names", lab_vm_names, 0 },
	{ "bridge_names", lab_bridge_names, 0 },
	{ "sub_lab_names", lab_sub_lab_names, 0 },
	{ "members", lab_members, 0 },
	{ "include", lab_include, 1 },
	{ "remove", lab_remove, 1 },
	{ NULL },
};
