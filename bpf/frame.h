/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame on its way: who sent it, who is about to get it, and the links between them. */
#ifndef PROVIUM_BPF_FRAME_H
#define PROVIUM_BPF_FRAME_H

#include <stdbool.h>

#include "maps.h"

#define VLAN_TAG_BYTES 4

struct frame {
	struct wire_key pair;
	bool router;      /* one of the two ends is the router */
	__u64 now_ns;
	__u64 bits;       /* on the wire, frame check sequence not counted */
	__u64 epoch;
	__u64 seed;
	__u64 free_ns;    /* when the last of the rate-limited links has sent its last bit */
	__u64 delay_ns;   /* the sum of the links */
	__u64 flow;       /* of fq */
};

/* The links of a frame's path, NULL where there is none. */
struct path {
	const struct wire_link *access_out;
	const struct wire_link *medium;
	const struct wire_link *pair;
	const struct wire_link *access_in;
};

/*
 * The sender is the port by which the frame entered the bridge. The kernel keeps that index, in flooded copies too, and
 * no guest can forge it. A frame without one comes from the switch namespace itself: from = 0.
 */
static __always_inline bool identify(struct __sk_buff *skb, struct frame *frame)
{
	__u32 to_index = skb->ifindex, from_index = skb->ingress_ifindex, zero = 0;
	const struct wire_port *to = bpf_map_lookup_elem(&ports, &to_index);
	const struct wire_port *from = bpf_map_lookup_elem(&ports, &from_index);
	const struct wire_control *global = bpf_map_lookup_elem(&control, &zero);

	if (!to || !global)
		return false;
	frame->pair.bridge = to->bridge;
	frame->pair.to = to->port;
	frame->router = to->router;
	if (from && from->bridge == to->bridge) {
		frame->pair.from = from->port;
		frame->router |= from->router;
	}
	/* wire_len counts the headers that segmentation would add; the VLAN tag may travel beside the data. */
	frame->bits = (skb->wire_len + (skb->vlan_present ? VLAN_TAG_BYTES : 0)) * 8ULL;
	frame->epoch = global->epoch;
	frame->seed = global->seed;
	frame->flow = frame->pair.from;
	return true;
}

static __always_inline const struct wire_link *find_link(const struct frame *frame, __u16 from, __u16 to)
{
	struct wire_key key = { .bridge = frame->pair.bridge, .from = from, .to = to };
	const struct wire_rule *rule = bpf_map_lookup_elem(&links, &key);

	if (!rule)
		return NULL;
	return frame->epoch >= rule->since ? &rule->link : &rule->before;
}

/* A frame of the switch itself has no access link outwards and no pair: {bridge, 0, b} is b's access link. */
static __always_inline void find_path(const struct frame *frame, struct path *path)
{
	path->access_out = frame->pair.from ? find_link(frame, frame->pair.from, 0) : NULL;
	path->medium = find_link(frame, 0, 0);
	path->pair = frame->pair.from ? find_link(frame, frame->pair.from, frame->pair.to) : NULL;
	path->access_in = find_link(frame, 0, frame->pair.to);
}

#endif
