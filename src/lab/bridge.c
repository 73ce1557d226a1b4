// SPDX-License-Identifier: GPL-2.0-only
/* Bridges, from their making to their end. Who is on them is in member.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lab/capture.h"
#include "lab/lab.h"
#include "util/list.h"
#include "lab/registry.h"
#include "lab/router.h"
#include "lab/run.h"
#include "lab/strangers.h"
#include "net/link.h"
#include "util/error.h"
#include "util/memory.h"
#include "wire/wire.h"

#define DEFAULT_MTU 1500
#define MIN_MTU	    1280 /* of IPv6, RFC 8200, section 5 */
#define MAX_MTU	    65535
#define MIN_HOSTS   2U

static int overlaps(const struct lab *lab, const struct address *subnet, struct error *err)
{
	for (size_t i = 0; i < lab->bridge_count; i++) {
		const struct bridge *other = lab->bridges[i];

		if (subnets_overlap(subnet, &other->subnet) || subnets_overlap(subnet, &other->subnet6))
			return error_set(err, EADDRINUSE, "the subnet overlaps that of bridge `%s`; choose another",
					 other->name);
	}
	return 0;
}

/* What every kernel keeps for itself: frames for such addresses never reach the wire, whatever is cut there. */
static int check_unicast(const struct address *subnet, struct error *err)
{
	static const char *const kept[] = {
		"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/16", "fe80::/10", "ff00::/8"
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		struct address other;

		if (subnet_parse(kept[i], strchr(kept[i], ':') ? AF_INET6 : AF_INET, &other) &&
		    subnets_overlap(subnet, &other))
			return error_set(err, EINVAL,
					 "the subnet overlaps %s, whose addresses are no hosts' on a network; "
					 "choose another, like \"10.20.0.0/16\" or \"fd00:20::/64\"",
					 kept[i]);
	}
	return 0;
}

static int choose_subnets(struct lab *lab, struct bridge *bridge, const struct bridge_options *options,
			  struct error *err)
{
	struct address given = { 0 }, given6 = { 0 };

	if (options->subnet && !subnet_parse(options->subnet, AF_INET, &given))
		return error_set(err, EINVAL, "`subnet` is \"%s\"; an IPv4 network like \"10.20.0.0/16\" is accepted",
				 options->subnet);
	if (options->subnet6 && !subnet_parse(options->subnet6, AF_INET6, &given6))
		return error_set(err, EINVAL, "`subnet6` is \"%s\"; an IPv6 network like \"fd00:20::/64\" is accepted",
				 options->subnet6);
	if ((given.family && subnet_hosts(&given) < MIN_HOSTS) || (given6.family && subnet_hosts(&given6) < MIN_HOSTS))
		return error_set(err, EINVAL,
				 "the subnet %s has no room for the router and a node; choose a larger one",
				 given.family && subnet_hosts(&given) < MIN_HOSTS ? options->subnet : options->subnet6);
	if ((given.family && check_unicast(&given, err)) || (given6.family && check_unicast(&given6, err)))
		return -err->code;
	if ((given.family && overlaps(lab, &given, err)) || (given6.family && overlaps(lab, &given6, err)))
		return -err->code;
	do {
		/*
		 * A number whose subnet a script has taken by hand stays taken until this bridge goes, so that the n-th bridge
		 * has the n-th subnet. Without one left, what needs none goes on.
		 */
		if (run_take_subnets(lab->run, &bridge->subnet, &bridge->subnet6, &bridge->subnet_number, err) &&
		    !(given.family && given6.family))
			return -err->code;
	} while ((!given.family && overlaps(lab, &bridge->subnet, err)) ||
		 (!given6.family && overlaps(lab, &bridge->subnet6, err)));
	if (given.family)
		bridge->subnet = given;
	if (given6.family)
		bridge->subnet6 = given6;
	return 0;
}

int bridge_new(struct lab *lab, const char *name, const struct bridge_options *options, struct bridge **result,
	       struct error *err)
{
	struct bridge *same = lab_find_bridge(lab, name);
	uint32_t mtu = options->mtu ? options->mtu : DEFAULT_MTU;
	struct bridge *bridge;

	if (lab_check_new_name(lab, "bridge", name, same ? same->depth : 0, same != NULL, err))
		return -err->code;
	if (mtu < MIN_MTU || mtu > MAX_MTU)
		return error_set(err, EINVAL, "`mtu` is %u; %d to %d is accepted", mtu, MIN_MTU, MAX_MTU);
	bridge = memory_new(sizeof(*bridge));
	if (choose_subnets(lab, bridge, options, err)) {
		free(bridge);
		return -err->code;
	}
	bridge->refs = 1;
	bridge->holders = 1;
	bridge->depth = lab->depth;
	snprintf(bridge->name, sizeof(bridge->name), "%s", name);
	bridge->home = lab;
	bridge->run = lab->run;
	bridge->number = ++lab->run->last_bridge;
	bridge->mtu = mtu;
	bridge->offload = options->offload;
	bridge_add_place(bridge, ROUTER_NAME)->router = true;
	LIST_ADD(lab->bridges, lab->bridge_count, bridge);
	registry_publish(lab->run, lab_root(lab));
	*result = bridge;
	return 0;
}

void bridge_ref(struct bridge *bridge)
{
	bridge->refs++;
}

void bridge_unref(struct bridge *bridge)
{
	if (--bridge->refs)
		return;
	for (size_t i = 0; i < bridge->member_count; i++)
		free(bridge->members[i]);
	free(bridge->members);
	free(bridge->host_ports);
	free(bridge);
}

void bridge_flush(struct bridge *bridge)
{
	if (!bridge->closed)
		wire_flush(bridge->run->wire, bridge->number, ++bridge->flush);
}

void bridge_close(struct bridge *bridge)
{
	struct error ignored;

	if (bridge->closed)
		return;
	strangers_keep(bridge);
	lab_capture_end(bridge);
	router_forget_bridge(bridge);
	for (size_t i = 0; i < bridge->member_count; i++)
		if (bridge->members[i]->attached)
			member_detach(bridge->members[i]);
	if (bridge->ifindex)
		link_delete(bridge->run->nl, bridge->ifindex, &ignored);
	wire_forget_bridge(bridge->run->wire, bridge->number);
	run_return_subnets(bridge->run, bridge->subnet_number);
	bridge->ifindex = 0;
	bridge->closed = true;
	bridge->home = NULL;
}
