// SPDX-License-Identifier: GPL-2.0-only
/*
 * json.encode and json.decode. A table with the keys 1 to n is an array; any other is an object, and so is an empty one,
 * unless it came from json.decode or json.array(). null is json.null.
 */
#include <errno.h>
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

int script_write_json(lua_State *L, int index, int fd)
{
	struct buffer line = { 0 };
	struct error err;
	size_t sent = 0;

	if (!script_json_encode(L, index, false, &line, &err)) {
		buffer_add(&line, "\n", 1);
		while (sent < line.size) {
			ssize_t size = write(fd, line.data + sent, line.size - sent);

			if (size < 0 && errno != EINTR) {
				err.code = errno;
				break;
			}
			sent += size > 0 ? (size_t)size : 0;
		}
	}
	buffer_free(&line);
	return -err.code;
}
