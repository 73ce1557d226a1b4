/* SPDX-License-Identifier: GPL-2.0-only */
/* Stage "hold": what is due later is stamped with that time, and the port's fq qdisc keeps it until then. */
#ifndef PROVIUM_BPF_HOLD_H
#define PROVIUM_BPF_HOLD_H

#include "frame.h"

/*
 * fq lets nothing wait for longer than its horizon, a 32-bit number of microseconds (TCA_FQ_HORIZON): what would wait
 * for longer is refused here, where it is counted.
 */
#define HORIZON_NS (4294ULL * 1000000000ULL)

static __always_inline bool shapes(const struct wire_link *link)
{
	return link->rate_bps || link->delay_ns;
}

static __always_inline bool may_hold(const struct path *path)
{
	return shapes(&path->access_out) || shapes(&path->medium) || shapes(&path->pair) || shapes(&path->access_in);
}

/*
 * A frame from a namespace node still has its socket attached, and that socket counts the frame as unsent for as long as
 * fq holds it: with TCP Small Queues a connection then crawls. A clone has no socket. It comes back through this
 * program, with ingress_ifindex kept, and is shaped there. (netem does the same with skb_orphan_partial().)
 */
static __always_inline bool must_clone(struct __sk_buff *skb, const struct path *path)
{
	return skb->sk && may_hold(path);
}

static __always_inline enum wire_verdict stage_hold(struct __sk_buff *skb, const struct frame *frame)
{
	__u64 departure_ns = frame->free_ns > frame->sent_ns ? frame->free_ns : frame->sent_ns;

	departure_ns += frame->delay_ns;
	if (departure_ns == frame->sent_ns)
		return WIRE_DELIVERED;
	if (departure_ns - frame->sent_ns > HORIZON_NS)
		return WIRE_QUEUE;
	/* fq would let TC_PRIO_CONTROL overtake, whatever its time. */
	skb->priority = 0;
	/* One flow a sender and rule, for a flow waits for its head. */
	bpf_set_hash(skb, (__u32)frame->flow);
	skb->tstamp = departure_ns;
	return WIRE_DELIVERED;
}

static __always_inline bool is_held(const struct frame *frame)
{
	return frame->free_ns > frame->sent_ns || frame->delay_ns;
}

#endif
