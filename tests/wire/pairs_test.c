// SPDX-License-Identifier: GPL-2.0-only
/* Labs of more pairs than the first maps have room for: the second maps. */
#include "fixture.h"

#include <bpf/libbpf.h>

#include "wire.skel.h"

/* On the first bridge ports from here on are in the second maps. */
#define FAR	   256U
#define PORTS	   1023U /* of the largest bridge, counted from 1 */
#define EVERY_PAIR ((PORTS + 1) * PORTS)

static struct wire_port port_numbered(uint16_t number)
{
	struct wire_port port = { .bridge = BRIDGE, .port = number, .mtu = LONGEST_MTU, .name = "port3" };

	return port;
}

/* The device of C, as another port. */
static void become(uint16_t number)
{
	struct wire_port port = port_numbered(number);
	struct error err;

	must(wire_set_port(lab.wire, lab.device[C], &port, &err), &err);
}

static int be_small(void **state)
{
	clear_lab(state);
	become(C);
	return 0;
}

/* Runs first: nothing else has needed a second map yet. */
static void test_small_labs_have_none(void **state)
{
	(void)state;
	become(FAR - 1);
	set_link(A, (enum place)(FAR - 1), (struct wire_link){ .loss_ppb = CERTAIN, .rate_bps = 1000 });
	for (enum wire_pairs pairs = 0; pairs < WIRE_PAIRS; pairs++)
		assert_int_equal(lab.wire->more[pairs], 0);
	become(FAR);
	assert_int_not_equal(lab.wire->more[WIRE_COUNTERS], 0);
	assert_int_equal(lab.wire->more[WIRE_LINKS], 0);
}

/* How many keys of a bridge of so many ports are in the second map. */
static uint32_t keys_in_more(uint32_t bridge, uint32_t ports)
{
	uint32_t count = 0;

	for (uint32_t from = 0; from <= ports; from++)
		for (uint32_t to = 0; to <= ports; to++) {
			struct wire_key of = { .bridge = bridge, .from = (uint16_t)from, .to = (uint16_t)to };

			count += wire_needs_more(&of);
		}
	return count;
}

static void test_where_a_key_is(void **state)
{
	uint32_t first = 0;

	(void)state;
	assert_int_equal(keys_in_more(1, 255), 0);
	assert_int_equal(keys_in_more(31, 31), 0);
	assert_int_equal(keys_in_more(511, 7), 0);
	assert_int_equal(keys_in_more(512, 1), 3);
	/* The first map has room for all that belongs there. */
	for (uint32_t bridge = 1; bridge < 512; bridge++)
		first += (PORTS + 1) * (PORTS + 1) - keys_in_more(bridge, PORTS);
	assert_in_range(first, 1, WIRE_FIRST_ENTRIES);
	/* And the second one for all of the largest bridge, whichever it is. */
	assert_in_range(keys_in_more(1, PORTS), 1, WIRE_MORE_ENTRIES);
	assert_in_range(keys_in_more(1000, PORTS), 1, WIRE_MORE_ENTRIES);
}

static void add_packets(const struct wire_key *of, const struct wire_counters *counters, void *context)
{
	assert_int_equal(of->bridge, BRIDGE);
	*(uint64_t *)context += counters->packets;
}

static uint64_t all_packets(void)
{
	uint64_t packets = 0;

	wire_each_counters(lab.wire, BRIDGE, add_packets, &packets);
	return packets;
}

static void test_counted_there(void **state)
{
	const enum place far = (enum place)300;

	(void)state;
	become(300);
	send_frame(A, C, 64);
	send_frame(A, C, 64);
	send_frame(C, B, 64);
	send_frame(A, B, 64);
	assert_counted(A, far, .packets = 2, .bytes = 2 * 64);
	assert_counted(far, B, .packets = 1, .bytes = 64);
	assert_counted(A, B, .packets = 1, .bytes = 64);
	assert_int_equal(all_packets(), 2 + 1 + 1);
	wire_forget_bridge(lab.wire, BRIDGE);
	assert_int_equal(all_packets(), 0);
	assert_counted(A, far, 0);
	send_frame(A, C, 64);
	assert_counted(A, far, .packets = 1, .bytes = 64);
}

static void test_rules_there(void **state)
{
	const enum place far = (enum place)300;
	struct wire_link cut = { .partition = WIRE_CUT }, lossy = { .loss_ppb = CERTAIN };
	struct wire_change list[] = { change(A, B, lossy), change(A, far, cut), change(SWITCH, far, lossy) };
	struct wire_changes changes = { 0 };
	struct wire_key of = key(A, far);
	struct wire_link link;
	struct wire_rule rule;
	struct error err;

	(void)state;
	become(300);
	for (size_t i = 0; i < 3; i++)
		wire_change(&changes, &list[i]);
	must(wire_commit(lab.wire, &changes, &err), &err);
	send_frame(A, C, 64);
	send_frame(B, C, 64);
	assert_counted(A, far, .dropped_partition = 1);
	assert_counted(B, far, .dropped_loss = 1);
	link = wire_link(lab.wire, of);
	assert_memory_equal(&link, &list[1].link, sizeof(link));
	/* In one of the two maps, and where it was wanted. */
	assert_int_equal(!bpf_map_lookup_elem(lab.wire->links, &of, &rule), !lab.wire->more_rules);
	set_link(A, far, (struct wire_link){ 0 });
	set_link(SWITCH, far, (struct wire_link){ 0 });
	assert_int_equal(send_frame(A, C, 64).action, TC_ACT_OK);
	assert_int_equal(bpf_map_lookup_elem(wire_map(lab.wire, WIRE_LINKS, &of), &of, &rule), -ENOENT);
	/* What is near is where it was. */
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_SHOT);
}

static void test_rates_there(void **state)
{
	const enum place far = (enum place)300;
	struct seen first, second;

	(void)state;
	become(300);
	set_link(A, far, (struct wire_link){ .rate_bps = 1000, .queue_ns = NS(10000) });
	first = send_held(A, C, 125);
	second = send_held(A, C, 125);
	assert_int_equal(second.tstamp - first.tstamp, NS(1000));
	assert_int_not_equal(state_of(A, far).next_ns, 0);
	/* They were held, and are counted where they came off the line. */
	assert_counted(A, far, .packets = 2, .bytes = 2 * 125, .delayed = 2);
	wire_forget_bridge(lab.wire, BRIDGE);
	assert_int_equal(state_of(A, far).next_ns, 0);
}

/* A second map with room for so many, in the place of the one that is there. */
static void shrink(enum wire_pairs pairs, const struct bpf_map *first, const struct bpf_map *place, uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	uint32_t only = 0;
	int map;

	options.btf_fd = (uint32_t)bpf_object__btf_fd(lab.wire->skeleton->obj);
	options.btf_key_type_id = bpf_map__btf_key_type_id(first);
	options.btf_value_type_id = bpf_map__btf_value_type_id(first);
	map = bpf_map_create(BPF_MAP_TYPE_HASH, "small", bpf_map__key_size(first), bpf_map__value_size(first), entries,
			     &options);
	assert_true(map >= 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(place), &only, &map, BPF_ANY), 0);
	if (lab.wire->more[pairs])
		close(lab.wire->more[pairs]);
	lab.wire->more[pairs] = map;
}

static void test_what_does_not_fit_there_changes_nothing(void **state)
{
	const enum place far = (enum place)300;
	struct wire_link cut = { .partition = WIRE_CUT };
	struct wire_change list[] = { change(A, B, (struct wire_link){ .isolated = true }), change(far, A, cut),
				      change(A, far, cut), change(B, far, cut), change(B, A, cut) };
	struct wire_changes changes = { 0 };
	struct error err;

	(void)state;
	if (!lab.wire->more_rules)
		return;
	shrink(WIRE_LINKS, lab.wire->skeleton->maps.links, lab.wire->skeleton->maps.links_more, 2);
	become(300);
	set_link(A, B, cut);
	set_link(far, A, (struct wire_link){ .loss_ppb = 5 });
	for (size_t i = 0; i < 5; i++)
		wire_change(&changes, &list[i]);
	assert_int_equal(wire_commit(lab.wire, &changes, &err), -E2BIG);
	assert_string_equal(err.text, "write a link (at most 1048576 links a run): Argument list too long");
	/* Not even later, when the epoch moves on. */
	wire_raise_epoch(lab.wire);
	assert_int_equal(wire_link(lab.wire, key(A, B)).partition, WIRE_CUT);
	assert_int_equal(wire_link(lab.wire, key(far, A)).loss_ppb, 5);
	assert_int_equal(wire_link(lab.wire, key(far, A)).partition, WIRE_OPEN);
	assert_int_equal(wire_link(lab.wire, key(A, far)).partition, WIRE_OPEN);
	assert_int_equal(wire_link(lab.wire, key(B, A)).partition, WIRE_OPEN);
	send_frame(A, C, 64);
	assert_counted(A, far, .packets = 1, .bytes = 64);
	/* There is room again for what was not taken. */
	set_link(A, far, cut);
	assert_int_equal(wire_link(lab.wire, key(A, far)).partition, WIRE_CUT);
}

static void test_no_room_to_count_there(void **state)
{
	const enum place far = (enum place)300;

	(void)state;
	become(300);
	shrink(WIRE_COUNTERS, lab.wire->skeleton->maps.counters, lab.wire->skeleton->maps.counters_more, 1);
	send_frame(A, C, 64);
	assert_int_equal(wire_uncounted(lab.wire), 0);
	send_frame(C, A, 64);
	send_frame(C, A, 64);
	assert_int_equal(wire_uncounted(lab.wire), 2);
	assert_counted(far, A, 0);
	assert_counted(A, far, .packets = 1, .bytes = 64);
}

static void count_link(const struct wire_key *of, const struct wire_link *link, void *context)
{
	(void)of;
	assert_int_equal(link->partition, WIRE_CUT);
	++*(uint32_t *)context;
}

static void for_every_pair(void (*each)(struct wire_key key, void *context), void *context)
{
	for (uint32_t from = 0; from <= PORTS; from++)
		for (uint32_t to = 1; to <= PORTS; to++)
			each((struct wire_key){ .bridge = ELSEWHERE, .from = (uint16_t)from, .to = (uint16_t)to },
			     context);
}

static void cut_pair(struct wire_key of, void *context)
{
	struct wire_change one = { .key = of, .link = { .partition = WIRE_CUT } };

	wire_change(context, &one);
}

/* Kernels before 6.2 have no second map for rules: commit_test.c says what is refused there. */
static void test_a_rule_for_every_pair_of_the_largest_bridge(void **state)
{
	struct wire_changes changes = { 0 };
	struct error err;
	uint32_t count = 0;

	(void)state;
	if (!lab.wire->more_rules)
		return;
	for_every_pair(cut_pair, &changes);
	assert_int_equal(changes.count, EVERY_PAIR);
	must(wire_commit(lab.wire, &changes, &err), &err);
	wire_each_link(lab.wire, ELSEWHERE, count_link, &count);
	assert_int_equal(count, EVERY_PAIR);
	wire_forget_bridge(lab.wire, ELSEWHERE);
	count = 0;
	wire_each_link(lab.wire, ELSEWHERE, count_link, &count);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_small_labs_have_none, be_small),
		cmocka_unit_test_setup(test_where_a_key_is, be_small),
		cmocka_unit_test_setup(test_counted_there, be_small),
		cmocka_unit_test_setup(test_rules_there, be_small),
		cmocka_unit_test_setup(test_rates_there, be_small),
		cmocka_unit_test_setup(test_a_rule_for_every_pair_of_the_largest_bridge, be_small),
		cmocka_unit_test_setup(test_what_does_not_fit_there_changes_nothing, be_small),
		cmocka_unit_test_setup(test_no_room_to_count_there, be_small),
	};

	return cmocka_run_group_tests_name("pairs", tests, open_lab, close_lab);
}
