/* SPDX-License-Identifier: GPL-2.0-only */
/* Network and mount namespaces: the private switch of a run, and visits to the namespaces of nodes. */
#ifndef PROVIUM_NET_NAMESPACE_H
#define PROVIUM_NET_NAMESPACE_H

struct error;

/*
 * Moves the process, which must have a single thread, into a network and a mount namespace of its own. The network is
 * silent: without IPv6 in it, the switch itself never sends a frame. What it mounts is not seen by the host.
 */
int namespace_make_switch(struct error *err);

/*
 * Calls act() with the calling thread moved to the network namespace of the process behind pidfd, and back.
 * Returns what act() returned, or -errno.
 */
int namespace_visit(int pidfd, int (*act)(void *context, struct error *err), void *context, struct error *err);

/* Writes a sysctl in the network namespace of the calling thread: path below /proc/sys. */
int namespace_write_sysctl(const char *path, const char *value, struct error *err);

#endif
