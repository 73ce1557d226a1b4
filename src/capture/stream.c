// SPDX-License-Identifier: GPL-2.0-only
/* From frames to the bytes of a stream. */
#include <stdio.h>
#include <string.h>

#include "capture/internal.h"
#include "capture/pcap.h"
#include "capture/pcapng.h"
#include "util/memory.h"
#include "wire/tap.h"
#include "wire/wire.h"

void stream_begin(struct capture *capture)
{
	if (capture->options.format == CAPTURE_PCAP)
		pcap_add_header(&capture->spool.fresh, capture->options.wanted.snaplen);
	else if (capture->options.format == CAPTURE_PCAPNG)
		pcapng_add_section(&capture->spool.fresh, capture->title);
}

/* Ports come while a capture is open. One that is gone before its first frame is looked at has only its number left. */
static struct known_port *find_port(struct capture *capture, uint16_t number)
{
	struct known_port *port;

	if (number >= capture->port_count) {
		size_t count = number + 1U;

		capture->ports = memory_resize(capture->ports, count * sizeof(*capture->ports));
		memset(capture->ports + capture->port_count, 0, (count - capture->port_count) * sizeof(*port));
		capture->port_count = count;
	}
	port = &capture->ports[number];
	if (port->is_known)
		return port;
	port->is_known = true;
	if (!number)
		snprintf(port->name, sizeof(port->name), "switch");
	else if (!wire_tap_port_name(capture->hub->tap, capture->options.wanted.bridge, number, port->name))
		snprintf(port->name, sizeof(port->name), "port%u", number);
	return port;
}

static uint32_t find_interface(struct capture *capture, uint16_t number)
{
	struct known_port *port = find_port(capture, number);

	if (!port->interface) {
		port->interface = ++capture->interface_count;
		pcapng_add_interface(&capture->spool.fresh, port->name, capture->options.wanted.snaplen);
	}
	return port->interface - 1;
}

/* "a@lan" is the port, and "a" the node. */
static int node_name_size(const char *port_name)
{
	return (int)strcspn(port_name, "@");
}

static const char *fate(const struct wire_event *event, char text[static 64])
{
	switch ((enum wire_verdict)event->verdict) {
	case WIRE_DELIVERED:
		snprintf(text, 64, "delivered after %.1f ms", (double)(event->time_ns - event->sent_ns) / 1e6);
		return text;
	case WIRE_LOSS:
		snprintf(text, 64, "dropped: loss (%s)", wire_hops[event->hop % WIRE_HOPS]);
		return text;
	default:
		snprintf(text, 64, "dropped: %s", wire_verdict_name(event->verdict % WIRE_VERDICTS));
		return text;
	}
}

/* An outcome that comes at once is what frames that are bound for a receiver are, too. */
static bool wants_outcome(const struct capture *capture)
{
	return capture->options.wanted.kinds & 1U << WIRE_EVENT_OUTCOME;
}

/* A frame that has arrived came in at its receiver. Any other one went out at its sender, and that was all of it. */
static void add_pcapng(struct capture *capture, const struct ring_event *event, uint64_t time_ns)
{
	const struct wire_event *what = &event->event;
	bool is_outcome = wants_outcome(capture) && what->kind == WIRE_EVENT_OUTCOME;
	bool arrived = is_outcome && what->verdict == WIRE_DELIVERED;
	char comment[2 * PORT_NAME_SIZE + 80], fate_text[64];
	struct pcapng_frame frame = {
		.event = event,
		.time_ns = time_ns,
		.snaplen = capture->options.wanted.snaplen,
		.direction = arrived ? PCAPNG_INBOUND : PCAPNG_OUTBOUND,
	};
	const char *from, *to;

	frame.interface = find_interface(capture, arrived ? what->to : what->from);
	if (is_outcome) {
		/* Both before either name is looked at, for the list may move. */
		find_port(capture, what->from > what->to ? what->from : what->to);
		from = find_port(capture, what->from)->name;
		to = find_port(capture, what->to)->name;
		snprintf(comment, sizeof(comment), "%.*s→%.*s %s", node_name_size(from), from, node_name_size(to), to,
			 fate(what, fate_text));
		frame.comment = comment;
	}
	pcapng_add_frame(&capture->spool.fresh, &frame);
}

void stream_add(struct capture *capture, const struct ring_event *event)
{
	uint64_t time_ns = event->event.time_ns + capture->hub->epoch_ns;
	struct spool *spool = &capture->spool;
	struct error err;

	capture->frames++;
	if (capture->options.format == CAPTURE_PCAP)
		pcap_add_frame(&spool->fresh, event, time_ns, capture->options.wanted.snaplen);
	else if (capture->options.format == CAPTURE_PCAPNG)
		add_pcapng(capture, event, time_ns);
	if (spool_settle(spool, &err))
		hub_stop_capture(capture, &err);
	else if (capture->frames == capture->options.count)
		hub_stop_capture(capture, NULL);
}
