// SPDX-License-Identifier: GPL-2.0-only
/* Quantities and whole numbers, as options, and as arguments of a script's calls. The first byte says which. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "fuzz.h"
#include "script/internal.h"
#include "util/memory.h"
#include "util/units.h"

#define FORGOTTEN  0xdeadbeefULL
#define QUANTITIES (QUANTITY_PROBABILITY + 1)

static uint64_t most(enum quantity quantity)
{
	return quantity == QUANTITY_PROBABILITY ? 1000000000 : INT64_MAX;
}

/* A number and its text have the same value, unless it is too small for a number. */
static void compare_with_number(enum quantity quantity, const char *text, uint64_t result)
{
	double number = strtod(text, NULL);
	uint64_t value = FORGOTTEN;

	if (units_is_bare(text) && number > 0)
		require(units_from_number(quantity, number, &value) && value == result);
}

static bool has_digit_but_zero(const char *text)
{
	size_t number = strspn(text, " \t\n0123456789.");

	return strcspn(text, "123456789") < number;
}

static bool check_text(enum quantity quantity, const char *text, uint64_t *result)
{
	struct buffer spaced = { 0 };
	uint64_t again = FORGOTTEN;
	bool good;

	*result = FORGOTTEN;
	good = units_from_string(quantity, text, result);
	require(good || *result == FORGOTTEN);
	require(!good || *result <= most(quantity));
	/* What somebody asked for does not vanish. */
	require(!good || *result || !has_digit_but_zero(text));
	buffer_printf(&spaced, " %s\n", text);
	require(units_from_string(quantity, buffer_string(&spaced), &again) == good && again == *result);
	buffer_free(&spaced);
	if (good)
		compare_with_number(quantity, text, *result);
	return good;
}

/* The same amount, one time written plain: what the printed value of a text reads as. */
static void check_printed(enum quantity quantity, uint64_t value)
{
	static const char *const units[] = { "ns", "ns", "bit", "B", NULL };
	uint64_t again;
	char text[64];

	/* A double holds so much exactly. */
	if (!units[quantity] || value > 1ULL << 53)
		return;
	snprintf(text, sizeof(text), "%llu%s", (unsigned long long)value, units[quantity]);
	require(units_from_string(quantity, text, &again) && again == value);
}

static void check_number(double number)
{
	for (enum quantity quantity = 0; quantity < QUANTITIES; quantity++) {
		uint64_t value = FORGOTTEN, more = FORGOTTEN;

		if (!units_from_number(quantity, number, &value)) {
			require(value == FORGOTTEN);
			continue;
		}
		require(isfinite(number) && number >= 0 && value <= most(quantity));
		require(value || number == 0);
		/* More is never less. */
		if (units_from_number(quantity, nextafter(number, INFINITY), &more))
			require(more >= value);
	}
}

static void check_integer(const char *text)
{
	int64_t value = (int64_t)FORGOTTEN, again;
	char printed[32];

	if (!units_integer(text, INT64_MIN, INT64_MAX, &value)) {
		require(value == (int64_t)FORGOTTEN);
		return;
	}
	require(strspn(text + (*text == '-'), "0123456789") == strlen(text + (*text == '-')));
	snprintf(printed, sizeof(printed), "%lld", (long long)value);
	require(units_integer(printed, value, value, &again) && again == value);
	require(value == INT64_MAX || !units_integer(text, value + 1, INT64_MAX, &again));
	require(value == INT64_MIN || !units_integer(text, INT64_MIN, value - 1, &again));
}

static int call_check(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)script_check_quantity(L, 2, "amount", (enum quantity)lua_tointeger(L, 1)));
	return 1;
}

/* A script takes the same texts as an option does, and what stands behind a NUL byte is no part of an amount. */
static void check_argument(enum quantity quantity, const char *text, size_t size, bool good, uint64_t value)
{
	static const struct script_function functions[] = { { "check", call_check, 2 }, { NULL } };
	static lua_State *L;

	if (!L) {
		L = luaL_newstate();
		lua_newtable(L);
		script_set_functions(L, "fuzz.", functions);
		lua_getfield(L, -1, "check");
		lua_replace(L, 1);
	}
	lua_settop(L, 1);
	lua_pushvalue(L, 1);
	lua_pushinteger(L, quantity);
	lua_pushlstring(L, text, size);
	if (lua_pcall(L, 2, 1, 0) == LUA_OK)
		require(good && strlen(text) == size && lua_tointeger(L, -1) == (lua_Integer)value);
	else
		require(!good || strlen(text) != size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum quantity quantity = size ? data[0] % QUANTITIES : 0;
	char *text = memory_new(size + 1);
	uint64_t value;
	bool good;

	if (size > 1)
		memcpy(text, data + 1, size - 1);
	good = check_text(quantity, text, &value);
	if (good)
		check_printed(quantity, value);
	check_argument(quantity, text, size ? size - 1 : 0, good, value);
	check_number(strtod(text, NULL));
	check_integer(text);
	free(text);
	return 0;
}
