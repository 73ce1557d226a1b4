/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quantities as scripts and options write them: a number, or a number with a unit. Inside provium a time is
 * nanoseconds, a rate bits per second, a size bytes, a probability parts per billion: converted once, here.
 */
#ifndef PROVIUM_UTIL_UNITS_H
#define PROVIUM_UTIL_UNITS_H

#include <stdbool.h>
#include <stdint.h>

enum quantity {
	QUANTITY_LATENCY,     /* bare: milliseconds; ns, us, ms, s, m, h  → nanoseconds */
	QUANTITY_DURATION,    /* bare: seconds;      ns, us, ms, s, m, h  → nanoseconds */
	QUANTITY_RATE,	      /* bare: bit/s; bit, kbit, Mbit, Gbit (powers of 1000), "/s" or "ps" may follow */
	QUANTITY_SIZE,	      /* bare: bytes; B, K, M, G, KiB, … (powers of 1024), kB, MB, GB (of 1000) */
	QUANTITY_PROBABILITY, /* bare: percent; %  → parts per billion, more than 100 % counts as 100 % */
};

/*
 * Both convert to the unit named above, rounding to the nearest. They return false for anything else: negative,
 * not finite, unknown unit, text behind the unit, or a result that does not fit.
 */
bool units_from_number(enum quantity quantity, double number, uint64_t *result);
bool units_from_string(enum quantity quantity, const char *text, uint64_t *result);
/* Whether the text has no unit. */
bool units_is_bare(const char *text);

/* What is accepted, for error texts: «a number of milliseconds, or a string like "50ms"». */
const char *units_accepted(enum quantity quantity);

/* A whole number in base 10, the whole text, within the bounds. */
bool units_integer(const char *text, int64_t low, int64_t high, int64_t *result);

#endif
