/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame as it was on the wire: the VLAN tag, which the kernel carries beside the bytes, is put back into them. */
#ifndef PROVIUM_CAPTURE_FRAME_H
#define PROVIUM_CAPTURE_FRAME_H

#include <stdint.h>

#include "capture/rings.h"
#include "util/buffer.h"

/* Of the whole frame, whatever was captured of it. */
uint32_t frame_length(const struct ring_event *event);
/* How much of it there is, with a limit. */
uint32_t frame_captured(const struct ring_event *event, uint32_t snaplen);
/* Adds that much. A frame that is there as a whole has its checksums. */
void frame_add(struct buffer *out, const struct ring_event *event, uint32_t captured);

#endif
