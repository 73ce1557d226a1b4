/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The namespaces of a node whose root is its own. Its programs are root in a user namespace, in which every user is who he is on
 * the machine: the files below have their owners, and no capability reaches beyond the node.
 */
#ifndef PROVIUM_NODE_NETNS_NAMESPACES_H
#define PROVIUM_NODE_NETNS_NAMESPACES_H

struct error;

struct namespaces {
	int holder; /* a pidfd of the process that is in the user namespace until init is */
	int limits; /* /proc/sys/user */
};

/*
 * Makes a user namespace, and the network, IPC and UTS namespaces that belong to it, and enters all but the first, so that file
 * systems are mounted by the machine's root and show what is the node's. /proc is mounted anew, for init's own PID namespace.
 * Init's program enters the user namespace (src/init). Called by the node's init; allocates nothing.
 */
int namespaces_make(struct namespaces *namespaces, struct error *err);

#endif
