// SPDX-License-Identifier: GPL-2.0-only
/* The guest agent's protocol against guests that mean no good: every call ends in time, with an error and bounded memory. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/qemu/agent.h"
#include "util/clock.h"
#include "util/error.h"

#define SOON	 clock_after(300 * NS_PER_MS)
#define LATER	 clock_after(10 * NS_PER_S)
#define SYNC(ID) "\xff{\"return\": " #ID "}\n"

struct fixture {
	struct agent agent;
	int guest; /* the other end */
	pid_t flood;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	agent_open(&f->agent, ends[0]);
	f->guest = ends[1];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->flood) {
		kill(f->flood, SIGKILL);
		waitpid(f->flood, NULL, 0);
	}
	agent_close(&f->agent);
	close(f->guest);
	free(f);
	return 0;
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->guest, text, strlen(text)), strlen(text));
}

/* A guest that never stops sending. */
static void flood(struct fixture *f, const char *text)
{
	static char bytes[65536];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = text[i % strlen(text)];
	f->flood = fork();
	while (f->flood == 0)
		if (write(f->guest, bytes, sizeof(bytes)) < 0)
			_exit(0);
}

static void expect(struct fixture *f, int code, const char *text)
{
	uint64_t start = clock_now();
	json_t *answer = NULL;
	struct error err;

	assert_int_equal(agent_call(&f->agent, "guest-info", NULL, &answer, SOON, &err), -code);
	assert_null(answer);
	assert_non_null(strstr(err.text, text));
	assert_true(clock_now() - start < 2 * NS_PER_S);
	assert_true(f->agent.channel.in.room < 4 << 20);
}

static void test_takes_the_answer(void **state)
{
	struct fixture *f = *state;
	json_t *answer = NULL;
	struct error err;

	say(f, SYNC(1) "{\"return\": {\"version\": \"7.2\"}}\n");
	assert_int_equal(agent_call(&f->agent, "guest-info", json_pack("{si}", "a", 1), &answer, LATER, &err), 0);
	assert_string_equal(json_string_value(json_object_get(answer, "version")), "7.2");
	json_decref(answer);
	say(f, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}}\n");
	expect(f, EIO, "the guest agent refuses guest-info: no such thing");
	assert_true(f->agent.in_step);
}

static void test_finds_its_place_behind_garbage(void **state)
{
	struct fixture *f = *state;
	struct error err;

	say(f, "{\"error\": {\"desc\": \"JSON parse error\"}}\n\1\2\3}}]\n" SYNC(77) "\xff\xff\xff{]\n" SYNC(1));
	assert_int_equal(agent_sync(&f->agent, LATER, &err), 0);
}

static void test_a_batch_keeps_refusals_apart(void **state)
{
	struct fixture *f = *state;
	struct agent_call calls[3] = { { .name = "a" }, { .name = "b" }, { .name = "c" } };
	struct error err;

	say(f, SYNC(1) "{\"return\": 1}\n{\"error\": {\"desc\": \"no\"}}\n{\"return\": 3}\n");
	assert_int_equal(agent_batch(&f->agent, calls, 3, LATER, &err), 0);
	assert_int_equal(json_integer_value(calls[0].answer), 1);
	assert_int_equal(calls[1].error.code, EIO);
	assert_null(calls[1].answer);
	assert_int_equal(json_integer_value(calls[2].answer), 3);
	json_decref(calls[0].answer);
	json_decref(calls[2].answer);
}

static void test_silence(void **state)
{
	expect(*state, ETIMEDOUT, "no answer in time");
}

static void test_silence_after_the_sync(void **state)
{
	say(*state, SYNC(1));
	expect(*state, ETIMEDOUT, "does not answer to guest-info as it should");
}

static void test_a_late_answer_is_not_taken_for_the_next(void **state)
{
	struct fixture *f = *state;
	json_t *answer = NULL;
	struct error err;

	say(f, SYNC(1));
	expect(f, ETIMEDOUT, "guest-info");
	say(f, "{\"return\": \"late\"}\n" SYNC(2) "{\"return\": \"right\"}\n");
	assert_int_equal(agent_call(&f->agent, "guest-info", NULL, &answer, LATER, &err), 0);
	assert_string_equal(json_string_value(answer), "right");
	json_decref(answer);
}

/* The sync behind a request that nobody saw is answered, in its place. */
static void test_a_new_agent_does_not_know_the_request(void **state)
{
	static const char *const signs[] = { "{\"error\": {\"desc\": \"JSON parse error, stray\"}}\n", "garbage\n",
					     SYNC(2) };
	struct fixture *f = *state;
	struct error err;

	for (size_t i = 0; i < 3; i++) {
		uint64_t start = clock_now();

		f->agent.last_sync = 0;
		f->agent.in_step = false;
		say(f, SYNC(1));
		assert_int_equal(agent_sync(&f->agent, LATER, &err), 0);
		f->flood = fork();
		if (f->flood == 0) {
			usleep(2500000);
			say(f, signs[i]);
			_exit(0);
		}
		assert_int_equal(agent_call(&f->agent, "guest-info", NULL, NULL, clock_after(60 * NS_PER_S), &err),
				 -ESTALE);
		assert_true(clock_now() - start < 10 * NS_PER_S);
		assert_false(f->agent.in_step);
		waitpid(f->flood, NULL, 0);
		f->flood = 0;
	}
}

static void test_a_slow_agent_is_waited_for(void **state)
{
	struct fixture *f = *state;
	json_t *answer = NULL;
	struct error err;

	say(f, SYNC(1));
	assert_int_equal(agent_sync(&f->agent, LATER, &err), 0);
	f->flood = fork();
	if (f->flood == 0) {
		usleep(2500000);
		say(f, "{\"return\": \"slow\"}\n{\"error\": {\"desc\": \"JSON parse error, stray\"}}\n" SYNC(2)
			       SYNC(3) "{\"return\": \"next\"}\n");
		_exit(0);
	}
	assert_int_equal(agent_call(&f->agent, "guest-info", NULL, &answer, LATER, &err), 0);
	assert_string_equal(json_string_value(answer), "slow");
	json_decref(answer);
	assert_int_equal(agent_call(&f->agent, "guest-info", NULL, &answer, LATER, &err), 0);
	assert_string_equal(json_string_value(answer), "next");
	json_decref(answer);
}

static void test_what_is_no_json(void **state)
{
	say(*state, SYNC(1) "{\"return\": \n");
	expect(*state, EBADMSG, "is no JSON");
}

static void test_json_of_another_kind(void **state)
{
	say(*state, SYNC(1) "[1, 2]\n");
	expect(*state, EBADMSG, "is no JSON");
}

static void test_neither_answer_nor_error(void **state)
{
	say(*state, SYNC(1) "{\"event\": \"HELLO\"}\n");
	expect(*state, EBADMSG, "is malformed");
}

static void test_a_refusal_without_words(void **state)
{
	say(*state, SYNC(1) "{\"error\": 17}\n");
	expect(*state, EIO, "no reason given");
}

static void test_nesting_without_end(void **state)
{
	struct fixture *f = *state;
	size_t size = 1 << 18;
	char *text = malloc(size + 2);

	memset(text, '[', size);
	strcpy(text + size, "\n");
	f->flood = fork();
	if (f->flood == 0) {
		say(f, SYNC(1));
		say(f, text);
		_exit(0);
	}
	free(text);
	expect(f, EBADMSG, "is no JSON");
}

static void test_a_line_without_end(void **state)
{
	say(*state, SYNC(1));
	flood(*state, "x");
	expect(*state, EMSGSIZE, "a line of more than");
}

static void test_a_flood_before_the_sync(void **state)
{
	flood(*state, "{\"return\": 1}\n");
	expect(*state, ETIMEDOUT, "in time");
}

static void test_a_flood_of_wrong_syncs(void **state)
{
	flood(*state, SYNC(99));
	expect(*state, ETIMEDOUT, "in time");
}

static void test_a_flood_of_sentinels(void **state)
{
	flood(*state, "\xff");
	expect(*state, ETIMEDOUT, "in time");
}

static void test_a_guest_that_does_not_read(void **state)
{
	struct fixture *f = *state;
	size_t size = 4 << 20;
	char *text = malloc(size + 1);
	uint64_t start = clock_now();
	struct error err;

	memset(text, 'a', size);
	text[size] = '\0';
	say(f, SYNC(1));
	assert_int_equal(agent_call(&f->agent, "x", json_pack("{ss}", "a", text), NULL, SOON, &err), -ETIMEDOUT);
	assert_true(clock_now() - start < 2 * NS_PER_S);
	free(text);
}

static void test_a_guest_that_is_gone(void **state)
{
	struct fixture *f = *state;

	say(f, SYNC(1) "{\"retu");
	close(f->guest);
	f->guest = -1;
	expect(f, ENOTCONN, "closed");
}

static bool takes(const char *json, const char *expected, bool expected_end)
{
	struct buffer into = { 0 };
	json_t *answer = json_loads(json, 0, NULL);
	bool at_end = false, good;

	assert_non_null(answer);
	good = agent_take_read(answer, &into, &at_end);
	if (good) {
		assert_string_equal(buffer_string(&into), expected);
		assert_int_equal(at_end, expected_end);
	} else {
		assert_int_equal(into.size, 0);
	}
	json_decref(answer);
	buffer_free(&into);
	return good;
}

static void test_what_was_read(void **state)
{
	(void)state;
	assert_true(takes("{\"count\": 2, \"buf-b64\": \"aGk=\", \"eof\": false}", "hi", false));
	assert_true(takes("{\"count\": 0, \"buf-b64\": \"\", \"eof\": true}", "", true));
	/* Nothing, and more to come, for ever. */
	assert_true(takes("{\"count\": 9, \"buf-b64\": \"\", \"eof\": false}", "", true));
	assert_true(takes("{\"count\": 0, \"eof\": true}", "", true));
	assert_false(takes("{\"count\": 2, \"buf-b64\": \"aGk=\"}", "", true));
	assert_false(takes("{\"count\": 2, \"buf-b64\": 17, \"eof\": false}", "", true));
	assert_false(takes("{\"count\": 2, \"buf-b64\": \"aGk\", \"eof\": false}", "", true));
	assert_false(takes("{\"count\": 2, \"buf-b64\": \"a=k=\", \"eof\": false}", "", true));
	assert_false(takes("{\"count\": 2, \"buf-b64\": \"aG k\", \"eof\": true}", "", true));
	assert_false(takes("[1]", "", true));
}

static int write_file(struct fixture *f, const char *guest_says, struct error *err)
{
	say(f, guest_says);
	return agent_write_file(&f->agent, "/x", "abc", 3, LATER, err);
}

static void test_a_file_is_written_whole_or_not(void **state)
{
	struct fixture *f = *state;
	struct error err;

	say(f, SYNC(1));
	assert_int_equal(write_file(f, "{\"return\": 5}\n{\"return\": {\"count\": 3}}\n{\"return\": {}}\n", &err), 0);
	assert_int_equal(write_file(f, "{\"return\": 5}\n{\"return\": {\"count\": 2}}\n{\"return\": {}}\n", &err),
			 -ENOSPC);
	assert_string_equal(err.text, "write /x: the guest agent wrote 2 of 3 bytes");
	assert_int_equal(write_file(f, "{\"error\": {\"desc\": \"no folder\"}}\n", &err), -EIO);
	/* What the disk has no room for may be known only when the file is closed. */
	assert_int_equal(
		write_file(f, "{\"return\": 5}\n{\"return\": {\"count\": 3}}\n{\"error\": {\"desc\": \"full\"}}\n",
			   &err),
		-EIO);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_takes_the_answer),
		TEST(test_finds_its_place_behind_garbage),
		TEST(test_a_batch_keeps_refusals_apart),
		TEST(test_silence),
		TEST(test_silence_after_the_sync),
		TEST(test_a_late_answer_is_not_taken_for_the_next),
		TEST(test_a_new_agent_does_not_know_the_request),
		TEST(test_a_slow_agent_is_waited_for),
		TEST(test_what_is_no_json),
		TEST(test_json_of_another_kind),
		TEST(test_neither_answer_nor_error),
		TEST(test_a_refusal_without_words),
		TEST(test_nesting_without_end),
		TEST(test_a_line_without_end),
		TEST(test_a_flood_before_the_sync),
		TEST(test_a_flood_of_wrong_syncs),
		TEST(test_a_flood_of_sentinels),
		TEST(test_a_guest_that_does_not_read),
		TEST(test_a_guest_that_is_gone),
		cmocka_unit_test(test_what_was_read),
		TEST(test_a_file_is_written_whole_or_not),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
