// SPDX-License-Identifier: GPL-2.0-only
/* Arguments and tables of options: read, or refused with the words that help. */
#include <stdio.h>
#include <string.h>

#include "script/internal.h"
#include "util/nearest.h"

/* Pushes the value as a script would write it, or its type, and returns that text. */
static const char *describe(lua_State *L, int index)
{
	index = lua_absindex(L, index);
	switch (lua_type(L, index)) {
	case LUA_TNONE:
	case LUA_TNIL:
		return lua_pushliteral(L, "missing");
	case LUA_TSTRING:
		lua_pushfstring(L, "\"%s\"", lua_tostring(L, index));
		return lua_tostring(L, -1);
	case LUA_TBOOLEAN:
	case LUA_TNUMBER:
		return luaL_tolstring(L, index, NULL);
	default:
		if (luaL_getmetafield(L, index, "__name") != LUA_TSTRING)
			lua_pushstring(L, luaL_typename(L, index));
		return lua_pushfstring(L, "a %s", lua_tostring(L, -1));
	}
}

const char *script_text(lua_State *L, int index)
{
	size_t length = 0;
	const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : NULL;

	return text && strlen(text) == length ? text : NULL;
}

int script_refuse(lua_State *L, int index, const char *argument, const char *accepted)
{
	if (lua_type(L, index) == LUA_TSTRING && !script_text(L, index))
		script_fail(L, "argument `%s` has a NUL byte in it; %s is accepted", argument, accepted);
	script_fail(L, "argument `%s` is %s; %s is accepted", argument, describe(L, index), accepted);
}

int script_refuse_surplus(lua_State *L, int index, int selves, int most)
{
	const char *hint =
		lua_istable(L, index) ? "; options are keys of one table, beside the others that it takes" : "";

	if (!most)
		script_fail(L, "argument %d is %s; none is accepted", index - selves, describe(L, index));
	script_fail(L, "argument %d is %s; at most %d %s accepted%s", index - selves, describe(L, index), most,
		    most == 1 ? "is" : "are", hint);
}

uint64_t script_check_quantity(lua_State *L, int index, const char *argument, enum quantity quantity)
{
	const char *text = script_text(L, index);
	uint64_t value;
	bool good = false;

	if (lua_type(L, index) == LUA_TNUMBER)
		good = units_from_number(quantity, lua_tonumber(L, index), &value);
	else if (text)
		good = units_from_string(quantity, text, &value);
	if (!good)
		script_refuse(L, index, argument, units_accepted(quantity));
	return value;
}

uint64_t script_opt_quantity(lua_State *L, int index, const char *argument, enum quantity quantity, uint64_t otherwise)
{
	return lua_isnoneornil(L, index) ? otherwise : script_check_quantity(L, index, argument, quantity);
}

/* A number would be converted by Lua; a name that is one is a slip of the pen. */
const char *script_check_string(lua_State *L, int index, const char *argument)
{
	const char *text = script_text(L, index);

	if (!text)
		script_refuse(L, index, argument, lua_type(L, index) == LUA_TSTRING ? "text without one" : "a string");
	return text;
}

void script_check_table(lua_State *L, int index, const char *argument)
{
	if (lua_type(L, index) != LUA_TTABLE)
		script_refuse(L, index, argument, "a table");
}

size_t script_check_list(lua_State *L, int index, const char *argument, const char *accepted)
{
	size_t count = 0;

	if (lua_type(L, index) != LUA_TTABLE)
		script_refuse(L, index, argument, accepted);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1)
			script_fail(L, "argument `%s` has the key %s; %s is accepted", argument, describe(L, -2),
				    accepted);
		count++;
	}
	return count;
}

/* Two labs may each have a node of that name, and a bridge knows names: what is said about one must not meet the other. */
static void check_same(lua_State *L, const struct machine *machine, const char *argument)
{
	struct bridge *bridge = script_test_object(L, 1, &script_class_bridge);
	const struct member *member = bridge ? bridge_find(bridge, machine->name) : NULL;

	if (member && member->machine && member->machine != machine)
		script_fail(
			L,
			"argument `%s`: the `%s` on bridge `%s` is another node of that name; name one that is on it",
			argument, machine->name, bridge->name);
}

struct party script_check_party(lua_State *L, int index, const char *argument)
{
	struct machine *machine = script_test_object(L, index, &script_class_vm);

	if (machine)
		check_same(L, machine, argument);
	if (machine)
		return (struct party){ .machine = machine, .name = machine->name };
	if (lua_type(L, index) != LUA_TSTRING)
		script_refuse(L, index, argument, "a node or the name of one");
	return (struct party){ .name = script_check_string(L, index, argument) };
}

static uint64_t check_integer(lua_State *L, int index, const struct option *option)
{
	lua_Integer value;
	char accepted[64];
	int good;

	value = lua_type(L, index) == LUA_TNUMBER ? lua_tointegerx(L, index, &good) : (good = 0);
	if (!good || value < 1 || (uint64_t)value > option->limit) {
		snprintf(accepted, sizeof(accepted), "a whole number from 1 to %llu",
			 (unsigned long long)option->limit);
		script_refuse(L, index, option->name, accepted);
	}
	return (uint64_t)value;
}

static void check_value(lua_State *L, int index, const struct option *option)
{
	switch (option->kind) {
	case OPTION_QUANTITY:
		*(uint64_t *)option->target = script_check_quantity(L, index, option->name, option->quantity);
		break;
	case OPTION_STRING:
		*(const char **)option->target = script_check_string(L, index, option->name);
		break;
	case OPTION_INTEGER:
		*(uint64_t *)option->target = check_integer(L, index, option);
		break;
	case OPTION_BOOL:
		if (lua_type(L, index) != LUA_TBOOLEAN)
			script_refuse(L, index, option->name, "true or false");
		*(bool *)option->target = lua_toboolean(L, index);
		break;
	case OPTION_PARTY:
		*(struct party *)option->target = script_check_party(L, index, option->name);
		break;
	case OPTION_VALUE:
		break;
	case OPTION_LATER:
		script_fail(L, "`%s` is not available in provium %s; leave it out", option->name, PROVIUM_VERSION);
	}
	if (option->given)
		*option->given = true;
}

__attribute__((noreturn)) static void refuse_key(lua_State *L, int key, const struct option *options, size_t count)
{
	const char *text = describe(L, key);
	struct nearest nearest = { .word = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : NULL };
	luaL_Buffer list;

	luaL_buffinit(L, &list);
	for (size_t i = 0; i < count; i++) {
		if (options[i].kind == OPTION_LATER)
			continue;
		luaL_addstring(&list, luaL_bufflen(&list) ? ", " : "");
		luaL_addstring(&list, options[i].name);
		nearest_try(&nearest, options[i].name);
	}
	luaL_pushresult(&list);
	if (nearest.found)
		script_fail(L, "unknown key %s; the nearest is \"%s\"; the keys are: %s", text, nearest.found,
			    lua_tostring(L, -1));
	script_fail(L, "unknown key %s; the keys are: %s", text, lua_tostring(L, -1));
}

static const struct option *find_option(lua_State *L, int key, const struct option *options, size_t count)
{
	for (size_t i = 0; i < count && lua_type(L, key) == LUA_TSTRING; i++)
		if (strcmp(options[i].name, lua_tostring(L, key)) == 0)
			return &options[i];
	return NULL;
}

void script_read_options(lua_State *L, int index, const struct option *options, size_t count)
{
	index = lua_absindex(L, index);
	script_check_table(L, index, "options");
	lua_pushnil(L);
	while (lua_next(L, index)) {
		int value = lua_gettop(L);
		const struct option *option = find_option(L, value - 1, options, count);

		if (!option)
			refuse_key(L, value - 1, options, count);
		check_value(L, value, option);
		lua_pop(L, 1);
	}
	/* Only now, for lua_next() wants its key on top. */
	for (size_t i = 0; i < count; i++) {
		if (options[i].kind != OPTION_VALUE)
			continue;
		/* As they were walked: what a metatable gives was not looked at. */
		lua_pushstring(L, options[i].name);
		lua_rawget(L, index);
		*(int *)options[i].target = lua_gettop(L);
	}
}
