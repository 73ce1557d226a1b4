// SPDX-License-Identifier: GPL-2.0-only
/* json.decode, and json.encode of what it gave. */
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "fuzz.h"
#include "script/internal.h"
#include "script/script.h"

#define STACK 2000

/* Of a value: equal, and of the same kind of number; tables with the same members. */
static bool same(lua_State *L, int a, int b)
{
	bool equal = true;
	size_t count = 0;

	if (lua_type(L, a) != lua_type(L, b) || lua_isinteger(L, a) != lua_isinteger(L, b))
		return false;
	if (lua_type(L, a) != LUA_TTABLE)
		return lua_rawequal(L, a, b);
	luaL_checkstack(L, 4, NULL);
	for (lua_pushnil(L); lua_next(L, b); lua_pop(L, 1))
		count++;
	for (lua_pushnil(L); equal && lua_next(L, a); lua_pop(L, 1)) {
		int top = lua_gettop(L);

		lua_pushvalue(L, top - 1);
		lua_rawget(L, b);
		equal = same(L, top, top + 1) && count--;
		lua_pop(L, 1);
	}
	if (!equal)
		lua_pop(L, 1);
	return equal && !count;
}

/* Why a value that was decoded cannot be encoded: what JSON has room for, and its encoder has not. */
static bool is_known_limit(const struct error *err)
{
	return strstr(err->text, "not finite") || strstr(err->text, "nested more than 100 deep");
}

/* What it says is a place in the text. */
static void check_refusal(const struct error *err, const uint8_t *data, size_t size)
{
	size_t lines = 1, line, column;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	require(sscanf(err->text, "line %zu, column %zu: ", &line, &column) == 2);
	require(line >= 1 && line <= lines && column >= 1 && column <= size + 1);
}

/* The value on top of the stack, as a text, reads as the same value, and has the same text again. */
static void there_and_back(lua_State *L, bool pretty)
{
	struct buffer text = { 0 }, again = { 0 };
	int value = lua_gettop(L);
	struct error err;

	if (script_json_encode(L, value, pretty, &text, &err)) {
		require(is_known_limit(&err));
		buffer_free(&text);
		return;
	}
	require(lua_gettop(L) == value);
	require(script_json_decode(L, buffer_string(&text), text.size, &err) == 0);
	require(lua_gettop(L) == value + 1 && same(L, value, value + 1));
	require(script_json_encode(L, value + 1, pretty, &again, &err) == 0);
	require(text.size == again.size && memcmp(text.data, again.data, text.size) == 0);
	lua_settop(L, value);
	buffer_free(&text);
	buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static lua_State *L;
	struct error err;

	if (!L) {
		L = script_open_plain();
		luaL_checkstack(L, STACK, NULL);
		lua_settop(L, 0);
	}
	if (script_json_decode(L, (const char *)data, size, &err)) {
		check_refusal(&err, data, size);
	} else {
		require(lua_gettop(L) == 1);
		there_and_back(L, false);
		there_and_back(L, true);
	}
	lua_settop(L, 0);
	return 0;
}
