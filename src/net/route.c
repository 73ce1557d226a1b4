// SPDX-License-Identifier: GPL-2.0-only
#include "net/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "net/netlink.h"
#include "util/error.h"
#include "util/memory.h"

#define RULE_PRIORITY 1000U /* before the main table's, which is 32766 */

static void begin_route(struct netlink *nl, uint16_t type, uint16_t flags, const struct route *route)
{
	struct rtmsg header = {
		.rtm_family = (unsigned char)route->destination.family,
		.rtm_dst_len = route->destination.prefix,
		.rtm_protocol = ROUTE_PROTOCOL,
		.rtm_scope = route->gateway.family || route->unreachable ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
		.rtm_type = route->unreachable ? RTN_UNREACHABLE : RTN_UNICAST,
	};

	/* IPv6 knows no scopes of routes. */
	if (header.rtm_family == AF_INET6)
		header.rtm_scope = RT_SCOPE_UNIVERSE;
	netlink_begin(nl, type, flags, &header, sizeof(header));
	netlink_put_u32(nl, RTA_TABLE, route->table);
	if (route->destination.prefix)
		netlink_put(nl, RTA_DST, route->destination.bytes, address_size(route->destination.family));
	if (route->gateway.family)
		netlink_put(nl, RTA_GATEWAY, route->gateway.bytes, address_size(route->gateway.family));
	if (route->ifindex)
		netlink_put_u32(nl, RTA_OIF, (uint32_t)route->ifindex);
	if (route->metric)
		netlink_put_u32(nl, RTA_PRIORITY, route->metric);
}

static int add_route(struct netlink *nl, const struct route *route, struct error *err)
{
	char text[ADDRESS_TEXT_SIZE + 4];

	begin_route(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
	if (!netlink_ack(nl, err))
		return 0;
	subnet_text(&route->destination, text);
	return error_wrap(err, "add the route to %s", text);
}

struct route_search {
	int family;
	uint32_t table;
	int ifindex; /* 0: any */
	bool ours;   /* only those of ROUTE_PROTOCOL */
	void (*each)(const struct route *route, void *context);
	void *context;
};

static void read_attribute(const struct nlattr *attr, struct route *route)
{
	uint16_t size = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		route->table = mnl_attr_get_u32(attr);
		break;
	case RTA_OIF:
		route->ifindex = (int)mnl_attr_get_u32(attr);
		break;
	case RTA_PRIORITY:
		route->metric = mnl_attr_get_u32(attr);
		break;
	case RTA_DST:
		if (size <= sizeof(route->destination.bytes))
			memcpy(route->destination.bytes, mnl_attr_get_payload(attr), size);
		break;
	case RTA_GATEWAY:
		route->gateway.family = route->destination.family;
		if (size <= sizeof(route->gateway.bytes))
			memcpy(route->gateway.bytes, mnl_attr_get_payload(attr), size);
		break;
	default:
		break;
	}
}

static int take_route(const struct nlmsghdr *answer, void *context)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(answer);
	const struct route_search *search = context;
	struct route route = {
		.destination = { .family = header->rtm_family, .prefix = header->rtm_dst_len },
		.table = header->rtm_table,
		.unreachable = header->rtm_type == RTN_UNREACHABLE,
	};
	const struct nlattr *attr;

	mnl_attr_for_each (attr, answer, sizeof(*header))
		read_attribute(attr, &route);
	if (header->rtm_family != search->family || route.table != search->table || header->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	if (search->ours ? header->rtm_protocol != ROUTE_PROTOCOL : header->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	if (search->ifindex && route.ifindex != search->ifindex)
		return MNL_CB_OK;
	search->each(&route, search->context);
	return MNL_CB_OK;
}

static int search_routes(struct netlink *nl, struct route_search *search, struct error *err)
{
	struct rtmsg header = { .rtm_family = (unsigned char)search->family };

	netlink_begin(nl, RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header));
	return netlink_answers(nl, take_route, search, err) ? error_wrap(err, "list the routes") : 0;
}

int route_each(struct netlink *nl, int family, void (*each)(const struct route *route, void *context), void *context,
	       struct error *err)
{
	struct route_search search = { .family = family, .table = ROUTE_MAIN_TABLE, .each = each, .context = context };

	return search_routes(nl, &search, err);
}

struct route_list {
	struct route *list;
	size_t count;
};

static void add_to_list(const struct route *route, void *context)
{
	struct route_list *routes = context;

	routes->list = memory_resize(routes->list, (routes->count + 1) * sizeof(*routes->list));
	routes->list[routes->count++] = *route;
}

static bool same_route(const struct route *a, const struct route *b)
{
	return address_equal(&a->destination, &b->destination) && a->destination.prefix == b->destination.prefix &&
	       address_equal(&a->gateway, &b->gateway) && a->unreachable == b->unreachable &&
	       /* The kernel gives an unreachable IPv6 route the loopback device. */
	       (a->unreachable || a->ifindex == b->ifindex);
}

static bool is_among(const struct route *route, const struct route *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (same_route(route, &list[i]))
			return true;
	return false;
}

int route_sync(struct netlink *nl, uint32_t table, int ifindex, const struct route *wanted, size_t count,
	       struct error *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct route_list present = { 0 };

	err->code = 0;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !err->code; i++) {
		struct route_search search = {
			.family = families[i],
			.table = table,
			.ifindex = ifindex,
			.ours = true,
			.each = add_to_list,
			.context = &present,
		};

		search_routes(nl, &search, err);
	}
	for (size_t i = 0; i < present.count && !err->code; i++) {
		if (is_among(&present.list[i], wanted, count))
			continue;
		begin_route(nl, RTM_DELROUTE, 0, &present.list[i]);
		/* It may have gone with its device in between. */
		if (netlink_ack(nl, err) == -ESRCH)
			err->code = 0;
	}
	for (size_t i = 0; i < count && !err->code; i++)
		if (!is_among(&wanted[i], present.list, present.count))
			add_route(nl, &wanted[i], err);
	free(present.list);
	return -err->code;
}

static void take_default(const struct route *route, void *context)
{
	struct route *best = context;

	if (route->destination.prefix == 0 && route->ifindex && (!best->ifindex || route->metric < best->metric))
		*best = *route;
}

int route_default_device(struct netlink *nl, int family, int *ifindex, struct error *err)
{
	struct route best = { 0 };

	if (route_each(nl, family, take_default, &best, err))
		return -err->code;
	if (!best.ifindex)
		return error_set(err, ENETUNREACH, "there is no default route");
	*ifindex = best.ifindex;
	return 0;
}

static void begin_rule(struct netlink *nl, uint16_t type, uint16_t flags, int family, uint32_t table)
{
	struct fib_rule_hdr header = {
		.family = (__u8)family,
		.action = FR_ACT_TO_TBL,
		.table = RT_TABLE_UNSPEC,
	};

	netlink_begin(nl, type, flags, &header, sizeof(header));
	netlink_put_u32(nl, FRA_TABLE, table);
	netlink_put_u32(nl, FRA_PRIORITY, RULE_PRIORITY);
}

int route_add_rule(struct netlink *nl, int family, const char *from_device, uint32_t table, struct error *err)
{
	begin_rule(nl, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, family, table);
	netlink_put_string(nl, FRA_IIFNAME, from_device);
	return netlink_ack(nl, err) ? error_wrap(err, "route what comes from %s by table %u", from_device, table) : 0;
}

void route_delete_rules(struct netlink *nl, int family, uint32_t table)
{
	struct error ignored;

	do
		begin_rule(nl, RTM_DELRULE, 0, family, table);
	while (!netlink_ack(nl, &ignored));
}
