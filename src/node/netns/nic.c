// SPDX-License-Identifier: GPL-2.0-only
/* Network cards of a namespace node: veth pairs. One end is the port in the switch, the other the node's device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/ethtool.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "net/route.h"
#include "node/netns/netns.h"
#include "util/error.h"
#include "util/memory.h"

#define LOOPBACK_IFINDEX 1
/* The most that veth takes: the wire program, which counts, drops what is longer than the bridge's MTU; not the kernel. */
#define PORT_MTU 65535U
#define MAX_NICS 1024
/* Behind the connected routes of the node's own cards, which have none. The first card's wins. */
#define ROUTE_METRIC 1024U

static int open_inside(void *context, struct error *err)
{
	struct netns_node *node = context;
	/* Nodes of a lab have addresses from the lab; they do not look for routers. Kernels without IPv6 lack these. */
	static const char *const sysctls[] = {
		"net/ipv6/conf/default/accept_ra",
		"net/ipv6/conf/default/router_solicitations",
		"net/ipv6/conf/default/accept_dad",
	};

	/* The switch is silent (see namespace_make_switch), but a node speaks IPv6. */
	if (namespace_write_sysctl("net/ipv6/conf/default/disable_ipv6", "0", err) && err->code != ENOENT)
		return -err->code;
	for (size_t i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++)
		if (namespace_write_sysctl(sysctls[i], "0", err) && err->code != ENOENT)
			return -err->code;
	return netlink_open(&node->nl, err);
}

int netns_prepare_network(struct netns_node *node, struct error *err)
{
	if (namespace_visit(node->pidfd, open_inside, node, err) || link_set_up(node->nl, LOOPBACK_IFINDEX, true, err))
		return error_wrap(err, "prepare the network of node `%s`", node->name);
	return 0;
}

/* The first ethN that is free; both ends of a pair are made in one step, so a clash leaves nothing behind. */
static int create_pair(struct netns_node *node, struct node_nic *nic, struct error *err)
{
	struct veth veth = {
		.name = nic->port_name,
		.peer_pid = node->pid,
		.peer_name = nic->guest_name,
		.mtu = PORT_MTU,
		.peer_mtu = nic->mtu,
	};
	int taken;

	memcpy(veth.peer_mac, nic->mac, MAC_SIZE);
	for (int i = 0; i < MAX_NICS; i++) {
		snprintf(nic->guest_name, sizeof(nic->guest_name), "eth%d", i);
		if (link_index(node->nl, nic->guest_name, &taken, err))
			return err->code == ENODEV ? link_create_veth(node->switch_nl, &veth, err) : -err->code;
	}
	return error_set(err, ENOSPC, "node `%s` has %d network cards already", node->name, MAX_NICS);
}

static int single_frames(void *context, struct error *err)
{
	return ethtool_single_frames(context, err);
}

static int configure_inside(struct netns_node *node, struct node_nic *nic, struct error *err)
{
	struct error ignored;
	int ifindex;

	if (link_index(node->nl, nic->guest_name, &ifindex, err))
		return -err->code;
	/* `ip link show lan` in the node: a comfort, so a name that is taken or too odd is no error. */
	link_add_altname(node->nl, ifindex, nic->bridge_name, &ignored);
	if (!nic->offload && (namespace_visit(node->pidfd, single_frames, nic->guest_name, err) ||
			      ethtool_fill_checksums(nic->port_name, err)))
		return -err->code;
	if (nic->ip.family && address_add(node->nl, ifindex, &nic->ip, err))
		return -err->code;
	if (nic->ip6.family && address_add(node->nl, ifindex, &nic->ip6, err))
		return -err->code;
	return link_set_up(node->nl, ifindex, true, err);
}

int netns_plug(struct node *base, struct node_nic *nic, struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;
	struct error ignored;

	if (create_pair(node, nic, err))
		return -err->code;
	if (link_index(node->switch_nl, nic->port_name, &nic->ifindex, err) || configure_inside(node, nic, err)) {
		link_delete(node->switch_nl, nic->ifindex, &ignored);
		return -err->code;
	}
	return 0;
}

int netns_unplug(struct node *base, const struct node_nic *nic, struct error *err)
{
	return link_delete(((struct netns_node *)base)->switch_nl, nic->ifindex, err);
}

static int settle_inside(void *context, struct error *err)
{
	return ethtool_settle_carrier(context, err);
}

/* When one end of a veth pair is down, the other has no carrier. */
int netns_set_link(struct node *base, const struct node_nic *nic, bool up, struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;
	struct node_nic inside = *nic;

	if (link_set_up(node->switch_nl, nic->ifindex, up, err) || ethtool_settle_carrier(nic->port_name, err))
		return -err->code;
	/* The node may have given its end another name; then it settles by itself. */
	if (namespace_visit(node->pidfd, settle_inside, inside.guest_name, err) && err->code != ENODEV)
		return -err->code;
	return 0;
}

int netns_set_routes(struct node *base, const struct node_nic *nic, const struct node_route *routes, size_t count,
		     struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;
	struct route *wanted = memory_new((count + 1) * sizeof(*wanted));
	int ifindex;

	if (link_index(node->nl, nic->guest_name, &ifindex, err)) {
		free(wanted);
		return -err->code;
	}
	for (size_t i = 0; i < count; i++)
		wanted[i] = (struct route){
			.destination = routes[i].destination,
			.gateway = routes[i].gateway,
			.ifindex = ifindex,
			.table = ROUTE_MAIN_TABLE,
			/* Two cards may lead to the same place: not the same route then. */
			.metric = ROUTE_METRIC + (uint32_t)ifindex,
		};
	if (route_sync(node->nl, ROUTE_MAIN_TABLE, ifindex, wanted, count, err))
		error_wrap(err, "node `%s`", node->name);
	free(wanted);
	return -err->code;
}

int netns_forget_neighbours(struct node *base, const struct node_nic *nic, const struct neighbour_choice *choice,
			    struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;
	int ifindex;

	if (link_index(node->nl, nic->guest_name, &ifindex, err) ||
	    neighbours_forget_failed(node->nl, ifindex, choice, err))
		return error_wrap(err, "node `%s`", node->name);
	return 0;
}
