/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stage "hold": what is due later is put on the line, a veth pair of the switch with fq on one end, and comes out at the other end
 * when its time has come: see line.h. Frames wait there and not on their port, whose queue the kernel empties when a cable is pulled.
 */
#ifndef PROVIUM_BPF_HOLD_H
#define PROVIUM_BPF_HOLD_H

#include <linux/pkt_cls.h>

#include "frame.h"

/*
 * fq lets nothing wait for longer than its horizon, a 32-bit number of microseconds (TCA_FQ_HORIZON): what would wait
 * for longer is refused here, where it is counted.
 */
#define HORIZON_NS (4294ULL * 1000000000ULL)

/* When it is due; 0: now. */
static __always_inline enum wire_verdict stage_hold(const struct frame *frame, __u64 *departure_ns)
{
	__u64 due_ns = frame->free_ns > frame->sent_ns ? frame->free_ns : frame->sent_ns;

	due_ns += frame->path->delay_ns;
	*departure_ns = due_ns == frame->sent_ns ? 0 : due_ns;
	return due_ns - frame->sent_ns > HORIZON_NS ? WIRE_QUEUE : WIRE_DELIVERED;
}

/*
 * What a frame takes of the line's room, as a power of two of WIRE_HELD_BYTES: an offload frame is as large as dozens of others.
 * It goes along with the frame, for the kernel may turn a tag that is in its bytes into one beside them.
 */
#define MAX_WEIGHT 8

static __always_inline __u32 weight_of(const struct __sk_buff *skb)
{
	__u32 weight = 0;

#pragma unroll
	for (int i = 0; i < MAX_WEIGHT; i++)
		weight += skb->len > WIRE_HELD_BYTES << i;
	return weight;
}

/*
 * What goes along with a frame on the line: `mark` is the device that it is for, `tc_index` the sender's port; in cb the time
 * at which it is due, fq's flow (words 0 to 2, which fq uses itself then), when it was sent (SENT_BITS of it), its weight (4 bits),
 * and the number of the flush before it (16 bits).
 */
#define SENT_BITS 44

static __always_inline void write_label(struct __sk_buff *skb, const struct frame *frame, __u64 departure_ns,
					__u32 weight)
{
	skb->mark = skb->ifindex;
	skb->tc_index = frame->path->pair.from;
	skb->cb[0] = (__u32)departure_ns;
	skb->cb[1] = (__u32)(departure_ns >> 32);
	/* One flow a sender, receiver and rule, for a flow waits for its head. */
	skb->cb[2] = (__u32)frame->path->flow;
	skb->cb[3] = (__u32)frame->sent_ns;
	skb->cb[4] = (__u32)(frame->sent_ns >> 32 & 0xfff) | weight << 12 | frame->path->flush << 16;
}

/*
 * Returns the action. A frame from a namespace node still has its socket attached, and that socket counts the frame as unsent for
 * as long as fq holds it: with TCP Small Queues a connection then crawls. A clone has no socket. (netem does the same with
 * skb_orphan_partial().)
 */
static __always_inline int put_on_line(struct __sk_buff *skb, __u32 line)
{
	if (!skb->sk)
		return bpf_redirect(line, 0);
	return bpf_clone_redirect(skb, line, 0) ? TC_ACT_SHOT : TC_ACT_STOLEN;
}

#endif
