// SPDX-License-Identifier: GPL-2.0-only
/* run(), run_async() and what they return. Methods of nodes; what their arguments may be is in request.c. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "script/internal.h"
#include "script/process.h"
#include "util/clock.h"

#define PROCESS_TYPE   "provium.process"
#define KILL_WAIT_NS   (5 * NS_PER_S)
#define TIMED_OUT_CODE 124 /* as timeout(1) and as shells have it */
#define SIGNALLED_CODE 128

static const struct script_record record_result;

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

void script_collect_output(void *context)
{
	struct script *script = context;

	for (struct script_process *process = script->processes; process; process = process->older)
		if (process->process->ops->collect)
			process->process->ops->collect(process->process);
}

/*
 * Starts what the arguments say; the process is on top of the stack. A server that a script started and forgot is to go
 * on until its scope ends, so the registry refers to it until then.
 */
static struct script_process *start(lua_State *L, struct script_request *request, bool waits)
{
	struct machine *machine = script_check_booted(L, "run");
	struct script *script = script_of(L);
	struct script_process *process;
	struct error err;

	script_read_request(L, request);
	request->command.timeout_ns = waits ? request->timeout_ns : 0;
	process = lua_newuserdatauv(L, sizeof(*process), 0);
	memset(process, 0, sizeof(*process));
	luaL_setmetatable(L, PROCESS_TYPE);
	if (machine->kind->start(machine->node, &request->command, &process->process, &err)) {
		process->process = NULL;
		script_raise(L, &err);
	}
	strcpy(process->node, machine->name);
	process->command = script_command_text(&request->command);
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

	if (process->process->ops->wait(process->process, deadline_ns, PROCESS_UNTIL_END, &err)) {
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
	script_set_record(L, &record_result);
	return 1;
}

int script_vm_run(lua_State *L)
{
	struct script_request request;
	struct script_process *process = start(L, &request, true);
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
	struct script_request request;

	start(L, &request, false);
	return 1;
}

static struct script_process *check_process(lua_State *L)
{
	struct script_process *process = luaL_testudata(L, 1, PROCESS_TYPE);

	if (!process)
		script_fail(L, "call it with a colon: %s(…)", script_method_name(L));
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

static int process_stdout_stream(lua_State *L)
{
	script_push_stream(L, check_process(L), SCRIPT_STDOUT);
	return 1;
}

static int process_stderr_stream(lua_State *L)
{
	script_push_stream(L, check_process(L), SCRIPT_STDERR);
	return 1;
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

static const struct script_function process_methods[] = {
	{ "wait", process_wait, 1 },
	{ "kill", process_kill, 1 },
	{ "running", process_running, 0 },
	{ "stdout_stream", process_stdout_stream, 0 },
	{ "stderr_stream", process_stderr_stream, 0 },
	{ NULL },
};

static const struct script_function result_methods[] = {
	{ "ok", result_ok, 0 },
	{ "assert_ok", result_assert_ok, 0 },
	{ NULL },
};

static const struct script_record record_result = {
	.type = "provium.result",
	.name = "result",
	.methods = result_methods,
	.optional = (const char *const[]){ "signal", NULL },
};

void script_register_process(lua_State *L)
{
	script_register_record(L, &record_result);
	luaL_newmetatable(L, PROCESS_TYPE);
	lua_newtable(L);
	script_set_functions(L, "process:", process_methods);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, process_collect);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, process_collect);
	lua_setfield(L, -2, "__close");
	lua_pop(L, 1);
}
