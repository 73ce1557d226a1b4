/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bytes of a stream that nobody has read yet, or that are to be kept: in memory first, then in a file without a name,
 * which is gone when the process is. More than the limit is an error.
 */
#ifndef PROVIUM_CAPTURE_SPOOL_H
#define PROVIUM_CAPTURE_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

struct error;

#define SPOOL_MEMORY (4U << 20) /* as much stays in memory */

/* Places are counted from the first byte that ever was. */
struct spool {
	struct buffer fresh; /* where to add bytes; call spool_settle() after that */
	int file;	     /* what was moved there, -1 if there is none */
	uint64_t start;	     /* place of the first byte that is still here */
	uint64_t moved;	     /* place of the first byte in `fresh` */
	uint64_t limit;
};

void spool_open(struct spool *spool, uint64_t limit);
void spool_close(struct spool *spool);

/* Moves what is too much for memory. An error if there is no room; what did fit can still be read. */
int spool_settle(struct spool *spool, struct error *err);
/* The place behind the last byte. */
uint64_t spool_end(const struct spool *spool);
/* Copies up to size bytes from that place. Returns how many: 0 at the end, -errno and an error if the file fails. */
long spool_read(const struct spool *spool, uint64_t place, void *bytes, size_t size, struct error *err);
/* What is before that place may go. It goes when all before the end may. */
void spool_forget(struct spool *spool, uint64_t place);

#endif
