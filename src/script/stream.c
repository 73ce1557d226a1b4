// SPDX-License-Identifier: GPL-2.0-only
/* Streams of what processes print, and of files that grow: lua/stream.lua over next_chunk(). */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "lab/files.h"
#include "script/internal.h"
#include "script/process.h"
#include "util/clock.h"

#define MAX_PLACE    0x1p53
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
 * The source of a stream: what is new, false if nothing came in time, nil at the end; nil and a text if it failed.
 * Upvalues: none, the process, which of its outputs, and how much of that was given so far.
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
				       process_output_size(process), &err)) {
			if (err.code == EINTR)
				return script_raise(L, &err);
			lua_pushnil(L);
			lua_pushstring(L, err.text);
			return 2;
		}
	}
	return 0;
}

static int close_tail(lua_State *L)
{
	script_close_process(lua_touserdata(L, lua_upvalueindex(1)));
	return 0;
}

void script_push_stream(lua_State *L, int index, enum script_output which)
{
	static const char *const names[] = { "stdout", "stderr", "tail" };
	struct script_process *process = lua_touserdata(L, index);
	char origin[ORIGIN_LIMIT + NAME_LIMIT + 16];

	snprintf(origin, sizeof(origin), "`%.*s` in vm `%s`", ORIGIN_LIMIT, process->command, process->node);
	lua_pushvalue(L, index); /* kept alive by the stream */
	script_require(L, "stream");
	lua_getfield(L, -1, "new");
	lua_pushnil(L);
	lua_pushvalue(L, -4);
	lua_pushinteger(L, which);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_chunk, 4);
	lua_pushstring(L, names[which]);
	lua_pushstring(L, origin);
	script_push_site(L);
	if (which == SCRIPT_TAIL) {
		lua_pushvalue(L, -7);
		lua_pushcclosure(L, close_tail, 1);
	} else {
		lua_pushnil(L);
	}
	lua_call(L, 5, 1);
	lua_replace(L, -3);
	lua_pop(L, 1);
}

/* Where to begin, in a file of that size: "end", "beginning", or a place, from the end if it is negative. */
static uint64_t tail_start(lua_State *L, int index, uint64_t size)
{
	const char *word = script_text(L, index);
	lua_Number place;

	if (lua_isnoneornil(L, index) || (word && strcmp(word, "end") == 0))
		return size;
	if (word && (strcmp(word, "beginning") == 0 || strcmp(word, "start") == 0))
		return 0;
	place = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : NAN;
	if (!(fabs(place) < MAX_PLACE))
		script_refuse(L, index, "start",
			      "\"end\", \"beginning\", or a number of bytes, negative from the end,");
	if (place >= 0)
		return (uint64_t)place;
	return -place < (double)size ? size - (uint64_t)-place : 0;
}

/*
 * By tail(1), which follows the name. Not by its own idea of the end: what is written between this call and its start is
 * to be in the stream.
 */
int script_vm_tail_file(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "read a file");
	const char *path = script_check_string(L, 2, "path");
	char place[32];
	const char *argv[] = { "tail", "-c", place, "-F", "--", path, NULL };
	const struct command command = { .argv = argv };
	int start = 0;
	const struct option keys[] = { { "start", OPTION_VALUE, &start } };
	struct error err;
	uint64_t size;

	if (!lua_isnil(L, 3)) {
		SCRIPT_READ_OPTIONS(L, 3, keys);
		tail_start(L, start, 0); /* for what it refuses */
	}
	if (files_size(machine, path, &size, &err))
		return script_raise(L, &err);
	snprintf(place, sizeof(place), "+%llu", (unsigned long long)(start ? tail_start(L, start, size) : size) + 1);
	script_start_process(L, machine, &command, 0);
	script_push_stream(L, lua_gettop(L), SCRIPT_TAIL);
	return 1;
}
