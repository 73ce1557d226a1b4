/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The router: one namespace node a run, with a port on each bridge that needs one, so that every rule can be said about
 * it too. It has the first address of each subnet. It forwards between bridges that are joined, and from bridges with an
 * uplink to the network that the run was started in, and nothing else:
 *
 *   - what comes in from bridge n is routed by a table of its own, 1000 + n, with the subnets it may reach and, for the
 *     rest, "unreachable", which the sender learns by ICMP;
 *   - what comes in from the uplink is routed by the table 999, with the subnets of the bridges that have an uplink.
 */
#ifndef PROVIUM_LAB_ROUTER_H
#define PROVIUM_LAB_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address;
struct bridge;
struct error;
struct host_ports;
struct member;
struct run;

/*
 * IP traffic between the one and each of the others flows, both ways; or not any more. All of them, or none and an error. Joining
 * twice is fine, and so is parting what is not joined.
 */
int router_join(struct bridge *bridge, struct bridge *const *others, size_t count, struct error *err);
int router_part(struct bridge *bridge, struct bridge *const *others, size_t count, struct error *err);
bool router_is_joined(const struct bridge *a, const struct bridge *b);
/* The bridges that this one is joined to. Returns how many; the array is the caller's to free. */
size_t router_joined(const struct bridge *bridge, struct bridge ***bridges);

int router_enable_uplink(struct bridge *bridge, struct error *err);
int router_disable_uplink(struct bridge *bridge, struct error *err);
bool router_has_uplink(const struct bridge *bridge);
/*
 * Of the host itself, which an uplink alone does not lead to, nodes of the bridge reach these ports too, at any of its addresses,
 * as long as the bridge is open. Whether it has an uplink already or gets one later.
 */
int router_allow_host(struct bridge *bridge, const struct host_ports *ports, size_t count, struct error *err);
/* An address at which nodes of the bridge find the host; false if it has no uplink. */
bool router_host_address(const struct bridge *bridge, struct address *address);

/* Gives a member that was just plugged the routes that belong to its bridge. */
int router_settle(struct member *member, struct error *err);
/* The bridge is about to close. */
void router_forget_bridge(struct bridge *bridge);
void router_close(struct run *run);

/*
 * publish.c: connections to a TCP port of the host, on the given IPv4 address, go to that port of the member. The host port
 * 0 lets the kernel choose one. Ends with the member's bridge, or with the run.
 */
int router_publish(struct member *member, uint16_t port, const char *host_address, uint16_t *host_port,
		   struct error *err);

#endif
