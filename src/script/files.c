// SPDX-License-Identifier: GPL-2.0-only
/* Files in nodes. Further methods of nodes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lab/files.h"
#include "script/internal.h"
#include "util/clock.h"

#define MAX_PERM 07777

static int vm_read_file(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "read a file");
	const char *path = script_check_string(L, 2, "path");
	struct buffer content = { 0 };
	struct error err;

	if (files_read(machine, path, &content, &err))
		return script_raise(L, &err);
	lua_pushlstring(L, buffer_string(&content), content.size);
	buffer_free(&content);
	return 1;
}

static int vm_write_file(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "write a file");
	struct machine_file file = { .path = (char *)script_check_string(L, 2, "path") };
	struct error err;

	if (lua_type(L, 3) != LUA_TSTRING)
		return script_refuse(L, 3, "data", "a string");
	file.content = (char *)lua_tolstring(L, 3, &file.size);
	return files_write(machine, &file, &err) ? script_raise(L, &err) : 0;
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

static int vm_push_file(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "write a file");
	const char *host_path = script_check_string(L, 2, "host");
	struct machine_file file = { .path = (char *)script_check_string(L, 3, "guest") };
	/* Of the original, whose cache of prepared guests asks what they depend on. */
	bool auto_dep;
	const struct option keys[] = { { "auto_dep", OPTION_BOOL, &auto_dep } };
	struct buffer content = { 0 };
	struct error err;

	if (!lua_isnil(L, 4))
		SCRIPT_READ_OPTIONS(L, 4, keys);
	host_path = script_push_path(L, script_push_folder(L), host_path);
	if (!read_host_file(host_path, &content, &file.mode, &err)) {
		file.content = content.data;
		file.size = content.size;
		files_write(machine, &file, &err);
	}
	buffer_free(&content);
	return err.code ? script_raise(L, &err) : 0;
}

const struct script_record script_record_status = { .type = "provium.status", .name = "status" };
const struct script_record script_record_entry = { .type = "provium.entry", .name = "entry" };

static int vm_stat(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "look at a file");
	struct file_status status;
	struct error err;

	if (files_status(machine, script_check_string(L, 2, "path"), &status, &err))
		return script_raise(L, &err);
	lua_createtable(L, 0, 5);
	script_set_count(L, "size", status.size);
	script_set_count(L, "perm", status.perm);
	lua_pushinteger(L, status.changed_ns);
	lua_setfield(L, -2, "mtime_ns");
	lua_pushnumber(L, (double)status.changed_ns / (double)NS_PER_S);
	lua_setfield(L, -2, "mtime");
	lua_pushstring(L, status.type);
	lua_setfield(L, -2, "entry_type");
	script_set_record(L, &script_record_status);
	return 1;
}

/* "TYPE NAME" */
static const char *name_in(const char *entry)
{
	return strchr(entry, ' ') + 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(name_in(*(const char *const *)a), name_in(*(const char *const *)b));
}

static void push_entry(lua_State *L, const char *entry)
{
	const char *name = name_in(entry);

	lua_createtable(L, 0, 2);
	lua_pushstring(L, name);
	lua_setfield(L, -2, "name");
	lua_pushlstring(L, entry, (size_t)(name - 1 - entry));
	lua_setfield(L, -2, "entry_type");
	script_set_record(L, &script_record_entry);
}

/* Sorted by name, for no two shells agree. */
static int vm_listdir(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "list a folder");
	const char *path = script_check_string(L, 2, "path"), **entries;
	struct buffer text = { 0 };
	struct error err;
	size_t count = 0;

	if (files_list(machine, path, &text, &err))
		return script_raise(L, &err);
	lua_pushlstring(L, buffer_string(&text), text.size);
	for (size_t i = 0; i < text.size; i++)
		count += !text.data[i];
	buffer_free(&text);
	entries = lua_newuserdatauv(L, (count + 1) * sizeof(*entries), 0);
	entries[0] = lua_tostring(L, -2);
	for (size_t i = 1; i < count; i++)
		entries[i] = entries[i - 1] + strlen(entries[i - 1]) + 1;
	qsort(entries, count, sizeof(*entries), by_name);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		push_entry(L, entries[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* Permission bits; NULL for nil. */
static const unsigned int *read_perm(lua_State *L, int index, unsigned int *perm)
{
	int good = 0;
	lua_Integer value = lua_type(L, index) == LUA_TNUMBER ? lua_tointegerx(L, index, &good) : 0;

	if (lua_isnil(L, index))
		return NULL;
	if (!good || value < 0 || value > MAX_PERM)
		script_refuse(L, index, "perm", "a whole number from 0 to 4095, such as tonumber(\"750\", 8),");
	*perm = (unsigned int)value;
	return perm;
}

static int vm_mkdir(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "make a folder");
	const char *path = script_check_string(L, 2, "path");
	bool parents = false;
	int perm = 0;
	const struct option keys[] = {
		{ "parents", OPTION_BOOL, &parents },
		{ "perm", OPTION_VALUE, &perm },
	};
	const unsigned int *wanted = NULL;
	unsigned int bits;
	struct error err;

	if (!lua_isnil(L, 3)) {
		SCRIPT_READ_OPTIONS(L, 3, keys);
		wanted = read_perm(L, perm, &bits);
	}
	return files_make_folder(machine, path, parents, wanted, &err) ? script_raise(L, &err) : 0;
}

static int vm_unlink(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "remove a file");
	struct error err;

	return files_remove(machine, script_check_string(L, 2, "path"), &err) ? script_raise(L, &err) : 0;
}

static int vm_rename(lua_State *L)
{
	struct machine *machine = script_check_booted(L, "rename a file");
	const char *from = script_check_string(L, 2, "from"), *to = script_check_string(L, 3, "to");
	struct error err;

	return files_rename(machine, from, to, &err) ? script_raise(L, &err) : 0;
}

/* batch(fn): see lua/batch.lua. */
static int vm_batch(lua_State *L)
{
	script_check_object(L, 1, &script_class_vm);
	if (lua_type(L, 2) != LUA_TFUNCTION)
		return script_refuse(L, 2, "fn", "a function");
	script_require(L, "batch");
	lua_insert(L, 1);
	lua_call(L, 2, 1);
	return 1;
}

const struct script_function script_vm_files[] = {
	{ "read_file", vm_read_file, 1 }, { "write_file", vm_write_file, 2 },
	{ "push_file", vm_push_file, 3 }, { "stat", vm_stat, 1 },
	{ "listdir", vm_listdir, 1 },	  { "mkdir", vm_mkdir, 2 },
	{ "unlink", vm_unlink, 1 },	  { "rename", vm_rename, 2 },
	{ "batch", vm_batch, 1 },	  { NULL },
};
