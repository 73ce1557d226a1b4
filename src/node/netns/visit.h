/* SPDX-License-Identifier: GPL-2.0-only */
/* A command in a namespace node that a process outside of the run starts there. */
#ifndef PROVIUM_NODE_NETNS_VISIT_H
#define PROVIUM_NODE_NETNS_VISIT_H

#include <sys/types.h>

struct error;

/*
 * Starts a child that enters the node and becomes the command, with the descriptors 0 to 2 of the caller and a node's environment.
 * init: a pidfd of the node's process 1, whose number is pid. The command's path is looked up in the node; if it cannot be
 * executed, the child says why on its standard error and exits with 126 or 127, as shells do. Returns the child's
 * pid, or -errno. For a process without other threads.
 */
pid_t netns_visit(int init, pid_t pid, const char *node, char *const *command, struct error *err);

#endif
