/* SPDX-License-Identifier: GPL-2.0-only */
/* The pcap format with nanoseconds: draft-ietf-opsawg-pcap. */
#ifndef PROVIUM_CAPTURE_PCAP_H
#define PROVIUM_CAPTURE_PCAP_H

#include <stdint.h>

#include "capture/rings.h"
#include "util/buffer.h"

void pcap_add_header(struct buffer *out, uint32_t snaplen);
/* The time is since 1970. */
void pcap_add_frame(struct buffer *out, const struct ring_event *event, uint64_t time_ns, uint32_t snaplen);

#endif
