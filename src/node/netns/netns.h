/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of src/node/netns alone. */
#ifndef PROVIUM_NODE_NETNS_H
#define PROVIUM_NODE_NETNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "node/node.h"

struct netns_process;

struct netns_node {
	struct node node; /* first: a struct node is cast to this */
	char *name;
	pid_t pid;         /* of its init */
	int pidfd;         /* stands for its namespaces too */
	int ready;         /* init writes a struct error when it is ready; -1 after that */
	struct netlink *switch_nl; /* the lab's */
	struct netlink *nl;        /* bound to the node's network namespace */
	struct netns_process *processes; /* that were started and have not been reaped, the youngest first */
};

/* init.c: starts pid 1 of the node. */
int netns_init_start(struct netns_node *node, struct error *err);

/* nic.c */
int netns_plug(struct node *base, struct node_nic *nic, struct error *err);
int netns_unplug(struct node *base, const struct node_nic *nic, struct error *err);
int netns_set_link(struct node *base, const struct node_nic *nic, bool up, struct error *err);
int netns_set_routes(struct node *base, const struct node_nic *nic, const struct node_route *routes, size_t count,
		     struct error *err);
/* Loopback up, and no traffic that nobody asked for. */
int netns_prepare_network(struct netns_node *node, struct error *err);

/* process.c */
int netns_start(struct node *base, const struct command *command, struct process **process, struct error *err);
/* Waits for the process to end, whatever interrupts. False when the deadline has passed. */
bool netns_await(int pidfd, uint64_t deadline_ns);
/* Takes note of those that have ended. Init does not end before all of them are reaped. */
void netns_reap_all(struct netns_node *node);
/* Waits for all, which were killed, and lets go of them. */
void netns_end_all(struct netns_node *node);

/* exec.c */

/* As fork(), but the child is in the node's process namespace. */
pid_t netns_fork_into(const struct netns_node *node, struct error *err);
/* Runs in that child. Whatever fails is reported as errno through the pipe `report`, which exec closes. */
__attribute__((noreturn)) void netns_child_main(const struct netns_node *node, const struct command *command,
						int stdio[static 3], int report);
/* Sends a signal to all processes of the node but its init. */
int netns_signal_all(struct netns_node *node, int signal, struct error *err);

#endif
