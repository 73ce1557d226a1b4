/* SPDX-License-Identifier: GPL-2.0-only */
/* The pcapng format: draft-ietf-opsawg-pcapng. */
#ifndef PROVIUM_CAPTURE_PCAPNG_H
#define PROVIUM_CAPTURE_PCAPNG_H

#include <stdint.h>

#include "capture/rings.h"
#include "util/buffer.h"

enum pcapng_direction {
	PCAPNG_INBOUND = 1, /* as the flags of a packet have it */
	PCAPNG_OUTBOUND = 2,
};

struct pcapng_frame {
	const struct ring_event *event;
	uint64_t time_ns; /* since 1970 */
	uint32_t snaplen;
	uint32_t interface; /* counted from 0, in the order in which they were added */
	enum pcapng_direction direction;
	const char *comment; /* NULL: none */
};

void pcapng_add_section(struct buffer *out, const char *comment);
void pcapng_add_interface(struct buffer *out, const char *name, uint32_t snaplen);
void pcapng_add_frame(struct buffer *out, const struct pcapng_frame *frame);

#endif
