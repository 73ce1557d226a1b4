// SPDX-License-Identifier: GPL-2.0-only
/* run(), run_async() and what they return. Methods of nodes; what their arguments may be is in request.c. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "script/internal.h"
#include "script/process.h"
#include "util/clock.h"
#include "util/memory.h"

#define KILL_WAIT_NS (5 * NS_PER_S)

static const char type[] = "provium.process";

static void unlink_process(struct script_process *process)
{
	if (process->younger)
		process->younger->older = process->older;
	else
		process->script->processes = process->older;
	if (process->older)
		process->older->younger = process->younger;
}

void script_close_process(struct script_process *process)
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
			script_close_process(process);
	}
}

void script_collect_output(void *context)
{
	struct script *script = context;

	for (struct script_process *process = script->processes; process; process = process->older) {
		if (process->process->ops->collect) {
			process->process->ops->collect(process->process);
			script_enforce_limit(process);
		}
	}
}

/* What it does not hear of now it hears of the next time. */
void script_enforce_limit(struct script_process *process)
{
	struct process *base = process->process;
	struct error ignored;

	if (!base || base->status != PROCESS_RUNNING || process->is_overdue || clock_now() < process->deadline_ns)
		return;
	process->is_overdue = base->ops->kill(base, SIGKILL, &ignored) == 0;
}

static void mark_oom(struct script_process *process, const struct machine *machine)
{
	const char *cgroup = machine->kind->cgroup ? machine->kind->cgroup(machine->node) : NULL;

	process->oom = oom_mark();
	if (!cgroup)
		return;
	process->cgroup = memory_string(cgroup);
	process->cgroup_oom = oom_met(cgroup);
}

/* With what ran, and where. */
_Noreturn static void raise_for(lua_State *L, const struct script_process *process, struct error *err)
{
	error_wrap(err, "`%.200s` in vm `%s`", process->command, process->node);
	script_raise(L, err);
}

/* A server that a script started and forgot is to go on until its scope ends, so the registry refers to it until then. */
struct script_process *script_start_process(lua_State *L, struct machine *machine, const struct command *command,
					    uint64_t limit_ns)
{
	struct script *script = script_of(L);
	struct script_process *process = script_new_userdata(L, type, sizeof(*process));
	struct error err;

	strcpy(process->node, machine->name);
	process->command = script_command_text(command);
	mark_oom(process, machine);
	if (machine->kind->start(machine->node, command, &process->process, &err)) {
		process->process = NULL;
		/* Whether it had begun makes no difference to who waits for its end. */
		if (err.code == EINTR)
			raise_for(L, process, &err);
		script_raise(L, &err);
	}
	process->depth = script->root->depth;
	process->limit_ns = limit_ns;
	process->deadline_ns = limit_ns ? clock_after(limit_ns) : CLOCK_NEVER;
	process->script = script;
	process->older = script->processes;
	if (process->older)
		process->older->younger = process;
	script->processes = process;
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, process);
	return process;
}

void script_start_main(lua_State *L, struct machine *machine)
{
	struct script_process *process;
	struct command command;

	if (!machine->kind->main || !machine->kind->main(machine->node, &command))
		return;
	process = script_start_process(L, machine, &command, 0);
	process->depth = machine->depth;
	process->main_of = machine;
	machine_ref(machine);
	lua_pop(L, 1);
}

/* The last one, if its scope has not ended. */
int script_vm_main(lua_State *L)
{
	const struct machine *machine = script_check_object(L, 1, &script_class_vm);
	struct script_process *process = script_of(L)->processes;

	while (process && process->main_of != machine)
		process = process->older;
	if (process)
		lua_rawgetp(L, LUA_REGISTRYINDEX, process);
	else
		lua_pushnil(L);
	return 1;
}

/* What the arguments say. The process is on top of the stack. */
static struct script_process *start(lua_State *L, struct script_request *request, bool waits)
{
	struct machine *machine = script_check_booted(L, "run");

	script_read_request(L, request);
	request->command.timeout_ns = waits ? request->timeout_ns : 0;
	request->command.stdin_open = !waits && !request->command.stdin_data;
	return script_start_process(L, machine, &request->command,
				    !waits && request->has_timeout ? request->timeout_ns : 0);
}

static int wait_until(lua_State *L, struct script_process *process, uint64_t deadline_ns)
{
	struct error err;

	if (process->process->ops->wait(process->process, deadline_ns, PROCESS_UNTIL_END, &err))
		raise_for(L, process, &err);
	return process->process->status != PROCESS_RUNNING;
}

/* True once it has ended, false when the deadline has passed. Raises if the run is interrupted. */
static bool await_end(lua_State *L, struct script_process *process, uint64_t deadline_ns)
{
	bool is_limited = process->deadline_ns <= deadline_ns;

	if (wait_until(L, process, is_limited ? process->deadline_ns : deadline_ns))
		return true;
	script_enforce_limit(process);
	return process->is_overdue && wait_until(L, process, clock_after(KILL_WAIT_NS));
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
	script_push_result(L, process, !in_time);
	script_close_process(process);
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
	struct script_process *process = script_test_userdata(L, 1, type);

	if (!process)
		script_fail(L, "call it with a colon: %s(…)", script_method_name(L));
	if (!process->process)
		script_fail(L, "`%s` was closed, or ended with the scope that it belongs to", process->command);
	return process;
}

/* It may have ended by itself in the moment in which it was to be ended. */
static bool was_killed(const struct process *process)
{
	return process->status == PROCESS_SIGNALLED && process->code == SIGKILL;
}

static int process_wait(lua_State *L)
{
	struct script_process *process = check_process(L);
	uint64_t timeout_ns = script_opt_quantity(L, 2, "timeout", QUANTITY_DURATION, process->script->timeout_ns);

	if (await_end(L, process, clock_after(timeout_ns)))
		return script_push_result(L, process, process->is_overdue && was_killed(process->process));
	lua_pushnil(L);
	lua_pushliteral(L, "timed out");
	return 2;
}

/* "TERM", "sigterm" or a number. */
static int check_signal(lua_State *L, int index)
{
	const char *name = script_text(L, index);

	if (lua_isnoneornil(L, index))
		return SIGTERM;
	if (lua_isinteger(L, index) && lua_tointeger(L, index) > 0 && lua_tointeger(L, index) < NSIG)
		return (int)lua_tointeger(L, index);
	if (name && strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int number = 1; name && number < NSIG; number++)
		if (sigabbrev_np(number) && strcasecmp(name, sigabbrev_np(number)) == 0)
			return number;
	return script_refuse(L, index, "signal", "a signal's name like \"TERM\", or its number,");
}

static int process_kill(lua_State *L)
{
	struct script_process *process = check_process(L);
	struct error err;

	return process->process->ops->kill(process->process, check_signal(L, 2), &err) ? script_raise(L, &err) : 0;
}

static int process_pid(lua_State *L)
{
	lua_pushinteger(L, check_process(L)->process->pid);
	return 1;
}

static int process_status(lua_State *L)
{
	lua_pushstring(L, await_end(L, check_process(L), 0) ? "exited" : "running");
	return 1;
}

static int process_write(lua_State *L)
{
	struct script_process *process = check_process(L);
	struct process *base = process->process;
	const char *data;
	struct error err;
	size_t size;

	if (lua_type(L, 2) != LUA_TSTRING)
		return script_refuse(L, 2, "data", "a string");
	data = lua_tolstring(L, 2, &size);
	if (!base->ops->write)
		return script_fail(
			L,
			"the guest agent gives a process in vm `%s` its standard input when it starts, and no "
			"more: use run_async(…, {stdin = …})",
			process->node);
	if (base->ops->write(base, data, size, &err))
		raise_for(L, process, &err);
	return 0;
}

static int process_close_stdin(lua_State *L)
{
	struct process *base = check_process(L)->process;

	if (base->ops->close_input)
		base->ops->close_input(base);
	return 0;
}

/* Safe twice, and after the end of its scope. */
static int process_close(lua_State *L)
{
	struct script_process *process = script_test_userdata(L, 1, type);

	script_close_process(process ? process : check_process(L));
	return 0;
}

static int process_running(lua_State *L)
{
	struct script_process *process = check_process(L);

	lua_pushboolean(L, !await_end(L, process, 0));
	return 1;
}

static int process_stdout_stream(lua_State *L)
{
	check_process(L);
	script_push_stream(L, 1, SCRIPT_STDOUT);
	return 1;
}

static int process_stderr_stream(lua_State *L)
{
	check_process(L);
	script_push_stream(L, 1, SCRIPT_STDERR);
	return 1;
}

static int process_collect(lua_State *L)
{
	struct script_process *process = script_check_userdata(L, 1, type);

	script_close_process(process);
	if (process->main_of)
		machine_unref(process->main_of);
	process->main_of = NULL;
	free(process->command);
	free(process->killed);
	free(process->cgroup);
	process->command = process->killed = process->cgroup = NULL;
	return 0;
}

static const struct script_function process_methods[] = {
	{ "wait", process_wait, 1 },
	{ "kill", process_kill, 1 },
	{ "signal", process_kill, 1 },
	{ "pid", process_pid, 0 },
	{ "status", process_status, 0 },
	{ "write", process_write, 1 },
	{ "stdin_write", process_write, 1 },
	{ "close_stdin", process_close_stdin, 0 },
	{ "close", process_close, 0 },
	{ "running", process_running, 0 },
	{ "stdout_stream", process_stdout_stream, 0 },
	{ "stderr_stream", process_stderr_stream, 0 },
	{ NULL },
};

void script_register_process(lua_State *L)
{
	script_register_record(L, &script_record_result);
	luaL_newmetatable(L, type);
	lua_newtable(L);
	script_set_functions(L, "process:", process_methods);
	script_set_methods(L, "process");
	lua_pushcfunction(L, process_collect);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, process_collect);
	lua_setfield(L, -2, "__close");
	lua_pop(L, 1);
}
