/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by router.c, uplink*.c and publish.c alone. */
#ifndef PROVIUM_LAB_ROUTER_INTERNAL_H
#define PROVIUM_LAB_ROUTER_INTERNAL_H

#include "lab/lab.h"
#include "lab/router.h"

struct buffer;
struct publication;
struct uplink;

struct router {
	struct run *run;
	struct machine machine; /* in no lab's list */
	int net;		/* its network namespace */
	struct netlink *nl;	/* in there */
	struct joint {
		struct bridge *a, *b;
	} * joints;
	size_t joint_count;
	struct bridge **uplinked;
	size_t uplinked_count;
	struct uplink *uplink; /* NULL unless a bridge has one */
	struct publication **publications;
	size_t publication_count;
};

#define UPLINK_TABLE  999U
#define UPLINK_DEVICE "uplink" /* in the router */

/* Makes the run's router if there is none yet. */
int router_need(struct run *run, struct error *err);
/* Gives the router its port on the bridge, unless it has one. */
int router_need_port(struct router *router, struct bridge *bridge, struct error *err);

/* Without any reason to be on the bridge, the router leaves it. */
void router_leave(struct router *router, struct bridge *bridge);

/*
 * uplink.c: the link from the router to the host. A bridge with an uplink has a number on it, from UPLINK_FIRST_BRIDGE on: the host
 * sees its nodes under that address.
 */
#define UPLINK_FIRST_BRIDGE 4U
int uplink_open(struct router *router, struct uplink **uplink, struct error *err);
void uplink_close(struct uplink *uplink); /* NULL is fine */
/* Has the rules be as router->uplinked and the ports that its bridges allow say. On an error they are as before. */
int uplink_sync(struct uplink *uplink, struct error *err);
/* Gateways of the uplink for the router; family 0 if the host does not route that family. */
void uplink_gateways(const struct uplink *uplink, struct address *gateway, struct address *gateway6);
int uplink_ifindex(const struct uplink *uplink);
/* The text of /etc/resolv.conf for nodes with an uplink. */
const char *uplink_resolver(const struct uplink *uplink);
/* Says on standard error which of the host's name servers nodes of the bridge do not reach. */
void uplink_tell_resolver(const struct uplink *uplink, const struct bridge *bridge);
/* An error if the host has a network that overlaps the bridge's subnets. */
int uplink_check_subnets(const struct run *run, const struct bridge *bridge, struct error *err);

/* uplink_rules.c: the chains of the two tables. link: the subnet of it that the addresses are from. */
void uplink_router_rules(struct buffer *text, const struct router *router, const struct address *link,
			 const struct address *link6);
void uplink_host_rules(struct buffer *text, const struct router *router, const char *device, const struct address *link,
		       const struct address *link6);

/* publish.c */
void publication_close(struct publication *publication);
const struct bridge *publication_bridge(const struct publication *publication);

#endif
