// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the rings of captures are looked at, and what is taken then, without a kernel and at times that are made up: this file
 * has the sources of hub and rings in it. The library has the same functions, so they have other names here.
 */
#define capture_hub_open      tested_hub_open
#define capture_hub_close     tested_hub_close
#define capture_hub_is_idle   tested_hub_is_idle
#define capture_hub_ring_size tested_hub_ring_size
#define hub_wake	      tested_hub_wake
#define hub_is_ready	      tested_hub_is_ready
#define hub_stop_capture      tested_hub_stop_capture

#include "rings_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/hub.c" /* NOLINT(bugprone-suspicious-include) */

#define START (1000 * NS_PER_S)

static struct wire_control control;
static struct wire_capture elements[WIRE_MAX_CAPTURES];
static struct wire_tap tap = { .control = &control, .captures = elements };

static struct capture_hub hub;
static struct capture capture;

/* One capture, which counts frames. */
static int make_hub(void **state)
{
	make_rings(state);
	memset(&control, 0, sizeof(control));
	memset(elements, 0, sizeof(elements));
	capture = (struct capture){ .hub = &hub, .options.format = CAPTURE_COUNT, .news = -1 };
	spool_open(&capture.spool, 1 << 20);
	hub = (struct capture_hub){ .tap = &tap, .rings = &rings, .captures = { &capture }, .open = 1 };
	return 0;
}

static int free_hub(void **state)
{
	spool_close(&capture.spool);
	return free_rings(state);
}

static void happen(size_t cpu, uint64_t time_ns)
{
	struct {
		struct perf_event_header header;
		uint32_t size;
		struct wire_event event;
		uint32_t padding;
	} __attribute__((packed)) record = { .header = { .type = PERF_RECORD_SAMPLE, .size = sizeof(record) },
					     .event = { .kind = WIRE_EVENT_SENT, .captures = 1, .time_ns = time_ns } };

	_Static_assert(sizeof(record) % 8 == 0, "as the kernel writes records");
	put(cpu, &record, sizeof(record));
}

static void test_what_is_old_enough_is_taken_at_once(void **state)
{
	(void)state;
	happen(0, START);
	happen(1, START + 1);
	assert_int_equal(empty_rings(&hub, START + SLACK_NS + 1), IDLE_MS);
	assert_int_equal(capture.frames, 2);
	assert_int_equal(pages[0].data_tail, pages[0].data_head);
}

static void test_what_is_too_young_waits_for_a_millisecond(void **state)
{
	uint64_t now_ns = START + NS_PER_MS / 2;

	(void)state;
	happen(0, START);
	happen(1, now_ns);
	assert_int_equal(empty_rings(&hub, now_ns), EAGER_MS);
	assert_int_equal(capture.frames, 0);
	assert_int_equal(empty_rings(&hub, now_ns + EAGER_MS * NS_PER_MS), IDLE_MS);
	assert_int_equal(capture.frames, 2);
}

/* A round in between, because of a ring that fills up, is none that the young ones have waited for. */
static void test_woken_up_too_early(void **state)
{
	(void)state;
	happen(0, START);
	assert_int_equal(empty_rings(&hub, START), EAGER_MS);
	assert_int_equal(empty_rings(&hub, START + SLACK_NS - 1), EAGER_MS);
	assert_int_equal(capture.frames, 0);
	assert_int_equal(empty_rings(&hub, START + SLACK_NS), IDLE_MS);
	assert_int_equal(capture.frames, 1);
}

/* For an hour, a frame every half millisecond: none waits for longer than two rounds, and there are no more than two in 50 ms. */
static void test_frames_that_come_all_the_time(void **state)
{
	uint64_t now_ns = START, last_ns = START, rounds = 0, taken = 0, happened = 0;

	(void)state;
	while (now_ns < START + 3600 * NS_PER_S) {
		for (; last_ns <= now_ns; last_ns += NS_PER_MS / 2)
			happen(happened++ % CPUS, last_ns);
		now_ns += (uint64_t)empty_rings(&hub, now_ns) * NS_PER_MS;
		rounds++;
		/* Those of the round before the last one are there. */
		assert_true(capture.frames >= taken);
		taken = rounds % 2 ? happened : taken;
	}
	assert_in_range(rounds, 3600 * 1000 / (IDLE_MS + EAGER_MS) * 2, 3600 * 1000 / (IDLE_MS + EAGER_MS) * 2 + 4);
}

static void test_nobody_is_woken_for_nothing(void **state)
{
	uint64_t now_ns = START;

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(empty_rings(&hub, now_ns), IDLE_MS);
		now_ns += IDLE_MS * NS_PER_MS;
	}
}

static void test_often_while_somebody_waits(void **state)
{
	(void)state;
	capture.is_awaited = true;
	capture.awaited_frames = 1;
	capture.awaited_ns = UINT64_MAX;
	assert_int_equal(empty_rings(&hub, START), EAGER_MS);
	capture.options.patient = true;
	assert_int_equal(empty_rings(&hub, START), IDLE_MS);
}

/* Whatever the number's last capture was for is not this one's. */
static void test_frames_from_before_it_was_opened(void **state)
{
	(void)state;
	capture.opened_ns = START;
	happen(0, START - 1);
	happen(0, START);
	empty_rings(&hub, START + SLACK_NS);
	assert_int_equal(capture.frames, 1);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, make_hub, free_hub)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_old_enough_is_taken_at_once),
		TEST(test_what_is_too_young_waits_for_a_millisecond),
		TEST(test_woken_up_too_early),
		TEST(test_frames_that_come_all_the_time),
		TEST(test_nobody_is_woken_for_nothing),
		TEST(test_often_while_somebody_waits),
		TEST(test_frames_from_before_it_was_opened),
	};

	return cmocka_run_group_tests_name("hub", tests, NULL, NULL);
}
