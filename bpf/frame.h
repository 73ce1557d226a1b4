/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame on its way: where it enters the bridge, or to one receiver. */
#ifndef PROVIUM_BPF_FRAME_H
#define PROVIUM_BPF_FRAME_H

#include <stdbool.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>

#include "headers.h"
#include "maps.h"

#define VLAN_TAG_BYTES	 4
#define UDP_HEADER_BYTES 8
#define TCP_DATA_OFFSET	 12 /* in its upper half; in words of 4 bytes */

struct frame {
	const struct path *path;
	__u64 bits;	   /* on the wire, frame check sequence not counted */
	__u64 sent_ns;	   /* 0 unless something may wait, or a capture asks: see stamp.h */
	__u64 free_ns;	   /* when the last of the rate-limited links so far has sent its last bit */
	enum wire_hop hop; /* the link that it is on */
	__u64 class;	   /* read where a link rolls dice: see class.h */
};

/* A VLAN tag travels beside the data. wire_len counts the headers that segmentation adds, but not their tags. */
static __always_inline __u32 leaving_bytes(const struct __sk_buff *skb)
{
	__u32 frames = skb->gso_segs > 1 ? skb->gso_segs : 1;

	return skb->wire_len + (skb->vlan_present ? frames * VLAN_TAG_BYTES : 0);
}

/* All headers of an offload frame, as each of its segments has them; 0 if it has no such. */
static __noinline __u32 segment_headers(struct __sk_buff *skb)
{
	__u32 offset = offsetof(struct ethhdr, h_proto);
	__u8 first, protocol = 0;
	__be16 type = 0;

	for (int i = 0; i <= MAX_TAGS; i++) {
		if (bpf_skb_load_bytes(skb, offset, &type, sizeof(type)))
			return 0;
		offset += sizeof(type);
		if (!is_tag(bpf_ntohs(type)))
			break;
		offset += sizeof(type);
	}
	if (type == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, offset, &first, 1) ||
		    bpf_skb_load_bytes(skb, offset + offsetof(struct iphdr, protocol), &protocol, 1))
			return 0;
		offset += (first & 15) * 4;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, offset + offsetof(struct ipv6hdr, nexthdr), &protocol, 1))
			return 0;
		offset += sizeof(struct ipv6hdr);
	}
	if (protocol == IPPROTO_UDP)
		return offset + UDP_HEADER_BYTES;
	if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, offset + TCP_DATA_OFFSET, &first, 1))
		return 0;
	return offset + (first >> 4) * 4;
}

/*
 * The same where a frame comes in, for which the kernel does not add the headers up (as qdisc_pkt_len_init() does where it leaves),
 * nor, in wire_len, the Ethernet header.
 */
static __always_inline __u32 entering_bytes(struct __sk_buff *skb)
{
	__u32 tag = skb->vlan_present ? VLAN_TAG_BYTES : 0, headers, frames;

	if (!skb->gso_size)
		return skb->len + tag;
	headers = segment_headers(skb);
	frames = headers && headers < skb->len ? (skb->len - headers + skb->gso_size - 1) / skb->gso_size : 1;
	return skb->len + (frames - 1) * headers + frames * tag;
}

#endif
