// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "frame.h"

static void put16(uint8_t *frame, uint16_t value)
{
	value = htons(value);
	memcpy(frame, &value, sizeof(value));
}

/* What follows the addresses: a header that is whole as far as somebody on the way might look. Returns its size. */
static size_t put_header(uint8_t *frame, enum kind kind, size_t size)
{
	uint16_t ethertype = kinds[kind].ethertype;

	put16(frame, ethertype);
	switch (ethertype) {
	case ETHERTYPE_VLAN:
		put16(frame + 2, VLAN_ID);
		put16(frame + 4, ETHERTYPE_MADE_UP);
		return 6;
	case ETHERTYPE_IP:
		memcpy(frame + 2, "\x45\0\0\0\0\0\0\0\x40", 9);
		put16(frame + 4, (uint16_t)(size - ETH_HLEN));
		frame[11] = PROTOCOL_MADE_UP;
		return 22;
	case ETHERTYPE_IPV6:
		memcpy(frame + 2, "\x60\0\0\0\0\0", 6);
		put16(frame + 6, (uint16_t)(size - ETH_HLEN - 40));
		frame[8] = PROTOCOL_MADE_UP;
		return 42;
	case ETHERTYPE_ARP:
		memcpy(frame + 2, "\0\x01\x08\0\x06\x04\0\x01", 8);
		return 30;
	default:
		return 2;
	}
}

static void send_one(struct sender *sender, enum kind kind, uint8_t to, const uint8_t *address)
{
	uint8_t frame[MAX_SIZE] = { 0 };
	struct marker marker = { .kind = (uint8_t)kind, .from = sender->id, .to = to, .number = sender->number++ };
	size_t used;

	memcpy(frame, address, ETH_ALEN);
	memcpy(frame + ETH_ALEN, kind == KIND_FORGED ? sender->forge : sender->address, ETH_ALEN);
	if (kind == KIND_STRANGER)
		memcpy(frame + ETH_ALEN, "\x02\xba\xd0\0\0", ETH_ALEN - 1);
	used = 2 * ETH_ALEN + put_header(frame + 2 * ETH_ALEN, kind, sender->size);
	memcpy(marker.magic, MAGIC, sizeof(marker.magic));
	marker.sent_ns = now_ns();
	memcpy(frame + used, &marker, sizeof(marker));
	if (send(sender->socket, frame, sender->size, 0) < 0)
		error(1, errno, "send %s", kinds[kind].name);
}

static void wait_until(uint64_t when_ns)
{
	struct timespec when = { .tv_sec = (time_t)(when_ns / NS_PER_S), .tv_nsec = (long)(when_ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

/* "vlan,arp", "all", "one" (those to one receiver), "group" (the others, but forged ones). */
static bool is_chosen(const char *list, enum kind kind)
{
	const char *name = kinds[kind].name, *found;
	size_t length = strlen(name);

	if (strcmp(list, "all") == 0)
		return true;
	if (strcmp(list, "one") == 0)
		return !kinds[kind].group;
	if (strcmp(list, "group") == 0)
		return kinds[kind].group && kind != KIND_FORGED;
	for (found = strstr(list, name); found; found = strstr(found + 1, name))
		if ((found == list || found[-1] == ',') && (found[length] == ',' || !found[length]))
			return true;
	return false;
}

static void send_all(struct sender *sender, const char *list, char **receivers)
{
	for (int kind = 0; kind < KINDS; kind++) {
		if (!is_chosen(list, (enum kind)kind))
			continue;
		if (kinds[kind].group) {
			send_one(sender, (enum kind)kind, 0, (const uint8_t *)kinds[kind].group);
			continue;
		}
		for (char **receiver = receivers; *receiver; receiver++) {
			const char *equals = strchr(*receiver, '=');
			uint8_t address[ETH_ALEN];

			read_address(equals ? equals + 1 : "", address);
			send_one(sender, (enum kind)kind, (uint8_t)atoi(*receiver), address);
		}
	}
}

int run_sender(const char *device, struct sender *sender, const char *list, char **receivers)
{
	struct sockaddr_ll address;
	socklen_t length = sizeof(address);
	uint64_t start_ns = now_ns();

	sender->socket = open_socket(device, 0);
	if (getsockname(sender->socket, (struct sockaddr *)&address, &length))
		error(1, errno, "ask for the address of %s", device);
	memcpy(sender->address, address.sll_addr, ETH_ALEN);
	for (uint32_t i = 0; i < sender->count; i++) {
		if (sender->gap_ns)
			wait_until(start_ns + i * sender->gap_ns);
		send_all(sender, list, receivers);
	}
	return 0;
}
