// SPDX-License-Identifier: GPL-2.0-only
/* Files and folders of this machine that a script or a configuration names, and what of them a node is to see. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node/netns/oci.h"
#include "script/internal.h"

#define BIND_FORMS "\"HOST:GUEST\", \"HOST:GUEST:ro\" or, if a path has a colon, {host=, guest=, read_only=}"

const char *script_push_folder(lua_State *L)
{
	lua_Debug caller;
	const char *slash;

	if (!lua_getstack(L, 1, &caller) || !lua_getinfo(L, "S", &caller) || *caller.source != '@')
		return lua_pushliteral(L, "");
	slash = strrchr(caller.source, '/');
	return lua_pushlstring(L, caller.source + 1, slash ? (size_t)(slash - caller.source) : 0);
}

const char *script_push_path(lua_State *L, const char *folder, const char *path)
{
	return lua_pushfstring(L, "%s%s", *path == '/' ? "" : folder, path);
}

const char *script_push_place(lua_State *L, const char *key, const char *folder, const char *path)
{
	const char *whole = script_push_path(L, folder, path);
	char *real = realpath(whole, NULL);

	if (!real)
		script_fail(L, "`%s` is %s: %s", key, whole, strerror(errno));
	lua_pushstring(L, real);
	free(real);
	lua_remove(L, -2);
	return lua_tostring(L, -1);
}

static bool is_folder(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

const char *script_push_place_folder(lua_State *L, const char *key, const char *folder, const char *path)
{
	const char *place = script_push_place(L, key, folder, path);

	if (!is_folder(place))
		script_fail(L, "`%s` is %s, which is no folder", key, place);
	return place;
}

const char *script_push_root(lua_State *L, const char *folder, const char *text)
{
	const char *tag, *place;
	char layout[PATH_MAX];
	int top = lua_gettop(L);

	luaL_checkstack(L, LUA_MINSTACK, "root");
	if (strcmp(text, NODE_ROOT_SHARED) == 0 || strcmp(text, NODE_ROOT_OWN) == 0)
		return lua_pushstring(L, text);
	if (oci_is_layout(script_push_path(L, folder, text), layout, &tag) && tag)
		place = lua_pushfstring(L, "%s:%s", script_push_place_folder(L, "root", "", layout), tag);
	else
		place = script_push_place_folder(L, "root", folder, text);
	lua_replace(L, top + 1);
	lua_settop(L, top + 1);
	return place;
}

/* Pushes it without a slash too many. What leads elsewhere than it says is refused. */
static const char *push_guest(lua_State *L, const char *guest)
{
	luaL_Buffer path;

	if (!guest || *guest != '/')
		script_fail(L, "`binds` has the place \"%s\" in the node; an absolute path is accepted",
			    guest ? guest : "");
	luaL_buffinit(L, &path);
	for (const char *part = guest, *end; *part; part = end) {
		part += strspn(part, "/");
		end = part + strcspn(part, "/");
		if (end - part == 2 && strncmp(part, "..", 2) == 0)
			script_fail(L, "`binds` has the place \"%s\" in the node; a path without .. is accepted",
				    guest);
		if (end == part || (end - part == 1 && *part == '.'))
			continue;
		luaL_addchar(&path, '/');
		luaL_addlstring(&path, part, (size_t)(end - part));
	}
	if (!luaL_bufflen(&path))
		script_fail(L, "`binds` has the place \"%s\" in the node; use `root` to give it another file system",
			    guest);
	luaL_pushresult(&path);
	return lua_tostring(L, -1);
}

/* "HOST:GUEST", "HOST:GUEST:ro" or "HOST:GUEST:rw". */
static void split_bind(lua_State *L, const char *text, struct node_bind *bind)
{
	size_t host = strcspn(text, ":");
	const char *guest = text[host] ? text + host + 1 : "";
	size_t length = strcspn(guest, ":");
	const char *mode = guest[length] ? guest + length + 1 : "rw";

	if (!host || !length || (strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0))
		script_fail(L, "`binds` has \"%s\"; %s is accepted", text, BIND_FORMS);
	*bind = (struct node_bind){
		.host = lua_pushlstring(L, text, host),
		.guest = lua_pushlstring(L, guest, length),
		.read_only = strcmp(mode, "ro") == 0,
	};
}

/* The strings of the bind are pushed. */
static void read_bind(lua_State *L, int index, const char *folder, struct node_bind *bind)
{
	const struct option keys[] = {
		{ "host", OPTION_STRING, &bind->host },
		{ "guest", OPTION_STRING, &bind->guest },
		{ "read_only", OPTION_BOOL, &bind->read_only },
	};

	*bind = (struct node_bind){ 0 };
	if (lua_type(L, index) == LUA_TSTRING)
		split_bind(L, script_check_string(L, index, "binds"), bind);
	else if (lua_type(L, index) == LUA_TTABLE)
		SCRIPT_READ_OPTIONS(L, index, keys);
	else
		script_refuse(L, index, "binds", "a list of " BIND_FORMS);
	if (!bind->host)
		script_fail(L, "`binds` has a table without `host`; %s is accepted", BIND_FORMS);
	bind->guest = push_guest(L, bind->guest);
	bind->host = script_push_place(L, "binds", folder, bind->host);
}

static int by_guest(const void *a, const void *b)
{
	return strcmp(((const struct node_bind *)a)->guest, ((const struct node_bind *)b)->guest);
}

struct node_bind *script_push_binds(lua_State *L, int index, const char *folder, size_t *count)
{
	struct node_bind *binds;
	int strings;

	luaL_checkstack(L, 2 * LUA_MINSTACK, "binds");
	*count = script_check_list(L, index, "binds", "a list of " BIND_FORMS);
	binds = lua_newuserdatauv(L, (*count + 1) * sizeof(*binds), 1);
	lua_newtable(L);
	strings = lua_gettop(L);
	for (size_t i = 0; i < *count; i++) {
		lua_rawgeti(L, index, (lua_Integer)i + 1);
		read_bind(L, strings + 1, folder, &binds[i]);
		/* As long as the userdata lives, so do they. */
		lua_rawseti(L, strings, 2 * (lua_Integer)i + 1);
		lua_rawseti(L, strings, 2 * (lua_Integer)i + 2);
		lua_settop(L, strings);
	}
	lua_setiuservalue(L, strings - 1, 1);
	qsort(binds, *count, sizeof(*binds), by_guest);
	for (size_t i = 1; i < *count; i++)
		if (strcmp(binds[i].guest, binds[i - 1].guest) == 0)
			script_fail(L, "`binds` has %s and %s for the same place in the node, %s; leave one out",
				    binds[i - 1].host, binds[i].host, binds[i].guest);
	return binds;
}
