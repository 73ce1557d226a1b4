// SPDX-License-Identifier: GPL-2.0-only
#include "util/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void memory_exhausted(void)
{
	fputs("provium: out of memory\n", stderr);
	abort();
}

void *memory_new(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		memory_exhausted();
	return memory;
}

void *memory_resize(void *memory, size_t size)
{
	memory = realloc(memory, size);
	if (!memory)
		memory_exhausted();
	return memory;
}

char *memory_string(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		memory_exhausted();
	return copy;
}
