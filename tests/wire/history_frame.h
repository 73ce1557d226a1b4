/* SPDX-License-Identifier: GPL-2.0-only */
/* Random frames whose class is known from how they were made, not from their bytes; and chance itself. */
#ifndef PROVIUM_TESTS_WIRE_HISTORY_FRAME_H
#define PROVIUM_TESTS_WIRE_HISTORY_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "reference.h"

/* The same numbers for the same seed. */
struct chance {
	uint64_t state;
};

uint64_t chance_next(struct chance *chance);
uint64_t chance_below(struct chance *chance, uint64_t bound); /* 0 … bound - 1 */
bool chance_of(struct chance *chance, unsigned int percent);
uint64_t chance_up_to(struct chance *chance, uint64_t most); /* of any magnitude */

#define FRAME_ROOM 320

struct frame_bytes {
	uint8_t data[FRAME_ROOM];
	uint32_t length;
	struct reference_class class;
	bool is_for_bridge;
	uint32_t headers; /* of TCP or UDP and all before, as each segment has them; 0: it cannot be segmented */
};

void make_frame(struct chance *chance, struct frame_bytes *frame);

#endif
