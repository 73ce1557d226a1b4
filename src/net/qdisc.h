/* SPDX-License-Identifier: GPL-2.0-only */
/* Two qdiscs: clsact, where the wire programs hang, and fq, which holds what is to leave later. */
#ifndef PROVIUM_NET_QDISC_H
#define PROVIUM_NET_QDISC_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct netlink;

struct fq_stats {
	uint64_t dropped; /* frames that fq itself refused: the limits below were not enough */
	uint32_t held;	  /* frames that are waiting now */
};

/* More than it is ever given: what bounds it is WIRE_MAX_HELD, where what is refused is counted. */
#define FQ_LIMIT_FRAMES 2000000U
/* The longest time from now at which fq lets a frame leave: TCA_FQ_HORIZON is a 32-bit number of microseconds. */
#define FQ_HORIZON_US UINT32_MAX

int qdisc_add_clsact(struct netlink *nl, int ifindex, struct error *err);

/* Puts fq on the device as the sole queue. ENOENT if the kernel has none. Cheapest while the device is down. */
int qdisc_add_fq(struct netlink *nl, int ifindex, struct error *err);
/* All zero if the device has no fq. */
int qdisc_fq_stats(struct netlink *nl, int ifindex, struct fq_stats *stats, struct error *err);

/* Attaches a loaded program in direct-action mode: egress or ingress of the device's clsact. */
int qdisc_attach_program(struct netlink *nl, int ifindex, bool egress, int program_fd, const char *name,
			 struct error *err);

#endif
