// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wire: on every bridge port `wire_ingress` sees what a node sends, once, and `wire_egress` each copy that a node is about to
 * get, for only there is the receiver of a flooded frame known. `wire_line` and `wire_due` are at both ends of the line, where
 * frames wait. Each stage is a header beside this file. Only the stable tc interface is used, so it loads on 5.15 and later
 * without kernel headers.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "maps.h"
#include "frame.h"
#include "path.h"
#include "stamp.h"
#include "cross.h"
#include "hold.h"
#include "count.h"
#include "carry.h"
#include "capture.h"
#include "line.h"

/* Whether anything may ask when the frame was sent. Reading the clock takes longer than all the rest. */
static __always_inline bool is_timed(const struct path *path)
{
	__u32 zero = 0;
	volatile const struct wire_control *global = bpf_map_lookup_elem(&control, &zero);

	return global && (global->stamping || global->captures[path->pair.bridge % WIRE_CAPTURE_PLACES]);
}

/* The sender's side, once a frame. */
static __always_inline enum wire_verdict cross_sender(struct __sk_buff *skb, struct frame *frame)
{
	enum wire_verdict verdict;

	prepare_dice(skb, frame, 1U << WIRE_ACCESS_OUT | frame->path->uses_medium << WIRE_MEDIUM);
	verdict = stage_cross(frame, WIRE_ACCESS_OUT);
	if (verdict == WIRE_DELIVERED && frame->path->uses_medium)
		verdict = stage_cross(frame, WIRE_MEDIUM);
	return verdict;
}

SEC("tc")
int wire_ingress(struct __sk_buff *skb)
{
	struct frame frame = { .path = find_path(skb->ifindex, 0), .bits = entering_bytes(skb) * 8ULL };

	if (!frame.path)
		return TC_ACT_OK;
	if (is_timed(frame.path))
		frame.sent_ns = bpf_ktime_get_ns();
	capture_sent(skb, &frame);
	if (!stage_enter(skb, &frame))
		return TC_ACT_SHOT;
	write_stamp(skb, &frame, cross_sender(skb, &frame));
	return TC_ACT_OK;
}

/* The rest of the way to one receiver, and what the sender's side has come to. */
static __always_inline enum wire_verdict cross_receiver(struct __sk_buff *skb, struct frame *frame, __u32 stamp)
{
	enum wire_verdict verdict = stamped_verdict(stamp);

	frame->hop = stamped_hop(stamp);
	if (verdict != WIRE_DELIVERED)
		return verdict;
	prepare_dice(skb, frame, 1U << WIRE_PAIR | 1U << WIRE_ACCESS_IN | !(stamp & STAMP_MEDIUM) << WIRE_MEDIUM);
	/* A frame of the switch itself has not crossed it yet, nor one for the router from a node that is cut from all others. */
	if (!(stamp & STAMP_MEDIUM))
		verdict = stage_cross(frame, WIRE_MEDIUM);
	if (verdict == WIRE_DELIVERED && frame->path->pair.from)
		verdict = stage_cross(frame, WIRE_PAIR);
	if (verdict == WIRE_DELIVERED)
		verdict = stage_cross(frame, WIRE_ACCESS_IN);
	return verdict;
}

/* When it is due is 0 if that is now. */
static __always_inline enum wire_verdict decide(struct __sk_buff *skb, struct frame *frame, __u64 *departure_ns)
{
	__u32 stamp = frame->path->pair.from ? skb->priority : 0;
	enum wire_verdict verdict = stage_carry(skb, frame);

	if (verdict == WIRE_DELIVERED)
		verdict = frame->path->cut;
	if (verdict != WIRE_DELIVERED)
		return verdict;
	if (frame->path->holds)
		read_times(skb, frame, stamp);
	verdict = cross_receiver(skb, frame, stamp);
	if (verdict == WIRE_DELIVERED && frame->path->holds)
		verdict = stage_hold(frame, departure_ns);
	return verdict;
}

/* What could not be put there is an error. What becomes of the others is counted where they come off the line. */
static __always_inline enum wire_verdict hold(struct __sk_buff *skb, const struct frame *frame, __u64 departure_ns,
					      int *action)
{
	__u32 zero = 0;
	struct wire_control *global = bpf_map_lookup_elem(&control, &zero);
	__u32 flush = frame->path->flush, weight = weight_of(skb);
	__s64 room = 1LL << weight;
	struct wire_counters *totals;

	if (!global || !global->line)
		return WIRE_ERROR;
	if (*(volatile __s64 *)&global->held + room > WIRE_MAX_HELD)
		return WIRE_QUEUE;
	write_label(skb, frame, departure_ns, weight);
	totals = find_counters(&frame->path->pair);
	/* Before it can come off again, on another processor. */
	ADD(global->held, room);
	count_held(totals, flush);
	*action = put_on_line(skb, global->line);
	if (*action != TC_ACT_SHOT)
		return WIRE_DELIVERED;
	count_released(totals, flush);
	ADD(global->held, -room);
	return WIRE_ERROR;
}

/* It leaves now, or is lost. Returns the action. */
static __always_inline int end_here(struct __sk_buff *skb, const struct frame *frame, struct fate *fate)
{
	count_verdict(&frame->path->pair, fate->verdict, frame->bits / 8);
	fate->kinds |= 1U << WIRE_EVENT_OUTCOME;
	clear_stamp(skb);
	return fate->verdict == WIRE_DELIVERED ? TC_ACT_OK : TC_ACT_SHOT;
}

/* The rest of the way of a frame that enters no line. */
static __always_inline int shape(struct __sk_buff *skb)
{
	struct frame frame = { .path = find_path(skb->ingress_ifindex, skb->ifindex),
			       .bits = leaving_bytes(skb) * 8ULL };
	struct fate fate = { .kinds = 1U << WIRE_EVENT_BOUND };
	__u64 departure_ns = 0;
	int action;

	if (!frame.path)
		return TC_ACT_OK;
	fate.verdict = decide(skb, &frame, &departure_ns);
	if (departure_ns && fate.verdict == WIRE_DELIVERED)
		fate.verdict = hold(skb, &frame, departure_ns, &action);
	else
		departure_ns = 0;
	if (!departure_ns || fate.verdict != WIRE_DELIVERED)
		action = end_here(skb, &frame, &fate);
	fate.pair = &frame.path->pair;
	fate.hop = frame.hop;
	return capture_fate(skb, &fate, action);
}

SEC("tc")
int wire_egress(struct __sk_buff *skb)
{
	__u32 zero = 0;
	const struct wire_control *global = bpf_map_lookup_elem(&control, &zero);

	if (!global)
		return TC_ACT_OK;
	/* What comes off the line has waited, and all is decided. (Frames of the switch itself have come in nowhere.) */
	if (skb->ingress_ifindex && skb->ingress_ifindex == global->line_end)
		return TC_ACT_OK;
	return shape(skb);
}

/* On the line: see line.h. */
SEC("tc")
int wire_line(struct __sk_buff *skb)
{
	return enter_line(skb);
}

SEC("tc")
int wire_due(struct __sk_buff *skb)
{
	return leave_line(skb);
}

char LICENSE[] SEC("license") = "GPL";
