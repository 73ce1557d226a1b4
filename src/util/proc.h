/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc says about other processes. */
#ifndef PROVIUM_UTIL_PROC_H
#define PROVIUM_UTIL_PROC_H

#include <stdint.h>
#include <sys/types.h>

/* The process that started it, 0 if there is none of that number in sight. */
pid_t proc_parent(pid_t pid);

/* When it was started, in ticks since boot. With the pid this says which process is meant, for pids are used again. 0 as above. */
uint64_t proc_started(pid_t pid);

#endif
