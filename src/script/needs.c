// SPDX-License-Identifier: GPL-2.0-only
/* What a file says that it needs, and words of the original of this tool that are here for its scripts. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "script/internal.h"

/* A file runs in a process of its own, and so says for itself alone what it needs: once, and nothing is set aside. */
int script_lab_claim(lua_State *L)
{
	struct script *script = script_of(L);
	uint64_t cpus = 0, memory = 0, memory_here, cpus_here;
	const struct option keys[] = {
		{ "cpus", OPTION_INTEGER, &cpus, .limit = INT_MAX },
		{ "memory", OPTION_QUANTITY, &memory, .quantity = QUANTITY_SIZE },
	};

	script_check_object(L, 1, &script_class_lab);
	SCRIPT_READ_OPTIONS(L, 2, keys);
	if (script->claimed)
		return script_fail(L, "claim already taken; a file makes one");
	memory_here = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	cpus_here = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	if (memory > memory_here)
		return script_fail(L, "`memory` is %llu MiB and exceeds pool total: this machine has %llu MiB",
				   (unsigned long long)(memory >> 20), (unsigned long long)(memory_here >> 20));
	if (cpus > cpus_here)
		return script_fail(L, "`cpus` is %llu and exceeds pool total: this machine has %llu",
				   (unsigned long long)cpus, (unsigned long long)cpus_here);
	script->claimed = true;
	return 0;
}

/* barrier(name, count, timeout?): nobody else can come to it, so whether it opens is known without waiting. */
int script_lab_barrier(lua_State *L)
{
	int good = 0;
	lua_Integer count = lua_type(L, 3) == LUA_TNUMBER ? lua_tointegerx(L, 3, &good) : 0;

	script_check_object(L, 1, &script_class_lab);
	script_check_string(L, 2, "name");
	if (!good || count < 1)
		return script_refuse(L, 3, "count", "a whole number (int) of 1 or more");
	script_opt_quantity(L, 4, "timeout", QUANTITY_DURATION, 0);
	lua_pushboolean(L, count == 1);
	return 1;
}

/* Of a cache of prepared guests, which is not kept here. */
int script_lab_depends_on_file(lua_State *L)
{
	script_check_object(L, 1, &script_class_lab);
	script_check_string(L, 2, "path");
	return 0;
}

/* Called with a dot or a colon: the lab, if it is there, says nothing. */
static int call_string(lua_State *L, const char *name)
{
	if (script_test_object(L, 1, &script_class_lab))
		lua_remove(L, 1);
	lua_getglobal(L, "string");
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

static int lab_pack(lua_State *L)
{
	return call_string(L, "pack");
}

static int lab_unpack(lua_State *L)
{
	return call_string(L, "unpack");
}

static int refuse_fixture(lua_State *L)
{
	return script_fail(L, "prepared guests are not kept; put what the fixture does into a module that boots and "
			      "prepares the node, and require() it: see docs/porting.md");
}

static int refuse_agent(lua_State *L)
{
	return script_fail(L, "not here: read_file(), write_file() and programs in the node (dd, date, python3) do it; "
			      "see docs/porting.md");
}

static int refuse_count(lua_State *L)
{
	return script_fail(L, "not here: snapshot() says what is in its way; see docs/porting.md");
}

static int refuse_button(lua_State *L)
{
	return script_fail(L, "not here, for few guests hear it: use run_async(\"poweroff\"), after which state() is "
			      "\"dead\"");
}

const struct script_function script_vm_absent[] = {
	{ "open_file", refuse_agent, 4 },
	{ "fd_stream", refuse_agent, 4 },
	{ "clock", refuse_agent, 4 },
	{ "disk", refuse_agent, 4 },
	{ "attach_disk", refuse_agent, 4 },
	{ "syscall", refuse_agent, 4 },
	{ "ioctl", refuse_agent, 4 },
	{ "spawn_worker", refuse_agent, 4 },
	{ "is_quiescent", refuse_count, 4 },
	{ "open_file_count", refuse_count, 4 },
	{ "open_stream_count", refuse_count, 4 },
	{ "power_button", refuse_button, 4 },
	{ NULL },
};

const struct script_function script_lab_functions[] = {
	{ "pack", lab_pack, INT_MAX },
	{ "unpack", lab_unpack, 4 },
	{ NULL },
};

const struct script_function script_lab_absent[] = {
	{ "vm_fixture", refuse_fixture, 2 },
	{ "lab_fixture", refuse_fixture, 2 },
	{ NULL },
};
