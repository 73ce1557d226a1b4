// SPDX-License-Identifier: GPL-2.0-only
/* What run() and wait() return: how a command ended, and what it printed. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "script/internal.h"
#include "script/process.h"
#include "util/memory.h"
#include "util/oom.h"

#define TIMED_OUT_CODE 124 /* as timeout(1) and as shells have it */
#define SIGNALLED_CODE 128

static void set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

/* A shell says by its exit status that it was a child of its own. */
static bool is_killed(const struct process *ended)
{
	return ended->code == (ended->status == PROCESS_SIGNALLED ? 0 : SIGNALLED_CODE) + SIGKILL;
}

/* Found once: what is killed later has nothing to do with it. */
static void explain(struct script_process *process)
{
	char text[OOM_TEXT_SIZE];

	if (process->is_explained)
		return;
	process->is_explained = true;
	if (!is_killed(process->process))
		return;
	if (process->cgroup && oom_met(process->cgroup) > process->cgroup_oom) {
		snprintf(text, sizeof(text), "by the kernel, for node `%s` has used up its `memory`", process->node);
		process->killed = memory_string(text);
	} else if (oom_explain(&process->oom, text)) {
		process->killed = memory_string(text);
	}
}

int script_push_result(lua_State *L, struct script_process *process, bool timed_out)
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
		script_set_count(L, "signal", (uint64_t)ended->code);
		lua_pushfstring(L, "SIG%s", sigabbrev_np(ended->code) ? sigabbrev_np(ended->code) : "?");
		lua_setfield(L, -2, "signal_name");
	}
	if (!timed_out)
		explain(process);
	if (process->killed)
		set_string(L, "killed", process->killed);
	set_string(L, "command", process->command);
	set_string(L, "node", process->node);
	script_set_record(L, &script_record_result);
	return 1;
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
	static const char *const keys[] = {
		"command", "node", "status", "stdout", "stderr", "exit_code", "signal_name", "killed",
	};
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
		lua_pushfstring(L, "code=%s", lua_tostring(L, 7));
	else
		lua_pushfstring(L, "signal=%s", lua_tostring(L, 8));
	if (!lua_isnil(L, 9)) {
		lua_pushfstring(L, "%s, killed %s", lua_tostring(L, -1), lua_tostring(L, 9));
		lua_remove(L, -2);
	}
	lua_pushfstring(L, "command failed: status=%s %s: `%s` in vm `%s`\nstdout: %s\nstderr: %s", status,
			lua_tostring(L, -1), lua_tostring(L, 2), lua_tostring(L, 3), lua_tostring(L, 5),
			lua_tostring(L, 6));
	lua_remove(L, -2);
	lua_concat(L, 2);
	return lua_error(L);
}

static int result_tostring(lua_State *L)
{
	int out, errors;

	lua_getfield(L, 1, "stdout");
	lua_getfield(L, 1, "stderr");
	out = (int)luaL_len(L, -2);
	errors = (int)luaL_len(L, -1);
	lua_getfield(L, 1, "status");
	lua_pushfstring(L, "RunResult{ status=%s, stdout=<%dB>, stderr=<%dB> }", lua_tostring(L, -1), out, errors);
	return 1;
}

static const struct script_function result_methods[] = {
	{ "ok", result_ok, 0 },
	{ "assert_ok", result_assert_ok, 0 },
	{ NULL },
};

const struct script_record script_record_result = {
	.type = "provium.result",
	.name = "result",
	.methods = result_methods,
	.to_string = result_tostring,
	.optional = (const char *const[]){ "killed", "signal", "signal_name", NULL },
};
