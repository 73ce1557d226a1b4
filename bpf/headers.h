/* SPDX-License-Identifier: GPL-2.0-only */
/* What a filter may ask about the inside of a frame, and the dice: read for captures that filter by it, and for lossy links. */
#ifndef PROVIUM_BPF_HEADERS_H
#define PROVIUM_BPF_HEADERS_H

#include <linux/in.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>

#include "maps.h"

#define MAX_TAGS	   2
#define MAX_EXTENSIONS	   6
#define FRAGMENT_OFFSET	   0x1fff /* of IPv4's 16 bits */
#define FRAGMENT_OFFSET_V6 0xfff8

/* All five protocols begin with both ports. */
static __always_inline void read_ports(struct __sk_buff *skb, __u32 offset, struct headers *headers)
{
	__be16 ports[2];

	switch (headers->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_UDPLITE:
		if (bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)))
			return;
		headers->ports[0] = bpf_ntohs(ports[0]);
		headers->ports[1] = bpf_ntohs(ports[1]);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		bpf_skb_load_bytes(skb, offset, &headers->icmp_type, sizeof(headers->icmp_type));
	}
}

static __always_inline void read_ipv4(struct __sk_buff *skb, __u32 offset, struct headers *headers)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return;
	headers->protocol = ip.protocol;
	if (!(bpf_ntohs(ip.frag_off) & FRAGMENT_OFFSET))
		read_ports(skb, offset + ip.ihl * 4U, headers);
}

/* The size of an extension header, 0 if it is none, or one behind which there is nothing that we could read. */
static __always_inline __u32 extension_size(__u8 type, const __u8 start[4])
{
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return (start[1] + 1U) * 8;
	case IPPROTO_AH:
		return (start[1] + 2U) * 4;
	case IPPROTO_FRAGMENT:
		/* Only the first fragment has the headers that follow. */
		return (start[2] << 8 | start[3]) & FRAGMENT_OFFSET_V6 ? 0 : 8;
	}
	return 0;
}

static __always_inline void read_ipv6(struct __sk_buff *skb, __u32 offset, struct headers *headers)
{
	struct ipv6hdr ip;
	__u8 start[4];

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return;
	headers->protocol = ip.nexthdr;
	offset += sizeof(ip);
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		__u32 size;

		if (bpf_skb_load_bytes(skb, offset, start, sizeof(start)))
			return;
		size = extension_size(headers->protocol, start);
		if (!size && headers->protocol == IPPROTO_FRAGMENT) {
			/* What it is a fragment of is told all the same. */
			headers->protocol = start[0];
			return;
		}
		if (!size)
			break;
		headers->protocol = start[0];
		offset += size;
	}
	read_ports(skb, offset, headers);
}

static __always_inline bool is_tag(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

static __noinline int read_headers(struct __sk_buff *skb, struct headers *headers)
{
	__u32 offset = offsetof(struct ethhdr, h_proto);
	__be16 type;

	*headers = (struct headers){ 0 };
	if (skb->vlan_present)
		headers->tag_type = bpf_ntohs(skb->vlan_proto);
	for (int i = 0; i <= MAX_TAGS; i++) {
		if (bpf_skb_load_bytes(skb, offset, &type, sizeof(type)))
			return 0;
		headers->ethertype = bpf_ntohs(type);
		if (!is_tag(headers->ethertype))
			break;
		if (!headers->tag_type)
			headers->tag_type = headers->ethertype;
		offset += 4;
	}
	offset += sizeof(type);
	if (headers->ethertype == ETH_P_IP)
		read_ipv4(skb, offset, headers);
	else if (headers->ethertype == ETH_P_IPV6)
		read_ipv6(skb, offset, headers);
	return 0;
}

#endif
