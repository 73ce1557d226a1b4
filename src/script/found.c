// SPDX-License-Identifier: GPL-2.0-only
/* util/trust.h for lua/search.lua, as the module provium.found. Scripts have no use for it. */
#include "util/trust.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "script/internal.h"
#include "util/buffer.h"
#include "util/error.h"

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* Without a byte order mark, and without a first line for the shell; the end of that line stays, so that lines keep their numbers. */
int script_load(lua_State *L, const struct buffer *text, const char *path, const char *mode)
{
	const char *start = buffer_string(text), *end = start + text->size;
	int status;

	if (strncmp(start, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		start += strlen(BYTE_ORDER_MARK);
	if (*start == '#')
		start += strcspn(start, "\n");
	lua_pushfstring(L, "@%s", path);
	status = luaL_loadbufferx(L, start, (size_t)(end - start), lua_tostring(L, -1), mode);
	lua_remove(L, -2);
	return status;
}

/* nil if there is no such file; else raises. */
static int fail(lua_State *L, const struct error *err)
{
	if (trust_found_nothing(err)) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushstring(L, err->text);
	return lua_error(L);
}

/* load(path) → the chunk; nil if there is no such file; false and a message if it is not Lua */
static int load(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct buffer text = { 0 };
	struct error err;
	int status = trust_read(path, &text, &err);

	if (!status && script_load(L, &text, path, NULL)) {
		lua_pushboolean(L, false);
		lua_insert(L, -2);
		status = 2;
	}
	buffer_free(&text);
	return status < 0 ? fail(L, &err) : status ? status : 1;
}

/* check(path) → true; nil if there is no such file */
static int check(lua_State *L)
{
	struct error err;
	int fd = trust_open(luaL_checkstring(L, 1), &err);

	if (fd < 0)
		return fail(L, &err);
	close(fd);
	lua_pushboolean(L, true);
	return 1;
}

int script_open_found(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "load", load },
		{ "check", check },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
