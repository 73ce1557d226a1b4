// SPDX-License-Identifier: GPL-2.0-only
#include "capture/pcapng.h"

#include <stddef.h>
#include <string.h>

#include "capture/frame.h"

#define BYTE_ORDER_MAGIC 0x1a2b3c4dU
#define LENGTH_UNKNOWN	 UINT64_MAX
#define ETHERNET	 1
#define NANOSECONDS	 9 /* 10^-9 */

enum block {
	BLOCK_INTERFACE = 1,
	BLOCK_FRAME = 6,
	BLOCK_SECTION = 0x0a0d0d0a,
};

enum option {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_SECTION_PROGRAM = 4,
	OPTION_INTERFACE_NAME = 2,
	OPTION_INTERFACE_RESOLUTION = 9,
	OPTION_FRAME_FLAGS = 2,
};

static void add_padding(struct buffer *out, size_t size)
{
	static const char zeros[4];

	buffer_add(out, zeros, -size & 3);
}

static void add_option(struct buffer *out, enum option code, const void *value, size_t size)
{
	uint16_t header[2] = { (uint16_t)code, (uint16_t)size };

	buffer_add(out, header, sizeof(header));
	buffer_add(out, value, size);
	add_padding(out, size);
}

/* What is longer than an option can be is cut off. */
static void add_text(struct buffer *out, enum option code, const char *text)
{
	add_option(out, code, text, strnlen(text, UINT16_MAX));
}

/* Every block has its length at both ends, which is not known before it is there. Returns where it begins. */
static size_t begin_block(struct buffer *out, enum block type)
{
	uint32_t header[2] = { type, 0 };

	buffer_add(out, header, sizeof(header));
	return out->size - sizeof(header);
}

static void end_block(struct buffer *out, size_t start)
{
	uint32_t length = (uint32_t)(out->size - start + sizeof(length));

	buffer_add(out, &length, sizeof(length));
	memcpy(out->data + start + sizeof(uint32_t), &length, sizeof(length));
}

void pcapng_add_section(struct buffer *out, const char *comment)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint64_t length;
	} body = { BYTE_ORDER_MAGIC, 1, 0, LENGTH_UNKNOWN };
	size_t start = begin_block(out, BLOCK_SECTION);

	buffer_add(out, &body, sizeof(body));
	add_text(out, OPTION_COMMENT, comment);
	add_text(out, OPTION_SECTION_PROGRAM, "provium " PROVIUM_VERSION);
	add_option(out, OPTION_END, NULL, 0);
	end_block(out, start);
}

void pcapng_add_interface(struct buffer *out, const char *name, uint32_t snaplen)
{
	const struct {
		uint16_t link_type, reserved;
		uint32_t snaplen;
	} body = { ETHERNET, 0, snaplen };
	const uint8_t resolution = NANOSECONDS;
	size_t start = begin_block(out, BLOCK_INTERFACE);

	buffer_add(out, &body, sizeof(body));
	add_text(out, OPTION_INTERFACE_NAME, name);
	add_option(out, OPTION_INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	add_option(out, OPTION_END, NULL, 0);
	end_block(out, start);
}

void pcapng_add_frame(struct buffer *out, const struct pcapng_frame *frame)
{
	const struct {
		uint32_t interface, time_high, time_low, captured, length;
	} body = {
		.interface = frame->interface,
		.time_high = (uint32_t)(frame->time_ns >> 32),
		.time_low = (uint32_t)frame->time_ns,
		.captured = frame_captured(frame->event, frame->snaplen),
		.length = frame_length(frame->event),
	};
	const uint32_t flags = frame->direction;
	size_t start = begin_block(out, BLOCK_FRAME);

	buffer_add(out, &body, sizeof(body));
	frame_add(out, frame->event, body.captured);
	add_padding(out, body.captured);
	if (frame->comment)
		add_text(out, OPTION_COMMENT, frame->comment);
	add_option(out, OPTION_FRAME_FLAGS, &flags, sizeof(flags));
	add_option(out, OPTION_END, NULL, 0);
	end_block(out, start);
}
