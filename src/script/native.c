// SPDX-License-Identifier: GPL-2.0-only
/* What lua/framework.lua needs of the program, as the module provium.native. Scripts have no use for it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/rules.h"
#include "lab/run.h"
#include "lab/strangers.h"
#include "script/internal.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/interrupt.h"
#include "util/nearest.h"
#include "util/wait.h"
#include "wire/wire.h"

#define CONSOLE_TAIL 2000

/* Instructions between two looks for an interruption. */
#define LOOK_EVERY 10000

static void look_seldom(lua_State *L);
static void look_always(lua_State *L);

/*
 * Coroutines inherit the hook of whoever made them, so that none can run for ever. From the first look that finds an
 * interruption it is raised at every instruction, so that a script that catches errors does not get far.
 */
static void on_hook(lua_State *L, lua_Debug *where)
{
	struct error err;

	(void)where;
	if (!script_of(L)->guarded || !interrupt_pending(&err)) {
		look_seldom(L);
		return;
	}
	look_always(L);
	luaL_where(L, 0);
	lua_pushstring(L, err.text);
	lua_concat(L, 2);
	lua_error(L);
}

static void look_seldom(lua_State *L)
{
	lua_sethook(L, on_hook, LUA_MASKCOUNT, LOOK_EVERY);
}

static void look_always(lua_State *L)
{
	lua_sethook(L, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static lua_State *interruptible;

/* In a signal handler, where lua_sethook() is allowed. */
static void on_interrupt(void)
{
	look_always(interruptible);
}

/*
 * The message handler of call(). Where an interruption is pending, it is raised once more in what handles the first: here,
 * in a function without a place of its own, and not in the middle of Lua's.
 */
static int handle(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

/* call(limit_ns, handler, fn, ...) → true, or false and what the handler made of the error. No limit: 0. */
static int native_call(lua_State *L)
{
	struct script *script = script_of(L);
	uint64_t limit_ns = (uint64_t)luaL_checkinteger(L, 1);
	uint64_t hard_ns = script->options->max_timeout_ns;
	struct interrupt_limit limit = { limit_ns, limit_ns, hard_ns, hard_ns };
	bool was_guarded = script->guarded;
	struct error ignored;
	int status;

	lua_pushvalue(L, 2);
	lua_pushcclosure(L, handle, 1);
	lua_replace(L, 2);
	interrupt_set_waiting("");
	limit = interrupt_swap_limit(limit);
	script->guarded = true;
	if (interrupt_pending(&ignored))
		look_always(L);
	status = lua_pcall(L, lua_gettop(L) - 3, 0, 2);
	script->guarded = was_guarded;
	interrupt_set_waiting("");
	interrupt_swap_limit(limit);
	look_seldom(L);
	lua_pushboolean(L, status == LUA_OK);
	if (status == LUA_OK)
		return 1;
	lua_insert(L, -2);
	return 2;
}

/* guard(on) → how it was: whether an interruption is raised in what runs now. */
static int native_guard(lua_State *L)
{
	struct script *script = script_of(L);
	struct error ignored;

	lua_pushboolean(L, script->guarded);
	script->guarded = lua_toboolean(L, 1);
	if (script->guarded && interrupt_pending(&ignored))
		look_always(L);
	return 1;
}

static int native_check(lua_State *L)
{
	struct error err;

	return interrupt_pending(&err) ? script_raise(L, &err) : 0;
}

static int native_is_interrupted(lua_State *L)
{
	lua_pushboolean(L, interrupt_by_signal());
	return 1;
}

static int native_emit(lua_State *L)
{
	struct script *script = script_of(L);

	if (script_send_event(L, 1, script->options->events))
		return script_fail(L, "cannot write the events");
	return 0;
}

static int native_now(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)clock_now());
	return 1;
}

static int native_sleep(lua_State *L)
{
	struct error err;

	return wait_sleep((uint64_t)luaL_checkinteger(L, 1), &err) ? script_raise(L, &err) : 0;
}

/* duration(value, method, argument, level?) → ns. Raises at that level, as error() has it: by default that of whoever called
 * the caller. */
static int native_duration(lua_State *L)
{
	uint64_t value = 0;
	bool good = lua_type(L, 1) == LUA_TNUMBER
			    ? units_from_number(QUANTITY_DURATION, lua_tonumber(L, 1), &value)
			    : script_text(L, 1) && units_from_string(QUANTITY_DURATION, script_text(L, 1), &value);

	if (!good) {
		const char *quote = lua_type(L, 1) == LUA_TSTRING ? "\"" : "";

		luaL_where(L, (int)luaL_optinteger(L, 4, 2));
		lua_pushfstring(L, "%s: argument `%s` is %s%s%s; %s is accepted", lua_tostring(L, 2),
				lua_tostring(L, 3), quote, luaL_tolstring(L, 1, NULL), quote,
				units_accepted(QUANTITY_DURATION));
		lua_remove(L, -2);
		lua_concat(L, 2);
		return lua_error(L);
	}
	lua_pushinteger(L, (lua_Integer)(value < INT64_MAX ? value : INT64_MAX));
	return 1;
}

/* set_waiting(text or nil) → what it was: what the script waits for, told when an interruption ends it. */
static int native_set_waiting(lua_State *L)
{
	lua_pushstring(L, interrupt_waiting());
	interrupt_set_waiting(luaL_optstring(L, 1, ""));
	return 1;
}

static int native_timeout(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)script_of(L)->timeout_ns);
	return 1;
}

static int native_seed(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)script_of(L)->run->seed);
	return 1;
}

/* hash(text): of 63 bits, the same on every machine. */
static int native_hash(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)(hash_string(luaL_checkstring(L, 1)) >> 1));
	return 1;
}

/* nearest(word, list) → the nearest in the list, nil if none is near enough to be meant. */
static int native_nearest(lua_State *L)
{
	struct nearest nearest = { .word = luaL_checkstring(L, 1) };

	luaL_checktype(L, 2, LUA_TTABLE);
	for (lua_Integer i = 1, count = (lua_Integer)lua_rawlen(L, 2); i <= count; i++) {
		lua_rawgeti(L, 2, i);
		if (lua_type(L, -1) == LUA_TSTRING)
			nearest_try(&nearest, lua_tostring(L, -1)); /* which the list keeps alive */
		lua_pop(L, 1);
	}
	lua_pushstring(L, nearest.found);
	return 1;
}

/* forget_signal() → its number, or 0: what ends the run is not raised, until remember_signal(number). */
static int native_forget_signal(lua_State *L)
{
	lua_pushinteger(L, interrupt_forget());
	return 1;
}

static int native_remember_signal(lua_State *L)
{
	interrupt_remember((int)luaL_checkinteger(L, 1));
	return 0;
}

/* The last that each node printed, of those that printed anything. */
static int native_consoles(lua_State *L)
{
	struct lab *lab = script_of(L)->root;

	lua_newtable(L);
	for (size_t i = 0; i < lab->machine_count; i++) {
		struct machine *machine = lab->machines[i];
		const char *text = machine->node ? machine->kind->console(machine->node) : "";
		size_t length = strlen(text);

		if (!length)
			continue;
		if (length > CONSOLE_TAIL)
			text += length - CONSOLE_TAIL;
		/* Not from the middle of a character on. */
		while ((*text & 0xC0) == 0x80)
			text++;
		lua_newtable(L);
		lua_pushstring(L, machine->name);
		lua_setfield(L, -2, "node");
		lua_pushstring(L, text);
		lua_setfield(L, -2, "text");
		lua_rawseti(L, -2, luaL_len(L, -2) + 1);
	}
	if (!luaL_len(L, -1))
		lua_pushnil(L);
	return 1;
}

/* Stays until a signal comes, however long that is. */
static int native_keep(lua_State *L)
{
	struct interrupt_limit none = { 0 }, limit = interrupt_swap_limit(none);
	struct error ignored;

	lua_createtable(L, 0, 2);
	lua_pushliteral(L, "keep");
	lua_setfield(L, -2, "event");
	lua_pushinteger(L, getpid());
	lua_setfield(L, -2, "pid");
	script_send_event(L, -1, script_of(L)->options->events);
	wait_sleep(CLOCK_NEVER, &ignored);
	interrupt_swap_limit(limit);
	return 0;
}

/* One that is there is fine. */
static int native_make_folder(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);

	if (mkdir(path, 0700) && errno != EEXIST)
		return luaL_error(L, "make the folder %s: %s", path, strerror(errno));
	return 0;
}

static int native_begin_scope(lua_State *L)
{
	lab_begin_scope(script_of(L)->root);
	return 0;
}

static void reset_bridges(struct lab *lab)
{
	struct error ignored; /* what is only taken away needs no room */

	for (size_t i = 0; i < lab->bridge_count; i++) {
		struct bridge *bridge = lab->bridges[i];

		rules_reset(bridge, &ignored);
		for (size_t k = 0; k < bridge->member_count; k++) {
			rules_unisolate(bridge, bridge->members[k]->name, &ignored);
			if (bridge->members[k]->disconnected)
				nic_set_link(bridge->members[k], true, &ignored);
		}
		bridge_flush(bridge);
	}
	for (size_t i = 0; i < lab->lab_count; i++)
		reset_bridges(lab->labs[i]);
}

/* held() → how many frames wait for their time on bridges of the run. */
static int native_held(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)wire_held(script_of(L)->root->run->wire));
	return 1;
}

/* strangers() → what a report says of names that meant nobody in this scope, or nil. */
static int native_strangers(lua_State *L)
{
	struct script *script = script_of(L);
	struct buffer text = { 0 };

	if (strangers_tell(script->root, script->root->depth, &text))
		lua_pushstring(L, buffer_string(&text));
	else
		lua_pushnil(L);
	buffer_free(&text);
	return 1;
}

static int native_end_scope(lua_State *L)
{
	struct script *script = script_of(L);

	script_close_captures(script, script->root->depth);
	script_close_processes(script, script->root->depth);
	lab_end_scope(script->root);
	if (script->reset_between_tests)
		reset_bridges(script->root);
	return 0;
}

void script_push_choice(lua_State *L, const struct script_options *options)
{
	lua_createtable(L, 0, 2);
	if (options->filter) {
		lua_pushstring(L, options->filter);
		lua_setfield(L, -2, "filter");
	}
	lua_createtable(L, (int)options->tag_count, 0);
	for (size_t i = 0; i < options->tag_count; i++) {
		lua_pushstring(L, options->tags[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "tags");
}

static void push_options(lua_State *L, const struct script_options *options)
{
	lua_createtable(L, 0, 3);
	script_push_choice(L, options);
	lua_setfield(L, -2, "choice");
	lua_pushboolean(L, options->list);
	lua_setfield(L, -2, "list");
	lua_pushboolean(L, options->keep);
	lua_setfield(L, -2, "keep");
}

int script_open_native(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "call", native_call },
		{ "guard", native_guard },
		{ "check", native_check },
		{ "is_interrupted", native_is_interrupted },
		{ "emit", native_emit },
		{ "now", native_now },
		{ "sleep", native_sleep },
		{ "duration", native_duration },
		{ "set_waiting", native_set_waiting },
		{ "timeout", native_timeout },
		{ "seed", native_seed },
		{ "hash", native_hash },
		{ "nearest", native_nearest },
		{ "forget_signal", native_forget_signal },
		{ "remember_signal", native_remember_signal },
		{ "consoles", native_consoles },
		{ "keep", native_keep },
		{ "begin_scope", native_begin_scope },
		{ "held", native_held },
		{ "strangers", native_strangers },
		{ "end_scope", native_end_scope },
		{ "capture_site", script_native_capture_site },
		{ "rules", script_native_rules },
		{ "set_rules", script_native_set_rules },
		{ "save", script_native_save },
		{ "put_in_place", script_native_put_in_place },
		{ "make_folder", native_make_folder },
		{ "replace_file", script_native_replace_file },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	push_options(L, script_of(L)->options);
	lua_setfield(L, -2, "options");
	lua_getglobal(L, "json");
	lua_getfield(L, -1, "encode");
	lua_setfield(L, -3, "encode");
	lua_getfield(L, -1, "array");
	lua_setfield(L, -3, "array");
	lua_getfield(L, -1, "decode");
	lua_setfield(L, -3, "decode");
	lua_pop(L, 1);
	interruptible = L;
	look_seldom(L);
	interrupt_install(on_interrupt);
	return 1;
}
