// SPDX-License-Identifier: GPL-2.0-only
/* util/utf8.h for lua/, as the module provium.utf8. Scripts have no use for it. */
#include "util/utf8.h"

#include "script/internal.h"
#include "util/buffer.h"

/* repair(bytes) → valid UTF-8 */
static int repair(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	struct buffer repaired = { 0 };

	if (utf8_valid(text, size) == size) {
		lua_settop(L, 1);
		return 1;
	}
	utf8_repair(&repaired, text, size);
	lua_pushlstring(L, repaired.data, repaired.size);
	buffer_free(&repaired);
	return 1;
}

/* cut(text, most) → its beginning, of at most that many bytes */
static int cut(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);

	lua_pushlstring(L, text, utf8_cut(text, size, (size_t)luaL_checkinteger(L, 2)));
	return 1;
}

/* escape(bytes, keep) → what is to be shown on a terminal */
static int escape(lua_State *L)
{
	size_t size;
	const char *text = luaL_checklstring(L, 1, &size);
	struct buffer shown = { 0 };

	utf8_escape(&shown, text, size, luaL_optstring(L, 2, ""));
	lua_pushlstring(L, buffer_string(&shown), shown.size);
	buffer_free(&shown);
	return 1;
}

int script_open_utf8(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "repair", repair },
		{ "cut", cut },
		{ "escape", escape },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
