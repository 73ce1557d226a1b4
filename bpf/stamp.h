/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stage "stamp": when a frame was sent. Delay and rate count from there, not from when the kernel has brought the frame to
 * its receiver's port: what the bridge and this program take is no part of the wire. A frame carries the time across the
 * bridge as its mark, 32 bits that nobody else uses in the switch namespace, and that it loses when it leaves that.
 */
#ifndef PROVIUM_BPF_STAMP_H
#define PROVIUM_BPF_STAMP_H

#include "frame.h"

/* Longer than any frame is on a bridge, and less than the 4.3 s after which the lower half of the clock repeats. */
#define MAX_AGE_NS 1000000000U

static __always_inline void stage_stamp(struct __sk_buff *skb)
{
	/* 0 is no stamp. */
	skb->mark = (__u32)bpf_ktime_get_ns() | 1;
}

/* The whole of it: a mark has only the lower half. */
static __always_inline __u64 stamp_of(const struct __sk_buff *skb, __u64 now_ns)
{
	__u32 age_ns = (__u32)now_ns - skb->mark;

	return skb->mark && age_ns < MAX_AGE_NS ? now_ns - age_ns : now_ns;
}

/* A frame without a stamp is sent now, as are those of the switch itself, whose mark is not ours. */
static __always_inline __u64 sent_at(const struct __sk_buff *skb, const struct frame *frame)
{
	__u64 now_ns = bpf_ktime_get_ns();

	return frame->pair.from ? stamp_of(skb, now_ns) : now_ns;
}

#endif
