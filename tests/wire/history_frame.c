// SPDX-License-Identifier: GPL-2.0-only
#include "history_frame.h"

#include <string.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

uint64_t chance_next(struct chance *chance)
{
	uint64_t x = chance->state += 0x9e3779b97f4a7c15U;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
	x = (x ^ x >> 27) * 0x94d049bb133111ebU;
	return x ^ x >> 31;
}

uint64_t chance_below(struct chance *chance, uint64_t bound)
{
	return chance_next(chance) % bound;
}

bool chance_of(struct chance *chance, unsigned int percent)
{
	return chance_below(chance, 100) < percent;
}

uint64_t chance_up_to(struct chance *chance, uint64_t most)
{
	uint64_t number = chance_next(chance) >> chance_below(chance, 64);

	return number % (most + 1);
}

/* ---- The bytes. */

static void add_byte(struct frame_bytes *frame, uint8_t byte)
{
	frame->data[frame->length++] = byte;
}

static void add_short(struct frame_bytes *frame, uint16_t number)
{
	add_byte(frame, (uint8_t)(number >> 8));
	add_byte(frame, (uint8_t)number);
}

static void add_zeros(struct frame_bytes *frame, uint32_t count)
{
	frame->length += count;
}

static void add_noise(struct chance *chance, struct frame_bytes *frame, uint32_t count)
{
	while (count--)
		add_byte(frame, (uint8_t)chance_next(chance));
}

/* What the bridge itself does not take: to the groups of pause frames and of LACP, and from nobody or a group. */
static void add_addresses(struct chance *chance, struct frame_bytes *frame)
{
	static const uint8_t everybody[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, node[] = { 2, 0, 0, 0, 0, 1 },
			     pause[] = { 1, 0x80, 0xc2, 0, 0, 1 }, lacp[] = { 1, 0x80, 0xc2, 0, 0, 2 },
			     lldp[] = { 1, 0x80, 0xc2, 0, 0, 14 }, nobody[6];
	static const struct {
		const uint8_t *to, *from;
	} odd[] = { { pause, node }, { lacp, node }, { node, nobody }, { node, everybody }, { lldp, node } };
	const uint8_t *to = chance_of(chance, 50) ? everybody : node, *from = node;

	if (chance_of(chance, 3)) {
		uint64_t which = chance_below(chance, 5);

		to = odd[which].to;
		from = odd[which].from;
		frame->is_for_bridge = which < 4;
	}
	memcpy(frame->data, to, ETH_ALEN);
	memcpy(frame->data + ETH_ALEN, from, ETH_ALEN);
	frame->length = 2 * ETH_ALEN;
}

static void add_tags(struct chance *chance, struct frame_bytes *frame)
{
	uint64_t tags = chance_of(chance, 15) ? 1 + chance_below(chance, 2) : 0;

	for (uint64_t i = 0; i < tags; i++) {
		add_short(frame, chance_of(chance, 50) ? ETH_P_8021Q : ETH_P_8021AD);
		add_short(frame, (uint16_t)chance_below(chance, 4096));
	}
}

/* What stands behind the IP header. Ports are few, so that classes have many frames; the lower one says which. */
static void add_transport(struct chance *chance, struct frame_bytes *frame)
{
	static const uint16_t lower[] = { 53, 80, 5000 };
	uint16_t port = lower[chance_below(chance, 3)], other = (uint16_t)(40000 + chance_below(chance, 20000));
	bool is_answer = chance_of(chance, 50);

	switch (frame->class.protocol) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		frame->class.port = chance_of(chance, 50) ? 0 : 128 + (uint16_t)chance_below(chance, 10);
		add_byte(frame, (uint8_t)frame->class.port);
		add_zeros(frame, 7);
		return;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		frame->class.port = port;
	}
	/* Others have ports there, too, which are not of the class. */
	add_short(frame, is_answer ? port : other);
	add_short(frame, is_answer ? other : port);
	add_zeros(frame, 8);
	add_byte(frame, 8 << 4); /* the size of TCP's header, in words */
	add_zeros(frame, 19);
}

/* Sometimes there is nothing more, and then no port either. */
static void add_rest(struct chance *chance, struct frame_bytes *frame)
{
	uint32_t start = frame->length;

	if (chance_of(chance, 4))
		return;
	add_transport(chance, frame);
	if (frame->class.protocol == IPPROTO_TCP)
		frame->headers = start + 32;
	if (frame->class.protocol == IPPROTO_UDP)
		frame->headers = start + 8;
	if (chance_of(chance, 50))
		add_noise(chance, frame, (uint32_t)chance_below(chance, 120));
}

static void add_ipv4(struct chance *chance, struct frame_bytes *frame)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_UDP,	IPPROTO_TCP, IPPROTO_ICMP,
					     IPPROTO_GRE, IPPROTO_SCTP, 89,	     IPPROTO_UDPLITE };
	uint8_t words = chance_of(chance, 15) ? (uint8_t)(5 + chance_below(chance, 11)) : 5;
	uint16_t fragment = chance_of(chance, 10) ? (uint16_t)(1 + chance_below(chance, 0x1fff)) : 0;

	frame->class.protocol = protocols[chance_below(chance, sizeof(protocols))];
	add_byte(frame, (uint8_t)(0x40 | words));
	add_zeros(frame, 5);
	/* "More fragments" on the first one and in between. */
	add_short(frame, fragment | (chance_of(chance, 10) ? 0x2000 : 0));
	add_byte(frame, 64);
	add_byte(frame, frame->class.protocol);
	add_zeros(frame, words * 4U - 10);
	if (fragment)
		add_noise(chance, frame, 24);
	else
		add_rest(chance, frame);
}

/* Up to two headers in between. Returns whether the last one says that this is not the first fragment. */
static bool add_extensions(struct chance *chance, struct frame_bytes *frame, const uint8_t *types, uint64_t count)
{
	bool later = false;

	for (uint64_t i = 0; i < count && !later; i++) {
		uint8_t words = types[i] == IPPROTO_FRAGMENT ? 0 : (uint8_t)chance_below(chance, 3);

		later = types[i] == IPPROTO_FRAGMENT && chance_of(chance, 50);
		add_byte(frame, i + 1 < count && !later ? types[i + 1] : frame->class.protocol);
		add_byte(frame, words);
		add_short(frame, types[i] == IPPROTO_FRAGMENT ? (uint16_t)(later << 3 | 1) : 0);
		add_zeros(frame, 4 + 8U * words);
	}
	return later;
}

static void add_ipv6(struct chance *chance, struct frame_bytes *frame)
{
	static const uint8_t protocols[] = { IPPROTO_UDP,    IPPROTO_TCP,  IPPROTO_ICMPV6,
					     IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_NONE };
	static const uint8_t extensions[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT };
	uint8_t types[2] = { extensions[chance_below(chance, 4)], extensions[chance_below(chance, 4)] };
	uint64_t count = chance_of(chance, 30) ? 1 + chance_below(chance, 2) : 0;

	frame->class.protocol = protocols[chance_below(chance, sizeof(protocols))];
	add_byte(frame, 0x60);
	add_zeros(frame, 5);
	add_byte(frame, count ? types[0] : frame->class.protocol);
	add_zeros(frame, 33);
	if (add_extensions(chance, frame, types, count))
		add_noise(chance, frame, 24);
	else
		add_rest(chance, frame);
	/* The kernel segments none with extensions. */
	if (count)
		frame->headers = 0;
}

void make_frame(struct chance *chance, struct frame_bytes *frame)
{
	static const uint16_t ethertypes[] = { ETH_P_IP,   ETH_P_IP,  ETH_P_IP, ETH_P_IPV6,
					       ETH_P_IPV6, ETH_P_ARP, 0x88b5,	38 /* a length: 802.3 */ };

	*frame = (struct frame_bytes){ 0 };
	add_addresses(chance, frame);
	add_tags(chance, frame);
	frame->class.ethertype = ethertypes[chance_below(chance, 8)];
	add_short(frame, frame->class.ethertype);
	if (frame->class.ethertype == ETH_P_IP)
		add_ipv4(chance, frame);
	else if (frame->class.ethertype == ETH_P_IPV6)
		add_ipv6(chance, frame);
	else
		add_zeros(frame, (uint32_t)chance_below(chance, 120));
}
