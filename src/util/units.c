// SPDX-License-Identifier: GPL-2.0-only
#include "util/units.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	double factor;
};

/* The first unit of a table, with the empty name, is that of a bare number. */
static const struct unit latency_units[] = {
	{ "", 1e6 }, { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 }, { 0 },
};
static const struct unit duration_units[] = {
	{ "", 1e9 }, { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 }, { 0 },
};
static const struct unit rate_units[] = {
	{ "", 1 }, { "bit", 1 }, { "kbit", 1e3 }, { "Mbit", 1e6 }, { "Gbit", 1e9 }, { 0 },
};
static const struct unit size_units[] = {
	{ "", 1 },	 { "B", 1 },	    { "K", 0x1p10 }, { "KiB", 0x1p10 }, { "kB", 1e3 },
	{ "M", 0x1p20 }, { "MiB", 0x1p20 }, { "MB", 1e6 },   { "G", 0x1p30 },	{ "GiB", 0x1p30 },
	{ "GB", 1e9 },	 { "k", 0x1p10 },   { "m", 0x1p20 }, { "g", 0x1p30 },	{ 0 },
};
static const struct unit probability_units[] = { { "", 1e7 }, { "%", 1e7 }, { 0 } };

static const struct {
	const struct unit *units;
	const char *accepted;
} quantities[] = {
	[QUANTITY_LATENCY] = { latency_units,
			       "a number of milliseconds, or a string like \"50ms\", \"200us\" or \"1.5s\"" },
	[QUANTITY_DURATION] = { duration_units, "a number of seconds, or a string like \"500ms\", \"5s\" or \"2m\"" },
	[QUANTITY_RATE] = { rate_units,
			    "a number of bits per second, or a string like \"500kbit\", \"10Mbit\" or \"1.5Gbit\"" },
	[QUANTITY_SIZE] = { size_units, "a number of bytes, or a string like \"64K\", \"512M\" or \"2G\"" },
	[QUANTITY_PROBABILITY] = { probability_units, "a number of percent, or a string like \"0.1%\"" },
};

#define PPB_CERTAIN 1e9
#define BLANKS	    " \t\n"
#define UNIT_SIZE   16

static bool convert(enum quantity quantity, double number, double factor, uint64_t *result)
{
	double value = round(number * factor);

	if (!isfinite(number) || number < 0 || value >= 0x1p63)
		return false;
	if (quantity == QUANTITY_PROBABILITY && value > PPB_CERTAIN)
		value = PPB_CERTAIN;
	/* What somebody asked for must not vanish in rounding. */
	if (value < 1 && number > 0)
		value = 1;
	*result = (uint64_t)value;
	return true;
}

bool units_from_number(enum quantity quantity, double number, uint64_t *result)
{
	return convert(quantity, number, quantities[quantity].units[0].factor, result);
}

/* "10Mbit", "10Mbit/s" and "10Mbps" are the same rate. */
static bool same_unit(enum quantity quantity, const char *text, const char *name)
{
	size_t length = strlen(name);

	if (strcmp(text, name) == 0)
		return true;
	if (quantity != QUANTITY_RATE || length < 3)
		return false;
	if (strncmp(text, name, length) == 0)
		return strcmp(text + length, "/s") == 0;
	length -= 2; /* "Mbit" without "it" */
	return strncmp(text, name, length) == 0 && strcmp(text + length, "ps") == 0;
}

/* The unit without the blanks behind it. False if it is longer than any. */
static bool trim_into(const char *text, char name[static UNIT_SIZE])
{
	size_t length = strlen(text);

	while (length && strchr(BLANKS, text[length - 1]))
		length--;
	if (length >= UNIT_SIZE)
		return false;
	memcpy(name, text, length);
	name[length] = '\0';
	return true;
}

bool units_from_string(enum quantity quantity, const char *text, uint64_t *result)
{
	const struct unit *unit;
	double number;
	char *end, name[UNIT_SIZE];

	text += strspn(text, BLANKS);
	/* strtod() would also take "inf", "nan" and "0x1p3". */
	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return false;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return false;
	errno = 0;
	number = strtod(text, &end);
	if (end == text)
		return false;
	/* Less than any double, but not nothing. */
	if (number == 0 && errno == ERANGE)
		number = DBL_TRUE_MIN;
	end += strspn(end, BLANKS);
	if (!trim_into(end, name))
		return false;
	for (unit = quantities[quantity].units; unit->name; unit++)
		if (same_unit(quantity, name, unit->name))
			return convert(quantity, number, unit->factor, result);
	return false;
}

bool units_is_bare(const char *text)
{
	char *end;

	strtod(text, &end);
	return !end[strspn(end, BLANKS)];
}

const char *units_accepted(enum quantity quantity)
{
	return quantities[quantity].accepted;
}

bool units_integer(const char *text, int64_t low, int64_t high, int64_t *result)
{
	char *end;
	long long value;

	if (!isdigit((unsigned char)text[0]) && text[0] != '-')
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end || value < low || value > high)
		return false;
	*result = value;
	return true;
}
