/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bytes of a stream that nobody has read yet, or that are to be kept: in memory first, then in a file without a name,
 * which is gone when the process is. More than the limit of them is an error.
 */
#ifndef PROVIUM_CAPTURE_SPOOL_H
#define PROVIUM_CAPTURE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

struct error;

#define SPOOL_MEMORY (4U << 20) /* as much is in memory before a file is made */
#define SPOOL_BATCH  (1U << 20) /* what goes to the file at a time: a CPU's cache holds it */

/* Places are counted from the first byte that ever was. The bytes are in `first`, then in the file, then in `fresh`. */
struct spool {
	struct buffer fresh; /* where to add bytes; call spool_settle() after that */
	struct buffer first; /* what memory had room for, once it is full */
	int file;	     /* -1 if there is none */
	uint64_t start;	     /* place of the first byte that is still wanted */
	uint64_t filed;	     /* place of the first byte that went to the file */
	uint64_t moved;	     /* place of the first byte in `fresh` */
	uint64_t limit;
};

void spool_open(struct spool *spool, uint64_t limit);
void spool_close(struct spool *spool);

/* Moves what is too much for memory to the file. An error if there is no room; what did fit can still be read. */
int spool_settle(struct spool *spool, struct error *err);
/* The place behind the last byte. */
uint64_t spool_end(const struct spool *spool);
/* Copies up to size bytes from that place. Returns how many: 0 at the end, -errno and an error if the file fails. */
long spool_read(const struct spool *spool, uint64_t place, void *bytes, size_t size, struct error *err);
/* What is before that place is not read any more: it counts no longer, and its room is given back. */
void spool_forget(struct spool *spool, uint64_t place);
/* The same as to read and forget all, without a copy: *bytes gets it, for what it had. False if a part is in a file. */
bool spool_take(struct spool *spool, struct buffer *bytes);

#endif
