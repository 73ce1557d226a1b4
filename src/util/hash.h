/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PROVIUM_UTIL_HASH_H
#define PROVIUM_UTIL_HASH_H

#include <stdint.h>

/* FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923): the same text gives the same number on every machine. */
uint64_t hash_string(const char *text);

#endif
