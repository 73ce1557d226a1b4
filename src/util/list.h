/* SPDX-License-Identifier: GPL-2.0-only */
/* A growing array of pointers that keeps its order. */
#ifndef PROVIUM_UTIL_LIST_H
#define PROVIUM_UTIL_LIST_H

#include <string.h>

#include "util/memory.h"

#define LIST_ADD(LIST, COUNT, ITEM)                                                                                    \
	do {                                                                                                           \
		(LIST) = memory_resize((LIST), ((COUNT) + 1) * sizeof(*(LIST)));                                       \
		(LIST)[(COUNT)++] = (ITEM);                                                                            \
	} while (0)

#define LIST_REMOVE(LIST, COUNT, INDEX)                                                                                \
	do {                                                                                                           \
		(COUNT)--;                                                                                             \
		memmove(&(LIST)[INDEX], &(LIST)[(INDEX) + 1], ((COUNT) - (INDEX)) * sizeof(*(LIST)));                  \
	} while (0)

#endif
