// SPDX-License-Identifier: GPL-2.0-only
/* The description of a lab, which may be anybody's: what is not of its form is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lab/registry.h"
#include "util/buffer.h"
#include "util/error.h"

/* clang-format off */
static const char good[] =
	"{\"pid\":7,\"title\":\"x.lua\",\"seed\":9007199254740991,\"started\":1700000000,"
	"\"bpf\":{\"wire_ingress\":1,\"wire_egress\":2,\"ports\":3,\"links\":4,\"states\":5,\"ordinals\":21,\"counters\":6,\"counters_more\":22,\"control\":7,"
	"\"captures\":8},"
	"\"labs\":["
	"{\"name\":\"\","
	"\"nodes\":[{\"name\":\"a\",\"profile\":\"netns\",\"kind\":\"netns\",\"state\":\"booted\",\"pid\":8,\"started\":99}],"
	"\"bridges\":[{\"name\":\"lan\",\"device\":\"lan\",\"number\":1,\"members\":["
	"{\"name\":\"router\",\"port\":1,\"device\":\"\",\"ip\":\"10.1.0.1\",\"ip6\":\"fd00::1\"}]}]},"
	"{\"name\":\"sub\",\"nodes\":[],\"bridges\":[]}]}";
/* clang-format on */

static bool parses(const char *text, size_t size)
{
	struct error err = { 0 };
	json_t *whole = registry_parse(text, size, &err);

	assert_true(whole ? !err.code : err.code && *err.text);
	json_decref(whole);
	return whole != NULL;
}

/* The good text with one thing for another. */
static bool parses_with(const char *what, const char *instead)
{
	const char *place = strstr(good, what);
	struct buffer text = { 0 };
	bool parsed;

	assert_non_null(place);
	buffer_add(&text, good, (size_t)(place - good));
	buffer_printf(&text, "%s%s", instead, place + strlen(what));
	parsed = parses(text.data, text.size);
	buffer_free(&text);
	return parsed;
}

static void test_good(void **state)
{
	(void)state;
	assert_true(parses(good, strlen(good)));
	assert_true(parses_with("\"x.lua\"", "\"\\u001b[2J \\u00fc\""));
	assert_true(parses_with("\"lan\",\"number\"", "\"\",\"number\""));
	assert_true(parses_with("\"pid\":8", "\"pid\":0"));
	assert_true(parses_with("\"ports\":3", "\"ports\":4294967295"));
	assert_true(parses_with("\"ports\":3", "\"ports\":3,\"events\":9"));
}

static void test_parts(void **state)
{
	(void)state;
	for (size_t size = 0; size < strlen(good); size++)
		assert_false(parses(good, size));
}

/* Each is wrong in one place. */
static void test_wrong(void **state)
{
	static const char *const wrong[][2] = {
		{ "\"pid\":7", "\"pid\":\"7\"" },
		{ "\"pid\":7", "\"pid\":0" },
		{ "\"pid\":7", "\"pid\":-7" },
		{ "\"pid\":7", "\"pid\":4194305" },
		{ "\"pid\":7", "\"pid\":7.0" },
		{ "\"pid\":7", "\"pid\":7,\"pid\":8" },
		{ "\"pid\":7,", "" },
		{ "\"pid\":7", "\"pid\":7,\"more\":1" },
		{ "\"x.lua\"", "null" },
		{ "\"x.lua\"", "\"\\u0000\"" },
		{ "\"x.lua\"", "\"\xff\"" },
		{ "9007199254740991", "9007199254740992" },
		{ "9007199254740991", "-1" },
		{ "1700000000", "-1" },
		{ "\"bpf\":{", "\"bpf\":[],\"x\":{" },
		{ "\"ports\":3,", "" },
		{ "\"ports\":3", "\"ports\":3,\"more\":3" },
		{ "\"ports\":3", "\"ports\":0" },
		{ "\"ports\":3", "\"ports\":4294967296" },
		{ "\"ports\":3", "\"ports\":\"3\"" },
		{ "\"labs\":[", "\"labs\":[7," },
		{ "\"nodes\":[{", "\"nodes\":[[],{" },
		{ "\"name\":\"a\"", "\"name\":\"\"" },
		{ "\"name\":\"a\"", "\"name\":\"a\\n\"" },
		{ "\"name\":\"a\"", "\"name\":\"../a\"" },
		{ "\"name\":\"a\"", "\"name\":\"router\"" },
		{ "\"name\":\"a\"", "\"name\":\"a23456789012345678901234567890123\"" },
		{ "\"name\":\"sub\"", "\"name\":\"sub.\"" },
		{ "\"name\":\"lan\"", "\"name\":\"\"" },
		{ "\"kind\":\"netns\"", "\"kind\":\"host\"" },
		{ "\"state\":\"booted\"", "\"state\":\"up\"" },
		{ "\"pid\":8", "\"pid\":-1" },
		{ "\"started\":99", "\"started\":-1" },
		{ "\"device\":\"lan\"", "\"device\":\"a/b\"" },
		{ "\"device\":\"lan\"", "\"device\":\"a b\"" },
		{ "\"device\":\"\"", "\"device\":\"1234567890123456789012345678901234567890123456789\"" },
		{ "\"number\":1", "\"number\":0" },
		{ "\"number\":1", "\"number\":4294967296" },
		{ "\"members\":[", "\"members\":{}, \"x\":[" },
		{ "\"port\":1", "\"port\":1024" },
		{ "10.1.0.1", "10.1.0" },
		{ "10.1.0.1", "fd00::1" },
		{ "fd00::1", "10.1.0.1" },
		{ "{", "[{" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (parses_with(wrong[i][0], wrong[i][1]))
			fail_msg("%s was taken", wrong[i][1]);
}

static void test_limits(void **state)
{
	struct buffer title = { 0 };

	(void)state;
	while (title.size < REGISTRY_TITLE_SIZE)
		buffer_add(&title, "x", 1);
	assert_true(parses_with("x.lua", title.data));
	buffer_add(&title, "x", 1);
	assert_false(parses_with("x.lua", title.data));
	/* Spaces at the end of it are JSON, too. */
	buffer_free(&title);
	buffer_printf(&title, "%s", good);
	while (title.size < REGISTRY_SIZE)
		buffer_add(&title, " ", 1);
	assert_true(parses(title.data, title.size));
	buffer_add(&title, " ", 1);
	assert_false(parses(title.data, title.size));
	buffer_free(&title);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
