// SPDX-License-Identifier: GPL-2.0-only
#include "lab/router.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/heal.h"
#include "util/list.h"
#include "lab/router_internal.h"
#include "lab/run.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "net/route.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"

#define BRIDGE_TABLE 1000U /* + the bridge's number */
#define BOOT_NS	     (30 * NS_PER_S)
/* Of the route that says "unreachable" where a subnet or the default route does not match. */
#define LAST_METRIC 4000000000U

static const int families[] = { AF_INET, AF_INET6 };

static struct member *router_member(const struct bridge *bridge)
{
	return bridge->members[0];
}

static int open_inside(void *context, struct error *err)
{
	struct router *router = context;
	/* Reverse-path filters look up the way back without the rule that the way in was chosen by. */
	static const char *const settings[][2] = {
		{ "net/ipv4/ip_forward", "1" },
		{ "net/ipv4/conf/all/rp_filter", "0" },
		{ "net/ipv4/conf/default/rp_filter", "0" },
		{ "net/ipv4/conf/all/send_redirects", "0" },
		{ "net/ipv4/conf/default/send_redirects", "0" },
		{ "net/ipv6/conf/all/forwarding", "1" },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (namespace_write_sysctl(settings[i][0], settings[i][1], err) && err->code != ENOENT)
			return -err->code;
	return netlink_open(&router->nl, err);
}

static int boot(struct router *router, struct error *err)
{
	struct machine *machine = &router->machine;
	struct node_config config = { .name = ROUTER_NAME };
	char path[64];

	if (machine->kind->boot(&config, router->run->nl, &machine->node, err) ||
	    machine->kind->wait_ready(machine->node, clock_after(BOOT_NS), err))
		return -err->code;
	machine->state = MACHINE_BOOTED;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", machine->kind->pid(machine->node));
	router->net = open(path, O_RDONLY | O_CLOEXEC);
	if (router->net < 0)
		return error_errno(err, errno, "open %s", path);
	return namespace_visit(router->net, open_inside, router, err);
}

int router_need(struct run *run, struct error *err)
{
	struct router *router;

	if (run->router)
		return 0;
	router = memory_new(sizeof(*router));
	router->run = run;
	router->net = -1;
	router->machine.kind = &node_kind_netns;
	router->machine.run = run;
	router->machine.refs = 1;
	snprintf(router->machine.name, sizeof(router->machine.name), "%s", ROUTER_NAME);
	run->router = router;
	if (!boot(router, err))
		return 0;
	router_close(run);
	return error_wrap(err, "start the router");
}

void router_close(struct run *run)
{
	struct router *router = run->router;

	if (!router)
		return;
	while (router->publication_count)
		publication_close(router->publications[--router->publication_count]);
	uplink_close(router->uplink);
	netlink_close(router->nl);
	if (router->net >= 0)
		close(router->net);
	if (router->machine.node)
		router->machine.kind->close(router->machine.node);
	free(router->joints);
	free(router->uplinked);
	free(router->publications);
	free(router);
	run->router = NULL;
}

static bool is_joint(const struct joint *joint, const struct bridge *a, const struct bridge *b)
{
	return (joint->a == a && joint->b == b) || (joint->a == b && joint->b == a);
}

bool router_is_joined(const struct bridge *a, const struct bridge *b)
{
	const struct router *router = a->run->router;

	for (size_t i = 0; router && i < router->joint_count; i++)
		if (is_joint(&router->joints[i], a, b))
			return true;
	return false;
}

size_t router_joined(const struct bridge *bridge, struct bridge ***bridges)
{
	const struct router *router = bridge->run->router;
	size_t count = 0;

	*bridges = NULL;
	for (size_t i = 0; router && i < router->joint_count; i++) {
		const struct joint *joint = &router->joints[i];

		if (joint->a == bridge)
			LIST_ADD(*bridges, count, joint->b);
		else if (joint->b == bridge)
			LIST_ADD(*bridges, count, joint->a);
	}
	return count;
}

bool router_has_uplink(const struct bridge *bridge)
{
	const struct router *router = bridge->run->router;

	for (size_t i = 0; router && i < router->uplinked_count; i++)
		if (router->uplinked[i] == bridge)
			return true;
	return false;
}

static const struct address *subnet_of(const struct bridge *bridge, int family)
{
	return family == AF_INET ? &bridge->subnet : &bridge->subnet6;
}

static struct address gateway_of(const struct bridge *bridge, int family)
{
	const struct member *member = router_member(bridge);

	return family == AF_INET ? member->nic.ip : member->nic.ip6;
}

/* How the router reaches the bridge's subnet, in a table. */
static int subnet_route(struct router *router, const struct bridge *bridge, int family, uint32_t table,
			struct route *route, struct error *err)
{
	int ifindex;

	if (link_index(router->nl, router_member(bridge)->nic.guest_name, &ifindex, err))
		return -err->code;
	*route = (struct route){ .destination = *subnet_of(bridge, family), .ifindex = ifindex, .table = table };
	return 0;
}

static struct address uplink_gateway(const struct router *router, int family)
{
	struct address gateway = { 0 }, gateway6 = { 0 };

	if (router->uplink)
		uplink_gateways(router->uplink, &gateway, &gateway6);
	return family == AF_INET ? gateway : gateway6;
}

/* What comes in from the bridge may go to these places. */
static int sync_bridge_table(struct router *router, const struct bridge *bridge, struct error *err)
{
	uint32_t table = BRIDGE_TABLE + bridge->number;
	struct bridge **others;
	size_t count = router_joined(bridge, &others), used = 0;
	struct route *routes = memory_new(2 * (count + 2) * sizeof(*routes));

	err->code = 0;
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		struct address gateway = uplink_gateway(router, families[f]);

		for (size_t i = 0; i < count && !err->code; i++)
			subnet_route(router, others[i], families[f], table, &routes[used++], err);
		if (router_has_uplink(bridge) && gateway.family)
			routes[used++] = (struct route){
				.destination = { .family = families[f] },
				.gateway = gateway,
				.ifindex = uplink_ifindex(router->uplink),
				.table = table,
			};
		routes[used++] = (struct route){
			.destination = { .family = families[f] },
			.table = table,
			.metric = LAST_METRIC,
			.unreachable = true,
		};
	}
	if (!err->code)
		route_sync(router->nl, table, 0, routes, used, err);
	free(others);
	free(routes);
	return -err->code;
}

static int sync_uplink_table(struct router *router, struct error *err)
{
	struct route *routes = memory_new(2 * (router->uplinked_count + 1) * sizeof(*routes));
	size_t used = 0;

	err->code = 0;
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		for (size_t i = 0; i < router->uplinked_count && !err->code; i++)
			subnet_route(router, router->uplinked[i], families[f], UPLINK_TABLE, &routes[used++], err);
		routes[used++] = (struct route){
			.destination = { .family = families[f] },
			.table = UPLINK_TABLE,
			.metric = LAST_METRIC,
			.unreachable = true,
		};
	}
	if (!err->code)
		route_sync(router->nl, UPLINK_TABLE, 0, routes, used, err);
	free(routes);
	return -err->code;
}

/* The routes of every node on the bridge: what lies behind the router. */
static size_t node_routes(const struct bridge *bridge, struct node_route **routes)
{
	const struct router *router = bridge->run->router;
	struct bridge **others;
	size_t count = router_joined(bridge, &others), used = 0;

	*routes = memory_new(2 * (count + 1) * sizeof(**routes));
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		struct address gateway = gateway_of(bridge, families[f]);

		for (size_t i = 0; i < count; i++)
			(*routes)[used++] = (struct node_route){ .destination = *subnet_of(others[i], families[f]),
								 .gateway = gateway };
		if (router_has_uplink(bridge) && uplink_gateway(router, families[f]).family)
			(*routes)[used++] =
				(struct node_route){ .destination = { .family = families[f] }, .gateway = gateway };
	}
	free(others);
	return used;
}

static int settle_with(struct member *member, const struct node_route *routes, size_t count, struct error *err)
{
	const struct machine *machine = member->machine;
	const struct router *router = member->bridge->run->router;

	/* One that has ended by itself needs no routes. */
	if (member->router || !member->plugged || machine_state(member->machine) == MACHINE_DEAD ||
	    !machine->kind->set_routes)
		return 0;
	if (machine->kind->set_routes(machine->node, &member->nic, routes, count, err))
		return -err->code;
	if (router && router_has_uplink(member->bridge) && machine->kind->set_resolver)
		return machine->kind->set_resolver(machine->node, uplink_resolver(router->uplink), err);
	return 0;
}

int router_settle(struct member *member, struct error *err)
{
	struct node_route *routes;
	size_t count;

	/* Most labs have no router, and most nodes so no routes to be looked at. */
	if (!member->bridge->run->router)
		return 0;
	count = node_routes(member->bridge, &routes);
	err->code = 0;
	if (count)
		settle_with(member, routes, count, err);
	free(routes);
	return -err->code;
}

/* All nodes of it; the first error is told. */
static int settle_bridge(struct bridge *bridge, struct error *err)
{
	struct node_route *routes;
	size_t count = node_routes(bridge, &routes);
	struct error failure;

	err->code = 0;
	for (size_t i = 0; i < bridge->member_count; i++)
		if (settle_with(bridge->members[i], routes, count, &failure) && !err->code)
			*err = failure;
	free(routes);
	return -err->code;
}

static int add_rules(struct router *router, const char *device, uint32_t table, struct error *err)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
		if (route_add_rule(router->nl, families[f], device, table, err))
			return -err->code;
	return 0;
}

static void delete_rules(struct router *router, uint32_t table)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
		route_delete_rules(router->nl, families[f], table);
}

static bool is_published(const struct router *router, const struct bridge *bridge)
{
	for (size_t i = 0; i < router->publication_count; i++)
		if (publication_bridge(router->publications[i]) == bridge)
			return true;
	return false;
}

void router_leave(struct router *router, struct bridge *bridge)
{
	struct member *member = router_member(bridge);
	struct bridge **others;
	struct error ignored;
	size_t count = router_joined(bridge, &others);

	free(others);
	if (count || router_has_uplink(bridge) || is_published(router, bridge) || !member->attached)
		return;
	delete_rules(router, BRIDGE_TABLE + bridge->number);
	route_sync(router->nl, BRIDGE_TABLE + bridge->number, 0, NULL, 0, &ignored);
	member_detach(member);
	lab_refresh(bridge->home);
}

int router_need_port(struct router *router, struct bridge *bridge, struct error *err)
{
	struct member *member = router_member(bridge);

	if (member->attached)
		return 0;
	member->machine = &router->machine;
	if (member_plug(member, err)) {
		member->machine = NULL;
		return error_wrap(err, "put the router on bridge `%s`", bridge->name);
	}
	member->attached = true;
	/* The rule last: until then nothing that comes in is forwarded anywhere but to "unreachable". */
	if (sync_bridge_table(router, bridge, err) ||
	    add_rules(router, member->nic.guest_name, BRIDGE_TABLE + bridge->number, err)) {
		router_leave(router, bridge);
		return -err->code;
	}
	heal_arrivals(&member, 1);
	lab_refresh(bridge->home);
	return 0;
}

/* As much of it as goes; the first error is told. */
static int sync_pair(struct router *router, struct bridge *a, struct bridge *b, struct error *err)
{
	struct error errors[] = { { 0 }, { 0 }, { 0 }, { 0 } };

	sync_bridge_table(router, a, &errors[0]);
	sync_bridge_table(router, b, &errors[1]);
	settle_bridge(a, &errors[2]);
	settle_bridge(b, &errors[3]);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		*err = errors[i];
		if (err->code)
			break;
	}
	return -err->code;
}

/* However it ends, they are not joined any more. */
static int drop_pair(struct bridge *a, struct bridge *b, struct error *err)
{
	struct router *router = a->run->router;
	int status;

	for (size_t i = router->joint_count; i-- > 0;)
		if (is_joint(&router->joints[i], a, b))
			router->joints[i] = router->joints[--router->joint_count];
	status = sync_pair(router, a, b, err);
	router_leave(router, a);
	router_leave(router, b);
	return status;
}

/* However it ends, they are joined, unless the router cannot even be on both. */
static int force_pair(struct bridge *a, struct bridge *b, struct error *err)
{
	struct joint joint = { .a = a, .b = b };
	struct router *router = a->run->router;

	if (router_need_port(router, a, err) || router_need_port(router, b, err)) {
		router_leave(router, a);
		return -err->code;
	}
	LIST_ADD(router->joints, router->joint_count, joint);
	return sync_pair(router, a, b, err);
}

static int join_pair(struct bridge *a, struct bridge *b, struct error *err)
{
	struct error ignored;

	if (router_is_joined(a, b) || !force_pair(a, b, err))
		return 0;
	drop_pair(a, b, &ignored);
	return error_wrap(err, "route between bridges `%s` and `%s`", a->name, b->name);
}

static int part_pair(struct bridge *a, struct bridge *b, struct error *err)
{
	struct error ignored;

	if (!router_is_joined(a, b) || !drop_pair(a, b, err))
		return 0;
	force_pair(a, b, &ignored);
	return error_wrap(err, "part bridges `%s` and `%s`", a->name, b->name);
}

/* Does the same with each pair. When one fails, those before it that were not so already are undone. */
static int each_pair(struct bridge *bridge, struct bridge *const *others, size_t count,
		     int (*act)(struct bridge *a, struct bridge *b, struct error *err),
		     int (*undo)(struct bridge *a, struct bridge *b, struct error *err), struct error *err)
{
	bool *was_joined = memory_new(count * sizeof(*was_joined));
	struct error ignored;
	size_t done;
	int status = 0;

	for (done = 0; done < count && !status; done++) {
		was_joined[done] = router_is_joined(bridge, others[done]);
		status = act(bridge, others[done], err);
	}
	while (status && done--)
		if (router_is_joined(bridge, others[done]) != was_joined[done])
			undo(bridge, others[done], &ignored);
	free(was_joined);
	return status;
}

int router_join(struct bridge *bridge, struct bridge *const *others, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (others[i] == bridge)
			return error_set(err, EINVAL, "bridge `%s` cannot be routed to itself", bridge->name);
	if (router_need(bridge->run, err))
		return -err->code;
	return each_pair(bridge, others, count, join_pair, drop_pair, err);
}

int router_part(struct bridge *bridge, struct bridge *const *others, size_t count, struct error *err)
{
	return bridge->run->router ? each_pair(bridge, others, count, part_pair, force_pair, err) : 0;
}

static int sync_uplinks(struct router *router, struct bridge *bridge, struct error *err)
{
	/* The rules first: there is no moment in which a route leads past them. */
	return uplink_sync(router->uplink, err) || sync_bridge_table(router, bridge, err) ||
			       sync_uplink_table(router, err) || settle_bridge(bridge, err)
		       ? -err->code
		       : 0;
}

static int need_uplink(struct router *router, struct error *err)
{
	if (router->uplink)
		return 0;
	if (uplink_open(router, &router->uplink, err))
		return -err->code;
	if (!sync_uplink_table(router, err) && !add_rules(router, UPLINK_DEVICE, UPLINK_TABLE, err))
		return 0;
	delete_rules(router, UPLINK_TABLE);
	uplink_close(router->uplink);
	router->uplink = NULL;
	return -err->code;
}

static bool is_number_used(const struct router *router, unsigned int number)
{
	for (size_t i = 0; i < router->uplinked_count; i++)
		if (router->uplinked[i]->uplink_host == number)
			return true;
	return false;
}

static void add_uplinked(struct router *router, struct bridge *bridge)
{
	bridge->uplink_host = UPLINK_FIRST_BRIDGE;
	while (is_number_used(router, bridge->uplink_host))
		bridge->uplink_host++;
	LIST_ADD(router->uplinked, router->uplinked_count, bridge);
}

static void forget_uplink(struct router *router, const struct bridge *bridge)
{
	for (size_t i = 0; i < router->uplinked_count; i++)
		if (router->uplinked[i] == bridge)
			router->uplinked[i] = router->uplinked[--router->uplinked_count];
}

/* After the last bridge has lost its uplink. */
static void close_uplink(struct router *router)
{
	if (router->uplinked_count || !router->uplink)
		return;
	delete_rules(router, UPLINK_TABLE);
	uplink_close(router->uplink);
	router->uplink = NULL;
}

/* However it ends, the bridge has no uplink any more. */
static int drop_uplink(struct bridge *bridge, struct error *err)
{
	struct router *router = bridge->run->router;
	int status;

	forget_uplink(router, bridge);
	status = sync_uplinks(router, bridge, err);
	router_leave(router, bridge);
	close_uplink(router);
	return status;
}

int router_enable_uplink(struct bridge *bridge, struct error *err)
{
	struct router *router;
	struct error ignored;

	if (router_has_uplink(bridge))
		return 0;
	if (uplink_check_subnets(bridge->run, bridge, err) || router_need(bridge->run, err))
		return -err->code;
	router = bridge->run->router;
	if (need_uplink(router, err))
		return -err->code;
	if (router_need_port(router, bridge, err)) {
		close_uplink(router);
		return -err->code;
	}
	add_uplinked(router, bridge);
	if (!sync_uplinks(router, bridge, err)) {
		uplink_tell_resolver(router->uplink, bridge);
		return 0;
	}
	drop_uplink(bridge, &ignored);
	return error_wrap(err, "give bridge `%s` an uplink", bridge->name);
}

int router_disable_uplink(struct bridge *bridge, struct error *err)
{
	struct error ignored;

	if (!router_has_uplink(bridge) || !drop_uplink(bridge, err))
		return 0;
	router_enable_uplink(bridge, &ignored);
	return error_wrap(err, "take the uplink of bridge `%s` away", bridge->name);
}

static bool is_allowed(const struct bridge *bridge, const struct host_ports *ports)
{
	for (size_t i = 0; i < bridge->host_port_count; i++)
		if (bridge->host_ports[i].udp == ports->udp && bridge->host_ports[i].first <= ports->first &&
		    ports->last <= bridge->host_ports[i].last)
			return true;
	return false;
}

int router_allow_host(struct bridge *bridge, const struct host_ports *ports, size_t count, struct error *err)
{
	size_t before = bridge->host_port_count;

	for (size_t i = 0; i < count; i++)
		if (!is_allowed(bridge, &ports[i]))
			LIST_ADD(bridge->host_ports, bridge->host_port_count, ports[i]);
	if (bridge->host_port_count == before || !router_has_uplink(bridge) ||
	    !uplink_sync(bridge->run->router->uplink, err))
		return 0;
	bridge->host_port_count = before;
	return error_wrap(err, "allow bridge `%s` ports of this machine", bridge->name);
}

bool router_host_address(const struct bridge *bridge, struct address *address)
{
	struct address address6;

	if (!router_has_uplink(bridge))
		return false;
	uplink_gateways(bridge->run->router->uplink, address, &address6);
	return true;
}

void router_forget_bridge(struct bridge *bridge)
{
	struct router *router = bridge->run->router;
	struct error ignored;

	if (!router)
		return;
	for (size_t i = router->publication_count; i-- > 0;) {
		if (publication_bridge(router->publications[i]) != bridge)
			continue;
		publication_close(router->publications[i]);
		LIST_REMOVE(router->publications, router->publication_count, i);
	}
	for (size_t i = router->joint_count; i-- > 0;) {
		struct joint joint = router->joints[i];

		if (joint.a == bridge || joint.b == bridge)
			drop_pair(joint.a, joint.b, &ignored);
	}
	if (router_has_uplink(bridge))
		drop_uplink(bridge, &ignored);
	/* One that only publications needed. */
	router_leave(router, bridge);
}
