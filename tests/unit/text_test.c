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
#include "util/utf8.h"

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

static void repairs(const char *text, const char *wanted)
{
	struct buffer buffer = { 0 };

	utf8_repair(&buffer, text, strlen(text));
	assert_string_equal(buffer_string(&buffer), wanted);
	buffer_free(&buffer);
}

#define BAD "\uFFFD"

/* The first and the last of each length, and their neighbours that are none: table 3-7 of the Unicode Standard. */
static void test_utf8(void **state)
{
	static const char *const good[] = { "a",
					    "\x7F",
					    "\xC2\x80",
					    "\xDF\xBF",
					    "\xE0\xA0\x80",
					    "\xED\x9F\xBF",
					    "\xEE\x80\x80",
					    "\xEF\xBF\xBF",
					    "\xF0\x90\x80\x80",
					    "\xF4\x8F\xBF\xBF" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		repairs(good[i], good[i]);
	repairs("a\x80z", "a" BAD "z");
	repairs("\xC1\xBF", BAD BAD);
	repairs("\xE0\x9F\xBF", BAD BAD BAD);
	repairs("\xED\xA0\x80", BAD BAD BAD); /* a surrogate */
	repairs("\xF0\x8F\xBF\xBF", BAD BAD BAD BAD);
	repairs("\xF4\x90\x80\x80", BAD BAD BAD BAD); /* behind the last */
	repairs("\xF5\x80", BAD BAD);
	/* What begins well is one, however far it comes. */
	repairs("\xE2\x82z\xF0\x9F\x98z\xC3", BAD "z" BAD "z" BAD);
}

static void test_utf8_cut(void **state)
{
	(void)state;
	assert_int_equal(utf8_cut("ab", 2, 2), 2);
	assert_int_equal(utf8_cut("abc", 3, 2), 2);
	assert_int_equal(utf8_cut("a\xE2\x82\xAC", 4, 4), 4);
	assert_int_equal(utf8_cut("a\xE2\x82\xAC", 4, 3), 1);
	assert_int_equal(utf8_cut("a\xE2\x82\xAC", 4, 2), 1);
	assert_int_equal(utf8_cut("\xF0\x9F\x98\x80z", 5, 3), 0);
	assert_int_equal(utf8_cut("\xF0\x9F\x98\x80z", 5, 4), 4);
	assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80", 5, 4), 4);
}

static void check_escaped(const char *text, size_t size, const char *keep, const char *wanted)
{
	struct buffer shown = { 0 };

	utf8_escape(&shown, text, size, keep);
	assert_string_equal(buffer_string(&shown), wanted);
	buffer_free(&shown);
}
#define CHECK_ESCAPED(TEXT, KEEP, WANTED) check_escaped(TEXT, sizeof(TEXT) - 1, KEEP, WANTED)

static void test_escape(void **state)
{
	(void)state;
	CHECK_ESCAPED("", "", "");
	CHECK_ESCAPED("plain ü → 漢 😀", "", "plain ü → 漢 😀");
	CHECK_ESCAPED("\x1b[2J\r\a\x7f", "", "\\x1b[2J\\x0d\\x07\\x7f");
	CHECK_ESCAPED("a\0b\n\tc", "", "a\\x00b\\x0a\\x09c");
	CHECK_ESCAPED("a\0b\n\tc", "\n\t", "a\\x00b\n\tc");
	CHECK_ESCAPED("\xc2\x9b"
		      "31m \xc2\xa0",
		      "", "\\u009b31m \xc2\xa0");
	CHECK_ESCAPED("\x9b \xff \xc2 \xe2\x80", "", "\\x9b \\xff \\xc2 \\xe2\\x80");
	/* C1 as bytes that a lenient decoder would take: overlong, and behind a surrogate. */
	CHECK_ESCAPED("\xc0\x9b \xed\xa0\x80", "", "\\xc0\\x9b \\xed\\xa0\\x80");
	CHECK_ESCAPED("a\u202Eb\u2066c\u200Fd\u2028e", "", "a\\u202eb\\u2066c\\u200fd\\u2028e");
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
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_utf8_cut),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
