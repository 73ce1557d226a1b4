/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stage "capture": copies of frames, and what became of them, for whoever has opened a capture: see provium/capture.h.
 *
 * Whoever wants a frame is asked by a global function, which the verifier looks at by itself and once; all other code it
 * looks at anew for each way that leads there, at the start of every run. (A global function that takes the frame itself
 * would be refused by kernels that are built without their own BTF.)
 */
#ifndef PROVIUM_BPF_CAPTURE_H
#define PROVIUM_BPF_CAPTURE_H

#include <linux/errno.h>

#include "frame.h"
#include "headers.h"
#include "hold.h"

/* Fixed for a run. Without perf events in the kernel nothing of this is used. */
const volatile bool can_capture;
const volatile __u32 cpu_count = 1; /* possible ones */

/* NULL if no capture of that bridge is open, nor of one that has the same place. */
static __always_inline const struct wire_control *find_captures(__u32 bridge)
{
	__u32 zero = 0;
	const struct wire_control *global = bpf_map_lookup_elem(&control, &zero);

	return global && global->captures[bridge % WIRE_CAPTURE_PLACES] ? global : NULL;
}

static __always_inline struct event_room *find_room(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&event_rooms, &zero);
}

static __always_inline bool port_matches(const struct wire_capture *capture, const struct wire_event *event)
{
	__u16 own = event->kind == WIRE_EVENT_SENT ? event->from : event->to;

	return (!capture->nic || capture->nic == own) && (!capture->from || capture->from == event->from) &&
	       (!capture->to || capture->to == event->to);
}

static __always_inline bool inside_matches(const struct wire_capture *capture, const struct headers *headers)
{
	return (!capture->ethertype || capture->ethertype == headers->ethertype ||
		capture->ethertype == headers->tag_type) &&
	       (!capture->protocol || capture->protocol == headers->protocol) &&
	       (!capture->port || capture->port == headers->ports[0] || capture->port == headers->ports[1]);
}

static __always_inline bool wants(const struct wire_capture *capture, const struct event_room *room)
{
	const struct wire_event *event = &room->event;

	if (capture->bridge != event->bridge || !(capture->kinds & room->kinds) || !port_matches(capture, event))
		return false;
	if (event->kind == WIRE_EVENT_OUTCOME && !(capture->verdicts & 1U << event->verdict))
		return false;
	return !capture->looks_inside || inside_matches(capture, &room->headers);
}

/* Notes it if that capture wants the frame, and how much of it. */
__noinline int ask_capture(__u32 number)
{
	const struct wire_capture *capture = bpf_map_lookup_elem(&captures, &number);
	struct event_room *room = find_room();

	if (!capture || !room || !(room->open & 1U << (number & 31)) || !wants(capture, room))
		return 0;
	room->wanted_by |= 1U << (number & 31);
	if (capture->snaplen > room->snaplen)
		room->snaplen = capture->snaplen;
	return 0;
}

/* Who wants the frame about which there is a note in the room? */
__noinline int ask_captures(__u32 open)
{
	struct event_room *room = find_room();

	if (!room)
		return 0;
	room->open = open;
	room->wanted_by = 0;
	room->snaplen = 0;
	/* Old verifiers take a call in one branch of a loop for a loop that does not end. */
	for (__u32 i = 0; i < WIRE_MAX_CAPTURES && open; i++, open >>= 1)
		ask_capture(i);
	return 0;
}

/* Returns whether that reader has captures that want the frame, which get its next event. */
__noinline int begin_event(__u32 reader)
{
	__u32 zero = 0;
	const struct wire_control *global = bpf_map_lookup_elem(&control, &zero);
	struct event_room *room = find_room();

	if (!global || !room)
		return 0;
	room->event.captures = room->wanted_by & global->readers[reader & (WIRE_MAX_READERS - 1)].captures;
	room->wanted_by &= ~room->event.captures;
	room->ring = reader * cpu_count + bpf_get_smp_processor_id();
	return room->event.captures != 0;
}

/* One by one: without a JIT the kernel takes no callbacks, as bpf_for_each_map_elem() needs. */
__noinline int count_lost(__u32 number, __u32 lost_by)
{
	struct wire_capture *capture = bpf_map_lookup_elem(&captures, &number);

	if (capture && lost_by & 1U << (number & 31))
		__sync_fetch_and_add(&capture->lost, 1);
	return 0;
}

/* No ring took the event. If it is gone, so is its reader, which was killed and could not take its captures back. */
__noinline int lose_event(__u32 is_gone)
{
	__u32 zero = 0;
	struct wire_control *global = bpf_map_lookup_elem(&control, &zero);
	struct event_room *room = find_room();

	if (!global || !room)
		return 0;
	for (__u32 i = 0; i < WIRE_MAX_CAPTURES; i++)
		count_lost(i, room->event.captures);
	if (is_gone)
		__sync_fetch_and_and(&global->captures[room->event.bridge % WIRE_CAPTURE_PLACES],
				     ~room->event.captures);
	return 0;
}

/* On the same CPU with nothing in between, so it stands right behind the event that it belongs to. */
static __always_inline long put_tail(struct __sk_buff *skb, struct event_room *room)
{
	/* From 1 to WIRE_TAIL_BYTES, in a form that every verifier sees. */
	__u32 size = ((room->tail_bytes - 1) & (WIRE_TAIL_BYTES - 1)) + 1;
	long status = bpf_skb_load_bytes(skb, WIRE_EVENT_BYTES, room->tail, size);

	if (status)
		return status;
	room->event.kind = WIRE_EVENT_TAIL;
	return bpf_perf_event_output(skb, &events, room->ring, &room->event, sizeof(room->event) + size);
}

static __always_inline void put_event(struct __sk_buff *skb, struct event_room *room)
{
	__u8 kind = room->event.kind;
	long status;

	status = bpf_perf_event_output(skb, &events, room->ring | room->bytes << 32, &room->event, sizeof(room->event));
	if (!status && room->tail_bytes)
		status = put_tail(skb, room);
	room->event.kind = kind;
	if (status)
		lose_event(status == -ENOENT);
}

static __always_inline void measure(const struct __sk_buff *skb, struct event_room *room)
{
	__u32 most = WIRE_EVENT_BYTES + WIRE_TAIL_BYTES;

	if (room->snaplen < most)
		most = room->snaplen;
	room->event.length = skb->len;
	room->event.captured = skb->len < most ? skb->len : most;
	room->bytes = room->event.captured < WIRE_EVENT_BYTES ? room->event.captured : WIRE_EVENT_BYTES;
	room->tail_bytes = room->event.captured - room->bytes;
	room->event.tagged = skb->vlan_present;
	room->event.vlan_tci = skb->vlan_tci;
	room->event.vlan_proto = skb->vlan_proto;
}

/* For whoever wants the frame about which there is a note in the room. */
static __noinline int capture(struct __sk_buff *skb, const struct wire_control *global, struct event_room *room)
{
	__u32 open = global->captures[room->event.bridge % WIRE_CAPTURE_PLACES];

	if (global->looking_inside & open)
		read_headers(skb, &room->headers);
	ask_captures(open);
	if (!room->wanted_by)
		return 0;
	measure(skb, room);
	for (__u32 reader = 0; reader < WIRE_MAX_READERS && room->wanted_by; reader++)
		if (begin_event(reader))
			put_event(skb, room);
	return 0;
}

static __always_inline struct event_room *room_of_captured(__u32 bridge, const struct wire_control **global)
{
	if (!can_capture)
		return NULL;
	*global = find_captures(bridge);
	return *global ? find_room() : NULL;
}

/* The frame has no receiver yet. */
static __always_inline void capture_sent(struct __sk_buff *skb, const struct frame *frame)
{
	const struct wire_control *global;
	struct event_room *room = room_of_captured(frame->path->pair.bridge, &global);

	if (!room)
		return;
	room->kinds = 1U << WIRE_EVENT_SENT;
	room->event.kind = WIRE_EVENT_SENT;
	room->event.verdict = WIRE_DELIVERED;
	room->event.bridge = frame->path->pair.bridge;
	room->event.from = frame->path->pair.from;
	room->event.to = 0;
	/* Not now, but what its delay counts from. */
	room->event.time_ns = frame->sent_ns;
	room->event.sent_ns = frame->sent_ns;
	capture(skb, global, room);
}

/* What becomes of a frame on its way to one receiver. */
struct fate {
	const struct wire_key *pair;
	__u8 kinds; /* of events, one bit each */
	enum wire_hop hop;
	enum wire_verdict verdict;
	__u64 sent_ns; /* of one that was held, the lower SENT_BITS; 0: it was not, so now */
};

static __always_inline __u64 whole_time(__u64 lower, __u64 now_ns)
{
	return lower ? now_ns - (now_ns - lower & (1ULL << SENT_BITS) - 1) : now_ns;
}

/*
 * Returns the action, out of the room: were it kept in a register meanwhile, the verifier would look at all of the above
 * once for each.
 */
static __always_inline int capture_fate(struct __sk_buff *skb, const struct fate *fate, int action)
{
	const struct wire_control *global;
	struct event_room *room = room_of_captured(fate->pair->bridge, &global);

	if (!room)
		return action;
	room->action = action;
	room->kinds = fate->kinds;
	room->event.kind = fate->kinds & 1U << WIRE_EVENT_OUTCOME ? WIRE_EVENT_OUTCOME : WIRE_EVENT_BOUND;
	room->event.verdict = fate->verdict;
	room->event.hop = fate->hop;
	room->event.bridge = fate->pair->bridge;
	room->event.from = fate->pair->from;
	room->event.to = fate->pair->to;
	room->event.time_ns = bpf_ktime_get_ns();
	room->event.sent_ns = whole_time(fate->sent_ns, room->event.time_ns);
	capture(skb, global, room);
	return room->action;
}

#endif
