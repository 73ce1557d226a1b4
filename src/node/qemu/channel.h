/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One end of a socket pair to QEMU, over which lines of JSON go. The other side may be a guest, which nobody trusts: what it
 * sends is bounded in size, and every wait in time.
 */
#ifndef PROVIUM_NODE_QEMU_CHANNEL_H
#define PROVIUM_NODE_QEMU_CHANNEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

struct error;

struct channel {
	int fd;	      /* non-blocking; -1: closed */
	size_t limit; /* of one line, in bytes */
	struct buffer in;
	size_t taken; /* of in: what lines handed out before have used */
	bool is_amid; /* what comes next is the rest of a line over the limit */
};

void channel_open(struct channel *channel, int fd, size_t limit);
void channel_close(struct channel *channel); /* safe twice */

/* Sends all of it, with a descriptor beside it unless that is -1. */
int channel_send(struct channel *channel, const char *data, size_t size, int fd, uint64_t deadline_ns,
		 struct error *err);
int channel_send_json(struct channel *channel, const json_t *message, int fd, uint64_t deadline_ns, struct error *err);

/*
 * The next line, without its end, as a string that lives until the next call. ETIMEDOUT after the deadline, ENOTCONN when
 * the other side is gone, EMSGSIZE for a line over the limit, all of which is thrown away.
 */
int channel_line(struct channel *channel, const char **line, size_t *size, uint64_t deadline_ns, struct error *err);

/* Throws away all up to and including that byte. */
int channel_skip(struct channel *channel, char byte, uint64_t deadline_ns, struct error *err);

#endif
