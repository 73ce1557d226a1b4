// SPDX-License-Identifier: GPL-2.0-only
/* The rings of several CPUs read as one, without a kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rings_source.h"

/* A record as the kernel writes it: header, size, what was put out, and zeros up to a multiple of 8. */
static void put_record(size_t cpu, const void *head, size_t head_size, const void *frame, size_t frame_size)
{
	size_t size = RAW_OFFSET + head_size + frame_size, padding = -size & 7;
	struct perf_event_header header = { .type = PERF_RECORD_SAMPLE, .size = (uint16_t)(size + padding) };
	uint32_t raw = (uint32_t)(head_size + frame_size + padding);

	put(cpu, &header, sizeof(header));
	put(cpu, &raw, sizeof(raw));
	put(cpu, head, head_size);
	put(cpu, frame, frame_size);
	put(cpu, &(uint64_t){ 0 }, padding);
}

static void put_event(size_t cpu, uint64_t time_ns, const char *frame)
{
	struct wire_event event = { .kind = WIRE_EVENT_SENT, .time_ns = time_ns, .captured = (uint32_t)strlen(frame) };

	put_record(cpu, &event, sizeof(event), frame, strlen(frame));
}

static void put_loss(size_t cpu)
{
	const struct {
		struct perf_event_header header;
		uint64_t id, lost;
	} loss = { .header = { .type = PERF_RECORD_LOST, .size = sizeof(loss) }, .lost = 5 };

	put(cpu, &loss, sizeof(loss));
}

static void assert_next(uint64_t time_ns, const char *frame)
{
	struct ring_event event;

	assert_true(rings_next(&rings, UINT64_MAX, &event));
	assert_int_equal(event.event.time_ns, time_ns);
	assert_int_equal(event.size, strlen(frame));
	assert_memory_equal(event.bytes, frame, event.size);
	assert_int_equal(event.tail_size, 0);
}

static void assert_nothing(uint64_t until_ns)
{
	struct ring_event event;

	assert_false(rings_next(&rings, until_ns, &event));
}

static void test_oldest_first(void **state)
{
	(void)state;
	rings_look(&rings);
	assert_nothing(UINT64_MAX);
	put_event(0, 10, "a");
	put_event(1, 5, "b");
	put_event(0, 30, "c");
	put_event(1, 20, "d");
	rings_look(&rings);
	assert_next(5, "b");
	assert_next(10, "a");
	assert_next(20, "d");
	assert_next(30, "c");
	assert_nothing(UINT64_MAX);
}

/* What is younger may have older ones to come in another ring. */
static void test_no_further_than_asked(void **state)
{
	struct ring_event event;

	(void)state;
	put_event(0, 10, "a");
	put_event(1, 11, "b");
	rings_look(&rings);
	assert_nothing(9);
	assert_true(rings_next(&rings, 10, &event));
	assert_nothing(10);
	assert_next(11, "b");
}

static void test_no_further_than_looked(void **state)
{
	(void)state;
	put_event(0, 10, "a");
	rings_look(&rings);
	put_event(0, 11, "b");
	assert_next(10, "a");
	assert_nothing(UINT64_MAX);
	rings_look(&rings);
	assert_next(11, "b");
}

static void test_records_of_losses_are_passed_over(void **state)
{
	(void)state;
	put_loss(0);
	put_event(0, 10, "a");
	put_loss(0);
	put_loss(0);
	put_event(0, 11, "b");
	put_loss(0);
	rings_look(&rings);
	assert_next(10, "a");
	assert_next(11, "b");
	assert_nothing(UINT64_MAX);
	rings_done(&rings);
	assert_int_equal(pages[0].data_tail, pages[0].data_head);
}

/* Many times around; each length meets the end of the ring in another way. */
static void test_over_the_end(void **state)
{
	char frame[200];

	(void)state;
	for (uint64_t n = 1; n < 200 * SIZE / 200; n++) {
		size_t size = n % (sizeof(frame) - 1);

		memset(frame, (int)('a' + n % 26), size);
		frame[size] = '\0';
		put_event(0, n, frame);
		rings_look(&rings);
		assert_next(n, frame);
		rings_done(&rings);
		assert_int_equal(pages[0].data_tail, pages[0].data_head);
	}
}

static void put_large(size_t cpu, uint64_t time_ns, bool with_tail)
{
	static uint8_t frame[WIRE_EVENT_BYTES + 4000];
	struct wire_event event = { .kind = WIRE_EVENT_SENT, .time_ns = time_ns, .captured = sizeof(frame) };
	struct wire_event tail = { .kind = WIRE_EVENT_TAIL, .time_ns = time_ns };

	memset(frame, 'h', WIRE_EVENT_BYTES);
	memset(frame + WIRE_EVENT_BYTES, 't', 4000);
	put_record(cpu, &event, sizeof(event), frame, WIRE_EVENT_BYTES);
	if (with_tail)
		put_record(cpu, &tail, sizeof(tail), frame + WIRE_EVENT_BYTES, 4000);
}

static void test_a_large_frame_has_its_tail(void **state)
{
	struct ring_event event;

	(void)state;
	put_large(0, 10, true);
	put_event(0, 11, "next");
	rings_look(&rings);
	assert_true(rings_next(&rings, UINT64_MAX, &event));
	assert_int_equal(event.size, WIRE_EVENT_BYTES);
	assert_int_equal(event.bytes[WIRE_EVENT_BYTES - 1], 'h');
	assert_int_equal(event.tail_size, 4000);
	assert_int_equal(event.tail[0], 't');
	assert_int_equal(event.tail[3999], 't');
	assert_next(11, "next");
}

/* The ring had no room for it. */
static void test_a_large_frame_without_its_tail(void **state)
{
	struct ring_event event;

	(void)state;
	put_large(0, 10, false);
	put_event(0, 11, "next");
	rings_look(&rings);
	assert_true(rings_next(&rings, UINT64_MAX, &event));
	assert_int_equal(event.size, WIRE_EVENT_BYTES);
	assert_int_equal(event.tail_size, 0);
	assert_next(11, "next");
	assert_nothing(UINT64_MAX);
}

/* Who got an event may use its bytes until it asks for the next: their place is not the kernel's before that. */
static void test_gives_back_what_was_read(void **state)
{
	struct ring_event event;

	(void)state;
	put_event(0, 10, "a");
	put_event(0, 11, "b");
	rings_look(&rings);
	assert_true(rings_next(&rings, UINT64_MAX, &event));
	assert_int_equal(pages[0].data_tail, 0);
	rings_done(&rings);
	assert_int_equal(pages[0].data_tail, pages[0].data_head / 2);
	assert_int_equal(pages[1].data_tail, 0);
}

/* While a round goes on, a small ring has room again. */
static void test_gives_back_a_part_at_a_time(void **state)
{
	struct ring_event event;
	size_t count = 0;

	(void)state;
	while (pages[0].data_head < SIZE / 2)
		put_event(0, ++count, "some bytes");
	rings_look(&rings);
	while (pages[0].data_tail < SIZE / BATCH_SHARE && count--)
		assert_true(rings_next(&rings, UINT64_MAX, &event));
	assert_in_range(pages[0].data_tail, SIZE / BATCH_SHARE, SIZE / BATCH_SHARE + 1000);
}

/* So much that the third round of it would find no room, were the half of it to wait there. Returns the number of the last. */
static uint64_t put_half_a_ring(size_t cpu, uint64_t number)
{
	uint64_t end = pages[cpu].data_head + SIZE / 2;
	char frame[64];

	while (pages[cpu].data_head < end) {
		snprintf(frame, sizeof(frame), "%d %s", (int)number, "abcdefghijklmnopqrstuvwxyz" + number % 26);
		put_event(cpu, number++, frame);
	}
	return number - 1;
}

static void test_what_is_too_young_does_not_fill_the_ring(void **state)
{
	struct ring_event event;
	uint64_t first = 1, last, next = 1;
	char *kept = NULL;

	(void)state;
	put_event(1, 1000000, "in another ring");
	for (int i = 0; i < 200; i++) {
		last = put_half_a_ring(0, first);
		put_loss(0);
		rings_look(&rings);
		/* The half of it is too young. */
		for (; next < (first + last) / 2; next++) {
			assert_true(rings_next(&rings, (first + last) / 2, &event));
			assert_int_equal(event.event.time_ns, next);
			assert_int_equal(atoi((const char *)event.bytes), next);
		}
		assert_true(rings_next(&rings, next, &event));
		next++;
		assert_nothing((first + last) / 2);
		assert_false(rings_are_empty(&rings));
		rings_done(&rings);
		assert_int_equal(pages[0].data_head, pages[0].data_tail);
		first = last + 1;
		/* No more is kept than there is. */
		if (i == 20)
			kept = list[0].kept.data;
		assert_in_range(list[0].kept.size, rings.batch, SIZE);
	}
	assert_non_null(kept);
	assert_ptr_equal(list[0].kept.data, kept);
	rings_look(&rings);
	while (rings_next(&rings, last, &event))
		assert_int_equal(event.event.time_ns, next++);
	assert_int_equal(next, last + 1);
	assert_next(1000000, "in another ring");
	assert_true(rings_are_empty(&rings));
	rings_done(&rings);
	assert_int_equal(pages[0].data_tail, pages[0].data_head);
	assert_int_equal(list[0].kept.size, 0);
}

static void test_a_large_frame_that_is_kept_has_its_tail(void **state)
{
	struct ring_event event;

	(void)state;
	put_large(0, 10, true);
	rings_look(&rings);
	assert_nothing(9);
	rings_done(&rings);
	assert_int_equal(pages[0].data_tail, pages[0].data_head);
	put_event(0, 11, "next");
	rings_look(&rings);
	assert_true(rings_next(&rings, UINT64_MAX, &event));
	assert_int_equal(event.size, WIRE_EVENT_BYTES);
	assert_int_equal(event.tail_size, 4000);
	assert_int_equal(event.tail[3999], 't');
	assert_next(11, "next");
	assert_true(rings_are_empty(&rings));
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(choose_size(1, 1), LEAST_SIZE);
	assert_int_equal(choose_size(LEAST_SIZE + 1, 1), 2 * LEAST_SIZE);
	assert_int_equal(choose_size(UINT64_MAX, 1), MOST_SIZE);
	assert_true(choose_size(0, 1) <= RINGS_DEFAULT_SIZE);
	/* All of them together take no more than their share. */
	assert_int_equal(choose_size(0, 1U << 20), LEAST_SIZE);
	/* The largest frame and what is not read yet have room while a small ring is emptied. */
	assert_true(choose_batch(LEAST_SIZE) <= LEAST_SIZE / 4);
	assert_int_equal(choose_batch(RINGS_DEFAULT_SIZE), BATCH_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_oldest_first, make_rings),
		cmocka_unit_test_setup(test_no_further_than_asked, make_rings),
		cmocka_unit_test_setup(test_no_further_than_looked, make_rings),
		cmocka_unit_test_setup(test_records_of_losses_are_passed_over, make_rings),
		cmocka_unit_test_setup(test_over_the_end, make_rings),
		cmocka_unit_test_setup(test_a_large_frame_has_its_tail, make_rings),
		cmocka_unit_test_setup(test_a_large_frame_without_its_tail, make_rings),
		cmocka_unit_test_setup(test_gives_back_what_was_read, make_rings),
		cmocka_unit_test_setup(test_gives_back_a_part_at_a_time, make_rings),
		cmocka_unit_test_setup(test_what_is_too_young_does_not_fill_the_ring, make_rings),
		cmocka_unit_test_setup(test_a_large_frame_that_is_kept_has_its_tail, make_rings),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, free_rings);
}
