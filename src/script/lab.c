// SPDX-License-Identifier: GPL-2.0-only
/* Labs: `provium`, and its sub-labs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lab/run.h"
#include "script/internal.h"
#include "util/clock.h"
#include "util/interrupt.h"
#include "util/wait.h"

#define BOOT_TIMEOUT_NS (120 * NS_PER_S)
#define MAX_SEED	0x1p53 /* every whole number below it is exact as a Lua float too */

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

static int lab_vm(lua_State *L)
{
	struct lab *lab = check_lab(L);
	const char *name = script_check_string(L, 2, "name");
	int options_index = lua_istable(L, 3) ? 3 : 4;
	struct machine_options options = { 0 };
	struct machine *machine;
	const char *profile;
	struct error err;

	if (lua_isnoneornil(L, 3) && lua_isnoneornil(L, 4)) {
		machine = lab_find_machine(lab, name);
		if (!machine)
			return script_fail(L,
					   "no vm named `%s` in this lab; make one by naming its profile: "
					   "provium:vm(\"%s\", \"netns\")",
					   name, name);
		script_push_object(L, &script_class_vm, machine);
		return 1;
	}
	profile = lua_isnil(L, 3) || options_index == 3 ? "netns" : script_check_string(L, 3, "profile");
	if (!lua_isnoneornil(L, options_index))
		script_read_machine_options(L, options_index, &options, NULL);
	if (machine_new(lab, name, profile, &options, &machine, &err)) {
		machine_options_free(&options);
		return script_raise(L, &err);
	}
	script_push_object(L, &script_class_vm, machine);
	return 1;
}

static int lab_bridge(lua_State *L)
{
	struct lab *lab = check_lab(L);
	const char *name = script_check_string(L, 2, "name");
	struct bridge *bridge = lab_find_bridge(lab, name);
	struct bridge_options options = { 0 };
	uint64_t mtu = 0;
	const struct option keys[] = {
		{ "subnet", OPTION_STRING, &options.subnet },
		{ "subnet6", OPTION_STRING, &options.subnet6 },
		{ "mtu", OPTION_INTEGER, &mtu, .limit = UINT16_MAX },
		{ "offload", OPTION_BOOL, &options.offload },
	};
	struct error err;

	if (!lua_isnoneornil(L, 3))
		SCRIPT_READ_OPTIONS(L, 3, keys);
	options.mtu = (uint32_t)mtu;
	if ((!bridge || !lua_isnoneornil(L, 3)) && bridge_new(lab, name, &options, &bridge, &err))
		return script_raise(L, &err);
	script_push_object(L, &script_class_bridge, bridge);
	return 1;
}

static uint64_t read_timeout(lua_State *L, int index, uint64_t otherwise)
{
	uint64_t timeout_ns = otherwise;
	const struct option keys[] = {
		{ "timeout", OPTION_QUANTITY, &timeout_ns, .quantity = QUANTITY_DURATION },
	};

	if (!lua_isnoneornil(L, index))
		SCRIPT_READ_OPTIONS(L, index, keys);
	return timeout_ns;
}

/* Those that can be booted now: a lab is often booted again after more nodes were made. */
static int lab_boot(lua_State *L)
{
	struct lab *lab = check_lab(L);
	uint64_t timeout_ns = read_timeout(L, 2, BOOT_TIMEOUT_NS);
	struct machine **list = lua_newuserdatauv(L, (lab->machine_count + 1) * sizeof(*list), 0);
	size_t count = 0;

	for (size_t i = 0; i < lab->machine_count; i++)
		if (machine_state(lab->machines[i]) == MACHINE_CREATED)
			list[count++] = lab->machines[i];
	script_vm_boot_all(L, list, count, timeout_ns);
	lua_pushvalue(L, 1);
	return 1;
}

static int lab_shutdown(lua_State *L)
{
	struct lab *lab = check_lab(L);

	machines_shutdown(lab->machines, lab->machine_count);
	return 0;
}

static int lab_seed(lua_State *L)
{
	struct lab *lab = check_lab(L);
	int good = 0;
	lua_Integer seed;

	if (lua_isnoneornil(L, 2)) {
		lua_pushinteger(L, (lua_Integer)lab->run->seed);
		return 1;
	}
	seed = lua_type(L, 2) == LUA_TNUMBER ? lua_tointegerx(L, 2, &good) : 0;
	if (!good || seed < 0 || (double)seed >= MAX_SEED)
		return script_refuse(L, 2, "seed", "a whole number from 0 to 2^53 - 1");
	run_set_seed(lab->run, (uint64_t)seed);
	return 0;
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

/* Nodes, bridges and sub-labs, in the order in which they were made. */
static int lab_members(lua_State *L)
{
	struct lab *lab = check_lab(L);

	lua_newtable(L);
	for (size_t i = 0; i < lab->machine_count; i++) {
		script_push_object(L, &script_class_vm, lab->machines[i]);
		lua_rawseti(L, -2, luaL_len(L, -2) + 1);
	}
	for (size_t i = 0; i < lab->bridge_count; i++) {
		script_push_object(L, &script_class_bridge, lab->bridges[i]);
		lua_rawseti(L, -2, luaL_len(L, -2) + 1);
	}
	for (size_t i = 0; i < lab->lab_count; i++) {
		script_push_object(L, &script_class_lab, lab->labs[i]);
		lua_rawseti(L, -2, luaL_len(L, -2) + 1);
	}
	return 1;
}

static int lab_lab(lua_State *L)
{
	struct lab *lab = check_lab(L), *sub;
	const char *name = lua_isnoneornil(L, 2) ? NULL : script_check_string(L, 2, "name");
	struct error err;

	if (lab_sub(lab, name, &sub, &err))
		return script_raise(L, &err);
	script_push_object(L, &script_class_lab, sub);
	return 1;
}

/* What is done with a thing that a lab may hold, by its kind. */
struct holding {
	int (*machine)(struct lab *lab, struct machine *machine, struct error *err);
	int (*bridge)(struct lab *lab, struct bridge *bridge, struct error *err);
	int (*lab)(struct lab *lab, struct lab *other, struct error *err);
};

static int change_holding(lua_State *L, const struct holding *holding)
{
	struct lab *lab = check_lab(L);
	struct machine *machine = script_test_object(L, 2, &script_class_vm);
	struct bridge *bridge = script_test_object(L, 2, &script_class_bridge);
	struct lab *other = script_test_object(L, 2, &script_class_lab);
	struct error err;

	if (!machine && !bridge && !other)
		return script_refuse(L, 2, "what", "a node, a bridge or a lab");
	if ((machine && holding->machine(lab, machine, &err)) || (bridge && holding->bridge(lab, bridge, &err)) ||
	    (other && holding->lab(lab, other, &err)))
		return script_raise(L, &err);
	return 0;
}

static int lab_include(lua_State *L)
{
	static const struct holding include = { lab_include_machine, lab_include_bridge, lab_include_lab };

	return change_holding(L, &include);
}

static int lab_remove(lua_State *L)
{
	static const struct holding exclude = { lab_remove_machine, lab_remove_bridge, lab_remove_lab };

	return change_holding(L, &exclude);
}

static int lab_name(lua_State *L)
{
	lua_pushstring(L, check_lab(L)->name);
	return 1;
}

static int lab_sleep(lua_State *L)
{
	uint64_t duration_ns;
	struct error err;

	check_lab(L);
	duration_ns = script_check_quantity(L, 2, "duration", QUANTITY_DURATION);
	return wait_sleep(duration_ns, &err) ? script_raise(L, &err) : 0;
}

static int lab_close_method(lua_State *L)
{
	struct lab *lab = check_lab(L);
	struct error err;

	if (lab == script_of(L)->root)
		return script_fail(L, "the lab of the file closes by itself; only a sub-lab can be closed");
	if (lab->parent && lab_remove_lab(lab->parent, lab, &err))
		return script_raise(L, &err);
	return 0;
}

static int push_setting(lua_State *L, const char *key)
{
	struct script *script = script_of(L);

	if (strcmp(key, "timeout") == 0)
		lua_pushnumber(L, (double)script->timeout_ns / (double)NS_PER_S);
	else if (strcmp(key, "reset_between_tests") == 0)
		lua_pushboolean(L, script->reset_between_tests);
	else
		return 0;
	return 1;
}

/* provium.NAME: a method, a setting, a node, a bridge, else nil. */
static int lab_index(lua_State *L)
{
	struct lab *lab = check_lab(L);
	struct machine *machine;
	struct bridge *bridge;
	const char *key;

	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	key = lua_tostring(L, 2);
	script_push_methods(L, &script_class_lab);
	if (lua_getfield(L, -1, key) != LUA_TNIL)
		return 1;
	if (push_setting(L, key))
		return 1;
	machine = lab_find_machine(lab, key);
	bridge = lab_find_bridge(lab, key);
	if (machine)
		script_push_object(L, &script_class_vm, machine);
	else if (bridge)
		script_push_object(L, &script_class_bridge, bridge);
	else
		lua_pushnil(L);
	return 1;
}

/* Of every later test; and of what the file does outside of tests, if that is where the script is. */
static void set_timeout(struct script *script, uint64_t timeout_ns)
{
	struct interrupt_limit none = { 0 }, limit;

	script->timeout_ns = timeout_ns;
	if (script->root->depth > 0)
		return;
	limit = interrupt_swap_limit(none);
	if (limit.left_ns)
		limit.left_ns = limit.whole_ns = timeout_ns;
	interrupt_swap_limit(limit);
}

static int lab_newindex(lua_State *L)
{
	struct script *script = script_of(L);
	const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	uint64_t timeout_ns;

	check_lab(L);
	if (strcmp(key, "timeout") == 0) {
		timeout_ns = script_check_quantity(L, 3, "provium.timeout", QUANTITY_DURATION);
		if (!timeout_ns)
			return script_refuse(L, 3, "provium.timeout", "a duration of more than 0");
		set_timeout(script, timeout_ns);
	} else if (strcmp(key, "reset_between_tests") == 0) {
		if (lua_type(L, 3) != LUA_TBOOLEAN)
			return script_refuse(L, 3, "provium.reset_between_tests", "true or false");
		script->reset_between_tests = lua_toboolean(L, 3);
	} else {
		return script_fail(L, "provium.%s cannot be set; the keys are: timeout, reset_between_tests", key);
	}
	return 0;
}

static int lab_tostring(lua_State *L)
{
	struct lab *lab = check_lab(L);

	lua_pushfstring(L, "lab %s", *lab->name ? lab->name : "provium");
	return 1;
}

static const struct script_function methods[] = {
	{ "vm", lab_vm, 3 },
	{ "bridge", lab_bridge, 2 },
	{ "boot", lab_boot, 1 },
	{ "shutdown", lab_shutdown, 0 },
	{ "seed", lab_seed, 1 },
	{ "vm_names", lab_vm_names, 0 },
	{ "bridge_names", lab_bridge_names, 0 },
	{ "members", lab_members, 0 },
	{ "lab", lab_lab, 1 },
	{ "include", lab_include, 1 },
	{ "remove", lab_remove, 1 },
	{ "path", script_lab_path, 2 },
	{ "name", lab_name, 0 },
	{ "sleep", lab_sleep, 1 },
	{ "close", lab_close_method, 0 },
	{ NULL },
};

static const luaL_Reg metamethods[] = {
	{ "__index", lab_index },
	{ "__newindex", lab_newindex },
	{ "__tostring", lab_tostring },
	{ NULL, NULL },
};

static void ref_lab(void *lab)
{
	lab_ref(lab);
}

static void unref_lab(void *lab)
{
	lab_unref(lab);
}

const struct script_class script_class_lab = {
	.type = "provium.lab",
	.name = "provium",
	.methods = methods,
	.metamethods = metamethods,
	.ref = ref_lab,
	.unref = unref_lab,
};
