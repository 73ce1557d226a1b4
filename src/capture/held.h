/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames that fq still holds, until the time at which they arrive. Those of the same time come out as they went in. */
#ifndef PROVIUM_CAPTURE_HELD_H
#define PROVIUM_CAPTURE_HELD_H

#include <stddef.h>
#include <stdint.h>

#include "capture/rings.h"

struct held_frame {
	uint64_t due_ns;
	uint64_t order;
	size_t size;		 /* of all of this */
	struct ring_event event; /* whose bytes are these: */
	uint8_t bytes[];
};

/* All zero: empty. */
struct held {
	struct held_frame **heap;
	size_t count, room;
	uint64_t last_order;
	size_t size; /* of all frames in it */
};

/* Copies the event, which is due at that time. Returns how much memory it takes. */
size_t held_add(struct held *held, const struct ring_event *event, uint64_t due_ns);
/* The first that is due until that time, for the caller to free; NULL if there is none. */
struct held_frame *held_next(struct held *held, uint64_t until_ns);
void held_clear(struct held *held);

#endif
