// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link from the router to the host, the network that the run was started in: a veth pair with a /23 of its own.
 * The router gives each of the lab's subnets an address of the link, so that the host needs no route to them and two runs with the
 * same subnets do not meet; the host masquerades the link to its own address. What of it may pass is in uplink_rules.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/host_settings.h"
#include "lab/resolver.h"
#include "lab/router_internal.h"
#include "lab/run.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "net/nft.h"
#include "net/route.h"
#include "util/error.h"
#include "util/memory.h"

/*
 * Links are numbered by the process: pieces of 198.18.0.0/15, which RFC 2544 keeps for tests of network devices and no
 * real network has, and of fd70:726f:7669:ffff::/64 (see run_take_subnets).
 */
#define LINKS	     256U
#define LINK_PREFIX  23
#define LINK_PREFIX6 112
#define LINK_MTU     1500
/* Of the ends themselves, in a subnet of their own; the bridges' addresses are behind the router's end. */
#define END_PREFIX  30
#define END_PREFIX6 126
#define HOST_END    1U
#define ROUTER_END  2U

struct uplink {
	struct router *router;
	struct netlink *host_nl;
	int default_ifindex;
	char host_device[16];
	char default_device[16];
	bool ipv6; /* the host routes it */
	struct address link, link6;
	int ifindex; /* in the router */
	struct nft_table *host_rules, *router_rules;
	bool forwards; /* the default device, because we asked for it */
	struct resolver resolver;
};

static int open_host(void *context, struct error *err)
{
	return netlink_open(context, err);
}

static int find_default(struct uplink *uplink, struct error *err)
{
	int ifindex6;
	struct error none;

	if (route_default_device(uplink->host_nl, AF_INET, &uplink->default_ifindex, err)) {
		if (err->code == ENETUNREACH)
			error_set(err, ENETUNREACH,
				  "this machine has no default-route interface, so there is nowhere to lead to; "
				  "connect it, or "
				  "leave enable_uplink() out");
		return -err->code;
	}
	uplink->ipv6 = !route_default_device(uplink->host_nl, AF_INET6, &ifindex6, &none);
	return link_name(uplink->host_nl, uplink->default_ifindex, uplink->default_device, err);
}

struct overlap {
	const struct address *subnet;
	struct address with; /* family 0: none */
};

static void compare(const struct route *route, void *context)
{
	struct overlap *overlap = context;

	if (route->destination.prefix && subnets_overlap(&route->destination, overlap->subnet))
		overlap->with = route->destination;
}

static bool is_free(struct netlink *host_nl, const struct address *subnet)
{
	struct overlap overlap = { .subnet = subnet };
	struct error ignored;

	route_each(host_nl, subnet->family, compare, &overlap, &ignored);
	return !overlap.with.family;
}

static void number_link(struct uplink *uplink, unsigned int number)
{
	number %= LINKS;
	uplink->link = (struct address){
		.family = AF_INET,
		.prefix = LINK_PREFIX,
		.bytes = { 198, (uint8_t)(18 + (number >> 7)), (uint8_t)(number << 1) },
	};
	uplink->link6 = (struct address){
		.family = AF_INET6,
		.prefix = LINK_PREFIX6,
		.bytes = { 0xfd, 'p', 'r', 'o', 'v', 'i', 0xff, 0xff, [13] = (uint8_t)number },
	};
}

static int choose_link(struct uplink *uplink, struct error *err)
{
	unsigned int first = (unsigned int)getpid();

	for (unsigned int i = 0; i < LINKS; i++) {
		number_link(uplink, first + i);
		if (is_free(uplink->host_nl, &uplink->link))
			return err->code = 0;
	}
	return error_set(
		err, EADDRNOTAVAIL,
		"each of the %u networks of 198.18.0.0/15 that an uplink may have is taken; end other runs, or take "
		"routes to it away",
		LINKS);
}

static int set_up_end(struct netlink *nl, const char *device, const struct uplink *uplink, uint32_t host,
		      struct error *err)
{
	struct address ip = subnet_host(&uplink->link, host), ip6 = subnet_host(&uplink->link6, host);
	int ifindex;

	ip.prefix = END_PREFIX;
	ip6.prefix = END_PREFIX6;
	if (link_index(nl, device, &ifindex, err) || link_set_up(nl, ifindex, true, err) ||
	    address_add(nl, ifindex, &ip, err))
		return -err->code;
	return uplink->ipv6 ? address_add(nl, ifindex, &ip6, err) : 0;
}

/* From the host to the bridges' addresses. */
static int lead_back(const struct uplink *uplink, struct error *err)
{
	struct route routes[] = {
		{ .destination = uplink->link, .gateway = subnet_host(&uplink->link, ROUTER_END) },
		{ .destination = uplink->link6, .gateway = subnet_host(&uplink->link6, ROUTER_END) },
	};
	size_t count = uplink->ipv6 ? 2 : 1;
	int ifindex;

	if (link_index(uplink->host_nl, uplink->host_device, &ifindex, err))
		return -err->code;
	for (size_t i = 0; i < count; i++) {
		routes[i].ifindex = ifindex;
		routes[i].table = ROUTE_MAIN_TABLE;
	}
	return route_sync(uplink->host_nl, ROUTE_MAIN_TABLE, ifindex, routes, count, err);
}

static int make_link(struct uplink *uplink, struct error *err)
{
	struct router *router = uplink->router;
	struct veth veth = {
		.name = uplink->host_device,
		.peer_pid = router->machine.kind->pid(router->machine.node),
		.peer_name = UPLINK_DEVICE,
		.peer_mac = { 0x02, 'p', 'v', 0, 0, 0 }, /* no member's: there is no port 0 */
		.mtu = LINK_MTU,
		.peer_mtu = LINK_MTU,
	};

	snprintf(uplink->host_device, sizeof(uplink->host_device), "provium%d", getpid());
	if (link_create_veth(uplink->host_nl, &veth, err) ||
	    link_index(router->nl, UPLINK_DEVICE, &uplink->ifindex, err) ||
	    set_up_end(router->nl, UPLINK_DEVICE, uplink, ROUTER_END, err))
		return -err->code;
	return set_up_end(uplink->host_nl, uplink->host_device, uplink, HOST_END, err) || lead_back(uplink, err)
		       ? -err->code
		       : 0;
}

/* What is on already needs nothing of ours. */
static int need_forwarding(struct uplink *uplink, uint64_t amount, struct error *err)
{
	struct host_setting setting = { .amount = amount, .most = 1 };
	struct error unreadable;
	uint64_t now;

	snprintf(setting.path, sizeof(setting.path), "net/ipv4/conf/%.15s/forwarding", uplink->default_device);
	if (!host_settings_need(&uplink->router->run->settings, &setting, 1, err))
		return 0;
	return !host_setting_read(setting.path, &now, &unreadable) && now ? 0 : -err->code;
}

/* The table is made if there is none yet; in the namespace of the calling thread then. */
static int sync_host_rules(struct uplink *uplink, struct error *err)
{
	struct buffer text = { 0 };

	uplink_host_rules(&text, uplink->router, uplink->host_device, &uplink->link, &uplink->link6);
	if (uplink->host_rules)
		nft_table_replace(uplink->host_rules, buffer_string(&text), err);
	else
		/* It has the device's name, which no other run has. */
		nft_table_open(&uplink->host_rules, uplink->host_device, buffer_string(&text), err);
	buffer_free(&text);
	return -err->code;
}

static int sync_router_rules(struct uplink *uplink, struct error *err)
{
	struct buffer text = { 0 };

	uplink_router_rules(&text, uplink->router, &uplink->link, &uplink->link6);
	if (uplink->router_rules)
		nft_table_replace(uplink->router_rules, buffer_string(&text), err);
	else
		nft_table_open(&uplink->router_rules, ROUTER_NAME, buffer_string(&text), err);
	buffer_free(&text);
	return -err->code;
}

int uplink_sync(struct uplink *uplink, struct error *err)
{
	return sync_host_rules(uplink, err) || sync_router_rules(uplink, err) ? -err->code : 0;
}

/* In the host: what comes from the link leaves with the host's address, and answers are forwarded back. */
static int open_in_host(void *context, struct error *err)
{
	struct uplink *uplink = context;
	/*
	 * The filter is for a run that is killed: its tables go first, then its nodes, and last the link. In between they send under
	 * addresses of their own, to which the link is no way back.
	 */
	static const char *const settings[] = { "rp_filter", "forwarding" };
	char path[64];

	if (sync_host_rules(uplink, err))
		return -err->code;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(path, sizeof(path), "net/ipv4/conf/%s/%s", uplink->host_device, settings[i]);
		if (namespace_write_sysctl(path, "1", err))
			return -err->code;
	}
	uplink->forwards = true;
	return need_forwarding(uplink, 1, err);
}

static int open_in_router(void *context, struct error *err)
{
	return sync_router_rules(context, err);
}

static int close_in_host(void *context, struct error *err)
{
	return need_forwarding(context, 0, err);
}

/* A kernel whose IPv6 does not forward for the whole machine cannot do so for one device: IPv4 alone then. */
static bool host_forwards_ipv6(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/all/forwarding", O_RDONLY | O_CLOEXEC);
	char value = '0';

	if (fd >= 0 && read(fd, &value, 1) != 1)
		value = '0';
	if (fd >= 0)
		close(fd);
	return value != '0';
}

static int check_ipv6(void *context, struct error *err)
{
	struct uplink *uplink = context;

	(void)err;
	uplink->ipv6 = uplink->ipv6 && host_forwards_ipv6();
	return 0;
}

int uplink_open(struct router *router, struct uplink **result, struct error *err)
{
	struct uplink *uplink = memory_new(sizeof(*uplink));
	int host = router->run->host;

	uplink->router = router;
	if (namespace_visit(host, open_host, &uplink->host_nl, err) || find_default(uplink, err) ||
	    namespace_visit(host, check_ipv6, uplink, err)) {
		uplink_close(uplink);
		return -err->code;
	}
	if (choose_link(uplink, err)) {
		uplink_close(uplink);
		return -err->code;
	}
	if (namespace_visit(host, resolver_find, &uplink->resolver, err) || make_link(uplink, err) ||
	    namespace_visit(host, open_in_host, uplink, err) ||
	    namespace_visit(router->net, open_in_router, uplink, err)) {
		uplink_close(uplink);
		return error_wrap(err, "link the router to this machine");
	}
	*result = uplink;
	return 0;
}

void uplink_close(struct uplink *uplink)
{
	struct error ignored;
	int ifindex;

	if (!uplink)
		return;
	if (uplink->forwards)
		namespace_visit(uplink->router->run->host, close_in_host, uplink, &ignored);
	/* The link first: there is no moment in which it is there without its rules. */
	if (uplink->host_nl && *uplink->host_device &&
	    !link_index(uplink->host_nl, uplink->host_device, &ifindex, &ignored))
		link_delete(uplink->host_nl, ifindex, &ignored);
	nft_table_close(uplink->host_rules);
	nft_table_close(uplink->router_rules);
	netlink_close(uplink->host_nl);
	resolver_free(&uplink->resolver);
	free(uplink);
}

void uplink_gateways(const struct uplink *uplink, struct address *gateway, struct address *gateway6)
{
	*gateway = subnet_host(&uplink->link, HOST_END);
	*gateway6 = uplink->ipv6 ? subnet_host(&uplink->link6, HOST_END) : (struct address){ 0 };
}

int uplink_ifindex(const struct uplink *uplink)
{
	return uplink->ifindex;
}

void uplink_tell_resolver(const struct uplink *uplink, const struct bridge *bridge)
{
	resolver_tell(&uplink->resolver, bridge);
}

const char *uplink_resolver(const struct uplink *uplink)
{
	return buffer_string(&uplink->resolver.text);
}

int uplink_check_subnets(const struct run *run, const struct bridge *bridge, struct error *err)
{
	const struct address *subnets[] = { &bridge->subnet, &bridge->subnet6 };
	char text[ADDRESS_TEXT_SIZE + 4], with[ADDRESS_TEXT_SIZE + 4];
	struct netlink *host_nl;

	if (namespace_visit(run->host, open_host, &host_nl, err))
		return -err->code;
	err->code = 0;
	for (size_t i = 0; i < sizeof(subnets) / sizeof(subnets[0]) && !err->code; i++) {
		struct overlap overlap = { .subnet = subnets[i] };

		if (route_each(host_nl, subnets[i]->family, compare, &overlap, err) || !overlap.with.family)
			continue;
		subnet_text(subnets[i], text);
		subnet_text(&overlap.with, with);
		error_set(
			err, EADDRINUSE,
			"the subnet %s of bridge `%s` overlaps %s, a network of this machine that nodes could then not "
			"reach; make the bridge with another `%s`",
			text, bridge->name, with, i ? "subnet6" : "subnet");
	}
	netlink_close(host_nl);
	return -err->code;
}
