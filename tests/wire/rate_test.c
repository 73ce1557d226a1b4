// SPDX-License-Identifier: GPL-2.0-only
/* Rates: serialization times to the nanosecond, the queue's bound, and links in series. */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>

#define MBIT 1000000ULL
#define LONG NS(600000)

static struct wire_link limited(uint64_t rate_bps, uint64_t queue_ns)
{
	return (struct wire_link){ .rate_bps = rate_bps, .queue_ns = queue_ns, .generation = 1, .clock = 1 };
}

/* The link is busy for the next 24 s: what is sent now waits. */
static void make_busy(uint64_t rate_bps)
{
	struct wire_key of = key(A, B);
	struct wire_state state = {
		.clock = 1, .generation = 1, .rate_bps = rate_bps, .next_ns = clock_after(NS(24000))
	};

	set_link(A, B, limited(rate_bps, LONG));
	assert_int_equal(bpf_map_update_elem(lab.wire->states, &of, &state, BPF_EXIST), 0);
}

/* How long a frame takes: the time between one and the next when both are waiting. */
static uint64_t serialization(uint64_t rate_bps, uint32_t size)
{
	struct seen first, second;

	clear_lab(NULL);
	make_busy(rate_bps);
	first = send_held(A, B, size);
	second = send_held(A, B, size);
	assert_int_equal(second.tstamp, state_of(A, B).next_ns);
	return second.tstamp - first.tstamp;
}

static void test_serialization_is_exact(void **state)
{
	(void)state;
	assert_int_equal(serialization(10 * MBIT, FULL_FRAME), 1211200);
	assert_int_equal(serialization(1000 * MBIT, FULL_FRAME), 12112);
	assert_int_equal(serialization(100000 * MBIT, 64), 6); /* 5.12, rounded up */
	assert_int_equal(serialization(3000 * MBIT, 64), 171); /* 170.67 */
	assert_int_equal(serialization(1000000 * MBIT, 64), 1);
	assert_int_equal(serialization(1000, 3000), 24000000000ULL); /* more than 32 bits */
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void test_an_idle_link_is_free_now(void **state)
{
	struct seen seen;
	uint64_t free_ns;

	(void)state;
	set_link(A, B, limited(10 * MBIT, LONG));
	seen = send_held(A, B, FULL_FRAME);
	assert_in_range(seen.tstamp, seen.before + 1211200, seen.after + 1211200);
	assert_counted(A, B, .packets = 1, .bytes = FULL_FRAME, .delayed = 1);
	/* Idle for longer than the frame took: no burst is saved up. */
	usleep(5000);
	seen = send_held(A, B, FULL_FRAME);
	assert_in_range(seen.tstamp, seen.before + 1211200, seen.after + 1211200);
	/* The next one waits for it, if it is sent before the link is free again. */
	free_ns = seen.tstamp;
	seen = send_held(A, B, FULL_FRAME);
	assert_in_range(seen.tstamp, later(free_ns, seen.before) + 1211200, later(free_ns, seen.after) + 1211200);
}

/* 250 bytes at 1 kbit/s are 2 s. The fourth waits for just under 6 s, the fifth would wait for almost 8. */
static void test_queue_bound(void **state)
{
	uint64_t next_ns;

	(void)state;
	set_link(A, B, limited(1000, NS(6000)));
	for (int i = 0; i < 4; i++)
		send_held(A, B, 250);
	next_ns = state_of(A, B).next_ns;
	for (int i = 0; i < 3; i++)
		assert_int_equal(send_frame(A, B, 250).action, TC_ACT_SHOT);
	assert_counted(A, B, .packets = 4, .bytes = 1000, .delayed = 4, .dropped_queue = 3);
	/* What was refused has taken no share of the rate. */
	assert_int_equal(state_of(A, B).next_ns, next_ns);
	set_link(A, B, limited(1000, LONG));
	assert_int_equal(send_held(A, B, 250).tstamp, next_ns + NS(2000));
}

static void test_no_queue_at_all(void **state)
{
	(void)state;
	set_link(A, B, limited(1000, 0));
	send_held(A, B, 250);
	assert_int_equal(send_frame(A, B, 250).action, TC_ACT_SHOT);
	assert_counted(A, B, .packets = 1, .bytes = 250, .delayed = 1, .dropped_queue = 1);
}

/* So slow that the narrowest is busy until the last frame, however long the machine takes for them. */
static void test_the_narrowest_link_wins(void **state)
{
	struct seen seen;
	uint64_t now;

	(void)state;
	set_link(A, SWITCH, limited(10000, LONG));
	set_link(SWITCH, SWITCH, limited(4000, LONG));
	set_link(A, B, limited(1000, LONG));
	set_link(SWITCH, B, limited(100000, LONG));
	seen = send_held(A, B, 1000);
	now = seen.tstamp - NS(8000);
	assert_in_range(now, seen.before, seen.after);
	/* Each of them starts from now, whatever waits elsewhere. */
	assert_int_equal(state_of(A, SWITCH).next_ns, now + NS(800));
	assert_int_equal(state_of(SWITCH, SWITCH).next_ns, now + NS(2000));
	assert_int_equal(state_of(A, B).next_ns, now + NS(8000));
	assert_int_equal(state_of(SWITCH, B).next_ns, now + NS(80));
	for (unsigned int i = 2; i < 10; i++)
		assert_int_equal(send_held(A, B, 1000).tstamp, now + i * NS(8000));
}

static void test_the_medium_is_one_budget(void **state)
{
	uint64_t first;

	(void)state;
	set_link(SWITCH, SWITCH, limited(1000, LONG));
	first = send_held(A, B, 250).tstamp;
	assert_int_equal(send_held(B, A, 250).tstamp, first + NS(2000));
	assert_int_equal(send_held(C, B, 250).tstamp, first + NS(4000));
	assert_int_equal(send_held(SWITCH, C, 250).tstamp, first + NS(6000));
}

static void test_a_rate_for_each_destination(void **state)
{
	struct seen to_b, to_c;

	(void)state;
	set_link(A, B, limited(1000, LONG));
	set_link(A, C, limited(2000, LONG));
	send_held(A, B, 250);
	to_b = send_held(A, B, 250);
	to_c = send_held(A, C, 250);
	assert_in_range(to_b.tstamp, to_b.before + NS(3000), to_b.after + NS(4000));
	assert_in_range(to_c.tstamp, to_c.before + NS(1000), to_c.after + NS(1000));
}

static void test_a_lost_frame_uses_its_share(void **state)
{
	struct wire_link link = limited(1000, LONG);
	uint64_t next_ns;

	(void)state;
	link.loss_ppb = CERTAIN;
	set_link(A, B, link);
	set_link(SWITCH, B, limited(1000, LONG));
	send_frame(A, B, 250);
	next_ns = state_of(A, B).next_ns;
	send_frame(A, B, 250);
	assert_int_equal(state_of(A, B).next_ns, next_ns + NS(2000));
	assert_counted(A, B, .dropped_loss = 2);
	/* But not of a link that it does not come to. */
	assert_int_equal(state_of(SWITCH, B).next_ns, 0);
}

static void test_refused_late_has_used_what_came_before(void **state)
{
	uint64_t next_ns;

	(void)state;
	set_link(A, B, limited(1000, LONG));
	set_link(SWITCH, B, limited(1000, 0));
	send_held(A, B, 250);
	next_ns = state_of(A, B).next_ns;
	send_frame(A, B, 250);
	assert_int_equal(state_of(A, B).next_ns, next_ns + NS(2000));
	assert_counted(A, B, .packets = 1, .bytes = 250, .delayed = 1, .dropped_queue = 1);
}

/* Bits are conserved: what waits at the old rate takes as many bits' time at the new one. */
static void test_another_rate_goes_on_with_the_clock(void **state)
{
	uint64_t next_ns, sent_ns, due_ns;
	struct seen seen;

	(void)state;
	set_link(A, B, limited(1000, LONG));
	for (int i = 0; i < 4; i++)
		next_ns = send_held(A, B, 250).tstamp;
	/* A quarter of the rate: what was 8 s ahead is 32 s ahead. */
	set_link(A, B, limited(250, LONG));
	seen = send_held(A, B, 250);
	due_ns = seen.tstamp;
	sent_ns = next_ns - (due_ns - NS(8000) - next_ns) / 3; /* due = sent + 4 (next - sent) + 8 s */
	assert_in_range(sent_ns, seen.before, seen.after);
	assert_int_equal(state_of(A, B).next_ns, due_ns);
	/* Without a queue, what would wait at the new rate is refused. */
	set_link(A, B, limited(2000, 0));
	assert_int_equal(send_frame(A, B, 250).action, TC_ACT_SHOT);
}

/* Frames that are on the line keep their times. Who comes after them stays behind them, while the generation is the same. */
static void test_a_higher_rate_keeps_the_order(void **state)
{
	struct wire_link link = limited(4000, LONG);
	uint64_t last_ns, ahead_ns;
	struct seen seen;

	(void)state;
	set_link(A, B, limited(1000, LONG));
	send_held(A, B, 250);
	last_ns = send_held(A, B, 250).tstamp;
	set_link(A, B, link);
	seen = send_held(A, B, 250);
	assert_int_equal(seen.tstamp, last_ns);
	/* But it takes up no more of the rate for that. */
	ahead_ns = state_of(A, B).next_ns - seen.before;
	assert_in_range(ahead_ns, NS(1000), NS(1500) + 1);
	link.generation = 2;
	set_link(A, B, link);
	assert_in_range(send_held(A, B, 250).tstamp, seen.before + NS(1500), seen.before + NS(2000) + 1);
}

static void test_a_clock_that_is_another_starts_anew(void **state)
{
	struct wire_link link = limited(1000, 0);
	struct seen seen;

	(void)state;
	set_link(A, B, limited(1000, LONG));
	send_held(A, B, 250);
	send_held(A, B, 250);
	link.clock = 2;
	link.generation = 2;
	set_link(A, B, link);
	seen = send_held(A, B, 250);
	assert_in_range(seen.tstamp, seen.before + NS(2000), seen.after + NS(2000));
}

/* A flush is about all that is held, so the links are free again. */
static void test_a_flush_frees_the_links(void **state)
{
	struct seen seen;

	(void)state;
	set_link(A, B, limited(1000, 0));
	send_held(A, B, 250);
	assert_int_equal(send_frame(A, B, 250).action, TC_ACT_SHOT);
	wire_flush(lab.wire, BRIDGE, 1);
	seen = send_held(A, B, 250);
	assert_in_range(seen.tstamp, seen.before + NS(2000), seen.after + NS(2000));
	wire_flush(lab.wire, BRIDGE, 0);
}

/* A copy costs its own links and nothing else. */
static void test_a_flooded_frame_crosses_its_senders_side_once(void **state)
{
	struct stamp stamp;
	struct seen to_b, to_c;

	(void)state;
	set_link(A, SWITCH, limited(1000, LONG));
	set_link(SWITCH, SWITCH, limited(2000, LONG));
	set_link(SWITCH, C, limited(500, LONG));
	stamp = enter(A, 250);
	to_b = next_held(leave(A, B, 250, stamp), B);
	to_c = next_held(leave(A, C, 250, stamp), C);
	assert_int_equal(to_c.tstamp - to_b.tstamp, NS(2000));
	assert_int_equal(state_of(A, SWITCH).next_ns, to_b.tstamp);
	assert_int_equal(state_of(SWITCH, SWITCH).next_ns, to_b.tstamp - NS(1000));
}

static void test_a_new_rule_keeps_the_clock(void **state)
{
	struct wire_link link = limited(1000, LONG);
	uint64_t next_ns;

	(void)state;
	set_link(A, B, link);
	next_ns = send_held(A, B, 250).tstamp;
	link.delay_ns = NS(100);
	link.loss_ppb = 1;
	set_link(A, B, link);
	assert_int_equal(send_held(A, B, 250).tstamp, next_ns + NS(2000) + NS(100));
	/* Not even when it was away for a while. */
	set_link(A, B, (struct wire_link){ 0 });
	assert_int_equal(send_frame(A, B, 250).action, TC_ACT_OK);
	set_link(A, B, limited(1000, LONG));
	assert_int_equal(send_held(A, B, 250).tstamp, next_ns + 2 * NS(2000));
}

static pthread_barrier_t both_are_there;
static int each;
#define AT_ONCE 200

static void *saturate(void *context)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET((size_t)(intptr_t)context % (size_t)sysconf(_SC_NPROCESSORS_ONLN), &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	pthread_barrier_wait(&both_are_there);
	/* What is held comes off the line at once here: no more of it than the queue of a processor has room for. */
	for (int left = each; left; left -= AT_ONCE) {
		run(wire_egress_fd(lab.wire), A, B, 64, (struct stamp){ 0 }, AT_ONCE);
		settle();
	}
	return NULL;
}

/* 64 bytes at 1 Mbit/s are 512 us. The link must not be idle until both have begun. Returns the frames of both. */
static uint64_t saturate_from_two_cpus(int frames, uint32_t loss_ppb)
{
	uint64_t total = 2 * (uint64_t)frames, next_ns;
	struct wire_link link = limited(MBIT, LONG);
	pthread_t thread[2];

	make_busy(MBIT);
	next_ns = state_of(A, B).next_ns;
	link.loss_ppb = loss_ppb;
	set_link(A, B, link);
	each = frames;
	pthread_barrier_init(&both_are_there, NULL, 2);
	for (intptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, saturate, (void *)i), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(state_of(A, B).next_ns, next_ns + total * 512 * NS_PER_US);
	return total;
}

static void test_two_cpus_lose_nothing(void **state)
{
	uint64_t total = saturate_from_two_cpus(20000, 0);

	(void)state;
	assert_counted(A, B, .packets = total, .bytes = 64 * total, .delayed = total);
}

/* What is lost does not wait for the lock of the qdisc: the two meet more often. */
static void test_two_cpus_count_every_loss(void **state)
{
	uint64_t total = saturate_from_two_cpus(200000, CERTAIN);

	(void)state;
	assert_counted(A, B, .dropped_loss = total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_serialization_is_exact, clear_lab),
		cmocka_unit_test_setup(test_an_idle_link_is_free_now, clear_lab),
		cmocka_unit_test_setup(test_queue_bound, clear_lab),
		cmocka_unit_test_setup(test_no_queue_at_all, clear_lab),
		cmocka_unit_test_setup(test_the_narrowest_link_wins, clear_lab),
		cmocka_unit_test_setup(test_the_medium_is_one_budget, clear_lab),
		cmocka_unit_test_setup(test_a_rate_for_each_destination, clear_lab),
		cmocka_unit_test_setup(test_a_lost_frame_uses_its_share, clear_lab),
		cmocka_unit_test_setup(test_refused_late_has_used_what_came_before, clear_lab),
		cmocka_unit_test_setup(test_another_rate_goes_on_with_the_clock, clear_lab),
		cmocka_unit_test_setup(test_a_higher_rate_keeps_the_order, clear_lab),
		cmocka_unit_test_setup(test_a_clock_that_is_another_starts_anew, clear_lab),
		cmocka_unit_test_setup(test_a_flush_frees_the_links, clear_lab),
		cmocka_unit_test_setup(test_a_flooded_frame_crosses_its_senders_side_once, clear_lab),
		cmocka_unit_test_setup(test_a_new_rule_keeps_the_clock, clear_lab),
		cmocka_unit_test_setup(test_two_cpus_lose_nothing, clear_lab),
		cmocka_unit_test_setup(test_two_cpus_count_every_loss, clear_lab),
	};

	return cmocka_run_group_tests_name("rate", tests, open_lab, close_lab);
}
