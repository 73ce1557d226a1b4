// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends frames at a rate, as evenly as a tick of a millisecond allows:
 *
 *     flood DEVICE RECEIVER-MAC FRAMES-PER-SECOND BYTES SECONDS
 *
 * Prints how many it has sent, and how many nanoseconds that took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define NS_PER_S	  1000000000ULL
#define TICK_NS		  1000000ULL
#define BATCH		  64U
#define ETHERTYPE_MADE_UP 0x88b5

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t when_ns)
{
	struct timespec when = { .tv_sec = (time_t)(when_ns / NS_PER_S), .tv_nsec = (long)(when_ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

static int open_socket(const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = 0 };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	address.sll_ifindex = (int)if_nametoindex(device);
	if (fd < 0 || !address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		error(1, errno, "open %s", device);
	return fd;
}

static void make_frame(uint8_t *frame, const char *receiver)
{
	uint16_t type = htons(ETHERTYPE_MADE_UP);
	unsigned int b[ETH_ALEN];

	if (sscanf(receiver, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != ETH_ALEN)
		error(2, 0, "%s is no MAC address", receiver);
	for (int i = 0; i < ETH_ALEN; i++)
		frame[i] = (uint8_t)b[i];
	memcpy(frame + ETH_ALEN, "\2\0\0\0\0\1", ETH_ALEN);
	memcpy(frame + 2 * ETH_ALEN, &type, sizeof(type));
}

/* Returns how many were sent. */
static uint64_t flood(int fd, uint64_t rate, uint64_t seconds, struct mmsghdr *messages)
{
	uint64_t start = now_ns(), total = rate * seconds, sent = 0;

	while (sent < total) {
		uint64_t due = (now_ns() - start) * rate / NS_PER_S;

		if (due > total)
			due = total;
		while (sent < due) {
			unsigned int size = due - sent < BATCH ? (unsigned int)(due - sent) : BATCH;
			int done = sendmmsg(fd, messages, size, 0);

			if (done < 0 && errno != ENOBUFS)
				error(1, errno, "send");
			sent += done > 0 ? (uint64_t)done : 0;
		}
		sleep_until(start + ((now_ns() - start) / TICK_NS + 1) * TICK_NS);
	}
	printf("%llu %llu\n", (unsigned long long)sent, (unsigned long long)(now_ns() - start));
	return sent;
}

int main(int argc, char **argv)
{
	static uint8_t frame[9014];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec part = { .iov_base = frame };

	if (argc != 6)
		error(2, 0, "usage: flood DEVICE RECEIVER-MAC FRAMES-PER-SECOND BYTES SECONDS");
	make_frame(frame, argv[2]);
	part.iov_len = (size_t)atoi(argv[4]);
	if (part.iov_len < ETH_HLEN || part.iov_len > sizeof(frame))
		error(2, 0, "%s bytes make no frame", argv[4]);
	for (unsigned int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
	flood(open_socket(argv[1]), strtoull(argv[3], NULL, 10), strtoull(argv[5], NULL, 10), messages);
	return 0;
}
