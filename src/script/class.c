// SPDX-License-Identifier: GPL-2.0-only
/* Classes of userdata, and errors that name the method. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/internal.h"
#include "util/interrupt.h"

/* Its address is the key of the table object → userdata in the registry. */
static const char objects_key;

void *script_new_userdata(lua_State *L, const char *type, size_t size)
{
	struct script_userdata *userdata = lua_newuserdatauv(L, size, 1);

	memset(userdata, 0, size);
	userdata->type = type;
	luaL_setmetatable(L, type);
	return userdata;
}

void *script_test_userdata(lua_State *L, int index, const char *type)
{
	struct script_userdata *userdata = lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;

	return userdata && lua_rawlen(L, index) >= sizeof(*userdata) && userdata->type == type ? userdata : NULL;
}

void *script_check_userdata(lua_State *L, int index, const char *type)
{
	void *userdata = script_test_userdata(L, index, type);

	if (!userdata)
		luaL_typeerror(L, index, type);
	return userdata;
}

/* What stands for an object. */
struct handle {
	struct script_userdata base; /* first */
	void *object;		     /* NULL once it was collected */
};

static int collect(lua_State *L)
{
	const struct script_class *class = lua_touserdata(L, lua_upvalueindex(1));
	struct handle *handle = script_test_userdata(L, 1, class->type);

	if (handle && handle->object)
		class->unref(handle->object);
	if (handle)
		handle->object = NULL;
	return 0;
}

/*
 * All that a script calls comes by here: a surplus argument would be one that says something which nothing does. The function
 * runs in the closure's own frame. A method finds nil for each argument that is not given, so that nothing which it
 * pushes can be taken for one.
 */
static int dispatch(lua_State *L)
{
	const struct script_function *called = lua_touserdata(L, lua_upvalueindex(2));
	int selves = (int)lua_tointeger(L, lua_upvalueindex(3)), most = selves + called->most, given;

	for (given = lua_gettop(L); given > most; given--)
		if (!lua_isnil(L, given))
			script_refuse_surplus(L, given, selves, called->most);
	lua_settop(L, selves ? most : given);
	return called->function(L);
}

void script_set_functions(lua_State *L, const char *prefix, const struct script_function *functions)
{
	bool are_methods = prefix[strlen(prefix) - 1] == ':';

	for (; functions && functions->name; functions++) {
		lua_pushfstring(L, "%s%s", prefix, functions->name);
		lua_pushlightuserdata(L, (void *)functions);
		lua_pushinteger(L, are_methods);
		lua_pushcclosure(L, dispatch, 3);
		lua_setfield(L, -2, functions->name);
	}
}

static void push_new_methods(lua_State *L, const struct script_class *class)
{
	const char *prefix = lua_pushfstring(L, "%s:", class->name);

	lua_newtable(L);
	script_set_functions(L, prefix, class->methods);
	script_set_functions(L, prefix, class->more_methods);
	prefix = lua_pushfstring(L, "%s.", class->name);
	lua_insert(L, -2);
	script_set_functions(L, prefix, class->functions);
	/* Behind the table of methods, so that no list of what there is has them. */
	lua_createtable(L, 0, 1);
	lua_newtable(L);
	script_set_functions(L, prefix, class->absent);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_replace(L, -3);
	lua_pop(L, 1);
}

void script_push_methods(lua_State *L, const struct script_class *class)
{
	luaL_getmetatable(L, class->type);
	lua_getfield(L, -1, SCRIPT_METHODS_KEY);
	lua_remove(L, -2);
}

void script_register_class(lua_State *L, const struct script_class *class)
{
	luaL_newmetatable(L, class->type);
	push_new_methods(L, class);
	script_set_methods(L, class->name);
	lua_pushlightuserdata(L, (void *)class);
	lua_pushcclosure(L, collect, 1);
	lua_setfield(L, -2, "__gc");
	lua_pushliteral(L, "locked");
	lua_setfield(L, -2, "__metatable");
	luaL_setfuncs(L, class->metamethods, 0);
	lua_pop(L, 1);
}

/* Weak in its values, so that it keeps nothing alive. */
static void push_objects(lua_State *L)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "v");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &objects_key);
}

void script_push_object(lua_State *L, const struct script_class *class, void *object)
{
	struct handle *handle;

	push_objects(L);
	lua_rawgetp(L, -1, object);
	handle = script_test_userdata(L, -1, class->type);
	if (!handle) {
		lua_pop(L, 1);
		handle = script_new_userdata(L, class->type, sizeof(*handle));
		lua_pushvalue(L, -1);
		lua_rawsetp(L, -3, object);
	}
	/* A new one, or one whose finalizer a script has called. */
	if (!handle->object) {
		class->ref(object);
		handle->object = object;
	}
	lua_remove(L, -2);
}

void *script_test_object(lua_State *L, int index, const struct script_class *class)
{
	const struct handle *handle = script_test_userdata(L, index, class->type);

	return handle ? handle->object : NULL;
}

void *script_check_object(lua_State *L, int index, const struct script_class *class)
{
	void *object = script_test_object(L, index, class);

	if (!object && index == 1)
		script_fail(L, "call it with a colon: %s(…)", script_method_name(L));
	if (!object)
		script_refuse(L, index, class->name, class->type);
	return object;
}

const char *script_method_name(lua_State *L)
{
	const char *name = lua_tostring(L, lua_upvalueindex(1));

	return name ? name : "object:method";
}

void script_set_count(lua_State *L, const char *key, uint64_t value)
{
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, key);
}

/* With the name of the method, which is half of what a person wants to know. */
static void keep_interruption(lua_State *L, const struct error *err)
{
	const char *method = lua_tostring(L, lua_upvalueindex(1));
	struct error whole = *err;

	if (method && strncmp(err->text, method, strlen(method)) != 0)
		error_wrap(&whole, "%s", method);
	interrupt_keep(whole.text);
}

int script_raise(lua_State *L, const struct error *err)
{
	if (err->code == EINTR)
		keep_interruption(L, err);
	script_fail(L, "%s", err->text);
}

int script_fail(lua_State *L, const char *format, ...)
{
	const char *method = lua_tostring(L, lua_upvalueindex(1));
	char text[sizeof(((struct error *)0)->text)];
	va_list args;

	/* Not by lua_pushvfstring(), which knows few conversions. */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	luaL_where(L, 1);
	lua_pushfstring(L, "%s%s%s", method ? method : "", method ? ": " : "", text);
	lua_concat(L, 2);
	lua_error(L);
	abort(); /* lua_error() does not return, but is not declared so */
}
