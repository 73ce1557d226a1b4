// SPDX-License-Identifier: GPL-2.0-only
/* Frames that wait until they are due: in which order they come out, and that they are copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/held.h"

#define MANY 1000U

static size_t add(struct held *held, uint64_t due_ns, const char *bytes, const char *tail)
{
	struct ring_event event = { .event = { .time_ns = due_ns },
				    .bytes = (const uint8_t *)bytes,
				    .size = strlen(bytes),
				    .tail = (const uint8_t *)tail,
				    .tail_size = tail ? strlen(tail) : 0 };

	return held_add(held, &event, due_ns);
}

static void assert_next(struct held *held, uint64_t until_ns, const char *bytes)
{
	struct held_frame *frame = held_next(held, until_ns);

	assert_non_null(frame);
	assert_int_equal(frame->event.size, strlen(bytes));
	assert_memory_equal(frame->event.bytes, bytes, strlen(bytes));
	free(frame);
}

static void test_comes_out_when_it_is_due(void **state)
{
	struct held held = { 0 };

	(void)state;
	assert_null(held_next(&held, UINT64_MAX));
	add(&held, 30, "late", NULL);
	add(&held, 10, "early", NULL);
	assert_null(held_next(&held, 9));
	assert_next(&held, 10, "early");
	assert_null(held_next(&held, 29));
	assert_next(&held, 30, "late");
	assert_null(held_next(&held, UINT64_MAX));
	held_clear(&held);
}

static void test_of_the_same_time_as_they_went_in(void **state)
{
	struct held held = { 0 };
	char name[2] = "";

	(void)state;
	for (name[0] = 'a'; name[0] <= 'z'; name[0]++)
		add(&held, 5, name, NULL);
	for (name[0] = 'a'; name[0] <= 'z'; name[0]++)
		assert_next(&held, 5, name);
	held_clear(&held);
}

static void test_many_in_any_order(void **state)
{
	struct held held = { 0 };
	uint64_t last = 0;

	(void)state;
	/* 7919 is a prime: each of the numbers once. */
	for (uint64_t i = 0; i < MANY; i++)
		add(&held, i * 7919 % MANY, "x", NULL);
	assert_int_equal(held.count, MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		struct held_frame *frame = held_next(&held, UINT64_MAX);

		assert_non_null(frame);
		assert_true(frame->due_ns == i && frame->due_ns >= last);
		last = frame->due_ns;
		free(frame);
	}
	assert_int_equal(held.count, 0);
	held_clear(&held);
}

/* What is in a ring is gone soon. */
static void test_keeps_a_copy_in_one_piece(void **state)
{
	struct held held = { 0 };
	char bytes[] = "head", tail[] = "tail";

	(void)state;
	add(&held, 1, bytes, tail);
	memset(bytes, 'x', strlen(bytes));
	memset(tail, 'x', strlen(tail));
	assert_next(&held, 1, "headtail");
	held_clear(&held);
}

static void test_knows_how_much_it_holds(void **state)
{
	struct held held = { 0 };
	size_t size = add(&held, 1, "one", NULL);

	(void)state;
	assert_true(size >= sizeof(struct held_frame) + 3);
	size += add(&held, 2, "three", NULL);
	assert_int_equal(held.size, size);
	assert_next(&held, 1, "one");
	assert_int_equal(held.size, sizeof(struct held_frame) + 5);
	held_clear(&held);
	assert_int_equal(held.size, 0);
	assert_null(held_next(&held, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_out_when_it_is_due),
		cmocka_unit_test(test_of_the_same_time_as_they_went_in),
		cmocka_unit_test(test_many_in_any_order),
		cmocka_unit_test(test_keeps_a_copy_in_one_piece),
		cmocka_unit_test(test_knows_how_much_it_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
