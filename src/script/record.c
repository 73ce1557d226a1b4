// SPDX-License-Identifier: GPL-2.0-only
/* Records: tables such as results and counters. They have their fields and no others: reading another raises. */
#include <string.h>

#include "script/internal.h"
#include "util/buffer.h"
#include "util/nearest.h"

#define RECORD_KEY "record" /* of the metatable */

struct fields {
	struct buffer list;
	struct nearest nearest;
};

static void add_field(struct fields *fields, const char *name)
{
	buffer_printf(&fields->list, "%s%s", fields->list.size ? ", " : "", name);
	nearest_try(&fields->nearest, name);
}

/* The strings that are keys of the table at this index. */
static void add_keys(lua_State *L, int index, struct fields *fields)
{
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING)
			add_field(fields, lua_tostring(L, -2));
}

static bool is_optional(const struct script_record *record, const char *key)
{
	for (const char *const *name = record->optional; name && *name; name++)
		if (strcmp(*name, key) == 0)
			return true;
	return false;
}

__attribute__((noreturn)) static void refuse(lua_State *L, const struct script_record *record, const char *key)
{
	struct fields fields = { .nearest = { .word = key } };
	struct error err = { 0 };

	add_keys(L, 1, &fields);
	for (const char *const *name = record->optional; name && *name; name++)
		add_field(&fields, *name);
	for (const struct script_function *method = record->methods; method && method->name; method++)
		add_field(&fields, method->name);
	error_set(&err, 1, "%s: there is no field `%.40s`", record->name, key);
	if (fields.nearest.found)
		error_append(&err, "; the nearest is `%s`", fields.nearest.found);
	error_append(&err, "; the fields are: %s", buffer_string(&fields.list));
	buffer_free(&fields.list);
	luaL_where(L, 1);
	lua_pushstring(L, err.text);
	lua_concat(L, 2);
	lua_error(L);
	__builtin_unreachable();
}

/* Only called for a key that the table does not have. A number is the end of its list, if it has one. */
static int record_index(lua_State *L)
{
	const struct script_record *record = lua_touserdata(L, lua_upvalueindex(1));
	const char *key;

	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
		return 1;
	key = lua_tostring(L, 2);
	if (is_optional(record, key))
		return 0;
	refuse(L, record, key);
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
