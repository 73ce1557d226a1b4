/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of this program alone; what it does is told in main.c. */
#ifndef TESTS_LAB_FRAME_H
#define TESTS_LAB_FRAME_H

#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_ID	 16
#define VLAN_ID	 42
#define MIN_SIZE 80
#define MAX_SIZE 9000

/* The ethertype for experiments of IEEE 802, and the protocol number for those of RFC 3692. */
#define ETHERTYPE_MADE_UP 0x88b5
#define PROTOCOL_MADE_UP  253

#define NS_PER_S 1000000000ULL

/* In every frame, behind its headers. */
#define MAGIC "provium!"

struct marker {
	char magic[8];
	uint8_t kind, from, to, reserved;
	uint32_t number;
	uint64_t sent_ns;
};

enum kind {
	KIND_IPV4,
	KIND_IPV6,
	KIND_VLAN,
	KIND_MADE_UP,
	KIND_STRANGER,
	KIND_ARP,
	KIND_BROADCAST,
	KIND_MULTICAST,
	KIND_MULTICAST6,
	KIND_LLDP,
	KIND_FORGED,
	KINDS
};

/* group: the destination, NULL for frames to one receiver. */
struct kind_of_frame {
	const char *name, *group;
	uint16_t ethertype;
};
extern const struct kind_of_frame kinds[KINDS];

struct sender {
	int socket;
	uint8_t address[ETH_ALEN], forge[ETH_ALEN];
	uint8_t id;
	uint32_t count, size;
	uint64_t gap_ns;
	uint32_t number;
};

uint64_t now_ns(void);
void read_address(const char *text, uint8_t address[static ETH_ALEN]);
int open_socket(const char *device, uint16_t protocol);

int run_sender(const char *device, struct sender *sender, const char *list, char **receivers);
int run_listener(const char *device, bool log);
/* Arguments end with NULL; those that are named must be there. */
int run_segmenter(char **arguments);
int run_scatterer(char **arguments);
int run_sink(char **arguments);

#endif
