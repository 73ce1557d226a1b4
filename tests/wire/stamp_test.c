// SPDX-License-Identifier: GPL-2.0-only
/* Delay and rate count from when a frame was sent, which it carries across the bridge as its mark. */
#include "fixture.h"

#define RATE 1000000U

/* The frames from here on were sent some time ago. Returns when. */
static uint64_t sent_ago(uint64_t age_ns)
{
	uint64_t sent_ns = (clock_now() - age_ns) | 1;

	lab.mark = (uint32_t)sent_ns;
	return sent_ns;
}

static void test_stamped_where_they_enter(void **state)
{
	struct sent sent = run(wire_ingress_fd(lab.wire), SWITCH, A, 64, 0, 1);

	(void)state;
	assert_in_range(sent.mark - (uint32_t)sent.before, 0, sent.after - sent.before + 1);
	assert_true(sent.mark & 1);
	/* A stamp that is there is another bridge's. */
	lab.mark = 1;
	assert_int_not_equal(run(wire_ingress_fd(lab.wire), SWITCH, A, 64, 0, 1).mark, 1);
}

static void test_delay_counts_from_the_stamp(void **state)
{
	uint64_t sent_ns;

	(void)state;
	set_link(A, B, (struct wire_link){ .delay_ns = NS(500) });
	sent_ns = sent_ago(NS(100));
	assert_int_equal(send_held(A, B, 64).tstamp, sent_ns + NS(500));
	/* Due already: fq lets it go at once. */
	sent_ns = sent_ago(NS(700));
	assert_int_equal(send_held(A, B, 64).tstamp, sent_ns + NS(500));
}

static void test_an_idle_link_begins_to_send_then(void **state)
{
	uint64_t sent_ns;

	(void)state;
	set_link(A, B, (struct wire_link){ .rate_bps = RATE, .queue_ns = NS(1000) });
	sent_ns = sent_ago(NS(300));
	assert_int_equal(send_held(A, B, 1250).tstamp, sent_ns + NS(10));
	assert_int_equal(send_held(A, B, 1250).tstamp, sent_ns + NS(20));
}

static void assert_sent_now(enum place from)
{
	struct seen seen = send_held(from, B, 64);

	assert_in_range(seen.tstamp, seen.before + NS(500), seen.after + NS(500));
}

static void test_no_stamp_to_believe(void **state)
{
	(void)state;
	set_link(SWITCH, B, (struct wire_link){ .delay_ns = NS(500) });
	assert_sent_now(A);
	sent_ago(NS(2000));
	assert_sent_now(A);
	lab.mark = (uint32_t)(clock_now() + NS(1000)) | 1;
	assert_sent_now(A);
	sent_ago(NS(100));
	assert_sent_now(SWITCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stamped_where_they_enter, clear_lab),
		cmocka_unit_test_setup(test_delay_counts_from_the_stamp, clear_lab),
		cmocka_unit_test_setup(test_an_idle_link_begins_to_send_then, clear_lab),
		cmocka_unit_test_setup(test_no_stamp_to_believe, clear_lab),
	};

	return cmocka_run_group_tests_name("stamp", tests, open_lab, close_lab);
}
