/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stage "stamp": what a frame takes over the bridge. It crosses its sender's side (access link and medium) once, where it enters;
 * its copies cross the rest. What came of the first half is noted in `mark` and `priority`, which the bridge and its flooding keep
 * (Linux 5.15 to 6.18), which nobody else uses in the switch namespace, and which are cleared before the frame leaves it.
 *
 *     mark                the lower half of the time at which the frame had passed its sender's side, delays not counted
 *     priority 31         there is such a time: something of the run delays, has a rate or captures
 *     priority 30         the frame has used the medium
 *     priority 29 ... 27  the verdict on the sender's side
 *     priority 26         the link that it belongs to: access link (0) or medium (1)
 *     priority 25 ... 0   how long the frame had to wait for the sender's side: an exponent of 5 bits, and 21 bits
 *
 * Rate and queue of all links count from when the frame was sent, which is the one less the other: the waiting time has 21 bits, so
 * it is exact up to 2 ms, and off by less than a millionth above, and so is when the frame was sent. When it leaves is exact.
 */
#ifndef PROVIUM_BPF_STAMP_H
#define PROVIUM_BPF_STAMP_H

#include "frame.h"

#define STAMP_TIMED    (1U << 31)
#define STAMP_MEDIUM   (1U << 30)
#define STAMP_VERDICT  27
#define STAMP_HOP      26
#define STAMP_EXPONENT 21
#define STAMP_MANTISSA ((1U << STAMP_EXPONENT) - 1)

/* Longer than any frame is on a bridge, and than the coarse clock is behind: together less than a turn of 32 bits, 4.3 s. */
#define MAX_AGE_NS  1000000000
#define MAX_LATE_NS 500000000

#define SHRINK(BITS)                                                                                                   \
	if (wait_ns >> (STAMP_EXPONENT + (BITS)-1)) {                                                                  \
		wait_ns >>= (BITS);                                                                                    \
		exponent += (BITS);                                                                                    \
	}

static __always_inline __u32 pack_wait(__u64 wait_ns)
{
	__u32 exponent = 0;

	if (wait_ns > STAMP_MANTISSA) {
		SHRINK(16);
		SHRINK(8);
		SHRINK(4);
		SHRINK(2);
		SHRINK(1);
	}
	return exponent << STAMP_EXPONENT | (__u32)wait_ns;
}

static __always_inline __u64 unpack_wait(__u32 stamp)
{
	return (__u64)(stamp & STAMP_MANTISSA) << (stamp >> STAMP_EXPONENT & 31);
}

static __always_inline void write_stamp(struct __sk_buff *skb, const struct frame *frame, enum wire_verdict verdict)
{
	__u64 passed_ns = frame->free_ns > frame->sent_ns ? frame->free_ns : frame->sent_ns;
	__u32 stamp = (__u32)verdict << STAMP_VERDICT;

	if (frame->path->uses_medium)
		stamp |= STAMP_MEDIUM;
	if (frame->hop == WIRE_MEDIUM)
		stamp |= 1U << STAMP_HOP;
	if (passed_ns)
		stamp |= STAMP_TIMED | pack_wait(passed_ns - frame->sent_ns);
	skb->mark = (__u32)passed_ns;
	skb->priority = stamp;
}

static __always_inline enum wire_verdict stamped_verdict(__u32 stamp)
{
	return stamp >> STAMP_VERDICT & 7;
}

static __always_inline enum wire_hop stamped_hop(__u32 stamp)
{
	return stamp >> STAMP_HOP & 1 ? WIRE_MEDIUM : WIRE_ACCESS_OUT;
}

/*
 * When the frame was sent, and had passed its sender's side: now, if it has no stamp. For the upper half of the time a clock will do
 * that is some milliseconds behind and takes a tenth of the time.
 */
static __always_inline void read_times(const struct __sk_buff *skb, struct frame *frame, __u32 stamp)
{
	__u64 wait_ns = unpack_wait(stamp), about_ns;
	__s32 age_ns;

	if (stamp & STAMP_TIMED) {
		about_ns = bpf_ktime_get_coarse_ns() + wait_ns;
		age_ns = (__s32)((__u32)about_ns - skb->mark);
		if (age_ns > -MAX_LATE_NS && age_ns < MAX_AGE_NS) {
			frame->free_ns = about_ns - age_ns;
			frame->sent_ns = frame->free_ns - wait_ns;
			return;
		}
	}
	frame->sent_ns = bpf_ktime_get_ns();
}

/* A tunnel device below a port would route by them. */
static __always_inline void clear_stamp(struct __sk_buff *skb)
{
	skb->mark = 0;
	skb->priority = 0;
}

#endif
