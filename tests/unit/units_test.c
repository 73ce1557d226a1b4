// SPDX-License-Identifier: GPL-2.0-only
/* Every unit of every quantity, and everything that is none. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/units.h"

#define FORGOTTEN 0xdeadbeefULL

static void text_is(enum quantity quantity, const char *text, uint64_t expected)
{
	uint64_t result = FORGOTTEN;

	if (!units_from_string(quantity, text, &result) || result != expected)
		fail_msg("\"%s\" is %lu, expected %lu", text, result, expected);
}

static void number_is(enum quantity quantity, double number, uint64_t expected)
{
	uint64_t result = FORGOTTEN;

	if (!units_from_number(quantity, number, &result) || result != expected)
		fail_msg("%g is %lu, expected %lu", number, result, expected);
}

static void refused(enum quantity quantity, const char *text)
{
	uint64_t result = FORGOTTEN;

	if (units_from_string(quantity, text, &result))
		fail_msg("\"%s\" is taken for %lu", text, result);
	assert_int_equal(result, FORGOTTEN);
}

static void number_refused(double number)
{
	for (enum quantity quantity = QUANTITY_LATENCY; quantity <= QUANTITY_PROBABILITY; quantity++) {
		uint64_t result = FORGOTTEN;

		assert_false(units_from_number(quantity, number, &result));
		assert_int_equal(result, FORGOTTEN);
	}
}

static void test_times(void **state)
{
	static const enum quantity times[] = { QUANTITY_LATENCY, QUANTITY_DURATION };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		text_is(times[i], "7ns", 7);
		text_is(times[i], "200us", 200000);
		text_is(times[i], "50ms", 50000000);
		text_is(times[i], "1.5s", 1500000000);
		text_is(times[i], "2m", 120000000000);
		text_is(times[i], "1h", 3600000000000);
		text_is(times[i], ".5ms", 500000);
		text_is(times[i], "1e-3s", 1000000);
		text_is(times[i], "50 ms", 50000000);
		text_is(times[i], " \t50 ms \n", 50000000);
		text_is(times[i], "1e3us", 1000000);
		text_is(times[i], "0ms", 0);
	}
	text_is(QUANTITY_LATENCY, "50", 50000000);
	text_is(QUANTITY_DURATION, "50", 50000000000);
	text_is(QUANTITY_DURATION, " 50 ", 50000000000);
	text_is(QUANTITY_DURATION, "1e3", 1000000000000);
	number_is(QUANTITY_LATENCY, 0.2, 200000);
	number_is(QUANTITY_DURATION, 0.2, 200000000);
}

static void test_rates(void **state)
{
	(void)state;
	text_is(QUANTITY_RATE, "1000", 1000);
	text_is(QUANTITY_RATE, "1000bit", 1000);
	text_is(QUANTITY_RATE, "500kbit", 500000);
	text_is(QUANTITY_RATE, "10Mbit", 10000000);
	text_is(QUANTITY_RATE, "1.5Gbit", 1500000000);
	text_is(QUANTITY_RATE, "10Mbit/s", 10000000);
	text_is(QUANTITY_RATE, "10Mbps", 10000000);
	text_is(QUANTITY_RATE, "10bps", 10);
	text_is(QUANTITY_RATE, "10bit/s", 10);
	number_is(QUANTITY_RATE, 1e6, 1000000);
	refused(QUANTITY_RATE, "10/s");
	refused(QUANTITY_RATE, "10ps");
	refused(QUANTITY_RATE, "10Mb");
	refused(QUANTITY_RATE, "10Mbits");
	refused(QUANTITY_RATE, "10MBps");
	refused(QUANTITY_RATE, "10mbit");
	refused(QUANTITY_RATE, "10Mbit/s/s");
}

static void test_sizes(void **state)
{
	(void)state;
	text_is(QUANTITY_SIZE, "12", 12);
	text_is(QUANTITY_SIZE, "12B", 12);
	text_is(QUANTITY_SIZE, "64K", 65536);
	text_is(QUANTITY_SIZE, "64KiB", 65536);
	text_is(QUANTITY_SIZE, "64kB", 64000);
	text_is(QUANTITY_SIZE, "512M", 536870912);
	text_is(QUANTITY_SIZE, "512MiB", 536870912);
	text_is(QUANTITY_SIZE, "512MB", 512000000);
	text_is(QUANTITY_SIZE, "2G", 2147483648);
	text_is(QUANTITY_SIZE, "2GiB", 2147483648);
	text_is(QUANTITY_SIZE, "2GB", 2000000000);
	text_is(QUANTITY_SIZE, "0.5K", 512);
	text_is(QUANTITY_SIZE, "64k", 65536);
	text_is(QUANTITY_SIZE, "512m", 512U << 20);
	text_is(QUANTITY_SIZE, "1g", 1U << 30);
	number_is(QUANTITY_SIZE, 4096, 4096);
	refused(QUANTITY_SIZE, "64KB");
	refused(QUANTITY_SIZE, "64kb");
	refused(QUANTITY_SIZE, "64T");
}

static void test_probabilities(void **state)
{
	(void)state;
	text_is(QUANTITY_PROBABILITY, "10", 100000000);
	text_is(QUANTITY_PROBABILITY, "0.1%", 1000000);
	text_is(QUANTITY_PROBABILITY, "100%", 1000000000);
	number_is(QUANTITY_PROBABILITY, 0, 0);
	number_is(QUANTITY_PROBABILITY, 33.3, 333000000);
	/* More than 100 % is 100 %. */
	text_is(QUANTITY_PROBABILITY, "250%", 1000000000);
	number_is(QUANTITY_PROBABILITY, 1e6, 1000000000);
}

static void test_rounding(void **state)
{
	(void)state;
	text_is(QUANTITY_DURATION, "1.4ns", 1);
	text_is(QUANTITY_DURATION, "1.6ns", 2);
	number_is(QUANTITY_RATE, 10.5, 11);
	/* What is asked for does not vanish. */
	text_is(QUANTITY_DURATION, "0.1ns", 1);
	number_is(QUANTITY_PROBABILITY, 1e-12, 1);
	number_is(QUANTITY_RATE, 5e-324, 1);
	number_is(QUANTITY_RATE, -0.0, 0);
}

static void test_what_is_no_number(void **state)
{
	static const char *const texts[] = {
		"",	 " ",	"abc",	  "ms",	    "-1",     "-1ms",	"+1",
		"1 2",	 "nan", "inf",	  "1inf",   "0x10",   "0X10ms", "1,5s",
		"12abc", "1 2", "5msec",  "5 ms x", "1..5s",  ".",	".ms",
		"--1",	 "1e",	"1e400s", "1_000",  "5msms",  "5 m s",	"1\n2",
		"5MS",	 "5Ms", "-0x1",	  "0x",	    "1e1000", "1%%",	"5 fortnights and"
	};

	(void)state;
	for (enum quantity quantity = QUANTITY_LATENCY; quantity <= QUANTITY_PROBABILITY; quantity++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			refused(quantity, texts[i]);
	number_refused(-1);
	number_refused(-1e-300);
	number_refused(NAN);
	number_refused(INFINITY);
	number_refused(-INFINITY);
}

static void test_units_of_another_quantity(void **state)
{
	(void)state;
	refused(QUANTITY_LATENCY, "10Mbit");
	refused(QUANTITY_LATENCY, "10%");
	refused(QUANTITY_DURATION, "10K");
	refused(QUANTITY_RATE, "10ms");
	refused(QUANTITY_SIZE, "10s");
	refused(QUANTITY_PROBABILITY, "10ms");
}

/* The largest double below 2^63 is 2^63 - 1024. */
static void test_what_does_not_fit(void **state)
{
	uint64_t result;

	(void)state;
	text_is(QUANTITY_SIZE, "9223372036854774784", 9223372036854774784ULL);
	refused(QUANTITY_SIZE, "9223372036854775808");
	refused(QUANTITY_SIZE, "8589934592G");
	refused(QUANTITY_DURATION, "2562048h");
	text_is(QUANTITY_DURATION, "2562047h", 9223369200000000000ULL);
	assert_false(units_from_number(QUANTITY_RATE, 0x1p63, &result));
	assert_false(units_from_number(QUANTITY_DURATION, 1e300, &result));
	/* A probability has a bound of its own, but infinity is none. */
	number_is(QUANTITY_PROBABILITY, 9e11, 1000000000);
}

static void test_what_is_accepted_is_said(void **state)
{
	(void)state;
	assert_non_null(strstr(units_accepted(QUANTITY_LATENCY), "milliseconds"));
	assert_non_null(strstr(units_accepted(QUANTITY_DURATION), "number of seconds"));
	assert_non_null(strstr(units_accepted(QUANTITY_RATE), "bits per second"));
	assert_non_null(strstr(units_accepted(QUANTITY_SIZE), "bytes"));
	assert_non_null(strstr(units_accepted(QUANTITY_PROBABILITY), "percent"));
}

static void test_integers(void **state)
{
	static const char *const none[] = { "",	   "-",	  "+1",	 " 1",	"1 ", "12abc", "0x10",
					    "1.0", "1e3", "--1", "- 1", "11", "-11",   "99999999999999999999" };
	int64_t result = 0;

	(void)state;
	assert_true(units_integer("-10", -10, 10, &result));
	assert_int_equal(result, -10);
	assert_true(units_integer("10", -10, 10, &result));
	assert_int_equal(result, 10);
	assert_true(units_integer("007", -10, 10, &result));
	assert_int_equal(result, 7);
	assert_true(units_integer("9223372036854775807", 0, INT64_MAX, &result));
	assert_true(result == INT64_MAX);
	assert_false(units_integer("9223372036854775808", 0, INT64_MAX, &result));
	assert_false(units_integer("-9223372036854775809", INT64_MIN, 0, &result));
	assert_true(units_integer("-9223372036854775808", INT64_MIN, 0, &result));
	result = 5;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (units_integer(none[i], -10, 10, &result))
			fail_msg("\"%s\" is taken for %ld", none[i], result);
	assert_int_equal(result, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_probabilities),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_what_is_no_number),
		cmocka_unit_test(test_units_of_another_quantity),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_what_is_accepted_is_said),
		cmocka_unit_test(test_integers),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
