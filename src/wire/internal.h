/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of src/wire alone. */
#ifndef PROVIUM_WIRE_INTERNAL_H
#define PROVIUM_WIRE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

/* What is known by wire_key, in one map or in two: see wire_needs_more(). */
enum wire_pairs {
	WIRE_LINKS,
	WIRE_STATES,
	WIRE_COUNTERS,
	WIRE_PAIRS,
};

struct wire {
	struct wire_bpf *skeleton;
	int ports, links, states, ordinals, counters, control; /* map descriptors, owned by the skeleton */
	int more[WIRE_PAIRS];				       /* the second maps; 0: not made */
	bool more_rules;				       /* links may have one */
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

/* Makes an element of a map; one that is there stays as it is. Returns -errno. */
int wire_make_element(int map, const struct wire_key *key, const void *value);

/* Whatever is known of ports that are gone, and of what was held for them. */
void wire_forget_gone(struct wire *wire, uint32_t bridge);

/* 0 if it was never flushed. */
uint32_t wire_last_flush(const struct wire *wire, uint32_t bridge);

/* Whether the kernel can have rules in second maps. */
bool wire_probe_more_rules(void);
/* The map that has the key, or would: a descriptor; -1 if it is not made. */
int wire_map(const struct wire *wire, enum wire_pairs pairs, const struct wire_key *key);
/* Makes that map if need be. */
int wire_make_map(struct wire *wire, enum wire_pairs pairs, const struct wire_key *key, struct error *err);
void wire_close_more(struct wire *wire);
/* How many rules there is room for at most. */
uint32_t wire_most_rules(const struct wire *wire);

#define WIRE_ANY_BRIDGE 0U

/* Calls each() for every key of the given bridge, and its value as it was a moment ago. */
void wire_each_key(const struct wire *wire, enum wire_pairs pairs, uint32_t bridge,
		   void (*each)(const struct wire_key *key, const void *value, void *context), void *context);
/* Deletes every key of the given bridge. */
void wire_delete_keys(const struct wire *wire, enum wire_pairs pairs, uint32_t bridge);

#endif
