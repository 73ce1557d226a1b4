// SPDX-License-Identifier: GPL-2.0-only
/*
 * Captures: what the program puts into the rings, for whom, and what it makes of readers that are slow or gone. Where the
 * kernel has no perf events, only that it says so.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <bpf/libbpf.h>

#include "capture/rings.h"
#include "wire.skel.h"
#include "wire/tap.h"

#define SENT	(1U << WIRE_EVENT_SENT)
#define BOUND	(1U << WIRE_EVENT_BOUND)
#define OUTCOME (1U << WIRE_EVENT_OUTCOME)
#define ALL	0xffU /* verdicts */
#define SNAPLEN 65536U
#define PERCENT 10000000U

static struct wire_tap *tap;
static struct rings *rings;
static cpu_set_t any_cpu;

static void open_reader(struct wire_tap **new_tap, struct rings **new_rings, uint64_t size)
{
	struct wire_ids ids;
	struct error err;

	must(wire_ids(lab.wire, &ids, &err), &err);
	must(wire_tap_open(new_tap, &ids, &err), &err);
	must(rings_open(new_rings, *new_tap, size, &err), &err);
}

static int open_tap(void **state)
{
	sched_getaffinity(0, sizeof(any_cpu), &any_cpu);
	clear_lab(state);
	open_reader(&tap, &rings, 1 << 20);
	return 0;
}

static void close_reader(void)
{
	rings_close(rings);
	wire_tap_close(tap);
	rings = NULL;
	tap = NULL;
}

static int close_tap(void **state)
{
	(void)state;
	sched_setaffinity(0, sizeof(any_cpu), &any_cpu);
	close_reader();
	return 0;
}

static uint32_t add(struct wire_capture wanted)
{
	uint32_t number;
	struct error err;

	if (!wanted.bridge)
		wanted.bridge = BRIDGE;
	if (!wanted.snaplen)
		wanted.snaplen = SNAPLEN;
	if (!wanted.verdicts)
		wanted.verdicts = ALL;
	must(wire_tap_add(tap, &wanted, &number, &err), &err);
	return number;
}

/* One event, and how many there are. */
static size_t take_from(struct rings *from, struct ring_event *event)
{
	struct ring_event next;
	size_t count = 0;

	rings_look(from);
	while (rings_next(from, UINT64_MAX - 1, &next)) {
		if (event && !count)
			*event = next;
		count++;
	}
	rings_done(from);
	return count;
}

static size_t take(struct ring_event *event)
{
	return take_from(rings, event);
}

static void send_out(enum place from, int repeat)
{
	run(wire_ingress_fd(lab.wire), SWITCH, from, 64, (struct stamp){ 0 }, repeat);
}

static void test_kernel_without_perf_events(void **state)
{
	struct wire_ids ids = { 0 };
	struct error err;

	(void)state;
	assert_false(wire_can_capture(lab.wire));
	must(wire_ids(lab.wire, &ids, &err), &err);
	assert_int_equal(ids.events, 0);
	assert_int_equal(wire_tap_open(&tap, &ids, &err), -ENOSYS);
	assert_non_null(strstr(err.text, "CONFIG_PERF_EVENTS"));
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_OK);
}

static void test_nothing_without_a_capture(void **state)
{
	uint32_t number;

	(void)state;
	send_frame(A, B, 64);
	assert_int_equal(take(NULL), 0);
	number = add((struct wire_capture){ .kinds = SENT | OUTCOME });
	send_frame(A, B, 64);
	assert_int_equal(take(NULL), 2);
	wire_tap_remove(tap, number);
	send_frame(A, B, 64);
	assert_int_equal(take(NULL), 0);
}

static void test_sent(void **state)
{
	struct ring_event event;
	uint64_t before = clock_now();
	uint32_t number;

	(void)state;
	number = add((struct wire_capture){ .kinds = SENT });
	send_frame(A, B, 100);
	assert_int_equal(take(&event), 1);
	assert_int_equal(event.event.kind, WIRE_EVENT_SENT);
	assert_int_equal(event.event.bridge, BRIDGE);
	assert_int_equal(event.event.from, A);
	assert_int_equal(event.event.to, 0);
	assert_int_equal(event.event.captures, 1U << number);
	assert_in_range(event.event.time_ns, before, clock_now());
	assert_int_equal(event.event.sent_ns, event.event.time_ns);
	assert_int_equal(event.event.length, 100);
	assert_int_equal(event.event.captured, 100);
	assert_false(event.event.tagged);
	assert_int_equal(event.size, 100);
	assert_memory_equal(event.bytes, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x88\xb5\0\0", 16);
}

static struct wire_event outcome(enum place from, enum place to)
{
	struct ring_event event;

	send_frame(from, to, 64);
	settle();
	assert_int_equal(take(&event), 1);
	assert_int_equal(event.event.kind, WIRE_EVENT_OUTCOME);
	assert_int_equal(event.event.from, from);
	assert_int_equal(event.event.to, to);
	return event.event;
}

static void test_outcomes(void **state)
{
	(void)state;
	add((struct wire_capture){ .kinds = OUTCOME });
	assert_int_equal(outcome(A, B).verdict, WIRE_DELIVERED);
	assert_int_equal(outcome(SWITCH, B).verdict, WIRE_DELIVERED);
	set_link(A, B, (struct wire_link){ .partition = WIRE_CUT });
	assert_int_equal(outcome(A, B).verdict, WIRE_PARTITION);
	assert_int_equal(outcome(B, A).verdict, WIRE_DELIVERED);
	set_link(C, SWITCH, (struct wire_link){ .isolated = true });
	assert_int_equal(outcome(C, A).verdict, WIRE_ISOLATION);
	set_link(B, A, (struct wire_link){ .rate_bps = 1000, .queue_ns = 1 });
	assert_int_equal(outcome(B, A).verdict, WIRE_DELIVERED);
	assert_int_equal(outcome(B, A).verdict, WIRE_QUEUE);
}

static void test_which_link_has_lost_it(void **state)
{
	static const struct {
		enum place from, to;
		enum wire_hop hop;
	} links[] = {
		{ A, SWITCH, WIRE_ACCESS_OUT },
		{ SWITCH, SWITCH, WIRE_MEDIUM },
		{ A, B, WIRE_PAIR },
		{ SWITCH, B, WIRE_ACCESS_IN },
	};

	(void)state;
	add((struct wire_capture){ .kinds = OUTCOME });
	for (size_t i = 0; i < 4; i++) {
		struct wire_event event;

		set_link(links[i].from, links[i].to, (struct wire_link){ .loss_ppb = CERTAIN });
		event = outcome(A, B);
		assert_int_equal(event.verdict, WIRE_LOSS);
		assert_int_equal(event.hop, links[i].hop);
		set_link(links[i].from, links[i].to, (struct wire_link){ 0 });
	}
}

/*
 * One that is held has an outcome when it comes off the line, and not before; it is bound for its receiver when it gets there.
 * The line of this fixture holds nothing, so on old kernels it may come off before the program has ended.
 */
static void test_held_frames(void **state)
{
	struct wire_event outcome = { 0 }, bound = { 0 };
	uint32_t of_outcomes, of_bound;
	struct ring_event event;
	struct seen seen;
	int count = 0;

	(void)state;
	of_outcomes = add((struct wire_capture){ .kinds = OUTCOME });
	of_bound = add((struct wire_capture){ .kinds = BOUND });
	set_link(A, B, (struct wire_link){ .delay_ns = NS(50), .generation = 1 });
	seen = send_held(A, B, 64);
	settle();
	rings_look(rings);
	for (; rings_next(rings, UINT64_MAX - 1, &event); count++)
		*(event.event.kind == WIRE_EVENT_BOUND ? &bound : &outcome) = event.event;
	rings_done(rings);
	assert_int_equal(count, 2);
	assert_int_equal(bound.captures, 1U << of_bound);
	assert_in_range(bound.time_ns, seen.before, seen.after);
	assert_int_equal(outcome.kind, WIRE_EVENT_OUTCOME);
	assert_int_equal(outcome.captures, 1U << of_outcomes);
	assert_int_equal(outcome.verdict, WIRE_DELIVERED);
	assert_int_equal(outcome.from, A);
	assert_int_equal(outcome.to, B);
	assert_int_equal(outcome.sent_ns, seen.tstamp - NS(50));
	assert_in_range(outcome.time_ns, outcome.sent_ns, clock_now());
}

/* What is bound for a receiver is one event with what becomes of it, if that is known, whatever it is. */
static void test_bound(void **state)
{
	struct ring_event event;
	uint32_t outcome, bound;

	(void)state;
	outcome = add((struct wire_capture){ .kinds = OUTCOME, .verdicts = 1U << WIRE_DELIVERED });
	bound = add((struct wire_capture){ .kinds = BOUND, .to = B });
	send_frame(A, B, 64);
	assert_int_equal(take(&event), 1);
	assert_int_equal(event.event.kind, WIRE_EVENT_OUTCOME);
	assert_int_equal(event.event.captures, 1U << outcome | 1U << bound);
	send_frame(B, A, 64);
	assert_int_equal(take(&event), 1);
	assert_int_equal(event.event.captures, 1U << outcome);
	set_link(A, B, (struct wire_link){ .partition = WIRE_CUT });
	send_frame(A, B, 64);
	assert_int_equal(take(&event), 1);
	assert_int_equal(event.event.captures, 1U << bound);
}

/* A frame that comes off the line, labelled as if it had waited since then. */
static struct wire_event come_off(uint64_t sent_ns, uint32_t flush)
{
	static const uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct __sk_buff skb = {
		.ifindex = lab.wire->global->line_end,
		.mark = (uint32_t)lab.device[B],
		.cb = { 0, 0, 0, (uint32_t)sent_ns, (uint32_t)(sent_ns >> 32 & 0xfff) | flush << 16 },
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));
	struct ring_event event;

	__atomic_add_fetch(&lab.wire->global->held, 1, __ATOMIC_RELAXED);
	if (bpf_prog_test_run_opts(bpf_program__fd(lab.wire->skeleton->progs.wire_due), &opts))
		fail_msg("test run: %s", strerror(errno));
	assert_int_equal(take(&event), 1);
	assert_int_equal(event.event.kind, WIRE_EVENT_OUTCOME);
	assert_int_equal(event.event.to, B);
	return event.event;
}

static void set_out(bool out)
{
	uint32_t index = (uint32_t)lab.device[B];
	struct wire_port port;

	assert_int_equal(bpf_map_lookup_elem(lab.wire->ports, &index, &port), 0);
	port.out = out;
	assert_int_equal(bpf_map_update_elem(lab.wire->ports, &index, &port, BPF_ANY), 0);
}

/* What comes off the line says when it was sent, and what the line was for. */
static void test_off_the_line(void **state)
{
	uint64_t now_ns = clock_now();

	(void)state;
	add((struct wire_capture){ .kinds = OUTCOME });
	assert_int_equal(come_off(now_ns, 0).sent_ns, now_ns);
	now_ns -= 3 * NS_PER_S;
	assert_int_equal(come_off(now_ns, 0).sent_ns, now_ns);
	/* The lower 44 bits of that go along: half a turn ahead is half a turn ago. */
	assert_int_equal(come_off(now_ns + (1ULL << 43), 0).sent_ns, now_ns - (1ULL << 43));
	assert_int_equal(come_off(now_ns, 0).verdict, WIRE_DELIVERED);
	assert_int_equal(come_off(now_ns, 1).verdict, WIRE_FLUSHED);
	set_out(true);
	assert_int_equal(come_off(now_ns, 0).verdict, WIRE_DISCONNECTED);
	set_out(false);
}

static void test_marks_are_what_the_counters_say(void **state)
{
	struct wire_counters counters;
	uint64_t delivered = 0, lost = 0;
	struct ring_event event;

	(void)state;
	add((struct wire_capture){ .kinds = OUTCOME });
	set_link(A, B, (struct wire_link){ .loss_ppb = 20 * PERCENT });
	run(wire_egress_fd(lab.wire), A, B, 64, (struct stamp){ 0 }, 5000);
	rings_look(rings);
	while (rings_next(rings, UINT64_MAX - 1, &event)) {
		delivered += event.event.verdict == WIRE_DELIVERED;
		lost += event.event.verdict == WIRE_LOSS;
	}
	rings_done(rings);
	counters = counted(A, B);
	assert_int_equal(delivered + lost, 5000);
	assert_int_equal(delivered, counters.packets);
	assert_int_equal(lost, counters.dropped_loss);
	assert_in_range(lost, 850, 1150);
}

/* Bridges that have the same place in `captures` ask, but do not get each other's frames. */
static void test_bridges(void **state)
{
	uint32_t own, other;

	(void)state;
	own = add((struct wire_capture){ .kinds = SENT });
	other = add((struct wire_capture){ .kinds = SENT, .bridge = BRIDGE + WIRE_CAPTURE_PLACES });
	add((struct wire_capture){ .kinds = SENT, .bridge = BRIDGE + 1 });
	assert_int_equal(tap->control->captures[BRIDGE], 1U << own | 1U << other);
	send_out(A, 1);
	assert_int_equal(take(NULL), 1);
	wire_tap_remove(tap, own);
	send_out(A, 1);
	assert_int_equal(take(NULL), 0);
}

static size_t seen_by(struct wire_capture wanted, enum place from, enum place to)
{
	uint32_t number = add(wanted);
	size_t count;

	send_frame(from, to, 64);
	count = take(NULL);
	wire_tap_remove(tap, number);
	return count;
}

static void test_ports(void **state)
{
	struct wire_capture nic = { .kinds = SENT | OUTCOME, .nic = B };

	(void)state;
	assert_int_equal(seen_by(nic, B, A), 1);
	assert_int_equal(seen_by(nic, A, B), 1);
	assert_int_equal(seen_by(nic, A, C), 0);
	assert_int_equal(seen_by((struct wire_capture){ .kinds = SENT | OUTCOME, .from = A }, A, B), 2);
	assert_int_equal(seen_by((struct wire_capture){ .kinds = SENT | OUTCOME, .from = A }, B, A), 0);
	assert_int_equal(seen_by((struct wire_capture){ .kinds = OUTCOME, .to = B }, A, B), 1);
	assert_int_equal(seen_by((struct wire_capture){ .kinds = OUTCOME, .to = B, .from = C }, A, B), 0);
	assert_int_equal(seen_by((struct wire_capture){ .kinds = SENT | OUTCOME, .bridge = BRIDGE + 1 }, A, B), 0);
	assert_int_equal(seen_by((struct wire_capture){ .kinds = OUTCOME, .verdicts = 1U << WIRE_LOSS }, A, B), 0);
}

/* Runs the ingress program with these bytes, of which there may be fewer than a filter hopes for. */
static size_t filtered(struct wire_capture wanted, const uint8_t *bytes, size_t size)
{
	struct __sk_buff skb = { .ifindex = (uint32_t)lab.device[A] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = (uint32_t)size, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));
	uint32_t number;
	size_t count;

	wanted.kinds = SENT;
	number = add(wanted);
	if (bpf_prog_test_run_opts(wire_ingress_fd(lab.wire), &opts))
		fail_msg("test run: %s", strerror(errno));
	count = take(NULL);
	wire_tap_remove(tap, number);
	return count;
}

struct built {
	uint8_t bytes[512];
	size_t size;
};

static void put(struct built *frame, const void *bytes, size_t size)
{
	memcpy(frame->bytes + frame->size, bytes, size);
	frame->size += size;
}

static void put_type(struct built *frame, uint16_t type)
{
	uint16_t value = htons(type);

	put(frame, &value, sizeof(value));
}

static struct built ethernet(void)
{
	struct built frame = { .size = 0 };

	put(&frame, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1", 12);
	return frame;
}

static void put_tag(struct built *frame, uint16_t type, uint16_t id)
{
	put_type(frame, type);
	put_type(frame, id);
}

static void put_ports(struct built *frame, uint16_t from, uint16_t to)
{
	put_type(frame, from);
	put_type(frame, to);
	put(frame, (uint8_t[16]){ 0 }, 16);
}

static void put_ipv4(struct built *frame, uint8_t protocol, unsigned int option_words, uint16_t fragment)
{
	uint8_t header[60] = { (uint8_t)(0x45 + option_words),
			       0,
			       0,
			       60,
			       0,
			       0,
			       (uint8_t)(fragment >> 8),
			       (uint8_t)fragment,
			       64,
			       protocol };

	put_type(frame, ETH_P_IP);
	put(frame, header, 20 + 4 * option_words);
}

static void put_ipv6(struct built *frame, uint8_t next)
{
	uint8_t header[40] = { 0x60, 0, 0, 0, 0, 20, next, 64 };

	put_type(frame, ETH_P_IPV6);
	put(frame, header, sizeof(header));
}

#define TCP_80	((struct wire_capture){ .protocol = 6, .port = 80 })
#define PORT_80 ((struct wire_capture){ .port = 80 })

static void expect(const struct built *frame, size_t tcp_80, size_t port_80)
{
	assert_int_equal(filtered(TCP_80, frame->bytes, frame->size), tcp_80);
	assert_int_equal(filtered(PORT_80, frame->bytes, frame->size), port_80);
}

static void test_ipv4_filters(void **state)
{
	struct built frame = ethernet();

	(void)state;
	put_ipv4(&frame, 6, 0, 0);
	put_ports(&frame, 80, 1234);
	expect(&frame, 1, 1);
	frame = ethernet();
	put_ipv4(&frame, 6, 0, 0);
	put_ports(&frame, 1234, 80);
	expect(&frame, 1, 1);
	frame = ethernet();
	put_ipv4(&frame, 6, 0, 0);
	put_ports(&frame, 81, 1234);
	expect(&frame, 0, 0);
	frame = ethernet();
	put_ipv4(&frame, 17, 10, 0); /* options before the ports */
	put_ports(&frame, 1234, 80);
	expect(&frame, 0, 1);
	frame = ethernet();
	put_ipv4(&frame, 1, 0, 0); /* ICMP has no ports, whatever stands there */
	put_ports(&frame, 80, 80);
	expect(&frame, 0, 0);
	frame = ethernet();
	put_ipv4(&frame, 6, 0, 0x2000); /* the first fragment */
	put_ports(&frame, 80, 1);
	expect(&frame, 1, 1);
	frame = ethernet();
	put_ipv4(&frame, 6, 0, 0x0005); /* the last one */
	put_ports(&frame, 80, 80);
	expect(&frame, 0, 0);
	assert_int_equal(filtered((struct wire_capture){ .protocol = 6 }, frame.bytes, frame.size), 1);
}

static void put_extension(struct built *frame, uint8_t next, uint8_t length, size_t size)
{
	uint8_t header[64] = { next, length };

	put(frame, header, size);
}

static void test_ipv6_filters(void **state)
{
	struct built frame = ethernet();

	(void)state;
	put_ipv6(&frame, 6);
	put_ports(&frame, 1234, 80);
	expect(&frame, 1, 1);
	/* Hop-by-hop, destination options, routing, authentication; then TCP. */
	frame = ethernet();
	put_ipv6(&frame, 0);
	put_extension(&frame, 60, 0, 8);
	put_extension(&frame, 43, 1, 16);
	put_extension(&frame, 51, 2, 24);
	put_extension(&frame, 6, 4, 24);
	put_ports(&frame, 80, 1234);
	expect(&frame, 1, 1);
	/* The first fragment has ports, the next one has none. */
	frame = ethernet();
	put_ipv6(&frame, 44);
	put(&frame, (uint8_t[8]){ 6, 0, 0, 1 }, 8);
	put_ports(&frame, 80, 1234);
	expect(&frame, 1, 1);
	frame = ethernet();
	put_ipv6(&frame, 44);
	put(&frame, (uint8_t[8]){ 6, 0, 1, 1 }, 8);
	put_ports(&frame, 80, 80);
	expect(&frame, 0, 0);
	assert_int_equal(filtered((struct wire_capture){ .protocol = 6 }, frame.bytes, frame.size), 1);
	/* Extensions without end. */
	frame = ethernet();
	put_ipv6(&frame, 60);
	for (int i = 0; i < 20; i++)
		put_extension(&frame, 60, 0, 8);
	expect(&frame, 0, 0);
}

static void test_filters_see_through_tags(void **state)
{
	struct wire_capture vlan = { .ethertype = ETH_P_8021Q }, ip = { .ethertype = ETH_P_IP };
	struct built frame = ethernet();

	(void)state;
	put_tag(&frame, ETH_P_8021AD, 7);
	put_tag(&frame, ETH_P_8021Q, 8);
	put_ipv4(&frame, 6, 0, 0);
	put_ports(&frame, 80, 1234);
	expect(&frame, 1, 1);
	assert_int_equal(filtered(ip, frame.bytes, frame.size), 1);
	assert_int_equal(filtered(vlan, frame.bytes, frame.size), 0);
	assert_int_equal(filtered((struct wire_capture){ .ethertype = ETH_P_8021AD }, frame.bytes, frame.size), 1);
	assert_int_equal(filtered((struct wire_capture){ .ethertype = ETH_P_IPV6 }, frame.bytes, frame.size), 0);
}

/* Wherever a frame ends, nothing is read behind its end, and it is no frame to or from a port. */
static void test_filters_of_short_frames(void **state)
{
	struct built frame = ethernet();

	(void)state;
	/* The tag hides from the kernel's test run that the header behind it is cut short, which it would not accept. */
	put_tag(&frame, ETH_P_8021Q, 7);
	put_ipv4(&frame, 6, 0, 0);
	put_ports(&frame, 80, 80);
	for (size_t size = ETH_HLEN + 1; size < ETH_HLEN + 28; size++)
		assert_int_equal(filtered(PORT_80, frame.bytes, size), 0);
	assert_int_equal(filtered(PORT_80, frame.bytes, ETH_HLEN + 28), 1);
	frame = ethernet();
	put_tag(&frame, ETH_P_8021Q, 7);
	put_ipv6(&frame, 0);
	put_extension(&frame, 6, 0, 8);
	put_ports(&frame, 80, 80);
	for (size_t size = ETH_HLEN + 1; size < ETH_HLEN + 56; size++)
		assert_int_equal(filtered(PORT_80, frame.bytes, size), 0);
	assert_int_equal(filtered(PORT_80, frame.bytes, ETH_HLEN + 56), 1);
}

static void test_one_event_for_all_captures(void **state)
{
	struct ring_event event;
	uint32_t whole, cut, count;

	(void)state;
	cut = add((struct wire_capture){ .kinds = SENT, .snaplen = 20 });
	send_out(A, 1);
	assert_int_equal(take(&event), 1);
	assert_int_equal(event.size, 20);
	assert_int_equal(event.event.length, 64);
	count = add((struct wire_capture){ .kinds = SENT, .snaplen = 1 });
	whole = add((struct wire_capture){ .kinds = SENT });
	add((struct wire_capture){ .kinds = OUTCOME });
	send_out(A, 1);
	assert_int_equal(take(&event), 1);
	assert_int_equal(event.size, 64);
	assert_int_equal(event.event.captures, 1U << whole | 1U << cut | 1U << count);
}

/* One that runs out of the test program tags the frame on its way to B. */
static void test_tags_beside_the_data(void **state)
{
	static const uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct __sk_buff skb = { .ifindex = (uint32_t)lab.device[B], .ingress_ifindex = (uint32_t)lab.device[A] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));
	struct ring_event event;

	(void)state;
	add((struct wire_capture){ .kinds = OUTCOME, .ethertype = ETH_P_8021Q });
	send_frame(A, B, 64);
	assert_int_equal(take(NULL), 0);
	if (bpf_prog_test_run_opts(lab.probe.tagger, &opts))
		fail_msg("test run of the tagger: %s", strerror(errno));
	assert_int_equal(take(&event), 1);
	assert_true(event.event.tagged);
	assert_int_equal(event.event.vlan_tci & 0xfff, 5);
	assert_int_equal(event.event.vlan_proto, htons(ETH_P_8021Q));
	assert_int_equal(event.event.length, 64);
	assert_memory_equal(event.bytes, frame, sizeof(frame));
}

static void run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void test_what_is_lost_is_counted(void **state)
{
	uint32_t narrow, wide;
	size_t taken;

	(void)state;
	/* Each has a ring of its own: on another one there is room again. */
	run_on_cpu(sched_getcpu());
	narrow = add((struct wire_capture){ .kinds = SENT, .from = A });
	wide = add((struct wire_capture){ .kinds = SENT });
	send_out(A, 20000);
	send_out(B, 1);
	taken = take(NULL);
	assert_in_range(taken, 1000, 19000);
	assert_int_equal(wire_tap_lost(tap, wide), 20001 - taken);
	assert_int_equal(wire_tap_lost(tap, narrow), 20000 - taken);
	send_out(A, 1);
	assert_int_equal(take(NULL), 1);
	/* The next one starts at 0. */
	wire_tap_remove(tap, wide);
	assert_int_equal(add((struct wire_capture){ .kinds = SENT }), wide);
	assert_int_equal(wire_tap_lost(tap, wide), 0);
}

/* So that there is room while the reader wakes up; and not for each frame. */
static void test_a_small_ring_calls_in_time(void **state)
{
	const int record = 128; /* of a frame of 64 bytes */
	struct pollfd fds[1024];
	size_t count;
	int frames;

	(void)state;
	run_on_cpu(sched_getcpu());
	close_reader();
	open_reader(&tap, &rings, 1);
	count = rings_poll(rings, NULL);
	assert_in_range(count, 1, 1024);
	rings_poll(rings, fds);
	frames = (int)rings_size(rings) / record;
	add((struct wire_capture){ .kinds = SENT });
	send_out(A, frames / 16);
	assert_int_equal(poll(fds, count, 0), 0);
	send_out(A, frames / 4 - frames / 16);
	assert_int_equal(poll(fds, count, 10000), 1);
}

static void test_default_ring_holds_a_burst(void **state)
{
	uint32_t number;

	(void)state;
	close_reader();
	open_reader(&tap, &rings, 0);
	if (rings_size(rings) < RINGS_DEFAULT_SIZE)
		skip(); /* a machine with little memory */
	number = add((struct wire_capture){ .kinds = SENT });
	send_out(A, 100000);
	assert_int_equal(wire_tap_lost(tap, number), 0);
	assert_int_equal(take(NULL), 100000);
}

static void test_several_cpus_in_the_order_of_time(void **state)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t last = 0;
	struct ring_event event;
	size_t count = 0;

	(void)state;
	add((struct wire_capture){ .kinds = SENT });
	for (int i = 0; i < 600; i++) {
		run_on_cpu(i / 3 % cpus);
		send_out(A, 1 + i % 2);
	}
	rings_look(rings);
	while (rings_next(rings, UINT64_MAX - 1, &event)) {
		assert_true(event.event.time_ns >= last);
		last = event.event.time_ns;
		count++;
	}
	rings_done(rings);
	assert_int_equal(count, 900);
}

/* A ring that is read while it goes round and round: records that go over its end come out whole. */
static void test_round_and_round(void **state)
{
	static const uint32_t sizes[] = { 64, 1514, 99, 2000, 70, 333 };
	struct ring_event event;

	(void)state;
	add((struct wire_capture){ .kinds = SENT });
	for (int i = 0; i < 6000; i++) {
		uint32_t size = sizes[i % 6];

		enter(A, size);
		assert_int_equal(take(&event), 1);
		assert_int_equal(event.event.length, size);
		assert_int_equal(event.size, size);
		assert_memory_equal(event.bytes, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x88\xb5\0\0", 16);
	}
}

static void test_nothing_newer_than_asked_for(void **state)
{
	struct ring_event event;
	uint64_t between;

	(void)state;
	add((struct wire_capture){ .kinds = SENT });
	send_out(A, 1);
	between = clock_now();
	send_out(B, 1);
	rings_look(rings);
	assert_true(rings_next(rings, between, &event));
	assert_int_equal(event.event.from, A);
	assert_false(rings_next(rings, between, &event));
	rings_done(rings);
	rings_look(rings);
	assert_true(rings_next(rings, UINT64_MAX - 1, &event));
	assert_int_equal(event.event.from, B);
}

static void test_readers_do_not_disturb_each_other(void **state)
{
	struct wire_capture wanted = { .bridge = BRIDGE, .kinds = SENT, .snaplen = 30, .from = A };
	struct wire_tap *other;
	struct rings *other_rings;
	struct ring_event event;
	uint32_t number;
	struct error err;

	(void)state;
	open_reader(&other, &other_rings, 1 << 20);
	assert_int_not_equal(other->reader, tap->reader);
	must(wire_tap_add(other, &wanted, &number, &err), &err);
	add((struct wire_capture){ .kinds = SENT });
	send_out(A, 3);
	send_out(B, 1);
	assert_int_equal(take(NULL), 4);
	assert_int_equal(take_from(other_rings, &event), 3);
	assert_int_equal(event.event.captures, 1U << number);
	rings_close(other_rings);
	wire_tap_close(other);
	send_out(A, 1);
	assert_int_equal(take(NULL), 1);
	assert_int_equal(tap->control->captures[BRIDGE] & 1U << number, 0);
}

/* As with kill -9: the process is gone, and had no time to say so. */
static void die_while_capturing(void)
{
	struct wire_capture wanted = { .bridge = BRIDGE, .kinds = SENT, .snaplen = 30 };
	struct wire_tap *other;
	struct rings *other_rings;
	uint32_t number;
	struct error err;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		open_reader(&other, &other_rings, 1 << 20);
		_exit(wire_tap_add(other, &wanted, &number, &err) ? 1 : 0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_nothing_is_left_of_a_reader_that_died(void **state)
{
	uint32_t own, all;

	(void)state;
	own = 1U << add((struct wire_capture){ .kinds = SENT });
	for (int i = 0; i < 2 * WIRE_MAX_CAPTURES; i++) {
		die_while_capturing();
		all = tap->control->captures[BRIDGE];
		assert_int_equal(all & own, own);
		assert_int_not_equal(all, own);
		send_out(A, 2);
		assert_int_equal(tap->control->captures[BRIDGE], own);
		assert_int_equal(take(NULL), 2);
	}
}

/* Frames may meet a CPU that has no ring: one that came after the rings were opened. */
static void test_a_reader_that_lives_insists(void **state)
{
	uint32_t number;

	(void)state;
	number = add((struct wire_capture){ .kinds = SENT });
	tap->control->captures[BRIDGE] = 0;
	send_out(A, 1);
	assert_int_equal(take(NULL), 0);
	wire_tap_assert(tap);
	send_out(A, 1);
	assert_int_equal(take(NULL), 1);
	assert_int_equal(tap->control->captures[BRIDGE], 1U << number);
}

static void test_no_more_than_there_is_room_for(void **state)
{
	struct wire_capture wanted = { .bridge = BRIDGE, .kinds = SENT };
	uint32_t number;
	struct error err;

	(void)state;
	for (uint32_t i = 0; i < WIRE_MAX_CAPTURES; i++)
		add((struct wire_capture){ .kinds = SENT });
	assert_int_equal(wire_tap_add(tap, &wanted, &number, &err), -ENOSPC);
	wire_tap_remove(tap, 17);
	assert_int_equal(wire_tap_add(tap, &wanted, &number, &err), 0);
	assert_int_equal(number, 17);
}

static void test_port_names(void **state)
{
	char name[72];

	(void)state;
	assert_true(wire_tap_port_name(tap, BRIDGE, B, name));
	assert_string_equal(name, "port2");
	assert_false(wire_tap_port_name(tap, BRIDGE + 1, B, name));
	assert_false(wire_tap_port_name(tap, BRIDGE, 99, name));
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, open_tap, close_tap)

static bool has_perf_events(void)
{
	return access("/proc/sys/kernel/perf_event_paranoid", F_OK) == 0;
}

int main(void)
{
	const struct CMUnitTest other_tests[] = {
		cmocka_unit_test(test_kernel_without_perf_events),
	};
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_without_a_capture),
		TEST(test_sent),
		TEST(test_outcomes),
		TEST(test_which_link_has_lost_it),
		TEST(test_held_frames),
		TEST(test_bound),
		TEST(test_off_the_line),
		TEST(test_marks_are_what_the_counters_say),
		TEST(test_bridges),
		TEST(test_ports),
		TEST(test_ipv4_filters),
		TEST(test_ipv6_filters),
		TEST(test_filters_see_through_tags),
		TEST(test_filters_of_short_frames),
		TEST(test_one_event_for_all_captures),
		TEST(test_tags_beside_the_data),
		TEST(test_what_is_lost_is_counted),
		TEST(test_a_small_ring_calls_in_time),
		TEST(test_default_ring_holds_a_burst),
		TEST(test_several_cpus_in_the_order_of_time),
		TEST(test_round_and_round),
		TEST(test_nothing_newer_than_asked_for),
		TEST(test_readers_do_not_disturb_each_other),
		TEST(test_nothing_is_left_of_a_reader_that_died),
		TEST(test_a_reader_that_lives_insists),
		TEST(test_no_more_than_there_is_room_for),
		TEST(test_port_names),
	};

	if (!has_perf_events())
		return cmocka_run_group_tests_name("capture", other_tests, open_lab, close_lab);
	return cmocka_run_group_tests_name("capture", tests, open_lab, close_lab);
}
