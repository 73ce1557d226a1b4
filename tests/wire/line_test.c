// SPDX-License-Identifier: GPL-2.0-only
/* What becomes of frames where they come off the line. In a test run wire_due gets what was put there, as fq would let it go. */
#include "fixture.h"

#include <bpf/libbpf.h>

#include "wire.skel.h"

#define LATE NS(50)

/* Put on the line under the n-th flush, with the room of 2^weight frames. */
static int comes_off_with(enum place to, uint32_t size, uint32_t flush, uint32_t weight)
{
	static const uint8_t frame[9000] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	uint64_t sent_ns = clock_now() - LATE;
	struct __sk_buff skb = {
		.ifindex = lab.wire->global->line_end,
		.mark = (uint32_t)lab.device[to],
		.cb = { [3] = (uint32_t)sent_ns, [4] = (uint32_t)(sent_ns >> 32 & 0xfff) | weight << 12 | flush << 16 },
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = size, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));
	int program = bpf_program__fd(lab.wire->skeleton->progs.wire_due);

	if (bpf_prog_test_run_opts(program, &opts))
		fail_msg("test run: %s", strerror(errno));
	return (int)opts.retval;
}

static int comes_off(enum place to, uint32_t size, uint32_t flush)
{
	return comes_off_with(to, size, flush, 0);
}

/* As if so many frames were on the line, some of them since the flush of that number. */
static void hold(enum place to, uint64_t count, uint64_t flush, uint64_t fresh)
{
	struct wire_key of = key(SWITCH, to);
	struct wire_counters held = { .held = count, .held_new = flush << 32 | fresh };

	/* The context of a test run has no tc_index: the sender is the switch. */
	assert_int_equal(bpf_map_update_elem(lab.wire->counters, &of, &held, BPF_ANY), 0);
	lab.wire->global->held = count;
}

static void test_delivered_when_it_leaves(void **state)
{
	(void)state;
	hold(B, 1, 0, 1);
	assert_int_equal(wire_counters(lab.wire, key(SWITCH, B)).held, 1);
	assert_int_equal(wire_counters(lab.wire, key(SWITCH, B)).packets, 0);
	assert_int_equal(comes_off(B, 100, 0), TC_ACT_REDIRECT);
	assert_counted(SWITCH, B, .packets = 1, .bytes = 100, .delayed = 1);
}

/* However large it is by then. */
static void test_gives_back_the_room_that_it_took(void **state)
{
	(void)state;
	hold(B, 9, 0, 1);
	comes_off_with(B, 100, 0, 3);
	assert_int_equal(lab.wire->global->held, 1);
}

static void test_due_for_nobody(void **state)
{
	int b = lab.device[B];

	(void)state;
	hold(B, 1, 0, 1);
	lab.device[B] = 12345;
	assert_int_equal(comes_off(B, 100, 0), TC_ACT_SHOT);
	lab.device[B] = b;
	assert_int_equal(lab.wire->global->held, 0);
}

static void test_due_while_the_cable_is_out(void **state)
{
	(void)state;
	wire_set_out(lab.wire, lab.device[B], true);
	hold(B, 1, 0, 1);
	assert_int_equal(comes_off(B, 100, 0), TC_ACT_SHOT);
	assert_counted(SWITCH, B, .dropped_disconnected = 1);
	/* What comes to the port meanwhile is told, too. */
	assert_int_equal(send_frame(A, B, 100).action, TC_ACT_SHOT);
	assert_counted(A, B, .dropped_disconnected = 1);
	/* Only what is due then: a cable that is in its place again is as if it had never been out. */
	wire_set_out(lab.wire, lab.device[B], false);
	hold(B, 1, 0, 1);
	assert_int_equal(comes_off(B, 100, 0), TC_ACT_REDIRECT);
	assert_int_equal(send_frame(A, B, 100).action, TC_ACT_OK);
}

/* It is told at once, though the frame itself is on the line until it is due. */
static void test_a_flush(void **state)
{
	struct wire_counters counters;

	(void)state;
	hold(B, 1, 0, 1);
	wire_flush(lab.wire, BRIDGE, 1);
	counters = wire_counters(lab.wire, key(SWITCH, B));
	assert_int_equal(counters.dropped_flushed, 1);
	assert_int_equal(counters.held, 0);
	assert_int_equal(comes_off(B, 100, 0), TC_ACT_SHOT);
	assert_counted(SWITCH, B, .dropped_flushed = 1);
	hold(B, 1, 1, 1);
	assert_int_equal(comes_off(B, 100, 1), TC_ACT_REDIRECT);
	wire_flush(lab.wire, BRIDGE, 0);
}

/* The counters of a pair that has held under two flushes know both kinds. */
static void test_held_before_and_after_a_flush(void **state)
{
	struct wire_counters counters;

	(void)state;
	wire_flush(lab.wire, BRIDGE, 1);
	hold(B, 2, 1, 1);
	counters = wire_counters(lab.wire, key(SWITCH, B));
	assert_int_equal(counters.dropped_flushed, 1);
	assert_int_equal(counters.held, 1);
	comes_off(B, 100, 0);
	counters = wire_counters(lab.wire, key(SWITCH, B));
	assert_int_equal(counters.dropped_flushed, 1);
	assert_int_equal(counters.held, 1);
	comes_off(B, 100, 1);
	assert_int_equal(lab.wire->global->held, 0);
	wire_flush(lab.wire, BRIDGE, 0);
	counters = wire_counters(lab.wire, key(SWITCH, B));
	assert_int_equal(counters.packets, 1);
	assert_int_equal(counters.dropped_flushed, 1);
}

/* A processor that has not heard of the flush yet puts a frame on the line as one of before it: it is none of those after it. */
static void test_held_by_who_has_not_heard_of_a_flush(void **state)
{
	struct wire_counters counters = { .held = 3, .held_new = 2ULL << 32 | 3 };
	struct wire_key of = key(A, B);
	uint32_t index = (uint32_t)lab.device[A];
	struct wire_port port;
	struct error err;

	(void)state;
	set_link(A, B, (struct wire_link){ .delay_ns = NS(50), .generation = 1 });
	wire_flush(lab.wire, BRIDGE, 2);
	assert_int_equal(bpf_map_update_elem(lab.wire->counters, &of, &counters, BPF_ANY), 0);
	assert_int_equal(bpf_map_lookup_elem(lab.wire->ports, &index, &port), 0);
	port.flush = 1;
	must(wire_set_port(lab.wire, lab.device[A], &port, &err), &err);
	send_frame(A, B, 100);
	settle();
	counters = wire_counters(lab.wire, of);
	assert_int_equal(counters.dropped_flushed, 1);
	assert_int_equal(counters.held, 3);
	wire_flush(lab.wire, BRIDGE, 0);
}

/* Of a bridge that is gone nothing is counted: an entry that came back would stay. */
static void test_due_when_the_counters_are_gone(void **state)
{
	struct wire_counters counters;
	struct wire_key of = key(SWITCH, B);

	(void)state;
	hold(B, 1, 0, 1);
	assert_int_equal(bpf_map_delete_elem(lab.wire->counters, &of), 0);
	comes_off(B, 100, 0);
	assert_int_equal(lab.wire->global->held, 0);
	assert_int_equal(bpf_map_lookup_elem(lab.wire->counters, &of, &counters), -ENOENT);
}

static int clear_line(void **state)
{
	lab.wire->global->held = 0;
	return clear_lab(state);
}

/* In user-mode-linux there is memory for so many, and for more at the next tick. */
static void come(int ifindex, uint16_t number)
{
	struct wire_port port = { .bridge = ELSEWHERE, .port = number };
	struct error err;

	while (wire_set_port(lab.wire, ifindex, &port, &err)) {
		assert_int_equal(err.code, ENOMEM);
		usleep(10000);
	}
}

static void come_and_go(int ifindex)
{
	come(ifindex, 1);
	wire_remove_port(lab.wire, ifindex);
}

/* The frames of an attached device that goes are lost, and told; its place in the map is free again. */
static void test_ports_that_go_do_not_fill_the_map(void **state)
{
	uint32_t index = 0, count = 0;
	struct wire_port port;

	(void)state;
	for (int i = 0; i < 2 * WIRE_MAX_PORTS; i++)
		come_and_go(100000 + i);
	/* What is held for one keeps it there. */
	come(99999, 2);
	bpf_map_update_elem(lab.wire->counters, &(struct wire_key){ ELSEWHERE, 1, 2 },
			    &(struct wire_counters){ .held = 1 }, BPF_ANY);
	for (int i = 0; i < 3000; i++) {
		wire_remove_port(lab.wire, 99999);
		come_and_go(200000 + i);
	}
	index = 99999;
	assert_int_equal(bpf_map_lookup_elem(lab.wire->ports, &index, &port), 0);
	assert_true(port.out);
	wire_forget_bridge(lab.wire, ELSEWHERE);
	while (!bpf_map_get_next_key(lab.wire->ports, count ? &index : NULL, &index))
		count++;
	assert_int_equal(count, PLACES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_delivered_when_it_leaves, clear_line),
		cmocka_unit_test_setup(test_gives_back_the_room_that_it_took, clear_line),
		cmocka_unit_test_setup(test_due_for_nobody, clear_line),
		cmocka_unit_test_setup(test_due_while_the_cable_is_out, clear_line),
		cmocka_unit_test_setup(test_a_flush, clear_line),
		cmocka_unit_test_setup(test_held_before_and_after_a_flush, clear_line),
		cmocka_unit_test_setup(test_held_by_who_has_not_heard_of_a_flush, clear_line),
		cmocka_unit_test_setup(test_due_when_the_counters_are_gone, clear_line),
		cmocka_unit_test_setup(test_ports_that_go_do_not_fill_the_map, clear_line),
	};

	return cmocka_run_group_tests_name("line", tests, open_lab, close_lab);
}
