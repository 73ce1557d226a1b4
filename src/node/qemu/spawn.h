/* SPDX-License-Identifier: GPL-2.0-only */
/* Starts QEMU as a child that ends with the run, and without any of its rights: see confine.h. */
#ifndef PROVIUM_NODE_QEMU_SPAWN_H
#define PROVIUM_NODE_QEMU_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/oom.h"

struct error;

/* A command line, as it grows. */
struct arguments {
	char **list; /* NULL-terminated */
	size_t count;
	int *fds; /* that the child inherits, under the same numbers, and no other */
	size_t fd_count;
};

__attribute__((format(printf, 2, 3))) void arguments_add(struct arguments *arguments, const char *format, ...);
void arguments_add_fd(struct arguments *arguments, int fd);
void arguments_free(struct arguments *arguments);

struct child {
	pid_t pid;
	int pidfd;
	int stderr_fd;	     /* our end of a pipe */
	struct oom_mark oom; /* as it was when it began */
};

/*
 * The program is looked up in PATH, which is all of the environment that it gets. kvm: it may use /dev/kvm. An error if it cannot
 * be executed.
 */
int spawn(const struct arguments *arguments, bool kvm, struct child *child, struct error *err);
/* Ends it, whatever it does, and waits for that. */
void child_end(struct child *child); /* safe twice */
bool child_has_ended(const struct child *child);
/* The signal that ended it; 0 if none did, or it runs. */
int child_signal(const struct child *child);

#endif
