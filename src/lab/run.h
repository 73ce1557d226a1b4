/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one process has once, whatever its labs are: the switch namespace, the wire program, the numbers that are given
 * out, and the names of devices. When the process ends, the kernel takes all of it away.
 */
#ifndef PROVIUM_LAB_RUN_H
#define PROVIUM_LAB_RUN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lab/losses.h"
#include "net/address.h"

struct capture_hub;
struct error;
struct host_settings;
struct lab_capture;
struct netlink;
struct router;
struct stranger;
struct wire;

struct run {
	struct netlink *nl; /* of the switch namespace */
	struct wire *wire;
	bool is_open;
	uint64_t seed;
	char *folder;			/* of the script; NULL: none */
	uint32_t last_bridge;		/* bridge numbers are not used again within a run */
	unsigned char subnets[256];	/* which second octets are taken */
	int registry;			/* see registry.h */
	int host;			/* the network namespace that the run was started in */
	struct host_settings *settings; /* of the host that the run needs; NULL if none yet */
	struct {
		uint64_t nodes, pairs;		   /* that there are, see host_needs.h */
		uint64_t asked_nodes, asked_pairs; /* for so many the settings are good */
		bool line;			   /* and for what comes off the line */
	} needs;
	struct losses losses;
	char *unkept; /* why limits of nodes are not kept, as run_close() tells it; NULL: all are */
	/* NULL, or told by run_close() what the machine lost. cause: a word for programs. */
	void (*hear_loss)(void *context, const char *cause, uint64_t frames);
	void *hear_context;
	struct address *host_networks; /* that it has routes to; subnets that are given out overlap none of them */
	size_t host_network_count;
	struct router *router;	      /* NULL until a bridge needs one */
	struct capture_hub *captures; /* NULL unless a capture is open */
	struct lab_capture *open_captures;
	struct stranger *strangers; /* of bridges that are closed: see strangers.h */
	size_t stranger_count;
};

/* What frames are held on: see bpf/line.h. Nothing if it is there already. */
int run_open_line(struct run *run, struct error *err);

/* Moves the process into the switch namespace and loads the wire program. The seed fixes all dice. */
int run_open(struct run **result, uint64_t seed, struct error *err);
void run_close(struct run *run);

/*
 * The n-th subnet of each family: 10.n.0.0/16 and fd70:726f:7669:n::/64 ("provi" in ASCII). Takes the lowest n that
 * is free and overlaps no network of the host, so that nodes can get an uplink; n goes back with run_return_subnets().
 */
int run_take_subnets(struct run *run, struct address *subnet, struct address *subnet6, unsigned int *n,
		     struct error *err);
void run_return_subnets(struct run *run, unsigned int n);

/*
 * A device name for the switch: what was wanted if it fits, is allowed and is free, or a shortened form of it with a
 * hash behind.
 */
void run_device_name(struct run *run, const char *wanted, char name[static IFNAMSIZ]);

void run_set_seed(struct run *run, uint64_t seed);

#endif
