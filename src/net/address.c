// SPDX-License-Identifier: GPL-2.0-only
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "net/netlink.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/units.h"

#define MAX_HOSTS      65534
#define GROUP_NS       (5 * NS_PER_S)
#define GROUP_PAUSE_US 100

static unsigned int family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

size_t address_size(int family)
{
	return family_bits(family) / 8;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && (!a->family || memcmp(a->bytes, b->bytes, address_size(a->family)) == 0);
}

static bool bit_of(const struct address *address, unsigned int bit)
{
	return address->bytes[bit / 8] & (0x80 >> bit % 8);
}

bool subnet_parse(const char *text, int family, struct address *subnet)
{
	char before[ADDRESS_TEXT_SIZE] = "";
	const char *slash = strchr(text, '/');
	int64_t prefix;

	if (!slash || (size_t)(slash - text) >= sizeof(before))
		return false;
	memcpy(before, text, (size_t)(slash - text));
	*subnet = (struct address){ .family = family };
	if (inet_pton(family, before, subnet->bytes) != 1 || !units_integer(slash + 1, 1, family_bits(family), &prefix))
		return false;
	subnet->prefix = (uint8_t)prefix;
	for (unsigned int bit = subnet->prefix; bit < family_bits(family); bit++)
		if (bit_of(subnet, bit))
			return false;
	return true;
}

bool subnets_overlap(const struct address *a, const struct address *b)
{
	unsigned int common = a->prefix < b->prefix ? a->prefix : b->prefix;

	if (a->family != b->family)
		return false;
	for (unsigned int bit = 0; bit < common; bit++)
		if (bit_of(a, bit) != bit_of(b, bit))
			return false;
	return true;
}

uint32_t subnet_hosts(const struct address *subnet)
{
	unsigned int host_bits = family_bits(subnet->family) - subnet->prefix;

	if (host_bits >= 16)
		return MAX_HOSTS;
	if (host_bits < 2)
		return 0;
	return (1U << host_bits) - 2;
}

struct address subnet_host(const struct address *subnet, uint32_t host)
{
	struct address address = *subnet;

	for (unsigned int last = family_bits(subnet->family) / 8 - 1; host; last--, host >>= 8)
		address.bytes[last] |= (uint8_t)host;
	return address;
}

uint32_t subnet_host_number(const struct address *subnet, const struct address *address)
{
	const uint8_t *last = address->bytes + address_size(address->family) - 1;
	const uint8_t *base = subnet->bytes + address_size(subnet->family) - 1;
	uint32_t host = (uint32_t)(last[-1] ^ base[-1]) << 8 | (last[0] ^ base[0]);
	struct address same = subnet_host(subnet, host);

	return host <= subnet_hosts(subnet) && address_equal(&same, address) ? host : 0;
}

const char *address_text(const struct address *address, char text[static ADDRESS_TEXT_SIZE])
{
	inet_ntop(address->family, address->bytes, text, ADDRESS_TEXT_SIZE);
	return text;
}

void subnet_text(const struct address *subnet, char text[static ADDRESS_TEXT_SIZE + 4])
{
	size_t used;

	address_text(subnet, text);
	used = strlen(text);
	snprintf(text + used, ADDRESS_TEXT_SIZE + 4 - used, "/%u", subnet->prefix);
}

/* The group by which a host is asked for its address: RFC 4291, section 2.7.1, "solicited-node". */
static struct address solicited_node(const struct address *address)
{
	struct address group = {
		.family = AF_INET6,
		.bytes = { 0xff, 0x02, [11] = 0x01, [12] = 0xff, address->bytes[13], address->bytes[14],
			   address->bytes[15] },
	};

	return group;
}

struct group_search {
	unsigned int ifindex;
	struct address group;
	bool found;
};

static int take_group(const struct nlmsghdr *answer, void *context)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(answer);
	struct group_search *search = context;
	const struct nlattr *attr;

	if ((unsigned int)header->ifa_index != search->ifindex || header->ifa_family != AF_INET6)
		return MNL_CB_OK;
	mnl_attr_for_each (attr, answer, sizeof(*header))
		search->found |= mnl_attr_get_type(attr) == IFA_MULTICAST &&
				 memcmp(mnl_attr_get_payload(attr), search->group.bytes, address_size(AF_INET6)) == 0;
	return MNL_CB_OK;
}

/*
 * The kernel takes an IPv6 address at once, but joins the group in a worker: addrconf_dad_start() and addrconf_dad_begin() in
 * net/ipv6/addrconf.c. Until then nobody who asks for it is answered.
 */
static int await_group(struct netlink *nl, int ifindex, const struct address *address, struct error *err)
{
	struct group_search search = { .ifindex = (unsigned int)ifindex, .group = solicited_node(address) };
	struct ifaddrmsg header = { .ifa_family = AF_INET6, .ifa_index = (unsigned int)ifindex };
	uint64_t deadline_ns = clock_after(GROUP_NS);

	for (;;) {
		netlink_begin(nl, RTM_GETMULTICAST, NLM_F_DUMP, &header, sizeof(header));
		if (netlink_answers(nl, take_group, &search, err))
			return error_wrap(err, "list the groups of device %d", ifindex);
		if (search.found || clock_now() >= deadline_ns)
			return 0;
		usleep(GROUP_PAUSE_US);
	}
}

int address_add(struct netlink *nl, int ifindex, const struct address *address, struct error *err)
{
	struct ifaddrmsg header = {
		.ifa_family = (unsigned char)address->family,
		.ifa_prefixlen = address->prefix,
		.ifa_index = (unsigned int)ifindex,
		.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
	};
	size_t size = address_size(address->family);
	char text[ADDRESS_TEXT_SIZE];

	netlink_begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_put(nl, IFA_LOCAL, address->bytes, size);
	netlink_put(nl, IFA_ADDRESS, address->bytes, size);
	if (address->family == AF_INET) {
		struct address broadcast = *address;

		for (unsigned int bit = address->prefix; bit < 32; bit++)
			broadcast.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		netlink_put(nl, IFA_BROADCAST, broadcast.bytes, size);
	}
	if (netlink_ack(nl, err))
		return error_wrap(err, "put address %s on device %d", address_text(address, text), ifindex);
	return address->family == AF_INET6 ? await_group(nl, ifindex, address, err) : 0;
}

struct search {
	unsigned int ifindex;
	struct address *found;
};

static int take_address(const struct nlmsghdr *answer, void *context)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(answer);
	const struct search *search = context;
	const struct nlattr *attr;

	if (header->ifa_index != search->ifindex || header->ifa_scope == RT_SCOPE_LINK ||
	    (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_for_each (attr, answer, sizeof(*header)) {
		size_t size = address_size(header->ifa_family);

		if (mnl_attr_get_type(attr) != IFA_ADDRESS || mnl_attr_get_payload_len(attr) < size)
			continue;
		*search->found = (struct address){ .family = header->ifa_family, .prefix = header->ifa_prefixlen };
		memcpy(search->found->bytes, mnl_attr_get_payload(attr), size);
	}
	return MNL_CB_OK;
}

int address_find(struct netlink *nl, int ifindex, struct address *found, struct error *err)
{
	struct ifaddrmsg header = { .ifa_family = AF_UNSPEC };
	struct search search = { .ifindex = (unsigned int)ifindex, .found = found };

	*found = (struct address){ 0 };
	netlink_begin(nl, RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
	return netlink_answers(nl, take_address, &search, err)
		       ? error_wrap(err, "list the addresses of device %d", ifindex)
		       : 0;
}
