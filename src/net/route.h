/* SPDX-License-Identifier: GPL-2.0-only */
/* Routes and policy rules, IPv4 and IPv6. */
#ifndef PROVIUM_NET_ROUTE_H
#define PROVIUM_NET_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

struct error;
struct netlink;

/* Marks the routes that are ours (rtm_protocol), so that they can be replaced without touching any other. */
#define ROUTE_PROTOCOL 112 /* 'p'; 5 to 127 are free for user space, see include/uapi/linux/rtnetlink.h */

#define ROUTE_MAIN_TABLE 254U /* RT_TABLE_MAIN */

struct route {
	struct address destination; /* prefix 0: the default route */
	struct address gateway;	    /* family 0: none, the destination is on the link */
	int ifindex;
	uint32_t table;
	uint32_t metric;
	bool unreachable; /* instead of a device: ICMP "unreachable" to who asks */
};

/*
 * Makes the routes of ours in the table, on that device (0: whatever device), be the wanted ones: deletes what is too
 * much, adds what is missing, and leaves alone what is there already.
 */
int route_sync(struct netlink *nl, uint32_t table, int ifindex, const struct route *wanted, size_t count,
	       struct error *err);

/* Calls each() for every route of the main table with a device, whoever made it. */
int route_each(struct netlink *nl, int family, void (*each)(const struct route *route, void *context), void *context,
	       struct error *err);
/* The device of the default route with the lowest metric; an error with ENETUNREACH if there is none. */
int route_default_device(struct netlink *nl, int family, int *ifindex, struct error *err);

/* What comes in from the device is routed by this table. */
int route_add_rule(struct netlink *nl, int family, const char *from_device, uint32_t table, struct error *err);
/* Removes all of these rules. Safe if there are none. */
void route_delete_rules(struct netlink *nl, int family, uint32_t table);

#endif
