/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame on its way: who sent it, who is about to get it, and the links between them. */
#ifndef PROVIUM_BPF_FRAME_H
#define PROVIUM_BPF_FRAME_H

#include <stdbool.h>

#include "maps.h"

#define VLAN_TAG_BYTES 4
#define PATH_TRIES     8

struct frame {
	struct wire_key pair;
	bool router;   /* one of the two ends is the router */
	__u64 sent_ns; /* 0 until it is looked up: see stamp.h */
	__u32 mtu;     /* of the bridge */
	__u64 bits;    /* on the wire, frame check sequence not counted */
	__u64 seed;
	__u64 seeding;
	__u64 free_ns;	   /* when the last of the rate-limited links has sent its last bit */
	__u64 delay_ns;	   /* the sum of the links */
	__u64 flow;	   /* of fq */
	enum wire_hop hop; /* the link that it is on */
};

/* The links of a frame's path, all zero where there is none. */
struct path {
	struct wire_link access_out;
	struct wire_link medium;
	struct wire_link pair;
	struct wire_link access_in;
};

/* A VLAN tag travels beside the data. wire_len counts the headers that segmentation adds, but not their tags. */
static __always_inline __u32 tag_bytes(const struct __sk_buff *skb)
{
	__u32 frames = skb->gso_segs > 1 ? skb->gso_segs : 1;

	return skb->vlan_present ? frames * VLAN_TAG_BYTES : 0;
}

/*
 * The sender is the port by which the frame entered the bridge. The kernel keeps that index, in flooded copies too, and
 * no guest can forge it. A frame without one comes from the switch namespace itself: from = 0.
 */
static __always_inline bool identify(struct __sk_buff *skb, struct frame *frame)
{
	__u32 to_index = skb->ifindex, from_index = skb->ingress_ifindex;
	const struct wire_port *to = bpf_map_lookup_elem(&ports, &to_index);
	const struct wire_port *from = bpf_map_lookup_elem(&ports, &from_index);

	if (!to)
		return false;
	frame->pair.bridge = to->bridge;
	frame->pair.to = to->port;
	frame->router = to->router;
	frame->mtu = to->mtu;
	if (from && from->bridge == to->bridge) {
		frame->pair.from = from->port;
		frame->router |= from->router;
	}
	frame->bits = (skb->wire_len + tag_bytes(skb)) * 8ULL;
	/* Above the generation, which is mixed in next: 1 with generation 2 is not 2 with generation 1. */
	frame->flow = (__u64)frame->pair.from << 32;
	return true;
}

static __always_inline void read_link(const struct frame *frame, __u64 epoch, __u16 from, __u16 to,
				      struct wire_link *link)
{
	struct wire_key key = { .bridge = frame->pair.bridge, .from = from, .to = to };
	struct wire_rule *rule = bpf_map_lookup_elem(&links, &key);

	if (!rule)
		return;
	bpf_spin_lock(&rule->lock);
	*link = epoch >= rule->since ? rule->link : rule->before;
	bpf_spin_unlock(&rule->lock);
}

/* A frame of the switch itself has no access link outwards and no pair: {bridge, 0, b} is b's access link. */
static __always_inline void read_path(const struct frame *frame, __u64 epoch, struct path *path)
{
	*path = (struct path){ 0 };
	read_link(frame, epoch, 0, 0, &path->medium);
	read_link(frame, epoch, 0, frame->pair.to, &path->access_in);
	if (!frame->pair.from)
		return;
	read_link(frame, epoch, frame->pair.from, 0, &path->access_out);
	read_link(frame, epoch, frame->pair.from, frame->pair.to, &path->pair);
}

/*
 * Rules change while frames are on their way, and the kernel uses the memory of a deleted element again at once. So all
 * is copied, and counts if the epoch has not moved meanwhile: see wire_commit(). With a commit every microsecond the
 * last copy has to do.
 */
static __always_inline bool find_path(struct frame *frame, struct path *path)
{
	__u32 zero = 0;
	volatile const struct wire_control *global = bpf_map_lookup_elem(&control, &zero);
	__u64 epoch;

	if (!global)
		return false;
	for (int tries = 0; tries < PATH_TRIES; tries++) {
		epoch = global->epoch;
		read_path(frame, epoch, path);
		if (global->epoch == epoch)
			break;
	}
	/* In this order: what wire_set_seed() writes first is read last. */
	frame->seeding = global->seeding;
	frame->seed = global->seed;
	return true;
}

#endif
