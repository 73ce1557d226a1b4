// SPDX-License-Identifier: GPL-2.0-only
/* Fields and methods: an object has those that it has and no others, so that reading one that is misspelt raises. Records are
 * tables such as results and counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "script/internal.h"
#include "util/nearest.h"

#define RECORD_KEY "record" /* of the metatable */

#define MAX_FIELDS 64

struct fields {
	const char *names[MAX_FIELDS];
	size_t count;
	struct nearest nearest;
};

static void add_field(struct fields *fields, const char *name)
{
	for (size_t i = 0; i < fields->count; i++)
		if (strcmp(fields->names[i], name) == 0)
			return;
	if (fields->count < MAX_FIELDS)
		fields->names[fields->count++] = name;
	nearest_try(&fields->nearest, name);
}

/* The strings that are keys of the table at this index. */
static void add_keys(lua_State *L, int index, struct fields *fields)
{
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING)
			add_field(fields, lua_tostring(L, -2));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Raises: `name`: there is no such field. */
__attribute__((noreturn)) static void refuse(lua_State *L, const char *name, const char *key, struct fields *fields)
{
	struct error err = { 0 };

	qsort(fields->names, fields->count, sizeof(fields->names[0]), by_name);
	error_set(&err, EINVAL, "%s: there is no field `%.40s`", name, key);
	if (fields->nearest.found)
		error_append(&err, "; the nearest is `%s`", fields->nearest.found);
	error_append(&err, "; the fields are");
	for (size_t i = 0; i < fields->count; i++)
		error_append(&err, "%s %s", i ? "," : ":", fields->names[i]);
	luaL_where(L, 1);
	lua_pushstring(L, err.text);
	lua_concat(L, 2);
	lua_error(L);
	abort(); /* lua_error() does not return, but is not declared so */
}

static int method_index(lua_State *L)
{
	const char *name = lua_tostring(L, lua_upvalueindex(1)), *key;
	struct fields fields = { 0 };

	lua_pushvalue(L, 2);
	if (lua_gettable(L, lua_upvalueindex(2)) != LUA_TNIL || lua_type(L, 2) != LUA_TSTRING)
		return 1;
	key = lua_tostring(L, 2);
	fields.nearest.word = key;
	add_keys(L, lua_upvalueindex(2), &fields);
	refuse(L, name, key, &fields);
}

void script_set_methods(lua_State *L, const char *name)
{
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, SCRIPT_METHODS_KEY);
	lua_pushstring(L, name);
	lua_insert(L, -2);
	lua_pushcclosure(L, method_index, 2);
	lua_setfield(L, -2, "__index");
}

static bool is_optional(const struct script_record *record, const char *key)
{
	for (const char *const *name = record->optional; name && *name; name++)
		if (strcmp(*name, key) == 0)
			return true;
	return false;
}

__attribute__((noreturn)) static void refuse_field(lua_State *L, const struct script_record *record, const char *key)
{
	struct fields fields = { .nearest = { .word = key } };

	add_keys(L, 1, &fields);
	for (const char *const *name = record->optional; name && *name; name++)
		add_field(&fields, *name);
	add_keys(L, lua_upvalueindex(2), &fields);
	refuse(L, record->name, key, &fields);
}

/* Only called for a key that the table does not have. A number is the end of its list, if it has one. */
static int record_index(lua_State *L)
{
	const struct script_record *record = lua_touserdata(L, lua_upvalueindex(1));
	const char *key;

	if (lua_type(L, 1) != LUA_TTABLE || lua_type(L, 2) != LUA_TSTRING)
		return 0;
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
		return 1;
	key = lua_tostring(L, 2);
	if (is_optional(record, key))
		return 0;
	refuse_field(L, record, key);
}

void script_register_record(lua_State *L, const struct script_record *record)
{
	luaL_newmetatable(L, record->type);
	lua_pushboolean(L, true);
	lua_setfield(L, -2, RECORD_KEY);
	if (record->to_string) {
		lua_pushcfunction(L, record->to_string);
		lua_setfield(L, -2, "__tostring");
	}
	lua_pushlightuserdata(L, (void *)record);
	lua_newtable(L);
	if (record->methods) {
		const char *prefix = lua_pushfstring(L, "%s:", record->name);

		lua_insert(L, -2);
		script_set_functions(L, prefix, record->methods);
		lua_remove(L, -2);
	}
	lua_pushcclosure(L, record_index, 2);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

void script_set_record(lua_State *L, const struct script_record *record)
{
	luaL_setmetatable(L, record->type);
}
