// SPDX-License-Identifier: GPL-2.0-only
#include <error.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"

#define LISTEN_NS     (60 * NS_PER_S)
#define POLL_MS	      20
#define RECEIVE_BYTES (64 << 20)

static struct total {
	uint64_t count, bytes, shortest_ns, longest_ns, first_ns, last_ns;
	uint64_t sent_ns; /* the first of them */
} totals[KINDS][MAX_ID][MAX_ID];

/* The kernel has taken the VLAN tag out of the frame and says so beside it. */
static bool has_tag(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct tpacket_auxdata data;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&data, CMSG_DATA(c), sizeof(data));
		return (data.tp_status & TP_STATUS_VLAN_VALID) && data.tp_vlan_tci == VLAN_ID;
	}
	return false;
}

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

/* False when there was nothing. */
static bool receive(int fd, bool log)
{
	static uint8_t frame[65536];
	uint8_t control[256];
	struct sockaddr_ll from;
	struct iovec part = { frame, sizeof(frame) };
	struct msghdr message = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
	const uint8_t *found = size > 0 ? memmem(frame, (size_t)size, MAGIC, strlen(MAGIC)) : NULL;
	struct marker marker;

	/* A NIC hears what it sends. */
	if (!found || from.sll_pkttype == PACKET_OUTGOING || found + sizeof(marker) > frame + size)
		return size > 0;
	memcpy(&marker, found, sizeof(marker));
	if (marker.kind >= KINDS || marker.from >= MAX_ID || marker.to >= MAX_ID)
		error(1, 0, "a frame with a marker that makes no sense");
	if ((marker.kind == KIND_VLAN) != has_tag(&message))
		error(1, 0, "a frame of kind %s came with a VLAN tag too few or too many", kinds[marker.kind].name);
	count(&marker, (size_t)size, log);
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
	int fd = open_socket(device, ETH_P_ALL), yes = 1, bytes = RECEIVE_BYTES;
	uint64_t deadline_ns = now_ns() + LISTEN_NS;
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	signal(SIGTERM, on_signal);
	printf("ready\n");
	fflush(stdout);
	while (!ended && now_ns() < deadline_ns)
		if (!receive(fd, log))
			poll(&readable, 1, POLL_MS);
	while (receive(fd, log))
		;
	for (int kind = 0; kind < KINDS; kind++)
		for (int from = 0; from < MAX_ID; from++)
			for (int to = 0; to < MAX_ID; to++)
				print_total(kind, from, to);
	return 0;
}
