// SPDX-License-Identifier: GPL-2.0-only
#include "capture/names.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

struct name {
	const char *text;
	uint16_t number;
};

static const struct name protocols[] = {
	{ "icmp", 1 },	{ "igmp", 2 },	 { "tcp", 6 },	  { "udp", 17 },      { "dccp", 33 },	   { "gre", 47 },
	{ "esp", 50 },	{ "ah", 51 },	 { "icmp6", 58 }, { "icmpv6", 58 },   { "ipv6-icmp", 58 }, { "ospf", 89 },
	{ "pim", 103 }, { "vrrp", 112 }, { "sctp", 132 }, { "udplite", 136 },
};

static const struct name ethertypes[] = {
	{ "ip", 0x0800 },   { "ipv4", 0x0800 },	   { "arp", 0x0806 },  { "vlan", 0x8100 },  { "802.1q", 0x8100 },
	{ "ip6", 0x86dd },  { "ipv6", 0x86dd },	   { "mpls", 0x8847 }, { "pppoe", 0x8864 }, { "802.1x", 0x888e },
	{ "qinq", 0x88a8 }, { "802.1ad", 0x88a8 }, { "lldp", 0x88cc }, { "ptp", 0x88f7 },
};

static bool find(const struct name *names, size_t count, const char *text, unsigned long most, uint16_t *number)
{
	char *end;
	unsigned long value;

	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(names[i].text, text) == 0) {
			*number = names[i].number;
			return true;
		}
	}
	/* 0x86dd is how EtherTypes are written. No blanks, no signs, and 010 is ten. */
	errno = 0;
	value = strtoul(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
	if (errno || !isdigit((unsigned char)*text) || *end || value < 1 || value > most)
		return false;
	*number = (uint16_t)value;
	return true;
}

bool names_protocol(const char *text, uint8_t *protocol)
{
	uint16_t number;

	if (!find(protocols, sizeof(protocols) / sizeof(protocols[0]), text, UINT8_MAX, &number))
		return false;
	*protocol = (uint8_t)number;
	return true;
}

bool names_ethertype(const char *text, uint16_t *ethertype)
{
	return find(ethertypes, sizeof(ethertypes) / sizeof(ethertypes[0]), text, UINT16_MAX, ethertype);
}
