// SPDX-License-Identifier: GPL-2.0-only
/*
 * json.encode and json.decode. A table with the keys 1 to n is an array; any other is an object, and so is an empty one,
 * unless it came from json.decode or json.array(). null is json.null.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "script/internal.h"

static int json_encode(lua_State *L)
{
	struct buffer text = { 0 };
	struct error err;

	if (lua_isnone(L, 1))
		return script_refuse(L, 1, "value", "any value but a function or a userdata");
	if (script_json_encode(L, 1, lua_toboolean(L, 2), &text, &err)) {
		buffer_free(&text);
		return script_raise(L, &err);
	}
	lua_pushlstring(L, text.data, text.size);
	buffer_free(&text);
	return 1;
}

static int json_decode(lua_State *L)
{
	size_t size;
	const char *text;
	struct error err;

	if (lua_type(L, 1) != LUA_TSTRING)
		return script_refuse(L, 1, "text", "a string");
	text = lua_tolstring(L, 1, &size);
	return script_json_decode(L, text, size, &err) ? script_raise(L, &err) : 1;
}

/* Marks a table as an array, for when it is empty. */
static int json_array_mark(lua_State *L)
{
	lua_settop(L, 1);
	if (lua_isnil(L, 1)) {
		lua_newtable(L);
		lua_replace(L, 1);
	}
	script_check_table(L, 1, "table");
	luaL_setmetatable(L, SCRIPT_JSON_ARRAY);
	return 1;
}

int script_open_json(lua_State *L)
{
	static const struct script_function functions[] = {
		{ "encode", json_encode, 2 },
		{ "decode", json_decode, 1 },
		{ "array", json_array_mark, 1 },
		{ NULL },
	};

	luaL_newmetatable(L, SCRIPT_JSON_ARRAY);
	lua_pop(L, 1);
	lua_newtable(L);
	script_set_functions(L, "json.", functions);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	return 1;
}

/* A signal is noticed elsewhere, and an answer that never comes means that the other side is gone. */
static int await_answer(int fd)
{
	ssize_t size;
	char answer;

	do
		size = read(fd, &answer, 1);
	while (size < 0 && errno == EINTR);
	return size == 1 ? 0 : size < 0 ? -errno : -EPIPE;
}

static int write_all(int fd, const char *text, size_t left)
{
	while (left) {
		ssize_t size = write(fd, text, left);

		if (size < 0 && errno != EINTR)
			return -errno;
		if (size > 0) {
			text += size;
			left -= (size_t)size;
		}
	}
	return 0;
}

int script_send_event(lua_State *L, int index, int events)
{
	struct buffer line = { 0 };
	struct error err;
	int status = script_json_encode(L, index, false, &line, &err);

	/* What was printed before it comes before it, without a newline too. */
	fflush(stdout);
	if (!status) {
		buffer_add(&line, "\n", 1);
		status = write_all(events, line.data, line.size);
	}
	buffer_free(&line);
	return status ? status : await_answer(events);
}
