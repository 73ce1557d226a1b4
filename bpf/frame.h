/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame on its way: where it enters the bridge, or to one receiver. */
#ifndef PROVIUM_BPF_FRAME_H
#define PROVIUM_BPF_FRAME_H

#include <stdbool.h>

#include "maps.h"

#define VLAN_TAG_BYTES 4

struct frame {
	const struct path *path;
	__u64 bits;	   /* on the wire, frame check sequence not counted */
	__u64 sent_ns;	   /* 0 unless something may wait, or a capture asks: see stamp.h */
	__u64 free_ns;	   /* when the last of the rate-limited links so far has sent its last bit */
	enum wire_hop hop; /* the link that it is on */
};

/* A VLAN tag travels beside the data. wire_len counts the headers that segmentation adds, but not their tags. */
static __always_inline __u32 tag_bytes(const struct __sk_buff *skb)
{
	__u32 frames = skb->gso_segs > 1 ? skb->gso_segs : 1;

	return skb->vlan_present ? frames * VLAN_TAG_BYTES : 0;
}

static __always_inline __u64 frame_bits(const struct __sk_buff *skb)
{
	return (skb->wire_len + tag_bytes(skb)) * 8ULL;
}

#endif
