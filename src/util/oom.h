/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether the kernel has killed for want of memory since a while ago, and whose memory that was. */
#ifndef PROVIUM_UTIL_OOM_H
#define PROVIUM_UTIL_OOM_H

#include <stdint.h>

#define OOM_TEXT_SIZE 512

struct oom_mark {
	uint64_t machine; /* kills so far */
	uint64_t cgroup;  /* those of them in the cgroup of this process */
};

struct oom_mark oom_mark(void);
/* How often a cgroup of version 2 has met a limit of memory of its own or of one below it, such that the kernel killed for it. */
uint64_t oom_met(const char *folder);
/* NULL if nobody was killed since then. */
const char *oom_explain(const struct oom_mark *before, char text[static OOM_TEXT_SIZE]);

#endif
