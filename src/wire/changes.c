// SPDX-License-Identifier: GPL-2.0-only
/* Changes to links that are collected before they are committed; a partition of two large groups is tens of thousands. */
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"
#include "wire/internal.h"

#define FIRST_ROOM 8U

static bool same_key(const struct wire_key *a, const struct wire_key *b)
{
	return a->bridge == b->bridge && a->from == b->from && a->to == b->to;
}

/* Fibonacci hashing: the upper bits of the product depend on all bits of the key. */
static size_t first_slot(const struct wire_changes *changes, const struct wire_key *key)
{
	uint64_t bits = (uint64_t)key->bridge << 32 | (uint64_t)key->from << 16 | key->to;

	return (size_t)((bits * 0x9e3779b97f4a7c15ULL) >> 32) & (changes->slot_count - 1);
}

/* The slot of the key, or the free one where it belongs. A slot holds the index of a change, counted from 1. */
static uint32_t *find_slot(const struct wire_changes *changes, const struct wire_key *key)
{
	size_t slot = first_slot(changes, key);

	while (changes->slots[slot] && !same_key(&changes->list[changes->slots[slot] - 1].key, key))
		slot = (slot + 1) & (changes->slot_count - 1);
	return &changes->slots[slot];
}

/* Twice as many slots as changes, so that searches stay short. */
static void grow(struct wire_changes *changes)
{
	size_t room = changes->slot_count ? changes->slot_count : FIRST_ROOM;

	changes->list = memory_resize(changes->list, room * sizeof(*changes->list));
	changes->before = memory_resize(changes->before, room * sizeof(*changes->before));
	changes->known = memory_resize(changes->known, room * sizeof(*changes->known));
	changes->slot_count = 2 * room;
	free(changes->slots);
	changes->slots = memory_new(changes->slot_count * sizeof(*changes->slots));
	for (size_t i = 0; i < changes->count; i++)
		*find_slot(changes, &changes->list[i].key) = (uint32_t)i + 1;
}

/* The number of the one that is about the key, which may be a new one. */
static size_t place_of(struct wire_changes *changes, const struct wire_key *key)
{
	uint32_t *slot;

	if (2 * changes->count == changes->slot_count)
		grow(changes);
	slot = find_slot(changes, key);
	if (!*slot) {
		changes->list[changes->count].key = *key;
		changes->known[changes->count] = false;
		*slot = (uint32_t)++changes->count;
	}
	return *slot - 1;
}

void wire_change(struct wire_changes *changes, const struct wire_change *change)
{
	size_t place = place_of(changes, &change->key);

	changes->list[place] = *change;
}

/* What was known under another epoch may not be so any more. */
static void keep_up(const struct wire *wire, struct wire_changes *changes)
{
	if (changes->epoch != wire->global->epoch)
		memset(changes->known, 0, changes->count * sizeof(*changes->known));
	changes->epoch = wire->global->epoch;
}

void wire_note_link(const struct wire *wire, struct wire_changes *changes, const struct wire_key *key,
		    const struct wire_link *link)
{
	size_t count = changes->count, place = place_of(changes, key);

	keep_up(wire, changes);
	if (changes->count > count)
		changes->list[place].link = *link;
	changes->before[place] = *link;
	changes->known[place] = true;
}

bool wire_has_change(const struct wire_changes *changes, struct wire_key key)
{
	return changes->count && *find_slot(changes, &key);
}

struct wire_link wire_changed_link(const struct wire *wire, const struct wire_changes *changes, struct wire_key key)
{
	uint32_t slot = changes->count ? *find_slot(changes, &key) : 0;

	return slot ? changes->list[slot - 1].link : wire_link(wire, key);
}

struct wire_link *wire_edit_link(const struct wire *wire, struct wire_changes *changes, struct wire_key key)
{
	if (!wire_has_change(changes, key)) {
		struct wire_link link = wire_link(wire, key);

		wire_note_link(wire, changes, &key, &link);
	}
	return &changes->list[*find_slot(changes, &key) - 1].link;
}

const struct wire_link *wire_before(const struct wire *wire, struct wire_changes *changes)
{
	if (changes->count)
		keep_up(wire, changes);
	for (size_t i = 0; i < changes->count; i++) {
		if (!changes->known[i])
			changes->before[i] = wire_link(wire, changes->list[i].key);
		changes->known[i] = true;
	}
	return changes->before;
}

void wire_forget_changes(struct wire_changes *changes)
{
	free(changes->before);
	free(changes->known);
	free(changes->list);
	free(changes->slots);
	*changes = (struct wire_changes){ 0 };
}
