/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by router.c, uplink.c and publish.c alone. */
#ifndef PROVIUM_LAB_ROUTER_INTERNAL_H
#define PROVIUM_LAB_ROUTER_INTERNAL_H

#include "lab/lab.h"
#include "lab/router.h"

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

/* uplink.c: the link from the router to the host. */
int uplink_open(struct router *router, struct uplink **uplink, struct error *err);
void uplink_close(struct uplink *uplink); /* NULL is fine */
/* Gateways of the uplink for the router; family 0 if the host does not route that family. */
void uplink_gateways(const struct uplink *uplink, struct address *gateway, struct address *gateway6);
int uplink_ifindex(const struct uplink *uplink);
/* The text of /etc/resolv.conf for nodes with an uplink. */
const char *uplink_resolver(const struct uplink *uplink);
/* An error if the host has a network that overlaps the bridge's subnets. */
int uplink_check_subnets(const struct run *run, const struct bridge *bridge, struct error *err);

/* publish.c */
void publication_close(struct publication *publication);
const struct bridge *publication_bridge(const struct publication *publication);

#endif
