// SPDX-License-Identifier: GPL-2.0-only
/* What no wire carries: frames that are too long, reserved groups, senders that are none. */
#include "fixture.h"

#define MTU	1500U
#define LONGEST (MTU + ETH_HLEN + 4)

static void set_mtu(enum place place)
{
	struct wire_port port = { .bridge = BRIDGE, .port = (uint16_t)place, .mtu = MTU };
	struct error err;

	must(wire_set_port(lab.wire, lab.device[place], &port, &err), &err);
}

static int short_lab(void **state)
{
	clear_lab(state);
	set_mtu(A);
	set_mtu(B);
	return 0;
}

static void test_too_long(void **state)
{
	(void)state;
	assert_int_equal(send_frame(A, B, LONGEST).action, TC_ACT_OK);
	assert_counted(A, B, .packets = 1, .bytes = LONGEST);
	assert_int_equal(send_frame(A, B, LONGEST + 1).action, TC_ACT_SHOT);
	assert_counted(A, B, .packets = 1, .bytes = LONGEST, .dropped_error = 1);
}

/* It was no frame, so no rule was about it: a frame has one cause, and the dice do not move. */
static void test_too_long_before_all_rules(void **state)
{
	(void)state;
	set_link(A, B, (struct wire_link){ .loss_ppb = CERTAIN });
	send_frame(A, B, 2000);
	set_link(A, B, (struct wire_link){ .partition = WIRE_CUT });
	send_frame(A, B, 2000);
	assert_counted(A, B, .dropped_error = 2);
	assert_int_equal(rolled(A, B, A), 0);
}

static void test_segmentation_makes_it_short(void **state)
{
	static const uint8_t frame[2000] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct __sk_buff skb = {
		.ifindex = (uint32_t)lab.device[B],
		.ingress_ifindex = (uint32_t)lab.device[A],
		.gso_segs = 2,
		.gso_size = 1500,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));

	(void)state;
	assert_int_equal(bpf_prog_test_run_opts(wire_egress_fd(lab.wire), &opts), 0);
	assert_int_equal(opts.retval, TC_ACT_OK);
	assert_int_equal(counted(A, B).dropped_error, 0);
}

/* A frame that enters at A. */
static int enter_as(const char *to, const char *from)
{
	struct __sk_buff skb = { .ifindex = (uint32_t)lab.device[A] };
	uint8_t frame[64] = { [12] = 0x88, [13] = 0xb5 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));

	memcpy(frame, to, MAC_SIZE);
	memcpy(frame + MAC_SIZE, from, MAC_SIZE);
	assert_int_equal(bpf_prog_test_run_opts(wire_ingress_fd(lab.wire), &opts), 0);
	return (int)opts.retval;
}

#define SOMEBODY "\x02\0\0\0\0\x01"

static void test_reserved_groups(void **state)
{
	char group[MAC_SIZE + 1] = "\x01\x80\xc2\0\0\0";

	(void)state;
	for (char last = 0; last < 0x12; last++) {
		group[5] = last;
		assert_int_equal(enter_as(group, SOMEBODY), last == 1 || last == 2 ? TC_ACT_SHOT : TC_ACT_OK);
	}
	assert_int_equal(enter_as("\x01\x80\xc2\0\x01\x01", SOMEBODY), TC_ACT_OK);
	assert_counted(A, SWITCH, .dropped_error = 2);
}

static void test_senders_that_are_none(void **state)
{
	(void)state;
	assert_int_equal(enter_as(SOMEBODY, "\0\0\0\0\0\0"), TC_ACT_SHOT);
	assert_int_equal(enter_as(SOMEBODY, "\x01\0\x5e\0\0\x01"), TC_ACT_SHOT);
	assert_int_equal(enter_as(SOMEBODY, "\xff\xff\xff\xff\xff\xff"), TC_ACT_SHOT);
	assert_int_equal(enter_as(SOMEBODY, "\xfe\xff\xff\xff\xff\xff"), TC_ACT_OK);
	assert_counted(A, SWITCH, .dropped_error = 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_too_long, short_lab),
		cmocka_unit_test_setup(test_too_long_before_all_rules, short_lab),
		cmocka_unit_test_setup(test_segmentation_makes_it_short, short_lab),
		cmocka_unit_test_setup(test_reserved_groups, short_lab),
		cmocka_unit_test_setup(test_senders_that_are_none, short_lab),
	};

	return cmocka_run_group_tests_name("carry", tests, open_lab, close_lab);
}
