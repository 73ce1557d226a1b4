// SPDX-License-Identifier: GPL-2.0-only
/* Counters: what became of frames, and what VLAN tags weigh. */
#include "fixture.h"

#define TAGGED (64U + 4U)

/* With a tag beside its data. segments: of segmentation offload, each of which would carry the tag. */
static void send_tagged(enum place from, enum place to, uint32_t segments)
{
	static const uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct __sk_buff skb = {
		.ifindex = (uint32_t)lab.device[to],
		.ingress_ifindex = (uint32_t)lab.device[from],
		.gso_segs = segments,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));

	if (bpf_prog_test_run_opts(lab.probe.tagger, &opts))
		fail_msg("test run of the tagger: %s", strerror(errno));
}

static void test_a_vlan_tag_counts(void **state)
{
	(void)state;
	send_tagged(A, B, 0);
	assert_counted(A, B, .packets = 1, .bytes = TAGGED);
	send_tagged(A, B, 1);
	assert_counted(A, B, .packets = 2, .bytes = 2 * TAGGED);
	send_tagged(A, B, 3);
	assert_counted(A, B, .packets = 3, .bytes = 2 * TAGGED + 64 + 3 * 4);
}

static void test_a_vlan_tag_takes_time(void **state)
{
	struct seen first, second;

	(void)state;
	set_link(A, B, (struct wire_link){ .rate_bps = 1000, .queue_ns = NS(10000) });
	send_tagged(A, B, 0);
	send_tagged(A, B, 0);
	assert_true(probe_next(&lab.probe, &first));
	assert_true(probe_next(&lab.probe, &second));
	assert_int_equal(second.tstamp - first.tstamp, NS(TAGGED * 8));
}

/* What the switch knows about a guest that it cannot reach: everything above is true of garbage, too. */
static void test_smallest_frame(void **state)
{
	(void)state;
	assert_int_equal(send_frame(A, B, ETH_HLEN + 1).action, TC_ACT_OK);
	assert_counted(A, B, .packets = 1, .bytes = ETH_HLEN + 1);
}

struct pairs {
	int count;
	uint64_t packets;
};

static void add_pair(const struct wire_key *of, const struct wire_counters *counters, void *context)
{
	struct pairs *pairs = context;

	assert_int_equal(of->bridge, BRIDGE);
	pairs->count++;
	pairs->packets += counters->packets;
}

static void test_every_pair_that_spoke(void **state)
{
	struct pairs pairs = { 0 };

	(void)state;
	send_frame(A, B, 64);
	send_frame(A, B, 64);
	send_frame(B, A, 64);
	send_frame(SWITCH, C, 64);
	wire_each_counters(lab.wire, BRIDGE, add_pair, &pairs);
	assert_int_equal(pairs.count, 3);
	assert_int_equal(pairs.packets, 4);
}

/* Fills the map with pairs of another bridge. */
static void fill_counters(void)
{
	static struct wire_key keys[WIRE_FIRST_ENTRIES];
	static struct wire_counters values[WIRE_FIRST_ENTRIES];
	const uint32_t count = WIRE_FIRST_ENTRIES;

	for (uint32_t i = 0; i < count; i++)
		keys[i] =
			(struct wire_key){ .bridge = ELSEWHERE, .from = (uint16_t)(i >> 8), .to = (uint16_t)(i & 255) };
	fill_map(lab.wire->counters, keys, sizeof(keys[0]), values, sizeof(values[0]), count);
}

static void test_no_room_to_count(void **state)
{
	uint64_t uncounted = wire_uncounted(lab.wire);

	(void)state;
	fill_counters();
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_OK);
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_OK);
	assert_int_equal(wire_uncounted(lab.wire), uncounted + 2);
	assert_counted(A, B, 0);
	wire_forget_bridge(lab.wire, ELSEWHERE);
	/* A seed that is set meanwhile takes nothing away from it. */
	wire_set_seed(lab.wire, 5);
	assert_int_equal(wire_uncounted(lab.wire), uncounted + 2);
}

static bool has_counters(enum place from, uint16_t to)
{
	struct wire_key of = { .bridge = BRIDGE, .from = (uint16_t)from, .to = to };
	struct wire_counters counters;

	return bpf_map_lookup_elem(lab.wire->counters, &of, &counters) == 0;
}

/* A program cannot wait for memory. */
static void test_there_is_room_for_a_pair_before_it_speaks(void **state)
{
	struct wire_port port = { .bridge = BRIDGE, .port = 32 };
	struct pairs pairs = { 0 };
	struct error err;

	(void)state;
	assert_false(has_counters(A, B));
	must(wire_set_port(lab.wire, 1000, &port, &err), &err);
	for (uint16_t other = 0; other < 32; other++)
		assert_true(has_counters((enum place)other, 32) && has_counters((enum place)32, other));
	assert_false(has_counters(A, B));
	port.port = 33;
	must(wire_set_port(lab.wire, 1001, &port, &err), &err);
	assert_false(has_counters(A, 33));
	wire_each_counters(lab.wire, BRIDGE, add_pair, &pairs);
	assert_int_equal(pairs.count, 0);
	wire_remove_port(lab.wire, 1000);
	wire_remove_port(lab.wire, 1001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_vlan_tag_counts, clear_lab),
		cmocka_unit_test_setup(test_a_vlan_tag_takes_time, clear_lab),
		cmocka_unit_test_setup(test_smallest_frame, clear_lab),
		cmocka_unit_test_setup(test_every_pair_that_spoke, clear_lab),
		cmocka_unit_test_setup(test_no_room_to_count, clear_lab),
		cmocka_unit_test_setup(test_there_is_room_for_a_pair_before_it_speaks, clear_lab),
	};

	return cmocka_run_group_tests_name("count", tests, open_lab, close_lab);
}
