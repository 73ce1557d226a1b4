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
#include "util/replace.h"

static const char type[] = "provium.snapshot";

struct snapshot {
	struct script_userdata base; /* first */
	int fd;			     /* -1: the file has a name */
	char *path;
	struct replacement place; /* of one with a name, until it is in its place */
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

static void close_snapshot(struct snapshot *snapshot)
{
	if (snapshot->fd >= 0)
		close(snapshot->fd);
	replace_close(&snapshot->place);
	free(snapshot->path);
	*snapshot = (struct snapshot){ .base = snapshot->base, .fd = -1, .place.fd = -1 };
}

/* A new one is its owner's alone, for it has the guest's memory in it. */
static int open_beside(struct snapshot *snapshot, const char *path, struct error *err)
{
	mode_t mask = umask(077);

	replace_open(&snapshot->place, path, err);
	umask(mask);
	if (snapshot->place.fd < 0)
		return error_wrap(err, "snapshot to %s", path);
	snapshot->path = memory_string(path);
	return snapshot->place.is_new ? 0 : error_set(err, EINVAL, "snapshot to %s: this is no file", path);
}

/* On top of the stack: what is saved, beside where it is to be. The node is at the first place, a path or nothing at the second. */
static struct snapshot *save(lua_State *L, struct error *err)
{
	struct machine *machine = script_check_object(L, 1, &script_class_vm);
	const char *path = lua_isnoneornil(L, 2) ? NULL : script_check_string(L, 2, "path");
	struct snapshot *snapshot = script_new_userdata(L, type, sizeof(*snapshot));

	snapshot->fd = snapshot->place.fd = -1;
	err->code = 0;
	if ((path ? open_beside(snapshot, path, err) : open_nameless(snapshot, err)))
		return NULL;
	if (!machine_snapshot(machine, path ? snapshot->place.fd : snapshot->fd, err))
		return snapshot;
	if (path)
		error_wrap(err, "snapshot to %s", path);
	/* Now, and not when nobody refers to it any more: the disk may be full of it. */
	close_snapshot(snapshot);
	return NULL;
}

static int put_in_place(struct snapshot *snapshot, struct error *err)
{
	err->code = 0;
	if (snapshot->place.is_new && !replace_commit(&snapshot->place, err))
		replace_close(&snapshot->place);
	return -err->code;
}

int script_vm_snapshot(lua_State *L)
{
	struct error err;
	struct snapshot *snapshot = save(L, &err);

	return !snapshot || put_in_place(snapshot, &err) ? script_raise(L, &err) : 1;
}

int script_native_save(lua_State *L)
{
	struct error err;

	return save(L, &err) ? 1 : script_raise(L, &err);
}

int script_native_put_in_place(lua_State *L)
{
	struct error err;

	return put_in_place(script_check_userdata(L, 1, type), &err) ? script_raise(L, &err) : 0;
}

/* The file at the path has this text, or what it had before. */
int script_native_replace_file(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	struct replacement place;
	struct error err = { 0 };

	if (!replace_open(&place, path, &err)) {
		if (write(place.fd, text, size) != (ssize_t)size)
			error_set(&err, errno, "%s", strerror(errno));
		else
			replace_commit(&place, &err);
		replace_close(&place);
	}
	return err.code ? luaL_error(L, "write %s: %s", path, err.text) : 0;
}

/* Nobody waits for who writes to a pipe. */
static int open_saved(const struct machine *machine, const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		error_errno(err, errno, "restore vm `%s` from %s", machine->name, path);
	else if (!S_ISREG(status.st_mode))
		error_set(err, EINVAL, "restore vm `%s` from %s: this is no file", machine->name, path);
	else
		return fd;
	if (fd >= 0)
		close(fd);
	return -err->code;
}

int script_vm_restore(lua_State *L)
{
	struct machine *machine = script_check_object(L, 1, &script_class_vm);
	struct snapshot *snapshot = script_test_userdata(L, 2, type);
	const char *path = snapshot			   ? snapshot->path
			   : lua_type(L, 2) == LUA_TSTRING ? script_check_string(L, 2, "snapshot")
							   : NULL;
	struct error err;
	int fd;

	if (!path)
		return script_refuse(L, 2, "snapshot", "what snapshot() returned, or the path of its file,");
	fd = open_saved(machine, path, &err);
	if (fd < 0)
		return script_raise(L, &err);
	err.code = 0;
	if (machine_restore(machine, fd, &err))
		error_append(&err, " (from %s)", path);
	close(fd);
	return err.code ? script_raise(L, &err) : 0;
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
	struct snapshot *snapshot = script_check_userdata(L, 1, type);

	lua_pushstring(L, snapshot->path);
	return 1;
}

/* 0 if it is not there any more. */
static int snapshot_size(lua_State *L)
{
	struct snapshot *snapshot = script_check_userdata(L, 1, type);
	struct stat status;

	lua_pushinteger(L, snapshot->path && stat(snapshot->path, &status) == 0 ? (lua_Integer)status.st_size : 0);
	return 1;
}

static int snapshot_close(lua_State *L)
{
	close_snapshot(script_check_userdata(L, 1, type));
	return 0;
}

/* Safe twice. One without a name goes by being closed. */
static int snapshot_delete(lua_State *L)
{
	struct snapshot *snapshot = script_check_userdata(L, 1, type);

	if (snapshot->fd < 0 && snapshot->path && unlink(snapshot->path) && errno != ENOENT)
		return script_fail(L, "remove %s: %s", snapshot->path, strerror(errno));
	return snapshot_close(L);
}

static int snapshot_tostring(lua_State *L)
{
	struct snapshot *snapshot = script_check_userdata(L, 1, type);

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

	luaL_newmetatable(L, type);
	lua_newtable(L);
	script_set_functions(L, "snapshot:", methods);
	script_set_methods(L, "snapshot");
	lua_pushcfunction(L, snapshot_close);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, snapshot_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
