/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wire program under BPF_PROG_TEST_RUN, in a network namespace of its own. The bridge is only a number, for the
 * context of a test run says by which port a frame came. Ports are veth devices that nobody listens to. The kernel gives
 * every frame of a test run a socket, so one that is to be held leaves as a clone, over the real line, where the probe sees it
 * (probe.h); it holds nothing.
 */
#ifndef PROVIUM_TESTS_WIRE_FIXTURE_H
#define PROVIUM_TESTS_WIRE_FIXTURE_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "net/link.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "net/qdisc.h"
#include "probe.h"
#include "util/clock.h"
#include "util/error.h"
#include "wire/internal.h"

#define BRIDGE	    1U
#define ELSEWHERE   2U /* another bridge, without ports */
#define FULL_FRAME  1514U
#define LONGEST_MTU 65535U
#define CERTAIN	    WIRE_CERTAIN_PPB
#define NS(MS)	    ((uint64_t)((MS)*1e6 + 0.5))

/* Port numbers; the switch itself has none. */
enum place { SWITCH, A, B, C, ROUTER, PLACES };

static struct {
	struct wire *wire;
	struct netlink *nl;
	struct probe probe;
	int device[PLACES];
} lab;

/* What became of a frame: the action of the first pass, and the context as it left it. */
struct sent {
	int action;
	uint32_t priority;
	uint32_t mark;
	uint64_t tstamp;
	uint64_t before, after; /* the time around it */
};

static inline void must(int status, const struct error *err)
{
	if (status)
		fail_msg("%s", err->text);
}

static inline void add_port(enum place place)
{
	struct wire_port port = {
		.bridge = BRIDGE,
		.port = (uint16_t)place,
		.router = place == ROUTER,
		.mtu = LONGEST_MTU,
		.salt = (uint64_t)place,
	};
	struct veth veth = { .name = port.name, .peer_pid = getpid(), .mtu = 1500, .peer_mtu = 1500 };
	char peer[sizeof("peer0")];
	struct error err;
	int other;

	snprintf(port.name, sizeof(port.name), "port%d", place);
	snprintf(peer, sizeof(peer), "peer%d", place);
	veth.peer_name = peer;
	veth.peer_mac[0] = 2;
	veth.peer_mac[5] = (uint8_t)place;
	must(link_create_veth(lab.nl, &veth, &err), &err);
	must(link_index(lab.nl, port.name, &lab.device[place], &err), &err);
	must(link_index(lab.nl, peer, &other, &err), &err);
	must(wire_add_port(lab.wire, lab.nl, lab.device[place], &port, &err), &err);
	must(link_set_up(lab.nl, other, true, &err), &err);
	must(link_set_up(lab.nl, lab.device[place], true, &err), &err);
}

static inline int open_lab(void **state)
{
	struct error err;

	(void)state;
	must(namespace_make_switch(&err), &err);
	must(netlink_open(&lab.nl, &err), &err);
	must(wire_load(&lab.wire, &err), &err);
	probe_load(&lab.probe);
	for (enum place place = A; place < PLACES; place++)
		add_port(place);
	must(wire_open_line(lab.wire, lab.nl, "line", "line-end", &err), &err);
	must(probe_attach(&lab.probe, lab.nl, (int)lab.wire->global->line, &err), &err);
	/* user-mode-linux has memory for more than four new pairs from the next tick on, and a lab's nodes take longer to boot. */
	usleep(20000);
	return 0;
}

static inline int close_lab(void **state)
{
	(void)state;
	probe_close(&lab.probe);
	wire_close(lab.wire);
	netlink_close(lab.nl);
	return 0;
}

/* Before each test: no rule, no count, a known seed. */
static inline int clear_lab(void **state)
{
	struct seen seen;

	(void)state;
	wire_forget_bridge(lab.wire, BRIDGE);
	wire_forget_bridge(lab.wire, ELSEWHERE);
	wire_set_seed(lab.wire, 1);
	while (probe_next(&lab.probe, &seen))
		;
	return 0;
}

static inline struct wire_key key(enum place from, enum place to)
{
	return (struct wire_key){ .bridge = BRIDGE, .from = (uint16_t)from, .to = (uint16_t)to };
}

/* SWITCH stands for any here: set_link(SWITCH, SWITCH, …) is the medium. */
static inline struct wire_change change(enum place from, enum place to, struct wire_link link)
{
	if (!wire_is_nothing(&link))
		link.salt = (uint64_t)from * 31 + to;
	return (struct wire_change){ .key = key(from, to), .link = link };
}

static inline void set_link(enum place from, enum place to, struct wire_link link)
{
	struct wire_change one = change(from, to, link);
	struct wire_changes changes = { 0 };
	struct error err;

	wire_change(&changes, &one);
	must(wire_commit(lab.wire, &changes, &err), &err);
}

/* What a frame takes from where it enters to where it leaves: see bpf/stamp.h. */
struct stamp {
	uint32_t mark, priority;
};

/* Broadcast, of an EtherType for experiments. */
static inline struct sent run(int program, enum place from, enum place to, uint32_t size, struct stamp stamp,
			      int repeat)
{
	static const uint8_t frame[9000] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct __sk_buff skb = {
		.ifindex = (uint32_t)lab.device[to],
		.ingress_ifindex = (uint32_t)lab.device[from],
		.priority = stamp.priority,
		.mark = stamp.mark,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = size, .ctx_in = &skb, .ctx_out = &skb,
		    .ctx_size_in = sizeof(skb), .ctx_size_out = sizeof(skb), .repeat = repeat);
	struct sent sent = { .before = clock_now() };

	if (bpf_prog_test_run_opts(program, &opts))
		fail_msg("test run of %u bytes: %s", size, strerror(errno));
	sent.after = clock_now();
	sent.action = (int)opts.retval;
	sent.priority = skb.priority;
	sent.mark = skb.mark;
	sent.tstamp = skb.tstamp;
	return sent;
}

/* It enters, once however many get it. Frames of the switch itself enter nowhere. */
static inline struct stamp enter(enum place from, uint32_t size)
{
	const struct stamp none = { 0 };
	struct sent sent;

	if (from == SWITCH)
		return none;
	sent = run(wire_ingress_fd(lab.wire), SWITCH, from, size, none, 1);
	assert_int_equal(sent.action, TC_ACT_OK);
	return (struct stamp){ sent.mark, sent.priority };
}

/* A copy of it leaves. */
static inline struct sent leave(enum place from, enum place to, uint32_t size, struct stamp stamp)
{
	return run(wire_egress_fd(lab.wire), from, to, size, stamp, 1);
}

static inline struct sent send_frame(enum place from, enum place to, uint32_t size)
{
	uint64_t before = clock_now();
	struct sent sent = leave(from, to, size, enter(from, size));

	sent.before = before;
	return sent;
}

/* What has come off the line. What it would hold for a second is through at once, but the kernel may do that later. */
static inline void settle(void)
{
	uint64_t deadline = clock_after(10 * NS_PER_S);

	while (__atomic_load_n(&lab.wire->global->held, __ATOMIC_ACQUIRE) && clock_now() < deadline)
		usleep(100);
}

/* The next one that the line has got. */
static inline struct seen next_held(struct sent sent, enum place to)
{
	struct seen seen;

	assert_int_equal(sent.action, TC_ACT_STOLEN);
	if (!probe_next(&lab.probe, &seen))
		fail_msg("no clone reached the line");
	assert_int_equal(seen.mark, lab.device[to]);
	seen.before = sent.before;
	seen.after = sent.after;
	return seen;
}

static inline struct seen send_held(enum place from, enum place to, uint32_t size)
{
	return next_held(send_frame(from, to, size), to);
}

/* How many frames of the fixture's class from that sender have rolled the dice of the link. */
static inline uint64_t rolled(enum place from, enum place to, enum place sender)
{
	struct wire_class class = {
		.bridge = BRIDGE,
		.from = (uint16_t)from,
		.to = (uint16_t)to,
		.sender = (uint16_t)sender,
		.ethertype = 0x88b5,
		.seeding = (uint8_t)lab.wire->global->seeding,
	};
	uint64_t count = 0;

	bpf_map_lookup_elem(lab.wire->ordinals, &class, &count);
	return count;
}

static inline struct wire_state state_of(enum place from, enum place to)
{
	struct wire_key of = key(from, to);
	struct wire_state state = { 0 };

	bpf_map_lookup_elem_flags(lab.wire->states, &of, &state, BPF_F_LOCK);
	return state;
}

static inline struct wire_counters counted(enum place from, enum place to)
{
	settle();
	return wire_counters(lab.wire, key(from, to));
}

/*
 * Fills a map. In user-mode-linux that takes half a minute: there is memory for some 50 new elements a tick (see
 * waited_for_memory() in src/wire/rules.c), so it is tried again after each.
 */
static inline void fill_map(int map, const void *keys, size_t key_size, const void *values, size_t value_size,
			    uint32_t count)
{
	const char *key = keys, *value = values;

	while (count) {
		uint32_t done = count;

		if (bpf_map_update_batch(map, key, value, &done, NULL))
			assert_int_equal(errno, ENOMEM);
		key += done * key_size;
		value += done * value_size;
		count -= done;
		if (count)
			usleep(10000);
	}
}

/* Exactly these, and zero for what is not named. */
#define assert_counted(FROM, TO, ...)                                                                                  \
	do {                                                                                                           \
		struct wire_counters counters_ = counted(FROM, TO), expected_ = { __VA_ARGS__ };                       \
		assert_memory_equal(&counters_, &expected_, sizeof(expected_));                                        \
	} while (0)

#endif
