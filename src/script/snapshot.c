// SPDX-License-Identifier: GPL-2.0-only
/* vm:snapshot() and vm:restore(). A snapshot without a path is a file without a name, which goes with its last user. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "script/internal.h"
#include "util/memory.h"

#define SNAPSHOT_TYPE "provium.snapshot"

struct snapshot {
	int fd; /* -1: the file has a name */
	char *path;
};

static int open_nameless(struct snapshot *snapshot, struct error *err)
{
	const char *folder = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char path[32];

	snapshot->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (snapshot->fd < 0)
		return error_errno(err, errno, "make a temporary file in %s; give snapshot() a path elsewhere", folder);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", snapshot->fd);
	snapshot->path = memory_string(path);
	return 0;
}

int script_vm_snapshot(lua_State *L)
{
	struct machine *machine = script_check_object(L, 1, &script_class_vm);
	const char *path = lua_isnoneornil(L, 2) ? NULL : script_check_string(L, 2, "path");
	struct snapshot *snapshot = lua_newuserdatauv(L, sizeof(*snapshot), 0);
	struct error err;

	*snapshot = (struct snapshot){ .fd = -1 };
	luaL_setmetatable(L, SNAPSHOT_TYPE);
	if (path)
		snapshot->path = memory_string(path);
	else if (open_nameless(snapshot, &err))
		return script_raise(L, &err);
	return machine_snapshot(machine, snapshot->path, &err) ? script_raise(L, &err) : 1;
}

int script_vm_restore(lua_State *L)
{
	struct machine *machine = script_check_object(L, 1, &script_class_vm);
	struct snapshot *snapshot = luaL_testudata(L, 2, SNAPSHOT_TYPE);
	const char *path = snapshot ? snapshot->path : script_text(L, 2);
	struct error err;

	if (!path)
		return script_refuse(L, 2, "snapshot", "what snapshot() returned, or the path of its file,");
	return machine_restore(machine, path, &err) ? script_raise(L, &err) : 0;
}

/* See lua/lab_snapshot.lua. An error of it is one of the call, whose place is that of the script. */
static int call_lab(lua_State *L, const char *function)
{
	const char *text, *place;

	script_check_object(L, 1, &script_class_lab);
	script_require(L, "lab_snapshot");
	lua_getfield(L, -1, function);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	if (lua_pcall(L, 2, 1, 0) == LUA_OK)
		return 1;
	text = luaL_tolstring(L, -1, NULL);
	place = strncmp(text, "provium/", strlen("provium/")) == 0 ? strstr(text, ": ") : NULL;
	return script_fail(L, "%s", place ? place + strlen(": ") : text);
}

int script_lab_snapshot(lua_State *L)
{
	if (!lua_isnil(L, 2))
		script_check_string(L, 2, "folder");
	return call_lab(L, "save");
}

int script_lab_restore(lua_State *L)
{
	return call_lab(L, "restore");
}

static int snapshot_path(lua_State *L)
{
	struct snapshot *snapshot = luaL_checkudata(L, 1, SNAPSHOT_TYPE);

	lua_pushstring(L, snapshot->path);
	return 1;
}

/* 0 if it is not there any more. */
static int snapshot_size(lua_State *L)
{
	struct snapshot *snapshot = luaL_checkudata(L, 1, SNAPSHOT_TYPE);
	struct stat status;

	lua_pushinteger(L, snapshot->path && stat(snapshot->path, &status) == 0 ? (lua_Integer)status.st_size : 0);
	return 1;
}

static int snapshot_close(lua_State *L)
{
	struct snapshot *snapshot = luaL_checkudata(L, 1, SNAPSHOT_TYPE);

	if (snapshot->fd >= 0)
		close(snapshot->fd);
	free(snapshot->path);
	*snapshot = (struct snapshot){ .fd = -1 };
	return 0;
}

/* Safe twice. One without a name goes by being closed. */
static int snapshot_delete(lua_State *L)
{
	struct snapshot *snapshot = luaL_checkudata(L, 1, SNAPSHOT_TYPE);

	if (snapshot->fd < 0 && snapshot->path && unlink(snapshot->path) && errno != ENOENT)
		return script_fail(L, "remove %s: %s", snapshot->path, strerror(errno));
	return snapshot_close(L);
}

static int snapshot_tostring(lua_State *L)
{
	struct snapshot *snapshot = luaL_checkudata(L, 1, SNAPSHOT_TYPE);

	lua_pushfstring(L, "snapshot(%s)", snapshot->path ? snapshot->path : "closed");
	return 1;
}

void script_register_snapshot(lua_State *L)
{
	static const struct script_function methods[] = { { "path", snapshot_path, 0 },
							  { "size", snapshot_size, 0 },
							  { "delete", snapshot_delete, 0 },
							  { "close", snapshot_close, 0 },
							  { NULL } };

	luaL_newmetatable(L, SNAPSHOT_TYPE);
	lua_newtable(L);
	script_set_functions(L, "snapshot:", methods);
	script_set_methods(L, "snapshot");
	lua_pushcfunction(L, snapshot_close);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, snapshot_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
