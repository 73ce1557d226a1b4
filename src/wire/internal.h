/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of src/wire alone. */
#ifndef PROVIUM_WIRE_INTERNAL_H
#define PROVIUM_WIRE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

struct wire {
	struct wire_bpf *skeleton;
	int ports, links, states, counters, control; /* map descriptors, owned by the skeleton */
	struct wire_control *global;		     /* the one value of the map "control", mapped */
	bool can_hold;
	bool can_capture;
	uint32_t generation;
};

/* Calls each() for every key of a map whose keys are wire_keys, of the given bridge. each() may delete the key. */
void wire_each_key(int map, uint32_t bridge, void (*each)(const struct wire_key *key, void *context), void *context);

#endif
