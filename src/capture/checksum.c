// SPDX-License-Identifier: GPL-2.0-only
#include "capture/checksum.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#define VLAN_TAG	 4U
#define VXLAN_HEADER	 8U
#define VXLAN_PORT	 4789 /* RFC 7348 */
#define VXLAN_LINUX_PORT 8472 /* the kernel's default, older than that */
#define MAX_LAYERS	 4

/* What is still to be looked at: a frame, or the packet in it. */
struct piece {
	uint8_t *bytes;
	size_t size;
	uint16_t ethertype; /* 0: a frame */
};

static uint16_t get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* RFC 1071. */
static uint32_t add_up(const uint8_t *bytes, size_t size, uint32_t sum)
{
	for (; size > 1; bytes += 2, size -= 2)
		sum += get16(bytes);
	return size ? sum + (uint32_t)(*bytes << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static void cut(struct piece *piece, size_t count)
{
	piece->bytes += count;
	piece->size -= count;
}

/* Of a segment whose addresses have that sum. */
static void fill(uint8_t *segment, size_t size, uint8_t protocol, uint32_t addresses)
{
	size_t offset = protocol == IPPROTO_TCP ? offsetof(struct tcphdr, th_sum) : offsetof(struct udphdr, uh_sum);
	uint16_t open = fold(addresses + protocol + (uint32_t)(size >> 16) + (uint32_t)(size & 0xffff));
	uint16_t whole;

	if (size < offset + sizeof(whole) || get16(segment + offset) != open)
		return;
	/* The sum of the pseudo-header stands where the checksum goes, so it is added along. */
	whole = (uint16_t)~fold(add_up(segment, size, 0));
	if (!whole && protocol == IPPROTO_UDP)
		whole = 0xffff; /* 0 would say that there is none */
	whole = htons(whole);
	memcpy(segment + offset, &whole, sizeof(whole));
}

/* Goes on with what a packet carries. False: there is nothing more to look at. */
static bool enter_segment(struct piece *piece, uint8_t protocol, uint32_t addresses)
{
	uint16_t port;

	switch (protocol) {
	case IPPROTO_IPIP:
		piece->ethertype = ETH_P_IP;
		return true;
	case IPPROTO_IPV6:
		piece->ethertype = ETH_P_IPV6;
		return true;
	case IPPROTO_TCP:
		fill(piece->bytes, piece->size, protocol, addresses);
		return false;
	case IPPROTO_UDP:
		fill(piece->bytes, piece->size, protocol, addresses);
		if (piece->size < sizeof(struct udphdr) + VXLAN_HEADER)
			return false;
		port = get16(piece->bytes + offsetof(struct udphdr, uh_dport));
		cut(piece, sizeof(struct udphdr) + VXLAN_HEADER);
		piece->ethertype = 0;
		return port == VXLAN_PORT || port == VXLAN_LINUX_PORT;
	}
	return false;
}

static bool enter_ipv4(struct piece *piece)
{
	struct iphdr header;
	size_t total;

	if (piece->size < sizeof(header))
		return false;
	memcpy(&header, piece->bytes, sizeof(header));
	total = ntohs(header.tot_len);
	/* What is cut into fragments has had its checksum before. */
	if (header.version != 4 || header.ihl < 5 || header.ihl * 4U > total || total > piece->size ||
	    ntohs(header.frag_off) & (IP_MF | IP_OFFMASK))
		return false;
	piece->size = total;
	cut(piece, header.ihl * 4U);
	return enter_segment(piece, header.protocol,
			     add_up((const uint8_t *)&header.saddr, 2 * sizeof(header.saddr), 0));
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS;
}

static bool enter_ipv6(struct piece *piece)
{
	struct ip6_hdr header;
	uint8_t protocol;

	if (piece->size < sizeof(header))
		return false;
	memcpy(&header, piece->bytes, sizeof(header));
	cut(piece, sizeof(header));
	if (header.ip6_vfc >> 4 != 6 || ntohs(header.ip6_plen) > piece->size)
		return false;
	piece->size = ntohs(header.ip6_plen);
	protocol = header.ip6_nxt;
	while (is_extension(protocol) && piece->size >= 8 && (piece->bytes[1] + 1U) * 8 <= piece->size) {
		protocol = piece->bytes[0];
		cut(piece, (piece->bytes[1] + 1U) * 8);
	}
	return enter_segment(piece, protocol, add_up((const uint8_t *)&header.ip6_src, 2 * sizeof(header.ip6_src), 0));
}

static bool enter_frame(struct piece *piece)
{
	size_t offset = offsetof(struct ethhdr, h_proto);

	while (piece->size >= offset + VLAN_TAG + 2 &&
	       (get16(piece->bytes + offset) == ETH_P_8021Q || get16(piece->bytes + offset) == ETH_P_8021AD))
		offset += VLAN_TAG;
	if (piece->size < offset + 2)
		return false;
	piece->ethertype = get16(piece->bytes + offset);
	cut(piece, offset + 2);
	return true;
}

static bool enter(struct piece *piece)
{
	switch (piece->ethertype) {
	case 0:
		return enter_frame(piece);
	case ETH_P_IP:
		return enter_ipv4(piece);
	case ETH_P_IPV6:
		return enter_ipv6(piece);
	}
	return false;
}

void checksum_fill(uint8_t *frame, size_t size)
{
	struct piece piece = { .bytes = frame, .size = size };

	for (int layer = 0; layer < 2 * MAX_LAYERS && enter(&piece); layer++)
		;
}
