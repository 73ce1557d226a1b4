// SPDX-License-Identifier: GPL-2.0-only
#include "capture/held.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"

#define FIRST_ROOM 64U

static bool is_before(const struct held_frame *a, const struct held_frame *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void swap(struct held *held, size_t a, size_t b)
{
	struct held_frame *frame = held->heap[a];

	held->heap[a] = held->heap[b];
	held->heap[b] = frame;
}

static void rise(struct held *held, size_t place)
{
	while (place && is_before(held->heap[place], held->heap[(place - 1) / 2])) {
		swap(held, place, (place - 1) / 2);
		place = (place - 1) / 2;
	}
}

static void sink(struct held *held, size_t place)
{
	for (;;) {
		size_t first = place;

		for (size_t child = 2 * place + 1; child <= 2 * place + 2 && child < held->count; child++)
			if (is_before(held->heap[child], held->heap[first]))
				first = child;
		if (first == place)
			return;
		swap(held, place, first);
		place = first;
	}
}

static struct held_frame *copy(const struct ring_event *event)
{
	size_t size = sizeof(struct held_frame) + event->size + event->tail_size;
	struct held_frame *frame = memory_new(size);

	frame->size = size;
	frame->event = *event;
	memcpy(frame->bytes, event->bytes, event->size);
	if (event->tail_size)
		memcpy(frame->bytes + event->size, event->tail, event->tail_size);
	frame->event.bytes = frame->bytes;
	frame->event.size += event->tail_size;
	frame->event.tail_size = 0;
	return frame;
}

size_t held_add(struct held *held, const struct ring_event *event, uint64_t due_ns)
{
	struct held_frame *frame = copy(event);

	frame->due_ns = due_ns;
	frame->order = held->last_order++;
	if (held->count == held->room) {
		held->room = held->room ? 2 * held->room : FIRST_ROOM;
		held->heap = memory_resize(held->heap, held->room * sizeof(struct held_frame *));
	}
	held->heap[held->count] = frame;
	held->size += frame->size;
	rise(held, held->count++);
	return frame->size;
}

struct held_frame *held_next(struct held *held, uint64_t until_ns)
{
	struct held_frame *frame;

	if (!held->count || held->heap[0]->due_ns > until_ns)
		return NULL;
	frame = held->heap[0];
	held->heap[0] = held->heap[--held->count];
	sink(held, 0);
	held->size -= frame->size;
	return frame;
}

void held_clear(struct held *held)
{
	for (size_t i = 0; i < held->count; i++)
		free(held->heap[i]);
	free(held->heap);
	*held = (struct held){ 0 };
}
