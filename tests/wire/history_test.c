// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wire program against the model (reference.h): random histories, on which both must agree in every verdict, every time and
 * every count. PROVIUM_HISTORIES says how many; PROVIUM_HISTORY=SEED tells one of them. One on which they do not agree is told with
 * all the steps left out that it does not need.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <cmocka.h>

#include "net/link.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "net/qdisc.h"
#include "probe.h"
#include "util/error.h"

#include "history.h"

#define HISTORIES  5000
#define FIRST_SEED 20110811ULL
#define MAP_ROOM   4096
#define MANY_PORTS 1000

static struct stage stage;
static struct netlink *nl;
static struct history history, total;

static void must(int status, const struct error *err)
{
	if (status)
		fail_msg("%s", err->text);
}

/* ---- The program, with small maps that are there at once: see fill_map() in fixture.h about memory in user-mode-linux. */

static void load_program(void)
{
	struct bpf_map *map, *maps[5];

	stage.program = clocked_bpf__open();
	assert_non_null(stage.program);
	maps[0] = stage.program->maps.ports;
	maps[1] = stage.program->maps.links;
	maps[2] = stage.program->maps.states;
	maps[3] = stage.program->maps.counters;
	maps[4] = stage.program->maps.ordinals;
	for (int i = 0; i < 5; i++) {
		map = maps[i];
		bpf_map__set_map_flags(map, 0);
		bpf_map__set_max_entries(map, MAP_ROOM);
	}
	bpf_map__set_autocreate(stage.program->maps.events, false);
	bpf_map__set_autocreate(stage.program->maps.links_more, false);
	assert_int_equal(clocked_bpf__load(stage.program), 0);
}

static void open_wire(void)
{
	struct wire *wire = &stage.wire;

	wire->ports = bpf_map__fd(stage.program->maps.ports);
	wire->links = bpf_map__fd(stage.program->maps.links);
	wire->states = bpf_map__fd(stage.program->maps.states);
	wire->ordinals = bpf_map__fd(stage.program->maps.ordinals);
	wire->counters = bpf_map__fd(stage.program->maps.counters);
	wire->control = bpf_map__fd(stage.program->maps.control);
	wire->global = mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, wire->control, 0);
	assert_ptr_not_equal(wire->global, MAP_FAILED);
	wire_raise_epoch(wire);
}

static void place_program(enum history_program place, const struct bpf_program *program)
{
	uint32_t key = place;
	int fd = bpf_program__fd(program);

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage.program->maps.programs), &key, &fd, BPF_ANY), 0);
}

/* ---- Devices. */

static void add_veth(int index, int peer_index)
{
	struct ifinfomsg header = { .ifi_index = index }, peer_header = { .ifi_index = peer_index };
	struct nlattr *info, *data, *peer;
	struct error err;

	netlink_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	info = netlink_nest(nl, IFLA_LINKINFO);
	netlink_put_string(nl, IFLA_INFO_KIND, "veth");
	data = netlink_nest(nl, IFLA_INFO_DATA);
	peer = netlink_nest(nl, VETH_INFO_PEER);
	netlink_put_raw(nl, &peer_header, sizeof(peer_header));
	netlink_nest_end(nl, peer);
	netlink_nest_end(nl, data);
	netlink_nest_end(nl, info);
	must(netlink_ack(nl, &err), &err);
}

/* Of numbers whose paths have the same place in the program's cache: see find_path() in bpf/path.h. */
static void add_devices(void)
{
	static const int indexes[HISTORY_DEVICES] = { 64, 96, 65, 97, 1088, 66, 160, 34, 1121, 67, 192, 35 };

	for (int i = 0; i < HISTORY_DEVICES; i += 2)
		add_veth(indexes[i], indexes[i + 1]);
	memcpy(stage.devices, indexes, sizeof(indexes));
}

/* The queue of the line has a classifier that notes what comes, and takes it. */
static void add_line(void)
{
	struct probe probe = { .program = bpf_program__fd(stage.program->progs.see) };
	struct error err;

	stage.line = 10;
	stage.line_end = 11;
	add_veth((int)stage.line, (int)stage.line_end);
	must(qdisc_add_clsact(nl, (int)stage.line, &err), &err);
	must(qdisc_attach_program(nl, (int)stage.line, true, bpf_program__fd(stage.program->progs.wire_line),
				  "wire_line", &err),
	     &err);
	must(probe_attach(&probe, nl, (int)stage.line, &err), &err);
	must(link_set_up(nl, (int)stage.line_end, true, &err), &err);
	must(link_set_up(nl, (int)stage.line, true, &err), &err);
}

static int open_stage(void **state)
{
	struct error err;

	(void)state;
	must(namespace_make_switch(&err), &err);
	must(netlink_open(&nl, &err), &err);
	load_program();
	open_wire();
	place_program(PROGRAM_INGRESS, stage.program->progs.wire_ingress);
	place_program(PROGRAM_EGRESS, stage.program->progs.wire_egress);
	place_program(PROGRAM_DUE, stage.program->progs.wire_due);
	add_devices();
	add_line();
	return 0;
}

static int close_stage(void **state)
{
	(void)state;
	munmap(stage.wire.global, (size_t)getpagesize());
	clocked_bpf__destroy(stage.program);
	netlink_close(nl);
	return 0;
}

/* ---- Histories. */

/* Steps are left out one by one, as long as what is left shows a difference. Returns those left out. */
static uint64_t shorten(uint64_t seed)
{
	uint64_t skipped = 0;

	for (int rounds = 0; rounds < 2; rounds++)
		for (int step = HISTORY_STEPS; step--;)
			if (!history_play(&history, &stage, seed, skipped | 1ULL << step, NULL))
				skipped |= 1ULL << step;
	return skipped;
}

static void report(uint64_t seed)
{
	uint64_t skipped = shorten(seed);

	fprintf(stderr, "# history %" PRIu64 ", steps left out: %#" PRIx64 "\n", seed, skipped);
	history_play(&history, &stage, seed, skipped, stderr);
	fail_msg("history %" PRIu64 " of model and program differs: %s", seed, history.difference);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* Each verdict, many times; or nothing is shown by it. */
static void check_variety(uint64_t count)
{
	print_message("# %" PRIu64 " histories from seed %llu, %" PRIu64 " passes: %" PRIu64 " frames held", count,
		      FIRST_SEED, total.passes, total.held);
	for (enum wire_verdict verdict = 0; verdict < WIRE_VERDICTS; verdict++) {
		print_message(", %" PRIu64 " %s", total.verdicts[verdict], wire_verdict_name(verdict));
		assert_true(total.verdicts[verdict] >= count / 10);
	}
	print_message("\n");
}

static void add_up(void)
{
	total.passes += history.passes;
	total.held += history.held;
	for (enum wire_verdict verdict = 0; verdict < WIRE_VERDICTS; verdict++)
		total.verdicts[verdict] += history.verdicts[verdict];
}

static void test_random_histories(void **state)
{
	uint64_t count = number_of("PROVIUM_HISTORIES", HISTORIES), seed = number_of("PROVIUM_HISTORY", 0);

	(void)state;
	if (seed && !history_play(&history, &stage, seed, 0, stderr))
		fail_msg("history %" PRIu64 ": %s", seed, history.difference);
	for (uint64_t i = 0; i < count && !seed; i++) {
		if (!history_play(&history, &stage, FIRST_SEED + i, 0, NULL))
			report(FIRST_SEED + i);
		add_up();
	}
	if (!seed)
		check_variety(count);
}

/* More than a history has: some of them share a place in the map. */
static void test_a_flush_comes_to_every_port(void **state)
{
	struct wire_port port = { .bridge = 1 };
	struct error err;

	(void)state;
	for (int index = 1; index <= MANY_PORTS; index++)
		must(wire_set_port(&stage.wire, index, &port, &err), &err);
	wire_flush(&stage.wire, port.bridge, 7);
	for (int index = 1; index <= MANY_PORTS; index++) {
		assert_int_equal(bpf_map_lookup_elem(stage.wire.ports, &index, &port), 0);
		assert_int_equal(port.flush, 7);
		bpf_map_delete_elem(stage.wire.ports, &index);
	}
	wire_forget_bridge(&stage.wire, port.bridge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
		cmocka_unit_test(test_a_flush_comes_to_every_port),
	};

	return cmocka_run_group_tests_name("history", tests, open_stage, close_stage);
}
