/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rings of a reader, one a CPU, read as one: what several CPUs wrote comes out in the order of its time. libbpf opens
 * the rings and puts them into the map of the wire program; frames are looked at where they are, and copied by nobody but
 * whoever wants to keep them.
 */
#ifndef PROVIUM_CAPTURE_RINGS_H
#define PROVIUM_CAPTURE_RINGS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <provium/capture.h>

struct error;
struct rings;
struct wire_tap;

/* An event with its frame. The bytes are in up to two pieces, and stay until the next call of rings_next(). */
struct ring_event {
	struct wire_event event;
	const uint8_t *bytes;
	size_t size; /* of the first piece */
	const uint8_t *tail;
	size_t tail_size;
};

#define RINGS_DEFAULT_SIZE (16U << 20) /* 128 bytes for a frame of 64: more than 100,000 of them */

/* A size of 0: the default, or less if the rings of all CPUs would take more than an eighth of the memory. */
int rings_open(struct rings **result, const struct wire_tap *tap, uint64_t size, struct error *err);
void rings_close(struct rings *rings); /* NULL is fine */
/* Of one ring, in bytes. */
uint64_t rings_size(const struct rings *rings);

/* Become readable when there is a good deal to read. Fills one entry a CPU, and returns how many; NULL only counts. */
size_t rings_poll(const struct rings *rings, struct pollfd *fds);

/* Looks once at how far each ring is filled; rings_next() goes no further. */
void rings_look(struct rings *rings);
/* The oldest event, if there is one that is not newer than that. */
bool rings_next(struct rings *rings, uint64_t until_ns, struct ring_event *event);
/* Nothing is left of what rings_look() has seen. */
bool rings_are_empty(const struct rings *rings);
/* Gives the place of what was read back to the kernel; and if a ring fills up, that of what was not read, too, which is kept. */
void rings_done(struct rings *rings);

#endif
