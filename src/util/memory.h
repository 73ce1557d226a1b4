/* SPDX-License-Identifier: GPL-2.0-only */
/* Allocation that cannot fail: without memory the run ends, and with it everything that the kernel holds for it. */
#ifndef PROVIUM_UTIL_MEMORY_H
#define PROVIUM_UTIL_MEMORY_H

#include <stddef.h>

__attribute__((noreturn)) void memory_exhausted(void);
void *memory_new(size_t size); /* zeroed */
void *memory_resize(void *memory, size_t size);
char *memory_string(const char *text);

#endif
