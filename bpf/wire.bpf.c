// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wire: one program on every bridge port. `wire_ingress` sees what a node sends, `wire_egress` what a node is about to
 * get; all is decided at egress, for only there is the receiver of a flooded frame known. Each stage is a header beside
 * this file. Only the stable tc interface is used, so it loads on 5.15 and later without kernel headers.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "maps.h"
#include "frame.h"
#include "stamp.h"
#include "cut.h"
#include "cross.h"
#include "hold.h"
#include "count.h"
#include "carry.h"
#include "capture.h"

/* The one place where a verdict becomes an action. */
static __always_inline int settle(struct __sk_buff *skb, const struct frame *frame, enum wire_verdict verdict)
{
	count_verdict(frame, verdict);
	verdict = capture_outcome(skb, frame, verdict);
	return verdict == WIRE_DELIVERED ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc")
int wire_ingress(struct __sk_buff *skb)
{
	__u32 index = skb->ifindex;
	const struct wire_port *port = bpf_map_lookup_elem(&ports, &index);

	if (!port)
		return TC_ACT_OK;
	stage_stamp(skb);
	count_sent(skb, port);
	capture_sent(skb, port);
	return stage_enter(skb, port) ? TC_ACT_OK : TC_ACT_SHOT;
}

/* What becomes of the frame. False: it goes on as a clone, which comes back here and is decided then. */
static __always_inline bool decide(struct __sk_buff *skb, struct frame *frame, const struct path *path,
				   enum wire_verdict *verdict)
{
	*verdict = stage_carry(skb, frame);
	if (*verdict == WIRE_DELIVERED)
		*verdict = stage_cut(frame, path);
	if (*verdict != WIRE_DELIVERED)
		return true;
	if (must_clone(skb, path)) {
		*verdict = WIRE_ERROR;
		/* More than 0: the clone came here and was dropped, or fq had no room for it. That is counted already. */
		return bpf_clone_redirect(skb, skb->ifindex, 0) < 0;
	}
	frame->sent_ns = sent_at(skb, frame);
	*verdict = cross_path(frame, path);
	if (*verdict == WIRE_DELIVERED)
		*verdict = stage_hold(skb, frame);
	return true;
}

SEC("tc")
int wire_egress(struct __sk_buff *skb)
{
	struct frame frame = { 0 };
	enum wire_verdict verdict;
	struct path path;

	if (!identify(skb, &frame) || !find_path(&frame, &path))
		return TC_ACT_OK;
	if (!decide(skb, &frame, &path, &verdict))
		return TC_ACT_STOLEN;
	return settle(skb, &frame, verdict);
}

char LICENSE[] SEC("license") = "GPL";
