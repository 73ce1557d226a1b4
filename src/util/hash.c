// SPDX-License-Identifier: GPL-2.0-only
#include "util/hash.h"

#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME  0x100000001b3ULL

uint64_t hash_string(const char *text)
{
	uint64_t hash = FNV_OFFSET;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
	return hash;
}
