// SPDX-License-Identifier: GPL-2.0-only
/* json.decode, by yajl, which hands out numbers as they are written: their value is what Lua's tonumber() makes of them. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "script/internal.h"
#include "util/buffer.h"
#include "util/utf8.h"

#define MAX_DEPTH 1000
#define ESCAPE	  6 /* characters of \u0000 */

/*
 * Values are made on the Lua stack. Above base lie the tables that are not complete yet, each one inside of the one below
 * it; on top of an object lies the key that its next value is for.
 */
struct decoder {
	lua_State *L;
	int base;
	int depth;
	bool too_deep;
	lua_Integer places[MAX_DEPTH + 1]; /* how many members the array of each depth has so far, holes counted */
};

/* Puts the value on top of the stack to where it belongs. */
static int put(struct decoder *decoder)
{
	lua_State *L = decoder->L;

	if (lua_gettop(L) == decoder->base + 1)
		return 1;
	if (lua_type(L, -2) == LUA_TSTRING)
		lua_rawset(L, -3);
	else
		lua_rawseti(L, -2, ++decoder->places[decoder->depth]);
	return 1;
}

/* Nothing: a value of its own would be true, and `if answer.error then` would hold for it. */
static int on_null(void *context)
{
	struct decoder *decoder = context;

	lua_pushnil(decoder->L);
	return put(decoder);
}

static int on_boolean(void *context, int value)
{
	struct decoder *decoder = context;

	lua_pushboolean(decoder->L, value);
	return put(decoder);
}

static int on_number(void *context, const char *text, size_t size)
{
	struct decoder *decoder = context;

	lua_pushlstring(decoder->L, text, size);
	lua_stringtonumber(decoder->L, lua_tostring(decoder->L, -1));
	lua_remove(decoder->L, -2);
	return put(decoder);
}

static int on_key(void *context, const unsigned char *text, size_t size)
{
	struct decoder *decoder = context;

	lua_pushlstring(decoder->L, (const char *)text, size);
	return 1;
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
	on_key(context, text, size);
	return put(context);
}

static int begin(struct decoder *decoder)
{
	/* A table, a key and a value. */
	decoder->too_deep = ++decoder->depth > MAX_DEPTH || !lua_checkstack(decoder->L, 3);
	if (decoder->too_deep)
		return 0;
	decoder->places[decoder->depth] = 0;
	lua_newtable(decoder->L);
	return 1;
}

static int on_begin_object(void *context)
{
	return begin(context);
}

static int on_begin_array(void *context)
{
	struct decoder *decoder = context;

	if (!begin(decoder))
		return 0;
	luaL_setmetatable(decoder->L, SCRIPT_JSON_ARRAY);
	return 1;
}

static int on_end(void *context)
{
	struct decoder *decoder = context;

	decoder->depth--;
	return put(decoder);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_begin_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_begin_array,
	.yajl_end_array = on_end,
};

/* The first place behind which it went wrong, and why. */
static void set_error(struct error *err, const char *text, size_t at, const char *why)
{
	size_t line = 1, column = 0;

	for (size_t i = 0; i < at; i++) {
		column = text[i] == '\n' ? 0 : column + 1;
		line += text[i] == '\n';
	}
	error_set(err, EINVAL, "line %zu, column %zu: %.*s", line, column ? column : 1, (int)strcspn(why, "\n"), why);
}

/* What RFC 8259 refuses and yajl takes: bytes that are nearly UTF-8, and two more characters for blanks. */
static int check_text(const char *text, size_t size, struct error *err)
{
	size_t valid = utf8_valid(text, size);

	for (size_t i = 0; i < size; i++) {
		if (i < valid && text[i] != '\v' && text[i] != '\f')
			continue;
		set_error(err, text, i + 1, i < valid ? "a character that is no blank" : "a byte that is not UTF-8");
		return -err->code;
	}
	return 0;
}

/* The end of the text is looked for behind it. */
static void explain(yajl_handle parser, const struct decoder *decoder, const char *text, size_t size, struct error *err)
{
	size_t consumed = yajl_get_bytes_consumed(parser);
	unsigned char *reason = yajl_get_error(parser, 0, NULL, 0);
	const char *why = decoder->too_deep ? "nested more than 1000 deep" : (const char *)reason;

	set_error(err, text, consumed < size ? consumed : size, why);
	yajl_free_error(parser, reason);
}

/* An escape of half a character, \uD800 to \uDFFF: `first` and `last` say which half, by their third digit. */
static bool is_half(const char *text, size_t size, char first, char last)
{
	char third = size >= ESCAPE ? (char)tolower((unsigned char)text[3]) : '\0';

	return third >= first && third <= last && text[0] == '\\' && text[1] == 'u' &&
	       tolower((unsigned char)text[2]) == 'd' && isxdigit((unsigned char)text[4]) &&
	       isxdigit((unsigned char)text[5]);
}

/*
 * A half without the other stands for no character (RFC 8259, section 8.2), and yajl would make bytes of it that are no
 * text. What takes its place has the same length, so that places in errors stay right.
 */
static void replace_lone_halves(char *text, size_t size)
{
	size_t step;

	for (size_t i = 0; i < size; i += step) {
		bool high = is_half(text + i, size - i, '8', 'b'), low = is_half(text + i, size - i, 'c', 'f');

		step = text[i] != '\\' ? 1 : high || low ? ESCAPE : 2;
		if (high && is_half(text + i + ESCAPE, size - i - ESCAPE, 'c', 'f'))
			step = 2 * (size_t)ESCAPE;
		else if (high || low)
			memcpy(text + i, "\\ufffd", ESCAPE);
	}
}

int script_json_decode(lua_State *L, const char *text, size_t size, struct error *err)
{
	struct buffer mended = { 0 };
	struct decoder decoder = { .L = L, .base = lua_gettop(L) };
	yajl_handle parser;
	yajl_status status;

	if (check_text(text, size, err))
		return -err->code;
	parser = yajl_alloc(&callbacks, NULL, &decoder);
	buffer_add(&mended, text, size);
	replace_lone_halves(mended.data, size);
	status = yajl_parse(parser, (const unsigned char *)mended.data, size);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(parser);
	err->code = 0;
	if (status != yajl_status_ok)
		explain(parser, &decoder, text, size, err);
	yajl_free(parser);
	buffer_free(&mended);
	return -err->code;
}
