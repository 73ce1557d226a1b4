/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of src/node/netns alone. */
#ifndef PROVIUM_NODE_NETNS_H
#define PROVIUM_NODE_NETNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "node/netns/protocol.h"
#include "node/netns/rootfs.h"
#include "node/node.h"

struct netns_process;

struct netns_node {
	struct node node; /* first: a struct node is cast to this */
	char *name;
	pid_t pid;	      /* of its init */
	int pidfd;	      /* stands for its namespaces too */
	int control;	      /* to init: first see report.h, then node/netns/protocol.h */
	int etc;	      /* a folder with its own hosts and resolv.conf: see view.h. -1 until it is ready */
	char *disk;	      /* its folder in `disk`; NULL: none, or not its own to remove */
	int store;	      /* a detached mount of what it writes; -1: it has none of its own */
	struct rootfs rootfs; /* if its root was named */
	char *folder;	      /* where commands start if nothing else is said, and it is there; NULL: / */
	bool is_ready;
	uint64_t patience_ns;		 /* for an answer of init */
	uint32_t last_request, awaited;	 /* numbers of requests; 0: no answer is waited for */
	struct cgroup *cgroup;		 /* of all that runs in it but init; NULL: this machine has none */
	char *unkept;			 /* why limits that were asked for are not kept, NULL if they are */
	struct netlink *switch_nl;	 /* the lab's */
	struct netlink *nl;		 /* bound to the node's network namespace */
	struct netns_process *processes; /* that were started and have not ended, the youngest first */
};

/* init.c: starts pid 1 of the node. */
int netns_init_start(struct netns_node *node, const struct node_config *config, struct error *err);

/* nic.c */
int netns_plug(struct node *base, struct node_nic *nic, struct error *err);
int netns_unplug(struct node *base, const struct node_nic *nic, struct error *err);
int netns_set_link(struct node *base, const struct node_nic *nic, bool up, struct error *err);
int netns_set_routes(struct node *base, const struct node_nic *nic, const struct node_route *routes, size_t count,
		     struct error *err);
int netns_forget_neighbours(struct node *base, const struct node_nic *nic, const struct neighbour_choice *choice,
			    struct error *err);
/* Loopback up, and no traffic that nobody asked for. */
int netns_prepare_network(struct netns_node *node, struct error *err);

/* process.c */
int netns_start(struct node *base, const struct command *command, struct process **process, struct error *err);
/* Init told of a process's end, with the status as waitpid() has it. */
void netns_process_ended(struct netns_node *node, pid_t pid, int status);
/* The node has ended, and with it all of its processes. */
void netns_processes_lost(struct netns_node *node);

/* ask.c */

/* Deals with what init has told so far, without waiting. False if the node has ended. */
bool netns_take_answers(struct netns_node *node);
/* Asks, and waits for the answer. fds: NULL, or NETNS_FDS descriptors. */
int netns_ask(struct netns_node *node, const struct netns_request *request, const int *fds, int *value,
	      struct error *err);
/* fds: those of the command and its report; the one for the strings is filled in. */
int netns_ask_start(struct netns_node *node, const struct command *command, int fds[static NETNS_FDS], int *pid,
		    struct error *err);

#endif
