/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the cgroups of this process's nodes are: a folder "provium.PID" in the cgroup hierarchy (version 2), below the cgroup that
 * the process is in, or, for limits that cannot be had there, below the nearest above it that has the controllers.
 *
 * The kernel takes no cgroup away with a process. Each folder is locked by its process, by a descriptor of a file in it that only
 * root can open; those that nobody holds any more go by cgroup_sweep(). Controllers that had to be switched on are noted at that
 * cgroup, as an extended attribute, and switched off again once no cgroup is left there.
 */
#ifndef PROVIUM_NODE_NETNS_CGROUP_PLACE_H
#define PROVIUM_NODE_NETNS_CGROUP_PLACE_H

#include <limits.h>
#include <stdint.h>

struct error;

struct cgroup_place {
	struct cgroup_place *next; /* of this process's */
	char above[PATH_MAX];	   /* the folder that it is in */
	char path[PATH_MAX];
	int lock;
	unsigned int users;
};

/* One whose cgroups can have limits of these controllers (cgroup_home.h); give it back with cgroup_place_release(). */
int cgroup_place_take(unsigned int controllers, struct cgroup_place **place, struct error *err);
void cgroup_place_release(struct cgroup_place *place);

/* Removes a cgroup; processes that are about to end are waited for, until the deadline. */
int cgroup_remove(const char *folder, uint64_t deadline_ns);

#endif
