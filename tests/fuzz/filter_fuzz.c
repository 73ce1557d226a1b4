// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filters of captures, and frames that meet them: the words of a filter, what the wire program sees in a frame, whether it
 * wants it, and the record that becomes of it. The first eight bytes say what else there is to say (struct setting), then
 * come three lines: protocol, EtherType and port of the filter; the rest is the frame.
 */
#include <string.h>

/* The helpers of the kernel are pointers to functions there, and offsetof() is one that follows a null pointer. */
#include "../../bpf/maps.h"

#undef offsetof
#define offsetof __builtin_offsetof

#include "../../bpf/capture.h"

#include "capture/capture.h"
#include "capture/frame.h"
#include "capture/names.h"
#include "capture/pcap.h"
#include "capture/pcapng.h"
#include "fuzz.h"
#include "util/memory.h"
#include "util/units.h"

#define TAG	  4
#define PCAP_HEAD 16 /* of a record */
#define LARGE	  262144
#define LAYERS	  8 /* with a checksum each */

struct setting {
	uint8_t tagged, snaplen, split, tci[2], ports, kind, missing;
};

static const uint8_t *frame;
static size_t frame_size;

static long load_bytes(const void *skb, __u32 offset, void *to, __u32 size)
{
	(void)skb;
	if (offset > frame_size || size > frame_size - offset)
		return -EFAULT;
	memcpy(to, frame + offset, size);
	return 0;
}

/* Cuts a line off. The caller's to free. */
static char *take_line(const uint8_t **data, size_t *size)
{
	const uint8_t *newline = *size ? memchr(*data, '\n', *size) : NULL;
	size_t length = newline ? (size_t)(newline - *data) : *size;
	char *line = memory_new(length + 1);

	if (length)
		memcpy(line, *data, length);
	*data += length + (newline != NULL);
	*size -= length + (newline != NULL);
	return line;
}

static void check_number(const char *text, bool good, uint16_t value, uint16_t most)
{
	int64_t number;
	char printed[16];
	uint16_t again;

	/* 010 is ten. */
	if (units_integer(text, 0, INT64_MAX, &number))
		require(good == (number >= 1 && number <= most) && (!good || number == value));
	if (!good)
		return;
	/* A number has nothing behind it. */
	if (*text >= '0' && *text <= '9' && strncmp(text, "802", 3) != 0)
		require(strspn(text, "0123456789xXabcdefABCDEF") == strlen(text));
	require(value >= 1 && value <= most);
	snprintf(printed, sizeof(printed), "0x%x", value);
	require(names_ethertype(printed, &again) && again == value);
}

static struct wire_capture read_filter(const char *protocol, const char *ethertype, const char *port)
{
	struct wire_capture wanted = { .snaplen = CAPTURE_SNAPLEN };
	bool good = names_protocol(protocol, &wanted.protocol);
	int64_t number;

	check_number(protocol, good, wanted.protocol, UINT8_MAX);
	good = names_ethertype(ethertype, &wanted.ethertype);
	check_number(ethertype, good, wanted.ethertype, UINT16_MAX);
	if (units_integer(port, 1, UINT16_MAX, &number))
		wanted.port = (__u16)number;
	wanted.looks_inside = wanted.protocol || wanted.ethertype || wanted.port;
	return wanted;
}

static bool wants_with(const struct wire_capture *capture, const struct event_room *room, bool protocol, bool ethertype,
		       bool port)
{
	struct wire_capture one = *capture;

	if (!protocol)
		one.protocol = 0;
	if (!ethertype)
		one.ethertype = 0;
	if (!port)
		one.port = 0;
	one.looks_inside = one.protocol || one.ethertype || one.port;
	return wants(&one, room);
}

/* All that a filter says must hold, and each of it for itself. */
static void check_conditions(const struct wire_capture *capture, const struct event_room *room)
{
	bool any = wants_with(capture, room, false, false, false);

	require(wants(capture, room) ==
		(any && wants_with(capture, room, true, false, false) &&
		 wants_with(capture, room, false, true, false) && wants_with(capture, room, false, false, true)));
	if (any && capture->protocol)
		require(wants_with(capture, room, true, false, false) == (room->headers.protocol == capture->protocol));
}

/* What is read from a frame is in it. */
static void check_headers(const struct headers *headers)
{
	if (headers->ports[0] || headers->ports[1])
		require(headers->protocol == IPPROTO_TCP || headers->protocol == IPPROTO_UDP ||
			headers->protocol == IPPROTO_SCTP || headers->protocol == IPPROTO_DCCP ||
			headers->protocol == IPPROTO_UDPLITE);
	if (headers->protocol)
		require((headers->ethertype == ETH_P_IP || headers->ethertype == ETH_P_IPV6) && frame_size >= 14 + 20);
	if (frame_size < 14)
		require(!headers->ethertype && !headers->protocol);
	else if (headers->ethertype)
		require(memmem(frame, frame_size, &(__u16){ htobe16(headers->ethertype) }, 2));
}

/* A capture shows a frame once, and one that it is about. */
static void check_choice(const struct wire_capture *filter, const struct setting *setting, struct event_room *room)
{
	struct capture_options options = { .wanted = *filter, .format = setting->kind % 3 };
	enum capture_verdicts verdicts = setting->kind / 3 % 4;
	uint16_t nic = setting->ports & 3, from = setting->ports >> 2 & 3, to = setting->ports >> 4 & 3;
	struct event_room sent = *room;
	struct wire_capture plain = *filter;
	bool matches, any_verdict;

	options.wanted.from = from;
	options.wanted.to = to;
	capture_choose_events(&options, nic, verdicts);
	sent.kinds = 1U << WIRE_EVENT_SENT;
	sent.event.kind = WIRE_EVENT_SENT;
	sent.event.to = 0;
	plain.kinds = 1U << WIRE_EVENT_OUTCOME;
	plain.verdicts = UINT16_MAX;
	matches = wants(&plain, room) && (!from || from == room->event.from) && (!to || to == room->event.to) &&
		  (!nic || nic == room->event.from || nic == room->event.to);
	require(!(wants(&options.wanted, room) && wants(&options.wanted, &sent)));
	if (matches && room->event.verdict == WIRE_DELIVERED && verdicts != CAPTURE_DROPPED)
		require(wants(&options.wanted, room) || wants(&options.wanted, &sent));
	if (!wants(&options.wanted, room))
		return;
	require(!from || room->event.from == from);
	require(!to || room->event.to == to);
	require(!nic || room->event.from == nic || room->event.to == nic);
	any_verdict = options.wanted.kinds & 1U << WIRE_EVENT_BOUND;
	require(verdicts != CAPTURE_DROPPED || any_verdict || room->event.verdict != WIRE_DELIVERED);
	require(verdicts != CAPTURE_DELIVERED || any_verdict || room->event.verdict == WIRE_DELIVERED);
}

/* The frame with its tag in its place. */
static struct buffer whole_frame(const struct ring_event *event)
{
	const uint16_t tag[2] = { event->event.vlan_proto, htobe16(event->event.vlan_tci) };
	size_t first = event->event.tagged && frame_size >= 12 ? 12 : frame_size;
	struct buffer whole = { 0 };

	buffer_add(&whole, frame, first);
	if (event->event.tagged && frame_size >= 12)
		buffer_add(&whole, tag, sizeof(tag));
	buffer_add(&whole, frame + first, frame_size - first);
	return whole;
}

/* The bytes of a record are those of the frame, but for checksums that were left open. */
static void check_bytes(const char *bytes, size_t size, const struct ring_event *event)
{
	struct buffer whole = whole_frame(event);
	size_t differing = 0;

	require(size <= whole.size);
	for (size_t i = 0; i < size; i++)
		differing += bytes[i] != whole.data[i];
	require(differing <= (size == frame_length(event) ? 2U * LAYERS : 0));
	buffer_free(&whole);
}

static uint32_t number_at(const struct buffer *out, size_t at)
{
	uint32_t number;

	require(at + sizeof(number) <= out->size);
	memcpy(&number, out->data + at, sizeof(number));
	return number;
}

static void check_records(const struct ring_event *event, uint32_t snaplen)
{
	struct pcapng_frame block = { .event = event, .snaplen = snaplen, .direction = PCAPNG_INBOUND, .comment = "x" };
	struct buffer pcap = { 0 }, pcapng = { 0 };
	uint32_t captured;

	pcap_add_frame(&pcap, event, 5, snaplen);
	captured = number_at(&pcap, 8);
	require(captured <= snaplen && captured <= number_at(&pcap, 12) && pcap.size == PCAP_HEAD + captured);
	check_bytes(pcap.data + PCAP_HEAD, captured, event);
	pcapng_add_frame(&pcapng, &block);
	require(number_at(&pcapng, 4) == pcapng.size && number_at(&pcapng, pcapng.size - 4) == pcapng.size);
	require(pcapng.size % 4 == 0 && number_at(&pcapng, 20) == captured);
	require(memcmp(pcapng.data + 28, pcap.data + PCAP_HEAD, captured) == 0);
	buffer_free(&pcap);
	buffer_free(&pcapng);
}

/* In one piece or two, it is the same frame. */
static void check_frame(const struct setting *setting)
{
	size_t split = setting->split < frame_size ? setting->split : frame_size;
	struct ring_event event = {
		.bytes = frame, .size = split, .tail = frame + split, .tail_size = frame_size - split
	};

	event.event.tagged = setting->tagged & 1;
	event.event.vlan_proto = htobe16(ETH_P_8021Q);
	event.event.vlan_tci = (__u16)(setting->tci[0] << 8 | setting->tci[1]);
	event.event.length = (__u32)frame_size + setting->missing;
	event.event.captured = (__u32)frame_size;
	check_records(&event, setting->snaplen ? setting->snaplen : LARGE);
}

static void meet(const struct wire_capture *filter, const struct setting *setting)
{
	static struct event_room room;
	struct __sk_buff skb = { .vlan_present = setting->tagged & 1, .vlan_proto = htobe16(ETH_P_8021Q) };
	struct wire_capture all = *filter;

	room.event = (struct wire_event){
		.kind = WIRE_EVENT_OUTCOME, .verdict = setting->kind / 12 % WIRE_VERDICTS, .from = 1, .to = 2
	};
	room.kinds = 1U << WIRE_EVENT_OUTCOME | 1U << WIRE_EVENT_BOUND;
	read_headers(&skb, &room.headers);
	check_headers(&room.headers);
	all.kinds = 1U << WIRE_EVENT_OUTCOME;
	all.verdicts = UINT16_MAX;
	check_conditions(&all, &room);
	check_choice(filter, setting, &room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_capture filter;
	struct setting setting;
	char *lines[3];

	if (size < sizeof(setting))
		return 0;
	bpf_skb_load_bytes = load_bytes;
	memcpy(&setting, data, sizeof(setting));
	data += sizeof(setting);
	size -= sizeof(setting);
	for (int i = 0; i < 3; i++)
		lines[i] = take_line(&data, &size);
	frame = data;
	frame_size = size;
	filter = read_filter(lines[0], lines[1], lines[2]);
	meet(&filter, &setting);
	check_frame(&setting);
	for (int i = 0; i < 3; i++)
		free(lines[i]);
	return 0;
}
