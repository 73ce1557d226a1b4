/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The class of a frame, for the dice: EtherType, protocol, and of ICMP the type, of TCP and UDP the lower of both ports, which is
 * the server's in both directions. Read only where a link rolls dice.
 */
#ifndef PROVIUM_BPF_CLASS_H
#define PROVIUM_BPF_CLASS_H

#include "headers.h"

static __always_inline __u16 lower_port(__u16 one, __u16 other)
{
	return one < other ? one : other;
}

/* Both ports, or the ICMP type: what the first bytes behind the IP header say. */
static __always_inline __u16 class_port(__u8 protocol, const __be16 first[2])
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return lower_port(bpf_ntohs(first[0]), bpf_ntohs(first[1]));
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return *(const __u8 *)first;
	}
	return 0;
}

static __always_inline bool read_class_v4(const struct iphdr *ip, const void *end, struct wire_class *class)
{
	const __be16 *first = (const void *)(ip + 1);

	if ((const void *)(first + 2) > end || ip->ihl != sizeof(*ip) / 4 || bpf_ntohs(ip->frag_off) & FRAGMENT_OFFSET)
		return false;
	class->protocol = ip->protocol;
	class->port = class_port(ip->protocol, first);
	return true;
}

static __always_inline bool read_class_v6(const struct ipv6hdr *ip, const void *end, struct wire_class *class)
{
	const __be16 *first = (const void *)(ip + 1);

	if ((const void *)(first + 2) > end)
		return false;
	if (ip->nexthdr != IPPROTO_TCP && ip->nexthdr != IPPROTO_UDP && ip->nexthdr != IPPROTO_ICMPV6)
		return false;
	class->protocol = ip->nexthdr;
	class->port = class_port(ip->nexthdr, first);
	return true;
}

/* Most frames can be read where they are. */
static __always_inline bool read_class_in_place(const struct __sk_buff *skb, struct wire_class *class)
{
	const void *data = (const void *)(__u64)skb->data, *end = (const void *)(__u64)skb->data_end;
	const struct ethhdr *header = data;

	if ((const void *)(header + 1) > end)
		return false;
	class->ethertype = bpf_ntohs(header->h_proto);
	if (class->ethertype == ETH_P_IP)
		return read_class_v4((const void *)(header + 1), end, class);
	if (class->ethertype == ETH_P_IPV6)
		return read_class_v6((const void *)(header + 1), end, class);
	return !is_tag(class->ethertype);
}

static __always_inline void read_class_anywhere(struct __sk_buff *skb, struct wire_class *class)
{
	__u32 zero = 0;
	struct event_room *room = bpf_map_lookup_elem(&event_rooms, &zero);

	if (!room)
		return;
	read_headers(skb, &room->headers);
	class->ethertype = room->headers.ethertype;
	class->protocol = room->headers.protocol;
	class->port = room->headers.icmp_type;
	/* Other protocols have ports, too, but where the frame is read in place they are not looked at. */
	if (class->protocol == IPPROTO_TCP || class->protocol == IPPROTO_UDP)
		class->port = lower_port(room->headers.ports[0], room->headers.ports[1]);
}

/* In one number, so that the verifier does not look at what follows once for each way that leads to it. */
static __always_inline __u64 read_class(struct __sk_buff *skb)
{
	struct wire_class class = { 0 };

	if (!read_class_in_place(skb, &class))
		read_class_anywhere(skb, &class);
	return (__u64) class.ethertype << 32 | (__u64) class.protocol << 16 | class.port;
}

#endif
