// SPDX-License-Identifier: GPL-2.0-only
/* UDP by the kernel of the node, where frames made by hand would not do. */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"

#define SINK_NS	  (60 * NS_PER_S)
#define LARGEST	  65000
#define SINK_ROOM (4 << 20)

union address {
	struct sockaddr any;
	struct sockaddr_in ip;
	struct sockaddr_in6 ip6;
};

static socklen_t read_ip(const char *text, const char *port, union address *address)
{
	*address = (union address){ 0 };
	if (inet_pton(AF_INET, text, &address->ip.sin_addr) == 1) {
		address->ip.sin_family = AF_INET;
		address->ip.sin_port = htons((uint16_t)atoi(port));
		return sizeof(address->ip);
	}
	if (inet_pton(AF_INET6, text, &address->ip6.sin6_addr) != 1)
		error(2, 0, "%s is no IP address", text);
	address->ip6.sin6_family = AF_INET6;
	address->ip6.sin6_port = htons((uint16_t)atoi(port));
	return sizeof(address->ip6);
}

int run_segmenter(char **arguments)
{
	static const char bytes[LARGEST];
	union address to;
	socklen_t length = read_ip(arguments[0], arguments[1], &to);
	int size = atoi(arguments[2]), fd = socket(to.any.sa_family, SOCK_DGRAM, 0);
	size_t all = (size_t)size * (size_t)atoi(arguments[3]);

	if (fd < 0 || setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
		error(1, errno, "ask for segments of %d bytes", size);
	if (all > LARGEST || sendto(fd, bytes, all, 0, &to.any, length) != (ssize_t)all)
		error(1, errno, "send %zu bytes as segments of %d", all, size);
	return 0;
}

int run_scatterer(char **arguments)
{
	for (char **next = arguments + 1; *next; next++) {
		union address to;
		socklen_t length = read_ip(*next, arguments[0], &to);
		int fd = socket(to.any.sa_family, SOCK_DGRAM, 0);

		if (fd < 0 || sendto(fd, "x", 1, 0, &to.any, length) != 1)
			error(1, errno, "send to %s", *next);
	}
	return 0;
}

int run_sink(char **arguments)
{
	union address here = { .ip6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(arguments[0])) } };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), room = SINK_ROOM, wanted = atoi(arguments[1]), got = 0;
	uint64_t end_ns = now_ns() + SINK_NS;
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (fd < 0 || bind(fd, &here.any, sizeof(here.ip6)))
		error(1, errno, "listen at port %s", arguments[0]);
	while (got < wanted && now_ns() < end_ns)
		if (poll(&readable, 1, 100) > 0 && recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
			got++;
	printf("%d\n", got);
	return 0;
}
