// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends frames of every kind, and counts those that arrive: what the tests look at the wire with, from inside of nodes.
 *
 *     frame send   --device eth0 --from ID [--kinds LIST] [--count N] [--gap MICROSECONDS] [--size BYTES] [--forge MAC]
 *                  ID=MAC...
 *     frame listen --device eth0 [--log]
 *     frame segment ADDRESS PORT SIZE COUNT
 *     frame scatter PORT ADDRESS...
 *     frame sink PORT COUNT
 *
 * A sender makes each kind of frame of a list, those to one receiver for every ID=MAC. A listener says "ready", counts
 * until SIGTERM, or for 60 s, and then prints a line for each kind, sender and receiver that it saw:
 *
 *     KIND FROM TO COUNT BYTES SHORTEST LONGEST FIRST LAST
 *
 * SHORTEST and LONGEST are the nanoseconds that a frame took, FIRST and LAST when frames arrived (CLOCK_MONOTONIC). TO
 * is 0 for frames to a group. With --log it prints "frame KIND FROM TO NUMBER DELAY" for each of them at once.
 *
 * The other three are about datagrams: COUNT of them from one call, by the kernel's segmentation; one to each ADDRESS; and how
 * many came, once it is COUNT or 60 s have passed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "frame.h"

const struct kind_of_frame kinds[KINDS] = {
	[KIND_IPV4] = { "ipv4", NULL, ETHERTYPE_IP },
	[KIND_IPV6] = { "ipv6", NULL, ETHERTYPE_IPV6 },
	[KIND_VLAN] = { "vlan", NULL, ETHERTYPE_VLAN },
	[KIND_MADE_UP] = { "made-up", NULL, ETHERTYPE_MADE_UP },
	[KIND_STRANGER] = { "stranger", NULL, ETHERTYPE_IP }, /* from an address that nobody has */
	[KIND_ARP] = { "arp", "\xff\xff\xff\xff\xff\xff", ETHERTYPE_ARP },
	[KIND_BROADCAST] = { "broadcast", "\xff\xff\xff\xff\xff\xff", ETHERTYPE_IP },
	[KIND_MULTICAST] = { "multicast", "\x01\x00\x5e\x01\x02\x03", ETHERTYPE_IP },
	[KIND_MULTICAST6] = { "multicast6", "\x33\x33\x00\x00\x01\x02", ETHERTYPE_IPV6 },
	[KIND_LLDP] = { "lldp", "\x01\x80\xc2\x00\x00\x0e", 0x88cc },
	[KIND_FORGED] = { "forged", "\xff\xff\xff\xff\xff\xff", ETHERTYPE_IP }, /* from the address of another node */
};

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int open_socket(const char *device, uint16_t protocol)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	address.sll_ifindex = (int)if_nametoindex(device);
	if (fd < 0 || !address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		error(1, errno, "open %s", device);
	return fd;
}

void read_address(const char *text, uint8_t address[static ETH_ALEN])
{
	unsigned int b[ETH_ALEN];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != ETH_ALEN)
		error(2, 0, "%s is no MAC address", text);
	for (int i = 0; i < ETH_ALEN; i++)
		address[i] = (uint8_t)b[i];
}

struct arguments {
	const char *device, *kinds;
	struct sender sender;
	bool log;
};

static int read_option(int option, struct arguments *arguments)
{
	struct sender *sender = &arguments->sender;

	switch (option) {
	case 'd':
		arguments->device = optarg;
		return 0;
	case 'i':
		sender->id = (uint8_t)(atoi(optarg) % MAX_ID);
		return 0;
	case 'k':
		arguments->kinds = optarg;
		return 0;
	case 'c':
		sender->count = (uint32_t)atoi(optarg);
		return 0;
	case 'g':
		sender->gap_ns = (uint64_t)atoll(optarg) * 1000;
		return 0;
	case 's':
		sender->size = (uint32_t)atoi(optarg);
		return sender->size < MIN_SIZE || sender->size > MAX_SIZE;
	case 'f':
		read_address(optarg, sender->forge);
		return 0;
	case 'l':
		arguments->log = true;
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", 1, NULL, 'd' }, { "from", 1, NULL, 'i' }, { "kinds", 1, NULL, 'k' },
		{ "count", 1, NULL, 'c' },  { "gap", 1, NULL, 'g' },  { "size", 1, NULL, 's' },
		{ "forge", 1, NULL, 'f' },  { "log", 0, NULL, 'l' },  { 0 },
	};
	struct arguments arguments = { .device = "eth0", .kinds = "ipv4", .sender = { .count = 1, .size = 128 } };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		if (read_option(option, &arguments))
			error(2, 0, "bad option; see the top of main.c");
	if (optind < argc && strcmp(argv[optind], "send") == 0)
		return run_sender(arguments.device, &arguments.sender, arguments.kinds, argv + optind + 1);
	if (optind < argc && strcmp(argv[optind], "listen") == 0)
		return run_listener(arguments.device, arguments.log);
	if (optind + 5 == argc && strcmp(argv[optind], "segment") == 0)
		return run_segmenter(argv + optind + 1);
	if (optind + 2 < argc && strcmp(argv[optind], "scatter") == 0)
		return run_scatterer(argv + optind + 1);
	if (optind + 3 == argc && strcmp(argv[optind], "sink") == 0)
		return run_sink(argv + optind + 1);
	error(2, 0, "usage: frame send|listen|segment|scatter|sink; see the top of main.c");
}
