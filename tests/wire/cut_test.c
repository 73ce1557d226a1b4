// SPDX-License-Identifier: GPL-2.0-only
/* Partitions and isolation: who still reaches whom, and what the counters say. */
#include "fixture.h"

static const struct wire_link cut = { .partition = WIRE_CUT };
static const struct wire_link one_way = { .partition = WIRE_CUT_ONE_WAY };
static const struct wire_link lifted = { .partition = WIRE_LIFTED };
static const struct wire_link isolated = { .isolated = true };

static void passes(enum place from, enum place to)
{
	struct wire_counters before = counted(from, to), after;
	struct sent sent = send_frame(from, to, 64);

	assert_int_equal(sent.action, TC_ACT_OK);
	assert_int_equal(sent.tstamp, 0);
	after = counted(from, to);
	before.packets++;
	before.bytes += 64;
	assert_memory_equal(&after, &before, sizeof(after));
}

static void is_partitioned(enum place from, enum place to)
{
	struct wire_counters before = counted(from, to), after;

	assert_int_equal(send_frame(from, to, 64).action, TC_ACT_SHOT);
	after = counted(from, to);
	before.dropped_partition++;
	assert_memory_equal(&after, &before, sizeof(after));
}

static void is_isolated(enum place from, enum place to)
{
	struct wire_counters before = counted(from, to), after;

	assert_int_equal(send_frame(from, to, 64).action, TC_ACT_SHOT);
	after = counted(from, to);
	before.dropped_isolation++;
	assert_memory_equal(&after, &before, sizeof(after));
}

static void test_no_rule(void **state)
{
	(void)state;
	for (enum place from = SWITCH; from < PLACES; from++)
		for (enum place to = A; to < PLACES; to++)
			if (from != to)
				passes(from, to);
}

static void test_what_is_no_port_is_left_alone(void **state)
{
	struct __sk_buff skb = { .ifindex = 1, .ingress_ifindex = (uint32_t)lab.device[A] };
	static const uint8_t frame[64] = { [12] = 0x88, [13] = 0xb5 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));

	(void)state;
	set_link(SWITCH, SWITCH, cut);
	assert_int_equal(bpf_prog_test_run_opts(wire_egress_fd(lab.wire), &opts), 0);
	assert_int_equal(opts.retval, TC_ACT_OK);
	assert_counted(A, SWITCH, 0);
}

static void test_cut_both_ways(void **state)
{
	(void)state;
	set_link(A, B, cut);
	set_link(B, A, cut);
	is_partitioned(A, B);
	is_partitioned(B, A);
	passes(A, C);
	passes(C, A);
	passes(B, C);
	passes(SWITCH, B);
	set_link(A, B, (struct wire_link){ 0 });
	passes(A, B);
	is_partitioned(B, A);
}

static void test_cut_one_way(void **state)
{
	(void)state;
	set_link(A, B, one_way);
	is_partitioned(A, B);
	passes(B, A);
}

static void test_all_cut(void **state)
{
	(void)state;
	set_link(SWITCH, SWITCH, cut);
	is_partitioned(A, B);
	is_partitioned(B, C);
	/* The router and the switch stay in reach. */
	passes(A, ROUTER);
	passes(ROUTER, A);
	passes(SWITCH, A);
}

static void test_lifted_under_all_cut(void **state)
{
	(void)state;
	set_link(SWITCH, SWITCH, cut);
	set_link(A, B, lifted);
	passes(A, B);
	is_partitioned(B, A);
	is_partitioned(A, C);
	set_link(SWITCH, SWITCH, (struct wire_link){ 0 });
	passes(A, B);
}

static void test_the_router_is_cut_when_asked_by_name(void **state)
{
	(void)state;
	set_link(A, ROUTER, cut);
	is_partitioned(A, ROUTER);
	passes(ROUTER, A);
	passes(B, ROUTER);
}

static void test_isolated(void **state)
{
	(void)state;
	set_link(A, SWITCH, isolated);
	set_link(SWITCH, A, isolated);
	is_isolated(A, B);
	is_isolated(C, A);
	passes(B, C);
	passes(A, ROUTER);
	passes(ROUTER, A);
	passes(SWITCH, A);
}

static void test_isolated_outwards_alone(void **state)
{
	(void)state;
	set_link(A, SWITCH, isolated);
	is_isolated(A, B);
	passes(B, A);
}

/* It is no partition: lifting a pair does not end it, and where both are, the partition is named. */
static void test_isolation_and_partition(void **state)
{
	(void)state;
	set_link(A, SWITCH, isolated);
	set_link(A, B, lifted);
	is_isolated(A, B);
	set_link(A, B, cut);
	is_partitioned(A, B);
}

/* What is cut does not come to the links of its receiver: no dice are rolled for it there, and it takes no share of a rate. */
static void test_cut_before_all_else(void **state)
{
	struct wire_link link = { .partition = WIRE_CUT, .loss_ppb = CERTAIN, .rate_bps = 1000000, .delay_ns = NS(1) };

	(void)state;
	set_link(A, B, link);
	is_partitioned(A, B);
	assert_int_equal(rolled(A, B, A), 0);
	assert_int_equal(state_of(A, B).next_ns, 0);
}

static bool has_used(enum place from, enum place to)
{
	return state_of(from, to).next_ns != 0;
}

/* A node sends before it is cut: see docs/internals.md. */
static void test_what_a_cut_frame_has_used(void **state)
{
	const struct wire_link slow = { .rate_bps = 1000000, .queue_ns = NS(1000) };
	struct wire_link medium = slow, out = slow;

	(void)state;
	/* Of a pair: its sender's side, for whom it is for is not known there. */
	set_link(A, SWITCH, slow);
	set_link(SWITCH, SWITCH, slow);
	set_link(A, B, cut);
	is_partitioned(A, B);
	assert_true(has_used(A, SWITCH) && has_used(SWITCH, SWITCH));
	/* Of all: no medium, unless a pair of the sender's is whole. */
	clear_lab(state);
	medium.partition = WIRE_CUT;
	set_link(A, SWITCH, slow);
	set_link(SWITCH, SWITCH, medium);
	is_partitioned(A, B);
	assert_true(has_used(A, SWITCH) && !has_used(SWITCH, SWITCH));
	out.lifted = true;
	set_link(A, SWITCH, out);
	is_partitioned(A, B);
	assert_true(has_used(SWITCH, SWITCH));
	/* An isolated one: its own access link; but a copy for the router is not cut, and does use the medium. */
	clear_lab(state);
	out = slow;
	out.isolated = true;
	set_link(A, SWITCH, out);
	set_link(SWITCH, SWITCH, slow);
	is_isolated(A, B);
	assert_true(has_used(A, SWITCH) && !has_used(SWITCH, SWITCH));
	assert_int_equal(send_frame(A, ROUTER, 64).action, TC_ACT_STOLEN);
	assert_true(has_used(SWITCH, SWITCH));
}

/* All copies share their fate on their sender's side, and each of them is told. */
static void test_lost_on_the_senders_side(void **state)
{
	struct stamp stamp;

	(void)state;
	set_link(SWITCH, SWITCH, (struct wire_link){ .loss_ppb = CERTAIN });
	stamp = enter(A, 64);
	assert_int_equal(leave(A, B, 64, stamp).action, TC_ACT_SHOT);
	assert_int_equal(leave(A, C, 64, stamp).action, TC_ACT_SHOT);
	assert_counted(A, B, .dropped_loss = 1);
	assert_counted(A, C, .dropped_loss = 1);
	assert_int_equal(rolled(SWITCH, SWITCH, A), 1);
	/* What is cut was cut, whatever else has become of it. */
	set_link(A, B, cut);
	is_partitioned(A, B);
}

static void test_rules_are_of_one_bridge(void **state)
{
	struct wire_change elsewhere = change(SWITCH, SWITCH, cut);
	struct wire_changes changes = { 0 };
	struct error err;

	(void)state;
	elsewhere.key.bridge = BRIDGE + 1;
	wire_change(&changes, &elsewhere);
	must(wire_commit(lab.wire, &changes, &err), &err);
	passes(A, B);
	wire_forget_bridge(lab.wire, BRIDGE + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_rule, clear_lab),
		cmocka_unit_test_setup(test_what_is_no_port_is_left_alone, clear_lab),
		cmocka_unit_test_setup(test_cut_both_ways, clear_lab),
		cmocka_unit_test_setup(test_cut_one_way, clear_lab),
		cmocka_unit_test_setup(test_all_cut, clear_lab),
		cmocka_unit_test_setup(test_lifted_under_all_cut, clear_lab),
		cmocka_unit_test_setup(test_the_router_is_cut_when_asked_by_name, clear_lab),
		cmocka_unit_test_setup(test_isolated, clear_lab),
		cmocka_unit_test_setup(test_isolated_outwards_alone, clear_lab),
		cmocka_unit_test_setup(test_isolation_and_partition, clear_lab),
		cmocka_unit_test_setup(test_cut_before_all_else, clear_lab),
		cmocka_unit_test_setup(test_what_a_cut_frame_has_used, clear_lab),
		cmocka_unit_test_setup(test_lost_on_the_senders_side, clear_lab),
		cmocka_unit_test_setup(test_rules_are_of_one_bridge, clear_lab),
	};

	return cmocka_run_group_tests_name("cut", tests, open_lab, close_lab);
}
