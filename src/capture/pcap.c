// SPDX-License-Identifier: GPL-2.0-only
#include "capture/pcap.h"

#include "capture/frame.h"
#include "util/clock.h"

#define MAGIC_NANOSECONDS 0xa1b23c4dU
#define MAJOR		  2
#define MINOR		  4
#define ETHERNET	  1

void pcap_add_header(struct buffer *out, uint32_t snaplen)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, snaplen, link_type;
	} header = {
		.magic = MAGIC_NANOSECONDS,
		.major = MAJOR,
		.minor = MINOR,
		.snaplen = snaplen,
		.link_type = ETHERNET,
	};

	buffer_add(out, &header, sizeof(header));
}

void pcap_add_frame(struct buffer *out, const struct ring_event *event, uint64_t time_ns, uint32_t snaplen)
{
	const struct {
		uint32_t seconds, nanoseconds, captured, length;
	} header = {
		.seconds = (uint32_t)(time_ns / NS_PER_S),
		.nanoseconds = (uint32_t)(time_ns % NS_PER_S),
		.captured = frame_captured(event, snaplen),
		.length = frame_length(event),
	};

	buffer_add(out, &header, sizeof(header));
	frame_add(out, event, header.captured);
}
