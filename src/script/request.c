// SPDX-License-Identifier: GPL-2.0-only
/* The arguments of run() and run_async(). */
#include <stdio.h>
#include <string.h>

#include "script/internal.h"

/* Not to be looked up in a PATH that is made for the line. */
#define SHELL	      "/bin/sh"
#define MAX_ARGUMENTS (1 << 20)

struct machine *script_check_booted(lua_State *L, const char *what)
{
	struct machine *machine = script_check_object(L, 1, &script_class_vm);
	struct error err;

	if (machine_need_booted(machine, what, &err))
		script_raise(L, &err);
	return machine;
}

/* Pushes a table that keeps the strings alive, and an array of them that ends with NULL. */
static const char **new_strings(lua_State *L, size_t count)
{
	const char **strings;

	lua_createtable(L, (int)count, 0);
	strings = lua_newuserdatauv(L, (count + 1) * sizeof(*strings), 0);
	memset(strings, 0, (count + 1) * sizeof(*strings));
	return strings;
}

/* Takes the string on top of the stack into the i-th place. */
static void keep_string(lua_State *L, const char **strings, size_t i, int keeper, const char *argument)
{
	if (lua_type(L, -1) == LUA_TNUMBER)
		lua_tostring(L, -1);
	strings[i] = script_check_string(L, lua_gettop(L), argument);
	lua_rawseti(L, keeper, (lua_Integer)i + 1);
}

static void keep_argument(lua_State *L, const char **strings, size_t place, int keeper, lua_Integer index)
{
	char argument[32];

	snprintf(argument, sizeof(argument), "args[%lld]", (long long)index);
	keep_string(L, strings, place, keeper, argument);
}

/* The largest whole number among the keys. What stands behind a hole, such as `is_loud and "-v" or nil`, is meant as well. */
static lua_Integer list_length(lua_State *L, int list)
{
	lua_Integer length = 0;

	for (lua_pushnil(L); lua_next(L, list); lua_pop(L, 1)) {
		if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || lua_tointeger(L, -2) > MAX_ARGUMENTS)
			script_refuse(L, lua_gettop(L) - 1, "args", "a list of strings");
		if (lua_tointeger(L, -2) > length)
			length = lua_tointeger(L, -2);
	}
	return length;
}

/* The program and its arguments, or a shell with the line. list 0: a shell line. */
static const char *const *read_argv(lua_State *L, const char *program, int list)
{
	lua_Integer length = list ? list_length(L, list) : 0;
	const char **argv = new_strings(L, list ? (size_t)length + 1 : 3);
	int keeper = lua_gettop(L) - 1;
	size_t count = 0;

	if (!list) {
		argv[0] = SHELL;
		argv[1] = "-c";
		argv[2] = program;
		return argv;
	}
	argv[count++] = program;
	for (lua_Integer i = 1; i <= length; i++) {
		if (lua_rawgeti(L, list, i) == LUA_TNIL)
			lua_pop(L, 1);
		else
			keep_argument(L, argv, count++, keeper, i);
	}
	return argv;
}

static const char *const *read_env(lua_State *L, int table)
{
	const char **env;
	size_t count = 0;
	int keeper;

	if (lua_isnil(L, table))
		return NULL;
	script_check_table(L, table, "env");
	for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
		count++;
	env = new_strings(L, count);
	keeper = lua_gettop(L) - 1;
	lua_pushnil(L);
	/* A finalizer that runs in between may have added some. */
	for (size_t i = 0; lua_next(L, table) && i < count; i++) {
		const char *name, *value;

		if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
			script_fail(L, "`env` is a table of NAME = \"value\"");
		name = script_check_string(L, -2, "env");
		if (!*name || strchr(name, '='))
			script_fail(L, "argument `env` has the name \"%s\"; one without = is accepted", name);
		lua_pushvalue(L, -1);
		lua_tostring(L, -1);
		value = script_check_string(L, -1, name);
		lua_pushfstring(L, "%s=%s", name, value);
		keep_string(L, env, i, keeper, "env");
		lua_pop(L, 2);
	}
	return env;
}

/* A table with none of the options is the list of arguments. */
static bool is_list(lua_State *L, int table)
{
	static const char *const keys[] = { "args", "env", "env_clear", "cwd", "stdin", "timeout", "timeout_ms" };
	bool list = true;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && list; i++) {
		lua_pushstring(L, keys[i]);
		list = lua_rawget(L, table) == LUA_TNIL;
		lua_pop(L, 1);
	}
	/* {arg = …} is neither: to be refused as a slip of the pen. */
	for (lua_pushnil(L); list && lua_next(L, table);) {
		list = lua_type(L, -2) == LUA_TNUMBER;
		lua_pop(L, list ? 1 : 2);
	}
	return list;
}

void script_read_request(lua_State *L, struct script_request *request)
{
	const char *program = script_check_string(L, 2, "command");
	int args = 0, env = 0, input = 0;
	uint64_t timeout_ms_ns;
	bool ms_given = false;
	const struct option keys[] = {
		{ "args", OPTION_VALUE, &args },
		{ "env", OPTION_VALUE, &env },
		{ "cwd", OPTION_STRING, &request->command.cwd },
		{ "stdin", OPTION_VALUE, &input },
		{ "timeout", OPTION_QUANTITY, &request->timeout_ns, .quantity = QUANTITY_DURATION,
		  .given = &request->has_timeout },
		{ "env_clear", OPTION_BOOL, &request->command.env_clear },
		{ "timeout_ms", OPTION_QUANTITY, &timeout_ms_ns, .quantity = QUANTITY_LATENCY, .given = &ms_given },
	};

	*request = (struct script_request){ .timeout_ns = script_of(L)->timeout_ns };
	if (!*program)
		script_refuse(L, 2, "command", "a shell line, or a program with a table of arguments");
	if (lua_isnoneornil(L, 3)) {
		request->command.argv = read_argv(L, program, 0);
		return;
	}
	script_check_table(L, 3, "args");
	if (is_list(L, 3)) {
		request->command.argv = read_argv(L, program, 3);
		return;
	}
	SCRIPT_READ_OPTIONS(L, 3, keys);
	request->timeout_ns = ms_given ? timeout_ms_ns : request->timeout_ns;
	request->has_timeout = request->has_timeout || ms_given;
	if (!lua_isnil(L, args))
		script_check_table(L, args, "args");
	request->command.argv = read_argv(L, program, lua_isnil(L, args) ? 0 : args);
	request->command.env = read_env(L, env);
	if (!lua_isnil(L, input) && lua_type(L, input) != LUA_TSTRING)
		script_refuse(L, input, "stdin", "a string");
	request->command.stdin_data = lua_tolstring(L, input, &request->command.stdin_size);
}

char *script_command_text(const struct command *command)
{
	bool shell = strcmp(command->argv[0], SHELL) == 0 && command->argv[1] && strcmp(command->argv[1], "-c") == 0;
	struct buffer text = { 0 };

	for (const char *const *arg = command->argv + (shell ? 2 : 0); *arg; arg++)
		buffer_printf(&text, "%s%s", text.size ? " " : "", *arg);
	return text.data;
}
