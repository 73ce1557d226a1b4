/* SPDX-License-Identifier: GPL-2.0-only */
/* What a new process does first. Nothing is allocated, for the one that it was forked from may have had other threads. */
#ifndef PROVIUM_UTIL_FORK_H
#define PROVIUM_UTIL_FORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * From now on the process is killed when the thread that forked it ends. False if that has ended already: a signal that is set
 * too late never comes. `parent` is its getpid(), from before the fork; both are in one process namespace. A change of
 * user, and an exec that changes rights, take the signal away again.
 */
bool fork_follow(pid_t parent);

/* The same where the parent is in another process namespace, and has no number. `alive` reads from a pipe that it alone writes to. */
bool fork_follow_pipe(int alive);

/* Of all descriptors from 3 on, only these will outlive the exec. Returns 0 or an errno. */
int fork_keep_fds(const int *fds, size_t count);

#endif
