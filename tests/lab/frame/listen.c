// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <error.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "frame.h"

#define LISTEN_NS  (60 * NS_PER_S)
#define POLL_MS	   20
#define BLOCK_SIZE (1U << 16)
#define SLOT_SIZE  512U /* the headers and the marker; what is longer is cut, and told with its whole length */
#define SLOTS	   32768U
#define RING_SIZE  (SLOT_SIZE * SLOTS)

static struct total {
	uint64_t count, bytes, shortest_ns, longest_ns, first_ns, last_ns;
	uint64_t sent_ns; /* the first of them */
} totals[KINDS][MAX_ID][MAX_ID];

static void count(const struct marker *marker, size_t size, bool log)
{
	uint64_t now = now_ns(), delay_ns = now - marker->sent_ns;
	struct total *total = &totals[marker->kind][marker->from][marker->to];

	if (log) {
		printf("frame %s %u %u %u %llu\n", kinds[marker->kind].name, marker->from, marker->to, marker->number,
		       (unsigned long long)delay_ns);
		fflush(stdout);
	}
	if (!total->count++) {
		total->first_ns = now;
		total->shortest_ns = UINT64_MAX;
		total->sent_ns = marker->sent_ns;
	}
	total->bytes += size;
	total->last_ns = now;
	total->shortest_ns = delay_ns < total->shortest_ns ? delay_ns : total->shortest_ns;
	total->longest_ns = delay_ns > total->longest_ns ? delay_ns : total->longest_ns;
}

/* The kernel has taken the VLAN tag out of the frame and says so beside it. */
static bool has_tag(const struct tpacket2_hdr *slot)
{
	return (slot->tp_status & TP_STATUS_VLAN_VALID) && slot->tp_vlan_tci == VLAN_ID;
}

static void look_at(const struct tpacket2_hdr *slot, bool log)
{
	const struct sockaddr_ll *from = (const void *)((const uint8_t *)slot + TPACKET_ALIGN(sizeof(*slot)));
	const uint8_t *frame = (const uint8_t *)slot + slot->tp_mac;
	const uint8_t *found = memmem(frame, slot->tp_snaplen, MAGIC, strlen(MAGIC));
	struct marker marker;

	/* A NIC hears what it sends. */
	if (!found || from->sll_pkttype == PACKET_OUTGOING || found + sizeof(marker) > frame + slot->tp_snaplen)
		return;
	memcpy(&marker, found, sizeof(marker));
	if (marker.kind >= KINDS || marker.from >= MAX_ID || marker.to >= MAX_ID)
		error(1, 0, "a frame with a marker that makes no sense");
	if ((marker.kind == KIND_VLAN) != has_tag(slot))
		error(1, 0, "a frame of kind %s came with a VLAN tag too few or too many", kinds[marker.kind].name);
	count(&marker, slot->tp_len, log);
}

/* Frames wait in a ring, which takes no privilege outside of the node, as a large socket buffer does. */
static uint8_t *open_ring(int fd)
{
	struct tpacket_req request = {
		.tp_block_size = BLOCK_SIZE,
		.tp_block_nr = RING_SIZE / BLOCK_SIZE,
		.tp_frame_size = SLOT_SIZE,
		.tp_frame_nr = SLOTS,
	};
	int version = TPACKET_V2;
	uint8_t *ring;

	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)))
		error(1, errno, "make a ring of %u frames", SLOTS);
	ring = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		error(1, errno, "map the ring");
	return ring;
}

/* False when there was nothing. */
static bool receive(uint8_t *ring, bool log)
{
	static size_t next;
	struct tpacket2_hdr *slot = (struct tpacket2_hdr *)(ring + next * SLOT_SIZE);

	if (!(__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	look_at(slot, log);
	__atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	next = (next + 1) % SLOTS;
	return true;
}

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static void print_total(int kind, int from, int to)
{
	const struct total *total = &totals[kind][from][to];

	if (total->count)
		printf("%s %d %d %ju %ju %ju %ju %ju %ju %ju\n", kinds[kind].name, from, to, (uintmax_t)total->count,
		       (uintmax_t)total->bytes, (uintmax_t)total->shortest_ns, (uintmax_t)total->longest_ns,
		       (uintmax_t)total->first_ns, (uintmax_t)total->last_ns, (uintmax_t)total->sent_ns);
}

int run_listener(const char *device, bool log)
{
	int fd = open_socket(device, ETH_P_ALL);
	uint8_t *ring = open_ring(fd);
	uint64_t deadline_ns = now_ns() + LISTEN_NS;
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	signal(SIGTERM, on_signal);
	printf("ready\n");
	fflush(stdout);
	while (!ended && now_ns() < deadline_ns)
		if (!receive(ring, log))
			poll(&readable, 1, POLL_MS);
	while (receive(ring, log))
		;
	for (int kind = 0; kind < KINDS; kind++)
		for (int from = 0; from < MAX_ID; from++)
			for (int to = 0; to < MAX_ID; to++)
				print_total(kind, from, to);
	return 0;
}
