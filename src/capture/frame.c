// SPDX-License-Identifier: GPL-2.0-only
#include "capture/frame.h"

#include <arpa/inet.h>
#include <string.h>

#include "capture/checksum.h"

#define ADDRESSES 12U /* of receiver and sender: the tag stands behind them */
#define TAG	  4U

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t frame_length(const struct ring_event *event)
{
	return event->event.length + (event->event.tagged ? TAG : 0);
}

static uint32_t bytes_there(const struct ring_event *event)
{
	return (uint32_t)(event->size + event->tail_size);
}

uint32_t frame_captured(const struct ring_event *event, uint32_t snaplen)
{
	uint32_t there = bytes_there(event);

	return least(there + (event->event.tagged && there >= ADDRESSES ? TAG : 0), snaplen);
}

/* From the two pieces, as if they were one. */
static void add_bytes(struct buffer *out, const struct ring_event *event, uint32_t from, uint32_t count)
{
	uint32_t first = from < event->size ? least(count, (uint32_t)event->size - from) : 0;

	if (first)
		buffer_add(out, event->bytes + from, first);
	if (count > first)
		buffer_add(out, event->tail + (from + first - event->size), count - first);
}

static void add_frame(struct buffer *out, const struct ring_event *event, uint32_t captured)
{
	uint16_t tag[2] = { event->event.vlan_proto, htons(event->event.vlan_tci) };
	uint32_t part;

	if (!event->event.tagged) {
		add_bytes(out, event, 0, captured);
		return;
	}
	part = least(captured, ADDRESSES);
	add_bytes(out, event, 0, part);
	part = least(captured - part, TAG);
	buffer_add(out, tag, part);
	if (captured > ADDRESSES + TAG)
		add_bytes(out, event, ADDRESSES, captured - ADDRESSES - TAG);
}

void frame_add(struct buffer *out, const struct ring_event *event, uint32_t captured)
{
	size_t start = out->size;

	add_frame(out, event, captured);
	if (captured == frame_length(event))
		checksum_fill((uint8_t *)out->data + start, captured);
}
