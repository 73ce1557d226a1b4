/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of src/wire alone. */
#ifndef PROVIUM_WIRE_INTERNAL_H
#define PROVIUM_WIRE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

struct wire {
	struct wire_bpf *skeleton;
	int ports, links, states, ordinals, counters, control; /* map descriptors, owned by the skeleton */
	struct wire_control *global;			       /* the one value of the map "control", mapped */
	bool can_hold;
	bool can_capture;
	uint32_t generation;
	struct gone *gone; /* of ports.c */
	size_t gone_count;
	struct flushed { /* bridges that were flushed, and by which number the last time */
		uint32_t bridge, flush;
	} * flushed;
	size_t flushed_count;
};

/* After a change to anything that frames read but links: what is known of paths is read anew. */
void wire_raise_epoch(struct wire *wire);

/* Whatever is known of ports that are gone, and of what was held for them. */
void wire_forget_gone(struct wire *wire, uint32_t bridge);

#define WIRE_ANY_BRIDGE 0U

/* Calls each() for every key of a map whose keys are wire_keys, of the given bridge. each() may delete the key. */
void wire_each_key(int map, uint32_t bridge, void (*each)(const struct wire_key *key, void *context), void *context);

#endif
