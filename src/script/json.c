// SPDX-License-Identifier: GPL-2.0-only
/*
 * json.encode and json.decode, by jansson. A table with the keys 1 to n is an array; any other is an object, and so is an
 * empty one, unless it came from json.decode or json.array(). null is json.null.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "script/internal.h"

#define ARRAY_TYPE "provium.json.array"
#define MAX_DEPTH  100

static void push_json(lua_State *L, const json_t *json)
{
	const char *key;
	json_t *value;
	size_t i;

	luaL_checkstack(L, 4, "nested too deep");
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		lua_newtable(L);
		json_object_foreach ((json_t *)json, key, value) {
			push_json(L, value);
			lua_setfield(L, -2, key);
		}
		break;
	case JSON_ARRAY:
		lua_newtable(L);
		luaL_setmetatable(L, ARRAY_TYPE);
		json_array_foreach (json, i, value) {
			push_json(L, value);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		break;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(json), json_string_length(json));
		break;
	case JSON_INTEGER:
		lua_pushinteger(L, json_integer_value(json));
		break;
	case JSON_REAL:
		lua_pushnumber(L, json_real_value(json));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, json_is_true(json));
		break;
	case JSON_NULL:
		lua_pushlightuserdata(L, NULL);
		break;
	}
}

static json_t *to_json(lua_State *L, int index, int depth, const char **why);

/* Whether the keys are 1 to n and no others. */
static bool is_list(lua_State *L, int index)
{
	lua_Integer count = 0;

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		count++;
	return count == luaL_len(L, index);
}

static bool is_array(lua_State *L, int index)
{
	bool marked = luaL_getmetafield(L, index, "__name") != LUA_TNIL;

	if (marked) {
		marked = strcmp(lua_tostring(L, -1), ARRAY_TYPE) == 0;
		lua_pop(L, 1);
	}
	return (marked || luaL_len(L, index) > 0) && is_list(L, index);
}

static json_t *array_to_json(lua_State *L, int index, int depth, const char **why)
{
	lua_Integer count = luaL_len(L, index);
	json_t *array = json_array();

	for (lua_Integer i = 1; i <= count && !*why; i++) {
		lua_rawgeti(L, index, i);
		json_array_append_new(array, to_json(L, lua_gettop(L), depth + 1, why));
		lua_pop(L, 1);
	}
	return array;
}

static json_t *object_to_json(lua_State *L, int index, int depth, const char **why)
{
	json_t *object = json_object();

	lua_pushnil(L);
	while (!*why && lua_next(L, index)) {
		const char *key;

		/* Not the key itself: lua_next() wants it as it was. */
		lua_pushvalue(L, -2);
		key = lua_type(L, -1) == LUA_TSTRING || lua_isinteger(L, -1) ? lua_tostring(L, -1) : NULL;
		if (key)
			json_object_set_new(object, key, to_json(L, lua_gettop(L) - 1, depth + 1, why));
		else
			*why = "a table with keys that are neither strings nor whole numbers";
		lua_pop(L, *why ? 3 : 2);
	}
	return object;
}

/* Bytes that are not UTF-8 are replaced: what a guest prints must not make a report impossible. */
static json_t *string_to_json(const char *text, size_t length)
{
	json_t *string = json_stringn(text, length);
	char *copy;

	if (string)
		return string;
	copy = malloc(length + 1);
	for (size_t i = 0; copy && i < length; i++)
		copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	string = copy ? json_stringn(copy, length) : NULL;
	free(copy);
	return string;
}

static json_t *number_to_json(lua_State *L, int index, const char **why)
{
	if (lua_isinteger(L, index))
		return json_integer(lua_tointeger(L, index));
	if (!isfinite(lua_tonumber(L, index)))
		*why = "a number that is not finite";
	return *why ? NULL : json_real(lua_tonumber(L, index));
}

static json_t *to_json(lua_State *L, int index, int depth, const char **why)
{
	const char *text;
	size_t length;

	if (depth > MAX_DEPTH || !lua_checkstack(L, 4)) {
		*why = "a table nested more than 100 deep, or in itself";
		return NULL;
	}
	switch (lua_type(L, index)) {
	case LUA_TTABLE:
		return is_array(L, index) ? array_to_json(L, index, depth, why) : object_to_json(L, index, depth, why);
	case LUA_TSTRING:
		text = lua_tolstring(L, index, &length);
		return string_to_json(text, length);
	case LUA_TNUMBER:
		return number_to_json(L, index, why);
	case LUA_TBOOLEAN:
		return json_boolean(lua_toboolean(L, index));
	case LUA_TNIL:
		return json_null();
	case LUA_TLIGHTUSERDATA:
		if (!lua_touserdata(L, index))
			return json_null();
		break;
	}
	*why = "a value that JSON has no form for (a function or a userdata)";
	return NULL;
}

static char *encode(lua_State *L, int index, size_t flags, const char **why)
{
	json_t *json = to_json(L, lua_absindex(L, index), 0, why);
	char *text = *why ? NULL : json_dumps(json, JSON_ENCODE_ANY | JSON_SORT_KEYS | flags);

	json_decref(json);
	return text;
}

static int json_encode(lua_State *L)
{
	const char *why = NULL;
	char *text;

	if (lua_isnone(L, 1))
		return script_refuse(L, 1, "value", "any value but a function or a userdata");
	text = encode(L, 1, lua_toboolean(L, 2) ? JSON_INDENT(2) : JSON_COMPACT, &why);
	if (!text)
		return script_fail(L, "cannot encode %s", why ? why : "this value");
	lua_pushstring(L, text);
	free(text);
	return 1;
}

static int json_decode(lua_State *L)
{
	size_t length;
	const char *text;
	json_error_t problem;
	json_t *json;

	if (lua_type(L, 1) != LUA_TSTRING)
		return script_refuse(L, 1, "text", "a string");
	text = lua_tolstring(L, 1, &length);
	json = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
	if (!json)
		return script_fail(L, "line %d, column %d: %s", problem.line, problem.column, problem.text);
	push_json(L, json);
	json_decref(json);
	return 1;
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
	luaL_setmetatable(L, ARRAY_TYPE);
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

	luaL_newmetatable(L, ARRAY_TYPE);
	lua_pop(L, 1);
	lua_newtable(L);
	script_set_functions(L, "json.", functions);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	return 1;
}

int script_write_json(lua_State *L, int index, int fd)
{
	const char *why = NULL;
	char *text = encode(L, index, JSON_COMPACT, &why);
	size_t length, sent = 0;

	if (!text)
		return -EINVAL;
	/* The NUL becomes the end of the line. */
	length = strlen(text) + 1;
	text[length - 1] = '\n';
	while (sent < length) {
		ssize_t size = write(fd, text + sent, length - sent);

		if (size < 0 && errno != EINTR)
			break;
		sent += size > 0 ? (size_t)size : 0;
	}
	free(text);
	return sent < length ? -errno : 0;
}
