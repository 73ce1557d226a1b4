/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The line, on which frames wait: at its one end fq holds them until they are due, at the other one they come out and go on to the
 * port that they are for. So a frame counts as delivered when it has left, and what became of its receiver's cable, or of the
 * whole lab by lan:flush(), while it waited is known by then. hold.h says what goes along with a frame.
 */
#ifndef PROVIUM_BPF_LINE_H
#define PROVIUM_BPF_LINE_H

#include "capture.h"
#include "count.h"
#include "frame.h"

/*
 * Those that are held now, and those of them that no flush has met yet: a number and the flush that it counts from in one, so that
 * a flush needs to touch no counter. Where several processors change it at once, each takes another turn, of so many.
 */
#define HELD_TRIES 4

/* A frame of before a flush, on a processor that has not heard of it yet, is not one of those after it. */
static __always_inline void count_held(struct wire_counters *totals, __u32 flush)
{
	__u64 seen, next;

	if (!totals)
		return;
	ADD(totals->held, 1);
#pragma unroll
	for (int i = 0; i < HELD_TRIES; i++) {
		seen = *(volatile __u64 *)&totals->held_new;
		if ((__s32)(flush - (__u32)(seen >> 32)) < 0)
			return;
		next = flush == seen >> 32 ? seen + 1 : (__u64)flush << 32 | 1;
		if (__sync_val_compare_and_swap(&totals->held_new, seen, next) == seen)
			return;
	}
	/* The others do the same: no flush has come in between, or they have noted it. */
	ADD(totals->held_new, 1);
}

/* Of the flush the lower 16 bits will do. */
static __always_inline void count_released(struct wire_counters *totals, __u16 flush)
{
	__u64 seen;

	if (!totals)
		return;
	ADD(totals->held, -1);
#pragma unroll
	for (int i = 0; i < HELD_TRIES; i++) {
		seen = *(volatile __u64 *)&totals->held_new;
		if (flush != (__u16)(seen >> 32) || !(__u32)seen)
			return;
		if (__sync_val_compare_and_swap(&totals->held_new, seen, seen - 1) == seen)
			return;
	}
	ADD(totals->held_new, -1);
}

/* Where the label becomes what fq reads. Redirecting a frame has taken its time away. */
static __always_inline int enter_line(struct __sk_buff *skb)
{
	/* The kernel itself may have something to say on a device that is up. */
	if (!skb->mark)
		return TC_ACT_SHOT;
	/* fq would let TC_PRIO_CONTROL overtake, whatever its time. */
	skb->priority = 0;
	bpf_set_hash(skb, skb->cb[2]);
	/* sch_handle_egress() sets tc_index to the class that a program has chosen. */
	skb->tc_classid = skb->tc_index;
	skb->tstamp = (__u64)skb->cb[1] << 32 | skb->cb[0];
	return TC_ACT_OK;
}

/* Of when it was sent, the lower SENT_BITS. */
static __always_inline __u64 label_sent_ns(const struct __sk_buff *skb)
{
	return (__u64)(skb->cb[4] & 0xfff) << 32 | skb->cb[3];
}

static __always_inline int leave_line(struct __sk_buff *skb)
{
	__u32 zero = 0, index = skb->mark;
	__u16 flush = skb->cb[4] >> 16;
	__s64 room = 1LL << (skb->cb[4] >> 12 & 15);
	struct wire_control *global = bpf_map_lookup_elem(&control, &zero);
	const struct wire_port *to = bpf_map_lookup_elem(&ports, &index);
	enum wire_verdict verdict = WIRE_DELIVERED;
	struct wire_counters *totals;
	struct wire_key pair;
	struct fate fate;
	int action;

	if (!global)
		return TC_ACT_SHOT;
	if (!to) {
		/* Of a bridge that is gone, and all that was counted of it. */
		ADD(global->held, -room);
		return TC_ACT_SHOT;
	}
	pair = (struct wire_key){ .bridge = to->bridge, .from = skb->tc_index, .to = to->port };
	/* They are there since the frame was put on the line, or there was no room for them, or they went with their bridge meanwhile. */
	totals = look_up_counters(&pair);
	if (flush != (__u16)to->flush)
		verdict = WIRE_FLUSHED;
	else if (to->out)
		verdict = WIRE_DISCONNECTED;
	count_total(totals, verdict, entering_bytes(skb));
	if (totals && verdict == WIRE_DELIVERED)
		ADD(totals->delayed, 1);
	count_released(totals, flush);
	fate = (struct fate){
		.pair = &pair,
		.kinds = 1U << WIRE_EVENT_OUTCOME,
		.hop = WIRE_ACCESS_IN,
		.verdict = verdict,
		.sent_ns = label_sent_ns(skb),
	};
	skb->mark = 0;
	skb->tc_index = 0;
	action = capture_fate(skb, &fate, verdict == WIRE_DELIVERED ? (int)bpf_redirect(index, 0) : TC_ACT_SHOT);
	/* Last: once nothing is held, all that there is to say is said. */
	ADD(global->held, -room);
	return action;
}

#endif
