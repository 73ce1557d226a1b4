// SPDX-License-Identifier: GPL-2.0-only
/* Delay: the stamp that fq obeys, and the flow in which it keeps the frame. */
#include "fixture.h"

/* A rate whose frames take no time to speak of, for its clock tells to the nanosecond when a frame was due. */
#define RATE 1000000000U

static uint32_t hash_of(enum place from)
{
	return send_held(from, B, 64).hash;
}

static struct wire_link delayed(double ms, uint32_t generation)
{
	return (struct wire_link){ .delay_ns = NS(ms), .generation = generation };
}

static void test_not_held_without_rule(void **state)
{
	struct sent sent = leave(A, B, FULL_FRAME, (struct stamp){ .mark = 1, .priority = TC_PRIO_CONTROL });

	(void)state;
	assert_int_equal(sent.action, TC_ACT_OK);
	assert_int_equal(sent.tstamp, 0);
	assert_int_equal(sent.priority, 0);
	assert_int_equal(sent.mark, 0);
	assert_counted(A, B, .packets = 1, .bytes = FULL_FRAME);
}

static void test_held(void **state)
{
	struct seen seen;

	(void)state;
	set_link(A, B, delayed(50, 1));
	seen = send_held(A, B, FULL_FRAME);
	assert_in_range(seen.tstamp, seen.before + NS(50), seen.after + NS(50));
	assert_int_equal(seen.wire_len, FULL_FRAME);
	assert_counted(A, B, .packets = 1, .bytes = FULL_FRAME, .delayed = 1);
	assert_int_equal(send_frame(B, A, FULL_FRAME).action, TC_ACT_OK);
	assert_counted(B, A, .packets = 1, .bytes = FULL_FRAME);
}

static void test_links_add_up(void **state)
{
	struct wire_link pair = delayed(300, 3);
	struct seen seen;

	(void)state;
	pair.rate_bps = RATE;
	set_link(A, SWITCH, delayed(1.000001, 1));
	set_link(SWITCH, SWITCH, delayed(20, 2));
	set_link(A, B, pair);
	set_link(SWITCH, B, delayed(4000, 4));
	seen = send_held(A, B, 64);
	assert_int_equal(seen.tstamp - state_of(A, B).next_ns, NS(4321.000001));
}

/* It has no access link, and is in no pair. */
static void test_frames_of_the_switch(void **state)
{
	struct wire_link medium = delayed(20, 2);
	struct seen seen;

	(void)state;
	medium.rate_bps = RATE;
	set_link(A, B, delayed(300, 3));
	set_link(SWITCH, SWITCH, medium);
	set_link(SWITCH, B, delayed(4000, 4));
	seen = send_held(SWITCH, B, 64);
	assert_int_equal(seen.tstamp - state_of(SWITCH, SWITCH).next_ns, NS(4020));
}

/* fq lets TC_PRIO_CONTROL overtake. */
static void test_priority_is_cleared(void **state)
{
	struct seen seen;

	(void)state;
	set_link(A, B, delayed(50, 1));
	seen = next_held(leave(A, B, 64, (struct stamp){ .priority = TC_PRIO_CONTROL }), B);
	assert_int_equal(seen.priority, 0);
	assert_int_equal(seen.tc_index, A);
}

static void test_one_flow_a_sender(void **state)
{
	uint32_t a, c;

	(void)state;
	set_link(SWITCH, B, delayed(50, 1));
	a = hash_of(A);
	c = hash_of(C);
	assert_int_not_equal(a, c);
	assert_int_equal(hash_of(A), a);
	assert_int_equal(hash_of(C), c);
	assert_int_not_equal(hash_of(SWITCH), a);
}

/* Port 1 under rule 1, port 2 under rule 2: the first two rules of many a script. */
static void test_port_and_generation_do_not_cancel_out(void **state)
{
	uint32_t a, b;

	(void)state;
	set_link(A, SWITCH, delayed(200, 1));
	set_link(B, SWITCH, delayed(1, 2));
	a = send_held(A, C, 64).hash;
	b = send_held(B, C, 64).hash;
	assert_int_not_equal(a, b);
}

/* A frame under a new rule does not wait behind those that the old one holds. */
static void test_a_new_rule_is_a_new_flow(void **state)
{
	static const enum place links[][2] = { { A, SWITCH }, { SWITCH, SWITCH }, { A, B }, { SWITCH, B } };
	uint32_t before, after;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		set_link(links[i][0], links[i][1], delayed(50, 1));
		before = hash_of(A);
		set_link(links[i][0], links[i][1], delayed(10, 2));
		after = hash_of(A);
		assert_int_not_equal(before, after);
		set_link(links[i][0], links[i][1], delayed(50, 1));
		assert_int_equal(hash_of(A), before);
	}
}

static void test_lost_before_it_is_held(void **state)
{
	struct wire_link link = delayed(50, 1);

	(void)state;
	link.loss_ppb = CERTAIN;
	set_link(A, B, link);
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_SHOT);
	assert_counted(A, B, .dropped_loss = 1);
}

static void test_farther_than_fq_can_see(void **state)
{
	(void)state;
	set_link(A, SWITCH, delayed(2147000, 1));
	set_link(SWITCH, B, delayed(2147000, 2));
	send_held(A, B, 64);
	assert_counted(A, B, .packets = 1, .bytes = 64, .delayed = 1);
	set_link(SWITCH, B, delayed(2147001, 3));
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_SHOT);
	assert_counted(A, B, .packets = 1, .bytes = 64, .delayed = 1, .dropped_queue = 1);
}

/* A device that is down refuses every frame. */
static void test_refused_by_the_line(void **state)
{
	struct error err;

	(void)state;
	set_link(A, B, delayed(50, 1));
	must(link_set_up(lab.nl, (int)lab.wire->global->line, false, &err), &err);
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_SHOT);
	must(link_set_up(lab.nl, (int)lab.wire->global->line, true, &err), &err);
	assert_counted(A, B, .dropped_error = 1);
}

static void test_the_line_is_full(void **state)
{
	(void)state;
	set_link(A, B, delayed(50, 1));
	lab.wire->global->held = WIRE_MAX_HELD;
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_SHOT);
	lab.wire->global->held = 0;
	assert_counted(A, B, .dropped_queue = 1);
	send_held(A, B, 64);
	assert_counted(A, B, .packets = 1, .bytes = 64, .delayed = 1, .dropped_queue = 1);
}

/* With that much of the line taken. */
static int send_beside(uint32_t size, int64_t taken)
{
	int action;

	__atomic_add_fetch(&lab.wire->global->held, taken, __ATOMIC_RELAXED);
	action = send_frame(A, B, size).action;
	__atomic_sub_fetch(&lab.wire->global->held, taken, __ATOMIC_RELAXED);
	settle();
	assert_int_equal(lab.wire->global->held, 0);
	return action;
}

/* A larger frame takes the room of several. */
static void test_the_line_has_room_for_bytes(void **state)
{
	(void)state;
	set_link(A, B, delayed(50, 1));
	assert_int_equal(send_beside(WIRE_HELD_BYTES, WIRE_MAX_HELD - 1), TC_ACT_STOLEN);
	assert_int_equal(send_beside(WIRE_HELD_BYTES + 1, WIRE_MAX_HELD - 1), TC_ACT_SHOT);
	assert_int_equal(send_beside(WIRE_HELD_BYTES + 1, WIRE_MAX_HELD - 2), TC_ACT_STOLEN);
	assert_int_equal(wire_counters(lab.wire, key(A, B)).dropped_queue, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_not_held_without_rule, clear_lab),
		cmocka_unit_test_setup(test_held, clear_lab),
		cmocka_unit_test_setup(test_links_add_up, clear_lab),
		cmocka_unit_test_setup(test_frames_of_the_switch, clear_lab),
		cmocka_unit_test_setup(test_priority_is_cleared, clear_lab),
		cmocka_unit_test_setup(test_one_flow_a_sender, clear_lab),
		cmocka_unit_test_setup(test_port_and_generation_do_not_cancel_out, clear_lab),
		cmocka_unit_test_setup(test_a_new_rule_is_a_new_flow, clear_lab),
		cmocka_unit_test_setup(test_lost_before_it_is_held, clear_lab),
		cmocka_unit_test_setup(test_farther_than_fq_can_see, clear_lab),
		cmocka_unit_test_setup(test_refused_by_the_line, clear_lab),
		cmocka_unit_test_setup(test_the_line_is_full, clear_lab),
		cmocka_unit_test_setup(test_the_line_has_room_for_bytes, clear_lab),
	};

	return cmocka_run_group_tests_name("delay", tests, open_lab, close_lab);
}
