/* SPDX-License-Identifier: GPL-2.0-only */
/* A command in a namespace node that a process outside of the run starts there. */
#ifndef PROVIUM_NODE_NETNS_VISIT_H
#define PROVIUM_NODE_NETNS_VISIT_H

#include <sys/types.h>

struct error;

/*
 * Starts a child that enters the node and becomes the command, with a node's environment, in a session of its own. init: a pidfd of the
 * node's process 1, whose number is pid. fds: its descriptors 0 to 2, which are none
 * of these numbers here. All that programs of the node get hold of may be changed by them
 * as its owner can: a file's mode, a terminal's, what is in it; so they are none of the machine's. terminal: one of them that becomes
 * the session's, or -1.
 *
 * The command's path is looked up in the node; if it cannot be executed, the child says why on its standard error and exits with
 * 126 or 127, as shells do; if the node cannot be entered, on this process's. Returns the child's pid, or -errno. For a process without
 * other threads.
 */
pid_t netns_visit(int init, pid_t pid, const char *node, char *const *command, const int fds[static 3], int terminal,
		  struct error *err);

#endif
