/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stage "carry": what the bridge would lose without a word, whatever the rules, is an error and counted. Who would have got
 * a frame is not known where it enters; what was kept there is counted for its sender, with nobody as the receiver.
 */
#ifndef PROVIUM_BPF_CARRY_H
#define PROVIUM_BPF_CARRY_H

#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>

#include "count.h"
#include "frame.h"

#define LINK_LOCAL	  0x0180c2000000ULL /* to ...00:0f: IEEE 802.1Q, table 8-1 */
#define PAUSE_GROUP	  (LINK_LOCAL | 1)
#define AGGREGATION_GROUP (LINK_LOCAL | 2) /* LACP */
#define GROUP_BIT	  (1ULL << 40)

static __always_inline __u64 read_mac(const __u8 *mac)
{
	return (__u64)mac[0] << 40 | (__u64)mac[1] << 32 | (__u64)mac[2] << 24 | (__u64)mac[3] << 16 |
	       (__u64)mac[4] << 8 | mac[5];
}

/* As br_handle_frame() in the kernel's net/bridge/br_input.c decides, with the group_fwd_mask that src/net/link.c sets. */
static __always_inline bool bridge_takes(const struct __sk_buff *skb)
{
	const struct ethhdr *header = (const void *)(__u64)skb->data;
	__u64 to, from;

	if ((const void *)(header + 1) > (const void *)(__u64)skb->data_end)
		return true;
	to = read_mac(header->h_dest);
	from = read_mac(header->h_source);
	return to != PAUSE_GROUP && to != AGGREGATION_GROUP && from && !(from & GROUP_BIT);
}

static __always_inline bool stage_enter(const struct __sk_buff *skb, const struct frame *frame)
{
	if (bridge_takes(skb))
		return true;
	count_verdict(&frame->path->pair, WIRE_ERROR, 0);
	return false;
}

/* As the kernel measures (is_skb_forwardable()): a tag within the data may make it longer, and segmentation cuts it. */
static __always_inline enum wire_verdict stage_carry(const struct __sk_buff *skb, const struct frame *frame)
{
	return skb->gso_size || skb->len <= frame->path->mtu + ETH_HLEN + VLAN_TAG_BYTES ? WIRE_DELIVERED : WIRE_ERROR;
}

#endif
