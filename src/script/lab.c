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

#define MAX_SEED 0x1p53 /* every whole number below it is exact as a Lua float too */

static struct lab *check_lab(lua_State *L)
{
	return script_check_object(L, 1, &script_class_lab);
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

/* The machines of the lab and of all below it, in an array that Lua keeps. */
static struct machine **list_machines(lua_State *L, const struct lab *lab, size_t *count)
{
	struct machine **machines, **kept;

	*count = lab_machines(lab, &machines);
	kept = lua_newuserdatauv(L, (*count + 1) * sizeof(*kept), 0);
	if (*count)
		memcpy(kept, machines, *count * sizeof(*kept));
	free(machines);
	return kept;
}

/* Those that can be booted now: a lab is often booted again after more nodes were made. */
static int lab_boot(lua_State *L)
{
	struct lab *lab = check_lab(L);
	uint64_t timeout_ns = read_timeout(L, 2, MACHINE_BOOT_NS);
	size_t all, count = 0;
	struct machine **list = list_machines(L, lab, &all);

	for (size_t i = 0; i < all; i++)
		if (machine_is_down(list[i]))
			list[count++] = list[i];
	script_vm_boot_all(L, list, count, timeout_ns);
	lua_pushvalue(L, 1);
	return 1;
}

static int lab_shutdown(lua_State *L)
{
	size_t count;
	struct machine **machines = list_machines(L, check_lab(L), &count);

	machines_shutdown(machines, count);
	return 0;
}

static int lab_pause(lua_State *L)
{
	size_t count;
	struct machine **machines = list_machines(L, check_lab(L), &count);
	struct error err;

	return machines_pause(machines, count, &err) ? script_raise(L, &err) : 0;
}

static int lab_resume(lua_State *L)
{
	size_t count;
	struct machine **machines = list_machines(L, check_lab(L), &count);
	struct error err;

	return machines_resume(machines, count, &err) ? script_raise(L, &err) : 0;
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

static const char *name_of(const struct lab *lab)
{
	return *lab->name ? lab->name : "provium";
}

static int lab_name(lua_State *L)
{
	lua_pushstring(L, name_of(check_lab(L)));
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

/* provium.NAME: a method, a setting, a node, a bridge, a sub-lab, else nil. */
static int lab_index(lua_State *L)
{
	struct lab *lab = check_lab(L);
	struct machine *machine;
	struct bridge *bridge;
	struct lab *sub;
	const char *key = script_text(L, 2);

	if (!key)
		return 0;
	script_push_methods(L, &script_class_lab);
	if (lua_getfield(L, -1, key) != LUA_TNIL)
		return 1;
	if (push_setting(L, key))
		return 1;
	machine = lab_find_machine(lab, key);
	bridge = lab_find_bridge(lab, key);
	sub = lab_find_sub(lab, key);
	if (machine)
		script_push_object(L, &script_class_vm, machine);
	else if (bridge)
		script_push_object(L, &script_class_bridge, bridge);
	else if (sub)
		script_push_object(L, &script_class_lab, sub);
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
		return script_fail(
			L, "cannot set `provium.%s`; the keys that can be set are: reset_between_tests, timeout", key);
	}
	return 0;
}

static int lab_tostring(lua_State *L)
{
	struct lab *lab = check_lab(L);

	lua_pushfstring(L, "lab(%s; %d vm(s))", name_of(lab), (int)lab->machine_count);
	return 1;
}

static const struct script_function methods[] = {
	{ "vm", lab_vm, 3 },
	{ "bridge", lab_bridge, 2 },
	{ "boot", lab_boot, 1 },
	{ "shutdown", lab_shutdown, 0 },
	{ "pause", lab_pause, 0 },
	{ "resume", lab_resume, 0 },
	{ "snapshot", script_lab_snapshot, 1 },
	{ "restore", script_lab_restore, 1 },
	{ "seed", lab_seed, 1 },
	{ "lab", lab_lab, 1 },
	{ "path", script_lab_path, 2 },
	{ "claim", script_lab_claim, 1 },
	{ "barrier", script_lab_barrier, 3 },
	{ "depends_on_file", script_lab_depends_on_file, 1 },
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
	.more_methods = script_lab_members,
	.functions = script_lab_functions,
	.absent = script_lab_absent,
	.metamethods = metamethods,
	.ref = ref_lab,
	.unref = unref_lab,
};
