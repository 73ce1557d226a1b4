// SPDX-License-Identifier: GPL-2.0-only
/* What somebody may have meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/nearest.h"

static const char *nearest_to(const char *word)
{
	static const char *const candidates[] = { "exit_code", "stdout", "stderr", "timed_out", "signal", "ms" };
	struct nearest nearest = { .word = word };

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++)
		nearest_try(&nearest, candidates[i]);
	return nearest.found;
}

static void test_slips(void **state)
{
	(void)state;
	assert_string_equal(nearest_to("exitcode"), "exit_code");
	assert_string_equal(nearest_to("exitCode"), "exit_code");
	assert_string_equal(nearest_to("exit_cdoe"), "exit_code");
	assert_string_equal(nearest_to("stdot"), "stdout");
	assert_string_equal(nearest_to("stder"), "stderr");
	assert_string_equal(nearest_to("sginal"), "signal");
	assert_string_equal(nearest_to("Ms"), "ms");
}

static void test_parts(void **state)
{
	(void)state;
	assert_string_equal(nearest_to("code"), "exit_code");
	assert_string_equal(nearest_to("signalled"), "signal");
}

static void test_nothing_near(void **state)
{
	(void)state;
	assert_null(nearest_to("zzzzzz"));
	assert_null(nearest_to(""));
	assert_null(nearest_to("__"));
	assert_null(nearest_to(NULL));
	assert_null(
		nearest_to("a word that is much longer than any that somebody would write for one of these fields"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slips),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_nothing_near),
	};

	return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
