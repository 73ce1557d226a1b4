// SPDX-License-Identifier: GPL-2.0-only
/* Streams of what processes print: lua/stream.lua over next_chunk(). */
#include <string.h>

#include "script/internal.h"
#include "script/process.h"
#include "util/clock.h"

#define ORIGIN_LIMIT 100 /* bytes of a command line */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_test_file(const char *source)
{
	return ends_with(source, ".test.lua") || ends_with(source, ".fixture.lua");
}

void script_push_site(lua_State *L)
{
	lua_Debug at;
	char file[sizeof(at.short_src)] = "?";
	const char *slash;
	int line = 0;

	for (int level = 1; lua_getstack(L, level, &at); level++) {
		/* Functions of C have no line, those of ours no file. */
		if (!lua_getinfo(L, "Sl", &at) || at.currentline <= 0 || strncmp(at.source, "=provium/", 9) == 0)
			continue;
		if (line && !is_test_file(at.source))
			continue;
		strcpy(file, at.short_src);
		line = at.currentline;
		if (is_test_file(at.source))
			break;
	}
	slash = strrchr(file, '/');
	lua_createtable(L, 0, 2);
	lua_pushstring(L, slash ? slash + 1 : file);
	lua_setfield(L, -2, "file");
	lua_pushinteger(L, line);
	lua_setfield(L, -2, "line");
}

/*
 * The source of a stream: what is new, false if nothing came in time, nil at the end. Upvalues: none, the process, which of
 * its outputs, and how much of that was given so far.
 */
static int next_chunk(lua_State *L)
{
	struct script_process *owner = lua_touserdata(L, lua_upvalueindex(2));
	enum script_output which = (enum script_output)lua_tointeger(L, lua_upvalueindex(3));
	size_t given = (size_t)lua_tointeger(L, lua_upvalueindex(4));
	uint64_t deadline_ns = clock_after((uint64_t)luaL_checkinteger(L, 1));
	struct error err;
	bool is_late = false;

	while (owner->process) {
		struct process *process = owner->process;
		const struct buffer *output = which == SCRIPT_STDERR ? &process->err : &process->out;

		if (output->size > given) {
			lua_pushlstring(L, output->data + given, output->size - given);
			lua_pushinteger(L, (lua_Integer)output->size);
			lua_replace(L, lua_upvalueindex(4));
			return 1;
		}
		if (process->status != PROCESS_RUNNING)
			return 0;
		if (is_late) {
			lua_pushboolean(L, false);
			return 1;
		}
		is_late = clock_now() >= deadline_ns;
		script_enforce_limit(owner);
		if (process->ops->wait(process,
				       owner->is_overdue || deadline_ns < owner->deadline_ns ? deadline_ns
											     : owner->deadline_ns,
				       process_output_size(process), &err))
			return script_raise(L, &err);
	}
	return 0;
}

void script_push_stream(lua_State *L, struct script_process *process, enum script_output which)
{
	static const char *const names[] = { "stdout", "stderr", "tail" };
	char origin[ORIGIN_LIMIT + NAME_LIMIT + 16];

	snprintf(origin, sizeof(origin), "`%.*s` in vm `%s`", ORIGIN_LIMIT, process->command, process->node);
	script_require(L, "stream");
	lua_getfield(L, -1, "new");
	lua_pushnil(L);
	lua_pushvalue(L, 1); /* kept alive by the stream */
	lua_pushinteger(L, which);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_chunk, 4);
	lua_pushstring(L, names[which]);
	lua_pushstring(L, origin);
	script_push_site(L);
	lua_call(L, 4, 1);
	lua_remove(L, -2);
}
