// SPDX-License-Identifier: GPL-2.0-only
/* Delay and rate count from when a frame was sent, and it takes that over the bridge with it: see bpf/stamp.h. */
#include "fixture.h"

#define RATE	    1000000U
#define TIMED	    (1U << 31)
#define USED_MEDIUM (1U << 30)
#define LAST_HOP    (1U << 26)

/* As of a frame that was sent some time ago, and waited for nothing. */
static struct stamp sent_ago(uint64_t age_ns, uint64_t *sent_ns)
{
	*sent_ns = clock_now() - age_ns;
	return (struct stamp){ .mark = (uint32_t)*sent_ns, .priority = TIMED | USED_MEDIUM };
}

static struct seen held(struct stamp stamp, uint32_t size)
{
	return next_held(leave(A, B, size, stamp), B);
}

static void test_stamped_where_they_enter(void **state)
{
	struct sent sent;

	(void)state;
	set_link(C, B, (struct wire_link){ .delay_ns = 1 });
	/* What is there already is not ours. */
	sent = run(wire_ingress_fd(lab.wire), SWITCH, A, 64, (struct stamp){ .mark = 1, .priority = 7 }, 1);
	assert_in_range(sent.mark - (uint32_t)sent.before, 0, sent.after - sent.before + 1);
	assert_int_equal(sent.priority, TIMED | USED_MEDIUM | LAST_HOP);
}

/* Reading the clock takes longer than all the rest. */
static void test_no_time_until_something_needs_it(void **state)
{
	struct sent sent;

	(void)state;
	lab.wire->global->stamping = 0;
	sent = run(wire_ingress_fd(lab.wire), SWITCH, A, 64, (struct stamp){ 0 }, 1);
	assert_int_equal(sent.mark, 0);
	assert_int_equal(sent.priority, USED_MEDIUM | LAST_HOP);
	set_link(A, B, (struct wire_link){ .loss_ppb = 1 });
	assert_int_equal(lab.wire->global->stamping, 0);
	set_link(A, B, (struct wire_link){ .rate_bps = 1000 });
	assert_int_equal(lab.wire->global->stamping, 1);
}

static void test_delay_counts_from_the_stamp(void **state)
{
	struct stamp stamp;
	uint64_t sent_ns;

	(void)state;
	set_link(A, B, (struct wire_link){ .delay_ns = NS(500) });
	stamp = sent_ago(NS(100), &sent_ns);
	assert_int_equal(held(stamp, 64).tstamp, sent_ns + NS(500));
	/* Due already: fq lets it go at once. */
	stamp = sent_ago(NS(700), &sent_ns);
	assert_int_equal(held(stamp, 64).tstamp, sent_ns + NS(500));
}

static void test_an_idle_link_begins_to_send_then(void **state)
{
	struct stamp stamp;
	uint64_t sent_ns;

	(void)state;
	set_link(A, B, (struct wire_link){ .rate_bps = RATE, .queue_ns = NS(1000) });
	stamp = sent_ago(NS(300), &sent_ns);
	assert_int_equal(held(stamp, 1250).tstamp, sent_ns + NS(10));
	assert_int_equal(held(stamp, 1250).tstamp, sent_ns + NS(20));
}

/*
 * When it leaves is exact, however long it has waited where it came in. When it was sent, from which the clocks of the other links
 * count, is off by less than a millionth of that.
 */
static void wait_for(uint64_t wait_ns)
{
	struct wire_key of = key(A, SWITCH);
	struct wire_state busy = { .clock = 1, .generation = 1, .rate_bps = RATE };
	struct stamp stamp;
	uint64_t free_ns, sent_ns, before;

	clear_lab(NULL);
	set_link(A, SWITCH,
		 (struct wire_link){ .rate_bps = RATE, .queue_ns = NS(600000), .clock = 1, .generation = 1 });
	set_link(SWITCH, B, (struct wire_link){ .rate_bps = RATE, .queue_ns = NS(600000), .clock = 1 });
	before = clock_now();
	busy.next_ns = before + wait_ns;
	assert_int_equal(bpf_map_update_elem(lab.wire->states, &of, &busy, BPF_EXIST), 0);
	stamp = enter(A, 125);
	free_ns = busy.next_ns + NS(1);
	assert_int_equal(held(stamp, 125).tstamp, free_ns);
	sent_ns = state_of(SWITCH, B).next_ns - NS(1);
	assert_in_range(sent_ns, before - wait_ns / 1000000, clock_now() + wait_ns / 1000000);
}

static void test_waiting_is_stamped_to_a_millionth(void **state)
{
	static const uint64_t waits[] = { NS(2000), NS(4294.967296), NS(599999.999999) };

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		wait_for(waits[i]);
}

static void assert_sent_now(enum place from, struct stamp stamp)
{
	struct sent sent = leave(from, B, 64, stamp);
	struct seen seen = next_held(sent, B);

	assert_in_range(seen.tstamp, seen.before + NS(500), seen.after + NS(500));
}

static void test_no_stamp_to_believe(void **state)
{
	uint64_t sent_ns;
	struct stamp stamp;

	(void)state;
	set_link(SWITCH, B, (struct wire_link){ .delay_ns = NS(500) });
	assert_sent_now(A, (struct stamp){ 0 });
	stamp = sent_ago(NS(2000), &sent_ns);
	assert_sent_now(A, stamp);
	stamp.mark = (uint32_t)(clock_now() + NS(1000));
	assert_sent_now(A, stamp);
	/* The switch stamps nothing. */
	stamp = sent_ago(NS(100), &sent_ns);
	assert_sent_now(SWITCH, stamp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stamped_where_they_enter, clear_lab),
		cmocka_unit_test_setup(test_no_time_until_something_needs_it, clear_lab),
		cmocka_unit_test_setup(test_delay_counts_from_the_stamp, clear_lab),
		cmocka_unit_test_setup(test_an_idle_link_begins_to_send_then, clear_lab),
		cmocka_unit_test_setup(test_waiting_is_stamped_to_a_millionth, clear_lab),
		cmocka_unit_test_setup(test_no_stamp_to_believe, clear_lab),
	};

	return cmocka_run_group_tests_name("stamp", tests, open_lab, close_lab);
}
