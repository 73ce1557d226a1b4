// SPDX-License-Identifier: GPL-2.0-only
/* Files in nodes. Methods of nodes. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "script/internal.h"

int script_vm_read_file(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "read a file");
	const char *path = script_check_string(L, 2, "path");
	struct buffer content = { 0 };
	struct error err;

	if (machine_read_file(machine, path, &content, &err))
		return script_raise(L, &err);
	lua_pushlstring(L, buffer_string(&content), content.size);
	buffer_free(&content);
	return 1;
}

int script_vm_write_file(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "write a file");
	struct machine_file file = { .path = (char *)script_check_string(L, 2, "path") };
	struct error err;

	if (lua_type(L, 3) != LUA_TSTRING)
		return script_refuse(L, 3, "data", "a string");
	file.content = (char *)lua_tolstring(L, 3, &file.size);
	return machine_write_file(machine, &file, &err) ? script_raise(L, &err) : 0;
}

static int read_host_file(const char *path, struct buffer *content, unsigned int *mode, struct error *err)
{
	FILE *file = fopen(path, "re");
	char bytes[65536];
	struct stat status;
	size_t size;

	if (!file)
		return error_errno(err, errno, "open %s on this machine", path);
	while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buffer_add(content, bytes, size);
	err->code = 0;
	if (ferror(file) || fstat(fileno(file), &status))
		error_errno(err, errno, "read %s on this machine", path);
	else
		*mode = status.st_mode & 07777;
	fclose(file);
	return -err->code;
}

int script_vm_push_file(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "write a file");
	const char *host_path = script_check_string(L, 2, "host");
	struct machine_file file = { .path = (char *)script_check_string(L, 3, "guest") };
	struct buffer content = { 0 };
	struct error err;

	if (!read_host_file(host_path, &content, &file.mode, &err)) {
		file.content = content.data;
		file.size = content.size;
		machine_write_file(machine, &file, &err);
	}
	buffer_free(&content);
	return err.code ? script_raise(L, &err) : 0;
}
