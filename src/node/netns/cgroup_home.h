/* SPDX-License-Identifier: GPL-2.0-only */
/* The cgroup hierarchy (version 2), as this process sees it: where it is in it, and who there may have which controllers. */
#ifndef PROVIUM_NODE_NETNS_CGROUP_HOME_H
#define PROVIUM_NODE_NETNS_CGROUP_HOME_H

#include <limits.h>
#include <stdbool.h>

struct error;

/* Controllers, as bits. */
enum { CGROUP_MEMORY = 1, CGROUP_CPU = 2, CGROUP_PIDS = 4, CGROUP_CONTROLLERS = 3 };

struct cgroup_home {
	char top[PATH_MAX]; /* where the hierarchy is mounted */
	char own[PATH_MAX]; /* the cgroup of this process, by its path there */
};

/* Found once: a process stays where it is, and its mounts are its own. */
int cgroup_home(const struct cgroup_home **home, struct error *err);
/* From a folder to the one above it. False at the top. */
bool cgroup_go_up(const struct cgroup_home *home, char folder[static PATH_MAX]);
/* A folder in which cgroups with these controllers can be made. */
int cgroup_choose(const struct cgroup_home *home, unsigned int wanted, char folder[static PATH_MAX], struct error *err);

#define CGROUP_TEXT_SIZE 512
/* The beginning of a file of a cgroup; "" if it cannot be read. */
void cgroup_read(const char *folder, const char *file, char text[static CGROUP_TEXT_SIZE]);
/* The error names the file. */
int cgroup_write(const char *folder, const char *file, const char *text, struct error *err);

/* Those that cgroups below the folder have. */
unsigned int cgroup_switched_on(const char *folder);
/* sign: '+' or '-'. */
int cgroup_switch(const char *folder, char sign, unsigned int which, struct error *err);

#endif
