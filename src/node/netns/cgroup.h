/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroup (version 2) of a namespace node: all that runs in the node but its init, which must answer while the rest is frozen,
 * and must not be what the kernel kills when the node has used up its memory.
 */
#ifndef PROVIUM_NODE_NETNS_CGROUP_H
#define PROVIUM_NODE_NETNS_CGROUP_H

#include <stdint.h>

struct cgroup;
struct error;

struct cgroup_limits {
	uint64_t memory_bytes; /* 0: no limit, as with the others */
	unsigned int cpus;     /* processor time of so many */
	uint64_t pids;	       /* processes and threads */
};

/* An empty one. The error says why this machine has no place for one, or none with these limits. */
int cgroup_open(struct cgroup **cgroup, const char *name, const struct cgroup_limits *limits, struct error *err);
/* Its processes must be about to end. NULL is fine. */
void cgroup_close(struct cgroup *cgroup);

const char *cgroup_path(const struct cgroup *cgroup);
/* For CLONE_INTO_CGROUP: the caller's to close. -1 and errno on failure; -1 for NULL. */
int cgroup_descriptor(const struct cgroup *cgroup);

/* Returns when nothing in it runs any more, until cgroup_thaw(). They do not see it; one that is killed ends all the same. */
int cgroup_freeze(struct cgroup *cgroup, struct error *err);
int cgroup_thaw(struct cgroup *cgroup, struct error *err);

/*
 * The calling process goes into the cgroup of the node whose init stands behind the pidfd, if that has one. Refused while the
 * node is paused: it would not run any more.
 */
int cgroup_join(int pidfd, struct error *err);

/* Removes what processes of ours that were killed have left, and waits until the deadline for what of theirs is still ending. */
void cgroup_sweep(uint64_t deadline_ns);

/* Tries it. */
int cgroup_try_freezer(struct error *err);
int cgroup_try_limits(struct error *err);

#endif
