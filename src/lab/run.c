// SPDX-License-Identifier: GPL-2.0-only
#include "lab/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab/registry.h"
#include "lab/router.h"
#include "net/link.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/memory.h"
#include "wire/wire.h"

int run_open(struct run **result, uint64_t seed, struct error *err)
{
	struct run *run = memory_new(sizeof(*run));

	run->registry = -1;
	run->host = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (run->host < 0) {
		error_errno(err, errno, "open the network namespace");
		run_close(run);
		return -err->code;
	}
	if (namespace_make_switch(err) || netlink_open(&run->nl, err) || wire_load(&run->wire, err)) {
		run_close(run);
		return -err->code;
	}
	wire_probe_fq(run->wire, run->nl);
	run_set_seed(run, seed);
	*result = run;
	return 0;
}

void run_close(struct run *run)
{
	if (!run)
		return;
	router_close(run);
	registry_close(run);
	if (run->host >= 0)
		close(run->host);
	wire_close(run->wire);
	netlink_close(run->nl);
	free(run);
}

void run_set_seed(struct run *run, uint64_t seed)
{
	run->seed = seed;
	wire_set_seed(run->wire, seed);
}

int run_take_subnets(struct run *run, struct address *subnet, struct address *subnet6, unsigned int *n,
		     struct error *err)
{
	for (*n = 1; *n < sizeof(run->subnets) - 1; (*n)++)
		if (!run->subnets[*n])
			break;
	if (*n == sizeof(run->subnets) - 1)
		return error_set(err, EADDRNOTAVAIL, "no subnet is left; close bridges, or give this one a `subnet`");
	run->subnets[*n] = 1;
	*subnet = (struct address){ .family = AF_INET, .prefix = 16, .bytes = { 10, (uint8_t)*n } };
	*subnet6 = (struct address){
		.family = AF_INET6,
		.prefix = 64,
		.bytes = { 0xfd, 'p', 'r', 'o', 'v', 'i', 0, (uint8_t)*n },
	};
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
