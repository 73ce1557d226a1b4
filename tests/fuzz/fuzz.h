/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fuzzer is a file TARGET_fuzz.c with LLVMFuzzerTestOneInput() in it, which calls the program's own parser and says by
 * require() what holds for every input. Seeds are in seeds/TARGET, words of the format in TARGET.dict. tools/fuzz runs it.
 */
#ifndef PROVIUM_TESTS_FUZZ_H
#define PROVIUM_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What does not hold is a finding, as a crash is. */
#define require(WHAT)                                                                                                  \
	do {                                                                                                           \
		if (!(WHAT)) {                                                                                         \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #WHAT);                      \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#endif
