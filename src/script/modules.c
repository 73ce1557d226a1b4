// SPDX-License-Identifier: GPL-2.0-only
/* The Lua files of lua/, which are a part of the program: lua/report/tap.lua is require("provium.report.tap"). */
#include <stdio.h>

#include "script/internal.h"

#define MODULE(NAME, SYMBOL) extern const char _binary_lua_##SYMBOL##_start[], _binary_lua_##SYMBOL##_end[];
#include "lua_modules.h"
#undef MODULE

static const struct {
	const char *name, *start, *end;
} modules[] = {
#define MODULE(NAME, SYMBOL) { NAME, _binary_lua_##SYMBOL##_start, _binary_lua_##SYMBOL##_end },
#include "lua_modules.h"
#undef MODULE
};

static int load_module(lua_State *L)
{
	size_t i = (size_t)lua_tointeger(L, lua_upvalueindex(1));
	char chunk_name[64];

	snprintf(chunk_name, sizeof(chunk_name), "=provium/%s.lua", modules[i].name);
	if (luaL_loadbufferx(L, modules[i].start, (size_t)(modules[i].end - modules[i].start), chunk_name, "t"))
		return lua_error(L);
	lua_call(L, 0, 1);
	return 1;
}

/* The prefix keeps them apart from modules of the script. */
void script_register_modules(lua_State *L)
{
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		lua_pushinteger(L, (lua_Integer)i);
		lua_pushcclosure(L, load_module, 1);
		lua_pushfstring(L, "provium.%s", modules[i].name);
		lua_insert(L, -2);
		lua_settable(L, -3);
	}
	lua_pop(L, 1);
}

void script_require(lua_State *L, const char *name)
{
	lua_getglobal(L, "require");
	lua_pushfstring(L, "provium.%s", name);
	lua_call(L, 1, 1);
}
