// SPDX-License-Identifier: GPL-2.0-only
/* Buffers, error texts, hashes: what the rest builds words from. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/hash.h"

static void test_empty_buffer(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	assert_string_equal(buffer_string(&buffer), "");
	buffer_add(&buffer, NULL, 0);
	assert_int_equal(buffer.size, 0);
	assert_string_equal(buffer_string(&buffer), "");
	buffer_free(&buffer);
	buffer_free(&buffer);
	assert_null(buffer.data);
}

static void test_buffer_keeps_every_byte(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	buffer_add(&buffer, "a\0b", 3);
	buffer_add(&buffer, "c", 1);
	assert_int_equal(buffer.size, 4);
	assert_memory_equal(buffer.data, "a\0bc", 5); /* and the NUL behind it */
	buffer_free(&buffer);
	buffer_add(&buffer, "again", 5);
	assert_string_equal(buffer_string(&buffer), "again");
	buffer_free(&buffer);
}

static void test_buffer_grows(void **state)
{
	struct buffer buffer = { 0 };
	size_t moves = 0, room = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		buffer_add(&buffer, "x", 1);
		moves += buffer.room != room;
		room = buffer.room;
		assert_true(buffer.room > buffer.size);
		assert_int_equal(buffer.data[buffer.size], 0);
	}
	assert_int_equal(buffer.size, 100000);
	assert_int_equal(strspn(buffer.data, "x"), 100000);
	/* By doubling: a hundred thousand additions are a few copies. */
	assert_true(moves < 30);
	buffer_free(&buffer);
}

static void test_buffer_printf(void **state)
{
	struct buffer buffer = { 0 };
	char digits[301];

	(void)state;
	buffer_printf(&buffer, "%s=%d;", "a", 1);
	buffer_printf(&buffer, "%300d", 7);
	memset(digits, ' ', 300);
	digits[299] = '7';
	digits[300] = '\0';
	assert_int_equal(buffer.size, 304);
	assert_memory_equal(buffer.data, "a=1;", 4);
	assert_string_equal(buffer.data + 4, digits);
	buffer_free(&buffer);
}

static void test_buffer_keeps_its_end(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	buffer_keep_end(&buffer, 0);
	assert_int_equal(buffer.size, 0);
	buffer_printf(&buffer, "first\nsecond\nthird\n");
	buffer_keep_end(&buffer, 100);
	assert_string_equal(buffer_string(&buffer), "first\nsecond\nthird\n");
	buffer_keep_end(&buffer, 15);
	assert_string_equal(buffer_string(&buffer), "second\nthird\n");
	buffer_keep_end(&buffer, 6);
	assert_string_equal(buffer_string(&buffer), "third\n");
	buffer_keep_end(&buffer, 4);
	assert_string_equal(buffer_string(&buffer), "ird\n");
	assert_int_equal(buffer.size, 4);
	buffer_keep_end(&buffer, 0);
	assert_string_equal(buffer_string(&buffer), "");
	buffer_free(&buffer);
}

static void test_error_is_wrapped_on_its_way_up(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(error_errno(&err, EPERM, "open %s", "/x"), -EPERM);
	assert_int_equal(error_wrap(&err, "boot vm `%s`", "a"), -EPERM);
	assert_int_equal(error_append(&err, " (run it as %s)", "root"), -EPERM);
	assert_string_equal(err.text, "boot vm `a`: open /x: Operation not permitted (run it as root)");
	assert_int_equal(err.code, EPERM);
	assert_int_equal(error_set(&err, EINVAL, "%d is not %d", 1, 2), -EINVAL);
	assert_string_equal(err.text, "1 is not 2");
	assert_int_equal(err.code, EINVAL);
}

static void test_error_that_is_too_long_is_cut(void **state)
{
	char longer[4 * sizeof(((struct error *)0)->text)];
	struct error err;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	error_set(&err, EIO, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_append(&err, "more");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_wrap(&err, "first");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "first: xxx", 10);
	error_wrap(&err, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(err.code, EIO);
}

/* Test vectors of the algorithm's authors: the same on every machine. */
static void test_hash(void **state)
{
	(void)state;
	assert_true(hash_string("") == 0xcbf29ce484222325ULL);
	assert_true(hash_string("a") == 0xaf63dc4c8601ec8cULL);
	assert_true(hash_string("foobar") == 0x85944171f73967e8ULL);
	/* Bytes above 127 are not negative. */
	assert_true(hash_string("\xff") == 0xaf64724c8602eb6eULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_buffer),
		cmocka_unit_test(test_buffer_keeps_every_byte),
		cmocka_unit_test(test_buffer_grows),
		cmocka_unit_test(test_buffer_printf),
		cmocka_unit_test(test_buffer_keeps_its_end),
		cmocka_unit_test(test_error_is_wrapped_on_its_way_up),
		cmocka_unit_test(test_error_that_is_too_long_is_cut),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
