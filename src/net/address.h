/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv4 and IPv6 addresses and subnets: text, arithmetic, and putting one on a device. */
#ifndef PROVIUM_NET_ADDRESS_H
#define PROVIUM_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct netlink;

#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

/* An address with the length of its subnet's prefix. */
struct address {
	int family; /* AF_INET, AF_INET6, 0 for none */
	uint8_t prefix;
	uint8_t bytes[16]; /* network order; four of them for AF_INET */
};

/* In bytes. */
size_t address_size(int family);
/* Whatever the prefixes. */
bool address_equal(const struct address *a, const struct address *b);

/* Reads "10.1.0.0/16" or "fd00::/64" of the given family. Host bits must be zero. */
bool subnet_parse(const char *text, int family, struct address *subnet);
bool subnets_overlap(const struct address *a, const struct address *b);
/* How many hosts can be numbered from 1, at most 65,534. */
uint32_t subnet_hosts(const struct address *subnet);
/* The address of host number `host` in the subnet; the number must fit. */
struct address subnet_host(const struct address *subnet, uint32_t host);
/* The number of the host that has the address, if it is one of the subnet's 65,534 at most; 0 if it is not. */
uint32_t subnet_host_number(const struct address *subnet, const struct address *address);

/* Without the prefix, and with it. The buffers belong to the caller. */
const char *address_text(const struct address *address, char text[static ADDRESS_TEXT_SIZE]);
void subnet_text(const struct address *subnet, char text[static ADDRESS_TEXT_SIZE + 4]);

/*
 * Who asks for the address is answered from now on. IPv6 without duplicate address detection, for the lab gives every
 * address out once.
 */
int address_add(struct netlink *nl, int ifindex, const struct address *address, struct error *err);

/* Any address that is on the device, but for those of IPv6 that each device has by itself; family 0 if there is none. */
int address_find(struct netlink *nl, int ifindex, struct address *found, struct error *err);

#endif
