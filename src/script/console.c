// SPDX-License-Identifier: GPL-2.0-only
/* The console of a node. What scripts see is lua/console.lua, on these functions; the first upvalue of each is the vm. */
#include <errno.h>
#include <string.h>

#include "script/internal.h"
#include "util/clock.h"
#include "util/wait.h"

#define LOOK_NS (20 * NS_PER_MS)

static struct machine *machine_of(lua_State *L)
{
	struct machine *machine = script_test_object(L, lua_upvalueindex(1), &script_class_vm);

	if (!machine)
		script_fail(L, "the vm of this console is gone");
	return machine;
}

static const char *text_of(const struct machine *machine)
{
	return machine->node ? machine->kind->console(machine->node) : "";
}

static int console_text(lua_State *L)
{
	lua_pushstring(L, text_of(machine_of(L)));
	return 1;
}

static int console_site(lua_State *L)
{
	script_push_site(L);
	return 1;
}

/* Of a source: upvalue 2 is how much was printed before what it has not given yet. */
static int console_next(lua_State *L)
{
	const struct machine *machine = machine_of(L);
	uint64_t deadline_ns = clock_after((uint64_t)luaL_checkinteger(L, 1));
	uint64_t given = (uint64_t)lua_tointeger(L, lua_upvalueindex(2));
	struct error err;

	while (machine->node && machine->kind->console_printed) {
		const char *text = machine->kind->console(machine->node);
		uint64_t printed = machine->kind->console_printed(machine->node), kept = strlen(text);
		/* Less than before: the node was started anew. */
		uint64_t fresh = printed < given ? printed : printed - given;

		if (fresh) {
			fresh = fresh < kept ? fresh : kept;
			lua_pushlstring(L, text + kept - fresh, fresh);
			lua_pushinteger(L, (lua_Integer)printed);
			lua_replace(L, lua_upvalueindex(2));
			return 1;
		}
		if (!machine->kind->is_alive(machine->node))
			return 0;
		if (clock_now() >= deadline_ns) {
			lua_pushboolean(L, false);
			return 1;
		}
		if (wait_sleep(LOOK_NS, &err))
			return script_raise(L, &err);
	}
	return 0;
}

static int console_source(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, console_next, 2);
	return 1;
}

/* write(data, timeout_ns) → nothing, or a text. */
static int console_write(lua_State *L)
{
	struct machine *machine = machine_of(L);
	uint64_t deadline_ns = clock_after((uint64_t)luaL_checkinteger(L, 2));
	size_t size;
	const char *data = luaL_checklstring(L, 1, &size);
	struct error err;

	if (!machine->node)
		error_set(&err, EINVAL, "vm `%s` does not run", machine->name);
	else if (!machine->kind->console_write)
		error_set(&err, EOPNOTSUPP, "vm `%s` has no console", machine->name);
	else if (machine->kind->console_write(machine->node, data, size, deadline_ns, &err) == 0)
		return 0;
	lua_pushstring(L, err.text);
	return 1;
}

int script_vm_console(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "text", console_text },   { "site", console_site }, { "source", console_source },
		{ "write", console_write }, { NULL, NULL },
	};
	const struct machine *machine = script_check_object(L, 1, &script_class_vm);

	script_require(L, "console");
	lua_getfield(L, -1, "new");
	lua_newtable(L);
	lua_pushvalue(L, 1);
	luaL_setfuncs(L, functions, 1);
	lua_pushfstring(L, "vm `%s`", machine->name);
	lua_call(L, 2, 1);
	return 1;
}
