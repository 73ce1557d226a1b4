// SPDX-License-Identifier: GPL-2.0-only
/* Commands and files in nodes: run(), run_async() and what they return. Methods of nodes. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "script/internal.h"
#include "util/clock.h"
#include "util/memory.h"

#define PROCESS_TYPE    "provium.process"
#define RESULT_TYPE     "provium.result"
#define KILL_WAIT_NS    (5 * NS_PER_S)
#define TIMED_OUT_CODE  124 /* as timeout(1) and as shells have it */
#define SIGNALLED_CODE  128

struct script_process {
	struct process *process; /* NULL when closed */
	char node[NAME_LIMIT + 1];
	char *command;      /* for people */
	unsigned int depth; /* of the scope that it was started in */
	size_t streamed[2]; /* how much of its two outputs a stream has given out */
	struct script *script;
	struct script_process *older, *younger;
};

struct request {
	struct command command;
	uint64_t timeout_ns;
};

static struct machine *booted(lua_State *L, const char *what)
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

/* The program and its arguments, or a shell with the line. list 0: a shell line. */
static const char *const *read_argv(lua_State *L, const char *program, int list)
{
	size_t count = list ? (size_t)luaL_len(L, list) : 0;
	const char **argv = new_strings(L, list ? count + 1 : 3);
	int keeper = lua_gettop(L) - 1;

	if (!list) {
		argv[0] = "sh";
		argv[1] = "-c";
		argv[2] = program;
		return argv;
	}
	argv[0] = program;
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, list, (lua_Integer)i + 1);
		keep_string(L, argv, i + 1, keeper, "args");
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
	count = 0;
	lua_pushnil(L);
	while (lua_next(L, table)) {
		const char *name, *value;

		if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
			script_fail(L, "`env` is a table of NAME = \"value\"");
		name = lua_tostring(L, -2);
		lua_pushvalue(L, -1);
		value = lua_tostring(L, -1);
		lua_pushfstring(L, "%s=%s", name, value);
		keep_string(L, env, count++, keeper, "env");
		lua_pop(L, 2);
	}
	return env;
}

/* A table with none of the options is the list of arguments. */
static bool is_list(lua_State *L, int table)
{
	static const char *const keys[] = { "args", "env", "cwd", "stdin", "timeout" };
	bool list = true;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && list; i++) {
		list = lua_getfield(L, table, keys[i]) == LUA_TNIL;
		lua_pop(L, 1);
	}
	/* {arg = …} is neither: to be refused as a slip of the pen. */
	for (lua_pushnil(L); list && lua_next(L, table);) {
		list = lua_type(L, -2) == LUA_TNUMBER;
		lua_pop(L, list ? 1 : 2);
	}
	return list;
}

static void read_request(lua_State *L, struct request *request)
{
	const char *program = script_check_string(L, 2, "command");
	int args = 0, env = 0, input = 0;
	const struct option keys[] = {
		{ "args", OPTION_VALUE, &args },
		{ "env", OPTION_VALUE, &env },
		{ "cwd", OPTION_STRING, &request->command.cwd },
		{ "stdin", OPTION_VALUE, &input },
		{ "timeout", OPTION_QUANTITY, &request->timeout_ns, .quantity = QUANTITY_DURATION },
	};

	*request = (struct request){ .timeout_ns = script_of(L)->timeout_ns };
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
	if (!lua_isnil(L, args))
		script_check_table(L, args, "args");
	request->command.argv = read_argv(L, program, lua_isnil(L, args) ? 0 : args);
	request->command.env = read_env(L, env);
	if (!lua_isnil(L, input) && lua_type(L, input) != LUA_TSTRING)
		script_refuse(L, input, "stdin", "a string");
	request->command.stdin_data = lua_tolstring(L, input, &request->command.stdin_size);
}

/* As a person would type it. */
static char *command_text(const struct command *command)
{
	bool shell = strcmp(command->argv[0], "sh") == 0 && command->argv[1] && strcmp(command->argv[1], "-c") == 0;
	struct buffer text = { 0 };

	for (const char *const *arg = command->argv + (shell ? 2 : 0); *arg; arg++)
		buffer_printf(&text, "%s%s", text.size ? " " : "", *arg);
	return text.data;
}

static void unlink_process(struct script_process *process)
{
	if (process->younger)
		process->younger->older = process->older;
	else
		process->script->processes = process->older;
	if (process->older)
		process->older->younger = process->younger;
}

static void close_process(struct script_process *process)
{
	if (!process->process)
		return;
	process->process->ops->close(process->process);
	process->process = NULL;
	unlink_process(process);
	lua_pushnil(process->script->L);
	lua_rawsetp(process->script->L, LUA_REGISTRYINDEX, process);
}

void script_close_processes(struct script *script, unsigned int depth)
{
	struct script_process *process = script->processes, *older;

	for (; process; process = older) {
		older = process->older;
		if (process->depth >= depth)
			close_process(process);
	}
}

/*
 * Starts what the arguments say; the process is on top of the stack. A server that a script started and forgot is to go
 * on until its scope ends, so the registry refers to it until then.
 */
static struct script_process *start(lua_State *L, struct request *request)
{
	struct machine *machine = booted(L, "run");
	struct script *script = script_of(L);
	struct script_process *process;
	struct error err;

	read_request(L, request);
	process = lua_newuserdatauv(L, sizeof(*process), 0);
	memset(process, 0, sizeof(*process));
	luaL_setmetatable(L, PROCESS_TYPE);
	if (machine->kind->start(machine->node, &request->command, &process->process, &err)) {
		process->process = NULL;
		script_raise(L, &err);
	}
	strcpy(process->node, machine->name);
	process->command = command_text(&request->command);
	process->depth = script->root->depth;
	process->script = script;
	process->older = script->processes;
	if (process->older)
		process->older->younger = process;
	script->processes = process;
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, process);
	return process;
}

/* True once it has ended, false when the deadline has passed. Raises if the run is interrupted. */
static bool await_end(lua_State *L, struct script_process *process, uint64_t deadline_ns)
{
	struct error err;

	if (process->process->ops->wait(process->process, deadline_ns, false, &err)) {
		char text[sizeof(err.text)];

		strcpy(text, err.text);
		error_set(&err, err.code, "`%.200s` in vm `%s`: %s", process->command, process->node, text);
		script_raise(L, &err);
	}
	return process->process->status != PROCESS_RUNNING;
}

static void set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

static int push_result(lua_State *L, const struct script_process *process, bool timed_out)
{
	const struct process *ended = process->process;
	bool signalled = ended->status == PROCESS_SIGNALLED && !timed_out;
	int code = timed_out ? TIMED_OUT_CODE : ended->code + (signalled ? SIGNALLED_CODE : 0);

	lua_newtable(L);
	luaL_setmetatable(L, RESULT_TYPE);
	lua_pushinteger(L, code);
	lua_setfield(L, -2, "exit_code");
	lua_pushlstring(L, buffer_string(&ended->out), ended->out.size);
	lua_setfield(L, -2, "stdout");
	lua_pushlstring(L, buffer_string(&ended->err), ended->err.size);
	lua_setfield(L, -2, "stderr");
	set_string(L, "status", timed_out ? "timed_out" : signalled ? "signalled" : "exited");
	lua_pushboolean(L, timed_out);
	lua_setfield(L, -2, "timed_out");
	if (signalled) {
		lua_pushfstring(L, "SIG%s", sigabbrev_np(ended->code) ? sigabbrev_np(ended->code) : "?");
		lua_setfield(L, -2, "signal");
	}
	set_string(L, "command", process->command);
	set_string(L, "node", process->node);
	return 1;
}

int script_vm_run(lua_State *L)
{
	struct request request;
	struct script_process *process = start(L, &request);
	bool in_time = await_end(L, process, clock_after(request.timeout_ns));
	struct error ignored;

	if (!in_time) {
		process->process->ops->kill(process->process, SIGKILL, &ignored);
		await_end(L, process, clock_after(KILL_WAIT_NS));
	}
	push_result(L, process, !in_time);
	close_process(process);
	return 1;
}

int script_vm_run_async(lua_State *L)
{
	struct request request;

	start(L, &request);
	return 1;
}

int script_vm_read_file(lua_State *L)
{
	struct machine *machine = booted(L, "read a file");
	const char *path = script_check_string(L, 2, "path");
	struct buffer content = { 0 };
	struct error err;

	if (machine_read_file(machine, path, &content, &err))
		return script_raise(L, &err);
	lua_pushlstring(L, buffer_string(&content), content.size);
	buffer_free(&content);
	return 1;
}

int script_vm_write_file(lua_State *L)
{
	struct machine *machine = booted(L, "write a file");
	struct machine_file file = { .path = (char *)script_check_string(L, 2, "path") };
	struct error err;

	if (lua_type(L, 3) != LUA_TSTRING)
		return script_refuse(L, 3, "data", "a string");
	file.content = (char *)lua_tolstring(L, 3, &file.size);
	return machine_write_file(machine, &file, &err) ? script_raise(L, &err) : 0;
}

static int read_host_file(const char *path, struct buffer *content, unsigned int *mode, struct error *err)
{
	FILE *file = fopen(path, "re");
	char bytes[65536];
	struct stat status;
	size_t size;

	if (!file)
		return error_errno(err, errno, "open %s on this machine", path);
	while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buffer_add(content, bytes, size);
	err->code = 0;
	if (ferror(file) || fstat(fileno(file), &status))
		error_errno(err, errno, "read %s on this machine", path);
	else
		*mode = status.st_mode & 07777;
	fclose(file);
	return -err->code;
}

int script_vm_push_file(lua_State *L)
{
	struct machine *machine = booted(L, "write a file");
	const char *host_path = script_check_string(L, 2, "host");
	struct machine_file file = { .path = (char *)script_check_string(L, 3, "guest") };
	struct buffer content = { 0 };
	struct error err;

	if (!read_host_file(host_path, &content, &file.mode, &err)) {
		file.content = content.data;
		file.size = content.size;
		machine_write_file(machine, &file, &err);
	}
	buffer_free(&content);
	return err.code ? script_raise(L, &err) : 0;
}

static struct script_process *check_process(lua_State *L)
{
	struct script_process *process = luaL_testudata(L, 1, PROCESS_TYPE);

	if (!process)
		script_fail(L, "call it with a colon, on a process: process:method(…)");
	if (!process->process)
		script_fail(L, "`%s` was ended with the scope that it belongs to", process->command);
	return process;
}

static int process_wait(lua_State *L)
{
	struct script_process *process = check_process(L);
	uint64_t timeout_ns = script_opt_quantity(L, 2, "timeout", QUANTITY_DURATION, process->script->timeout_ns);

	if (await_end(L, process, clock_after(timeout_ns)))
		return push_result(L, process, false);
	lua_pushnil(L);
	lua_pushliteral(L, "timed out");
	return 2;
}

/* "KILL", "SIGKILL" or a number. */
static int check_signal(lua_State *L, int index)
{
	const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;

	if (lua_isnoneornil(L, index))
		return SIGKILL;
	if (lua_isinteger(L, index) && lua_tointeger(L, index) > 0 && lua_tointeger(L, index) < NSIG)
		return (int)lua_tointeger(L, index);
	if (name && strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int number = 1; name && number < NSIG; number++)
		if (sigabbrev_np(number) && strcmp(name, sigabbrev_np(number)) == 0)
			return number;
	return script_refuse(L, index, "signal", "a signal's name like \"TERM\", or its number,");
}

static int process_kill(lua_State *L)
{
	struct script_process *process = check_process(L);
	struct error err;

	return process->process->ops->kill(process->process, check_signal(L, 2), &err) ? script_raise(L, &err) : 0;
}

static int process_running(lua_State *L)
{
	struct script_process *process = check_process(L);

	lua_pushboolean(L, !await_end(L, process, 0));
	return 1;
}

/* The source of a stream: what is new, false if nothing came in time, nil at the end. */
static int next_chunk(lua_State *L)
{
	struct script_process *process = lua_touserdata(L, lua_upvalueindex(2));
	bool is_errors = lua_toboolean(L, lua_upvalueindex(3));
	uint64_t deadline_ns = clock_after((uint64_t)luaL_checkinteger(L, 1));
	size_t *streamed = &process->streamed[is_errors];
	struct error err;

	while (process->process) {
		struct buffer *output = is_errors ? &process->process->err : &process->process->out;

		if (output->size > *streamed) {
			lua_pushlstring(L, output->data + *streamed, output->size - *streamed);
			*streamed = output->size;
			return 1;
		}
		if (process->process->status != PROCESS_RUNNING)
			return 0;
		if (clock_now() >= deadline_ns && process->process->ops->wait(process->process, 0, true, &err) == 0 &&
		    output->size == *streamed && process->process->status == PROCESS_RUNNING) {
			lua_pushboolean(L, false);
			return 1;
		}
		if (process->process->ops->wait(process->process, deadline_ns, true, &err))
			return script_raise(L, &err);
	}
	return 0;
}

static int push_stream(lua_State *L, bool errors)
{
	check_process(L);
	script_require(L, "stream");
	lua_getfield(L, -1, "new");
	lua_pushnil(L);
	lua_pushvalue(L, 1); /* kept alive by the stream */
	lua_pushboolean(L, errors);
	lua_pushcclosure(L, next_chunk, 3);
	lua_pushstring(L, errors ? "stderr" : "stdout");
	lua_call(L, 2, 1);
	return 1;
}

static int process_stdout_stream(lua_State *L)
{
	return push_stream(L, false);
}

static int process_stderr_stream(lua_State *L)
{
	return push_stream(L, true);
}

static int process_collect(lua_State *L)
{
	struct script_process *process = luaL_checkudata(L, 1, PROCESS_TYPE);

	close_process(process);
	free(process->command);
	process->command = NULL;
	return 0;
}

static int result_ok(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "exit_code");
	lua_pushboolean(L, lua_isinteger(L, -1) && lua_tointeger(L, -1) == 0);
	return 1;
}

static int result_assert_ok(lua_State *L)
{
	static const char *const keys[] = { "command", "node", "status", "stdout", "stderr", "exit_code", "signal" };
	const char *status;

	result_ok(L);
	if (lua_toboolean(L, -1)) {
		lua_pushvalue(L, 1);
		return 1;
	}
	lua_settop(L, 1);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		lua_getfield(L, 1, keys[i]);
	status = lua_tostring(L, 4);
	luaL_where(L, 1);
	if (lua_isnil(L, 8))
		lua_pushfstring(L, "%s (exit status %s)", status, lua_tostring(L, 7));
	else
		lua_pushfstring(L, "%s (%s)", status, lua_tostring(L, 8));
	lua_pushfstring(L, "`%s` in vm `%s`: %s\nstdout: %s\nstderr: %s", lua_tostring(L, 2), lua_tostring(L, 3),
			lua_tostring(L, -1), lua_tostring(L, 5), lua_tostring(L, 6));
	lua_remove(L, -2);
	lua_concat(L, 2);
	return lua_error(L);
}

static const luaL_Reg process_methods[] = {
	{ "wait", process_wait },
	{ "kill", process_kill },
	{ "running", process_running },
	{ "stdout_stream", process_stdout_stream },
	{ "stderr_stream", process_stderr_stream },
	{ NULL, NULL },
};

static const luaL_Reg result_methods[] = {
	{ "ok", result_ok },
	{ "assert_ok", result_assert_ok },
	{ NULL, NULL },
};

static void register_type(lua_State *L, const char *type, const char *prefix, const luaL_Reg *methods)
{
	luaL_newmetatable(L, type);
	lua_newtable(L);
	script_set_functions(L, prefix, methods);
	lua_setfield(L, -2, "__index");
}

void script_register_process(lua_State *L)
{
	register_type(L, RESULT_TYPE, "result:", result_methods);
	register_type(L, PROCESS_TYPE, "process:", process_methods);
	lua_pushcfunction(L, process_collect);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, process_collect);
	lua_setfield(L, -2, "__close");
	lua_pop(L, 2);
}
