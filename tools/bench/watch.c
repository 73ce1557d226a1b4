// SPDX-License-Identifier: GPL-2.0-only
/* The L2 bits that reach a device, by a ring of the kernel's packet socket: a stamp of the kernel for every frame. */
#include "probe.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "util/clock.h"

#define SLOT_SIZE  256U
#define SLOTS	   65536U
#define BLOCK_SIZE (1U << 20)
#define NAP_NS	   (20 * NS_PER_MS) /* no wake-up for each frame: they would slow down what they measure */

static void need(int status, const char *what)
{
	if (status)
		give_up("%s: %m", what);
}

static char *open_ring(const char *device)
{
	struct tpacket_req request = {
		.tp_block_size = BLOCK_SIZE,
		.tp_block_nr = SLOTS * SLOT_SIZE / BLOCK_SIZE,
		.tp_frame_size = SLOT_SIZE,
		.tp_frame_nr = SLOTS,
	};
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), version = TPACKET_V2, on = 1;
	char *ring;

	need(fd < 0, "open a packet socket");
	address.sll_ifindex = (int)if_nametoindex(device);
	need(!address.sll_ifindex, device);
	need(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), "PACKET_VERSION");
	need(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), "PACKET_VNET_HDR");
	need(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), "PACKET_IGNORE_OUTGOING");
	need(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)), "PACKET_RX_RING");
	ring = mmap(NULL, (size_t)SLOTS * SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(ring == MAP_FAILED, "map the ring");
	need(bind(fd, (struct sockaddr *)&address, sizeof(address)), device);
	return ring;
}

/* Without options beside it, an IPv4 TCP frame; what else there is on the benchmarks' links is never segmented. */
static uint32_t header_bytes(const char *frame)
{
	const struct iphdr *ip = (const void *)(frame + ETH_HLEN);
	const struct tcphdr *tcp = (const void *)(frame + ETH_HLEN + 4 * ip->ihl);

	return ETH_HLEN + 4U * ip->ihl + 4U * tcp->doff;
}

/* A frame that is cut into segments later, or never, stands for them and their headers. */
static uint32_t wire_bytes(const struct tpacket2_hdr *slot)
{
	const char *frame = (const char *)slot + slot->tp_mac;
	const struct virtio_net_hdr *offload = (const void *)(frame - sizeof(*offload));
	uint32_t headers, segments;

	if (offload->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return slot->tp_len;
	headers = header_bytes(frame);
	segments = (slot->tp_len - headers + offload->gso_size - 1) / offload->gso_size;
	return slot->tp_len + (segments - 1) * headers;
}

struct watch {
	uint64_t skip_ns, for_ns;
	uint64_t first_ns; /* of all */
	uint64_t begin_ns, last_ns, frames, bytes, longest_gap_ns;
	bool losing;
	bool over; /* a frame has come after that */
};

/* The frame that begins the time was sent before it. If none comes in time, the next one begins it anew: TCP has paused. */
static void take_frame(struct watch *watch, const struct tpacket2_hdr *slot)
{
	uint64_t now = slot->tp_sec * NS_PER_S + slot->tp_nsec;

	watch->losing |= (slot->tp_status & TP_STATUS_LOSING) != 0;
	if (!watch->first_ns)
		watch->first_ns = now;
	if (!watch->begin_ns) {
		watch->begin_ns = now >= watch->first_ns + watch->skip_ns ? now : 0;
		watch->last_ns = now;
		return;
	}
	if (now > watch->begin_ns + watch->for_ns) {
		watch->over = watch->frames;
		if (!watch->over)
			watch->begin_ns = watch->last_ns = now;
		return;
	}
	watch->frames++;
	watch->bytes += wire_bytes(slot);
	if (now - watch->last_ns > watch->longest_gap_ns)
		watch->longest_gap_ns = now - watch->last_ns;
	watch->last_ns = now;
}

/*
 * watch IFACE SKIP_MS MS: what comes in MS, which begin SKIP_MS after the first frame; from frame to frame. It ends with the
 * first frame that comes later, for a connection may pause for longer than MS on a machine that is busy.
 */
void run_watch(char **args)
{
	struct watch watch = {
		.skip_ns = number_argument("SKIP_MS", args[1]) * NS_PER_MS,
		.for_ns = number_argument("MS", args[2]) * NS_PER_MS,
	};
	uint64_t end_ns = clock_after(LIMIT_S * NS_PER_S), now = clock_now();
	char *ring = open_ring(args[0]);

	printf("ready\n");
	fflush(stdout);
	for (unsigned int i = 0; now < end_ns && !watch.over; now = clock_now()) {
		struct tpacket2_hdr *slot = (void *)(ring + (size_t)i * SLOT_SIZE);

		if (!(__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
			sleep_until(now + NAP_NS);
			continue;
		}
		take_frame(&watch, slot);
		__atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		i = (i + 1) % SLOTS;
	}
	if (watch.losing)
		give_up("the ring was too small");
	if (!watch.over)
		give_up("%llu frames came in time, and none later, in %d s", (unsigned long long)watch.frames, LIMIT_S);
	printf("frames %llu bytes %llu ns %llu gap %llu\n", (unsigned long long)watch.frames,
	       (unsigned long long)watch.bytes, (unsigned long long)(watch.last_ns - watch.begin_ns),
	       (unsigned long long)watch.longest_gap_ns);
}
