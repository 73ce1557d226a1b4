// SPDX-License-Identifier: GPL-2.0-only
/* json.encode, by yajl. The keys of objects are sorted, so that equal values have equal texts. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "script/internal.h"
#include "util/buffer.h"
#include "util/utf8.h"

#define MAX_DEPTH     100
#define MAX_LENGTH    10000000
#define MAX_PRECISION 17 /* of a double: that many digits always read back */
#define MAX_PLAIN     1e15
#define NUMBER_SIZE   32

struct encoder {
	lua_State *L;
	yajl_gen gen;
	int depth;
	const char *why; /* it cannot be encoded, or NULL */
};

static void encode(struct encoder *encoder, int index);

/* How long the list is, holes counted, if the keys are places in one; else -1. */
static lua_Integer list_length(lua_State *L, int index)
{
	lua_Integer length = 0;

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1) {
			lua_pop(L, 2);
			return -1;
		}
		if (lua_tointeger(L, -2) > length)
			length = lua_tointeger(L, -2);
	}
	return length;
}

static bool is_marked(lua_State *L, int index)
{
	bool marked;

	if (!lua_getmetatable(L, index))
		return false;
	luaL_getmetatable(L, SCRIPT_JSON_ARRAY);
	marked = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return marked;
}

/* As it is: the text is JSON already. */
static void add_raw(struct encoder *encoder, const char *text)
{
	yajl_gen_number(encoder->gen, text, strlen(text));
}

static void encode_array(struct encoder *encoder, int index, lua_Integer count)
{
	/* yajl would give an empty one a line of its own. */
	if (!count) {
		add_raw(encoder, "[]");
		return;
	}
	yajl_gen_array_open(encoder->gen);
	for (lua_Integer i = 1; i <= count && !encoder->why; i++) {
		lua_rawgeti(encoder->L, index, i);
		encode(encoder, lua_gettop(encoder->L));
		lua_pop(encoder->L, 1);
	}
	yajl_gen_array_close(encoder->gen);
}

/* What a guest prints must not make a report impossible: bytes that are not UTF-8 are replaced. */
static void encode_text(struct encoder *encoder, const char *text, size_t size)
{
	struct buffer repaired = { 0 };

	if (utf8_valid(text, size) == size) {
		yajl_gen_string(encoder->gen, (const unsigned char *)text, size);
		return;
	}
	utf8_repair(&repaired, text, size);
	yajl_gen_string(encoder->gen, (const unsigned char *)repaired.data, repaired.size);
	buffer_free(&repaired);
}

struct key {
	const char *text;
	size_t size;
	lua_Integer place; /* in the list of keys */
};

static int by_text(const void *a, const void *b)
{
	const struct key *one = a, *other = b;
	int order = memcmp(one->text, other->text, one->size < other->size ? one->size : other->size);

	return order ? order : (one->size > other->size) - (one->size < other->size);
}

/*
 * Pushes the list of the table's keys, the list of their texts, and an array of struct key in order of these. Returns how
 * many, or -1 if one of them is none that an object can have.
 */
static long sort_keys(lua_State *L, int index)
{
	struct key *keys;
	long room = 0, count = 0;

	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		room++;
	lua_createtable(L, (int)room, 0);
	lua_createtable(L, (int)room, 0);
	keys = lua_newuserdatauv(L, ((size_t)room + 1) * sizeof(*keys), 0);
	/* What makes room runs finalizers, and these may have added keys. */
	for (lua_pushnil(L); lua_next(L, index) && count < room; lua_pop(L, 1)) {
		struct key *key = &keys[count++];

		if (lua_type(L, -2) != LUA_TSTRING && !lua_isinteger(L, -2)) {
			lua_pop(L, 2);
			return -1;
		}
		/* Not the key itself is converted: lua_next() wants it as it was. */
		lua_pushvalue(L, -2);
		lua_rawseti(L, -6, count);
		lua_pushvalue(L, -2);
		*key = (struct key){ .place = count };
		key->text = lua_tolstring(L, -1, &key->size);
		lua_rawseti(L, -5, count);
	}
	qsort(keys, (size_t)count, sizeof(*keys), by_text);
	return count;
}

static void encode_object(struct encoder *encoder, int index)
{
	lua_State *L = encoder->L;
	int top = lua_gettop(L);
	long count = sort_keys(L, index);
	const struct key *keys = lua_touserdata(L, top + 3);

	for (long i = 1; i < count; i++)
		if (by_text(&keys[i - 1], &keys[i]) == 0)
			encoder->why = "a table with a number and the same number as a string for keys";
	if (count < 0)
		encoder->why = "a table with keys that are neither strings nor whole numbers";
	else if (!count)
		add_raw(encoder, "{}");
	if (count > 0)
		yajl_gen_map_open(encoder->gen);
	for (long i = 0; i < count && !encoder->why; i++) {
		encode_text(encoder, keys[i].text, keys[i].size);
		lua_rawgeti(L, top + 1, keys[i].place);
		lua_rawget(L, index);
		encode(encoder, lua_gettop(L));
		lua_pop(L, 1);
	}
	if (count > 0)
		yajl_gen_map_close(encoder->gen);
	lua_settop(L, top);
}

/* The fewest digits that read back as the same number, with a point or an exponent, so that it stays a float. */
static void encode_float(struct encoder *encoder, double value)
{
	char text[NUMBER_SIZE];

	if (!isfinite(value)) {
		encoder->why = "a number that is not finite";
		return;
	}
	/* Nobody writes 500 as 5e+02. */
	if (value == trunc(value) && fabs(value) < MAX_PLAIN) {
		snprintf(text, sizeof(text), "%.1f", value);
		add_raw(encoder, text);
		return;
	}
	for (int digits = 1; digits <= MAX_PRECISION; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	/* 2^53 has as many digits as it needs, and would read back as an integer. */
	if (!strpbrk(text, ".e"))
		strcat(text, ".0");
	add_raw(encoder, text);
}

static void encode_table(struct encoder *encoder, int index)
{
	lua_Integer length;

	if (encoder->depth == MAX_DEPTH || !lua_checkstack(encoder->L, 8)) {
		encoder->why = "a table nested more than 100 deep, or in itself";
		return;
	}
	encoder->depth++;
	length = list_length(encoder->L, index);
	if (length > MAX_LENGTH)
		encoder->why = "a list of more than 10,000,000 places; where its numbers are names, make texts of them";
	else if (length > 0 || (length == 0 && is_marked(encoder->L, index)))
		encode_array(encoder, index, length);
	else
		encode_object(encoder, index);
	encoder->depth--;
}

static void encode(struct encoder *encoder, int index)
{
	lua_State *L = encoder->L;
	const char *text;
	size_t size;

	switch (lua_type(L, index)) {
	case LUA_TTABLE:
		encode_table(encoder, index);
		return;
	case LUA_TSTRING:
		text = lua_tolstring(L, index, &size);
		encode_text(encoder, text, size);
		return;
	case LUA_TNUMBER:
		if (lua_isinteger(L, index))
			yajl_gen_integer(encoder->gen, lua_tointeger(L, index));
		else
			encode_float(encoder, lua_tonumber(L, index));
		return;
	case LUA_TBOOLEAN:
		yajl_gen_bool(encoder->gen, lua_toboolean(L, index));
		return;
	case LUA_TNIL:
		yajl_gen_null(encoder->gen);
		return;
	case LUA_TLIGHTUSERDATA:
		if (!lua_touserdata(L, index)) {
			yajl_gen_null(encoder->gen);
			return;
		}
		break;
	}
	encoder->why = "a value that JSON has no form for (a function or a userdata)";
}

/* Lua may raise: a finalizer that runs meanwhile may change a table that is being walked. */
static int encode_protected(lua_State *L)
{
	encode(lua_touserdata(L, 1), 2);
	return 0;
}

int script_json_encode(lua_State *L, int index, bool pretty, struct buffer *text, struct error *err)
{
	struct encoder encoder = { .L = L, .gen = yajl_gen_alloc(NULL) };
	const unsigned char *bytes;
	size_t size;

	yajl_gen_config(encoder.gen, yajl_gen_beautify, pretty);
	yajl_gen_config(encoder.gen, yajl_gen_indent_string, "  ");
	index = lua_absindex(L, index);
	lua_pushcfunction(L, encode_protected);
	lua_pushlightuserdata(L, &encoder);
	lua_pushvalue(L, index);
	err->code = 0;
	if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
		error_set(err, EINVAL, "cannot encode it: %s", script_text(L, -1) ? script_text(L, -1) : "error");
		lua_pop(L, 1);
	} else if (encoder.why) {
		error_set(err, EINVAL, "cannot encode %s", encoder.why);
	} else {
		yajl_gen_get_buf(encoder.gen, &bytes, &size);
		/* What is pretty ends with a newline. */
		buffer_add(text, bytes, size - (pretty && size));
	}
	yajl_gen_free(encoder.gen);
	return -err->code;
}
