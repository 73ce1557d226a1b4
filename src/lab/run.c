// SPDX-License-Identifier: GPL-2.0-only
#include "lab/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/host_needs.h"
#include "util/list.h"
#include "lab/registry.h"
#include "lab/router.h"
#include "lab/strangers.h"
#include "net/link.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "net/route.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/limits.h"
#include "util/memory.h"
#include "wire/wire.h"

static void add_host_network(const struct route *route, void *context)
{
	struct run *run = context;

	if (route->destination.prefix)
		LIST_ADD(run->host_networks, run->host_network_count, route->destination);
}

/* While the process is still in there. */
static int look_at_host(struct run *run, struct error *err)
{
	struct netlink *nl;

	run->host = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (run->host < 0)
		return error_errno(err, errno, "open the network namespace");
	losses_begin(run);
	if (netlink_open(&nl, err))
		return -err->code;
	err->code = 0;
	if (!route_each(nl, AF_INET, add_host_network, run, err))
		route_each(nl, AF_INET6, add_host_network, run, err);
	netlink_close(nl);
	return -err->code;
}

int run_open(struct run **result, uint64_t seed, struct error *err)
{
	struct run *run = memory_new(sizeof(*run));

	run->registry = -1;
	run->host = -1;
	limits_raise_files();
	if (limits_check_files(err) || look_at_host(run, err) || namespace_make_switch(err) ||
	    netlink_open(&run->nl, err) || wire_load(&run->wire, err)) {
		run_close(run);
		return -err->code;
	}
	run->is_open = true;
	wire_probe_fq(run->wire, run->nl);
	run_set_seed(run, seed);
	*result = run;
	return 0;
}

/* A limit that is not there must not be taken for one. */
static void tell_unkept(const struct run *run)
{
	if (run->unkept)
		fprintf(stderr,
			"provium: `memory` and `cpus` of nodes without a kernel of their own are not kept on this "
			"machine: %s\n",
			run->unkept);
}

void run_close(struct run *run)
{
	if (!run)
		return;
	router_close(run);
	if (run->is_open)
		losses_tell(run);
	tell_unkept(run);
	strangers_close(run);
	registry_close(run);
	host_needs_close(run);
	if (run->host >= 0)
		close(run->host);
	wire_close(run->wire);
	netlink_close(run->nl);
	free(run->unkept);
	free(run->host_networks);
	free(run->folder);
	free(run);
}

void run_set_seed(struct run *run, uint64_t seed)
{
	run->seed = seed;
	wire_set_seed(run->wire, seed);
}

static void make_subnets(unsigned int n, struct address *subnet, struct address *subnet6)
{
	*subnet = (struct address){ .family = AF_INET, .prefix = 16, .bytes = { 10, (uint8_t)n } };
	*subnet6 = (struct address){
		.family = AF_INET6,
		.prefix = 64,
		.bytes = { 0xfd, 'p', 'r', 'o', 'v', 'i', 0, (uint8_t)n },
	};
}

static bool is_hosts(const struct run *run, const struct address *subnet)
{
	for (size_t i = 0; i < run->host_network_count; i++)
		if (subnets_overlap(&run->host_networks[i], subnet))
			return true;
	return false;
}

/* The lowest number that is free, 0 if there is none. */
static unsigned int find_number(const struct run *run, bool beside_host)
{
	struct address subnet, subnet6;

	for (unsigned int n = 1; n < sizeof(run->subnets) - 1; n++) {
		make_subnets(n, &subnet, &subnet6);
		if (!run->subnets[n] && !(beside_host && (is_hosts(run, &subnet) || is_hosts(run, &subnet6))))
			return n;
	}
	return 0;
}

int run_take_subnets(struct run *run, struct address *subnet, struct address *subnet6, unsigned int *n,
		     struct error *err)
{
	*n = find_number(run, true);
	/* A host with a route to all of 10.0.0.0/8: labs that need no uplink work all the same. */
	if (!*n)
		*n = find_number(run, false);
	if (!*n)
		return error_set(err, EADDRNOTAVAIL,
				 "no subnet is left; close bridges, or give this one both a `subnet` and a `subnet6`");
	run->subnets[*n] = 1;
	make_subnets(*n, subnet, subnet6);
	return 0;
}

void run_return_subnets(struct run *run, unsigned int n)
{
	run->subnets[n] = 0;
}

static int is_free(struct run *run, const char *name)
{
	struct error ignored;
	int ifindex;

	/* The kernel keeps settings of all devices under these two names. */
	if (strcmp(name, "all") == 0 || strcmp(name, "default") == 0)
		return 0;
	return link_index(run->nl, name, &ifindex, &ignored) != 0;
}

void run_device_name(struct run *run, const char *wanted, char name[static IFNAMSIZ])
{
	uint64_t hash = hash_string(wanted);

	snprintf(name, IFNAMSIZ, "%s", wanted);
	while (strlen(wanted) >= IFNAMSIZ || !is_free(run, name)) {
		snprintf(name, IFNAMSIZ, "%.8s~%06x", wanted, (unsigned int)(hash & 0xffffff));
		if (is_free(run, name))
			break;
		hash++;
	}
}

int run_open_line(struct run *run, struct error *err)
{
	char line[IFNAMSIZ], end[IFNAMSIZ];

	/* Each rule that delays comes here, and to look for free names takes longer than to write it. */
	if (wire_line(run->wire))
		return 0;
	run_device_name(run, "line", line);
	run_device_name(run, "line-end", end);
	host_needs_line(run);
	return wire_open_line(run->wire, run->nl, line, end, err);
}
