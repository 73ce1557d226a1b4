/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of the words that there are somebody may have meant. */
#ifndef PROVIUM_UTIL_NEAREST_H
#define PROVIUM_UTIL_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *word;  /* that was written; NULL: nothing is near */
	const char *found; /* the nearest of those that were tried, NULL if none is near enough to be meant */
	size_t distance;   /* in halves of a letter */
};

void nearest_try(struct nearest *nearest, const char *candidate);

#endif
