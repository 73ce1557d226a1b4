/* SPDX-License-Identifier: GPL-2.0-only */
/* What `provium doctor` tries. Each probe is called in a process of its own, which may change as it likes. */
#ifndef PROVIUM_CLI_PROBES_H
#define PROVIUM_CLI_PROBES_H

#include <stdbool.h>
#include <stddef.h>

struct error;

struct probe {
	const char *name;
	const char *use; /* what it is for */
	const char *fix; /* how to get it */
	bool basic;	 /* without it nothing works */
	bool degrades;	 /* without it everything works, but not as well */
	bool in_switch;	 /* to be called in a network namespace of its own */
	int (*attempt)(struct error *err);
};

extern const struct probe probes[];
extern const size_t probe_count;

#endif
