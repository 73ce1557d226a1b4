// SPDX-License-Identifier: GPL-2.0-only
/* One TCP connection that always has something to send. */
#include "probe.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/memory.h"

#define CHUNK (256 << 10)

/* 0: as the kernel tunes it. */
static void set_buffer(int fd, int option, const char *text)
{
	int size = (int)number_argument("BUFFER_BYTES", text);

	if (size && setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size)))
		give_up("set a buffer of %d bytes: %m", size);
}

/* tcp-send IP PORT BUFFER_BYTES: until the sink has enough. */
void run_tcp_send(char **args)
{
	struct sockaddr_in to = address_argument(args[0], args[1]);
	int fd = new_socket(SOCK_STREAM, NULL);
	char *bytes = memory_new(CHUNK);
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	uint64_t sent = 0;
	ssize_t count;

	set_buffer(fd, SO_SNDBUFFORCE, args[2]);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		give_up("connect: %m");
	while ((count = send(fd, bytes, CHUNK, MSG_NOSIGNAL)) > 0)
		sent += (uint64_t)count;
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	printf("sent %llu retransmits %u rtt %u\n", (unsigned long long)sent, info.tcpi_total_retrans, info.tcpi_rtt);
}

/* tcp-sink PORT BUFFER_BYTES SKIP_MS MS: what one connection brings in MS, which begin SKIP_MS after its first byte. */
void run_tcp_sink(char **args)
{
	struct sockaddr_in here = address_argument("0.0.0.0", args[0]);
	uint64_t skip_ns = number_argument("SKIP_MS", args[2]) * NS_PER_MS;
	uint64_t for_ns = number_argument("MS", args[3]) * NS_PER_MS;
	uint64_t now, first_ns = 0, begin_ns = 0, last_ns = 0, bytes = 0;
	int listener = new_socket(SOCK_STREAM, &here), fd;
	char *chunk = memory_new(CHUNK);
	ssize_t got;

	set_buffer(listener, SO_RCVBUFFORCE, args[1]);
	if (listen(listener, 1))
		give_up("listen: %m");
	printf("ready\n");
	fflush(stdout);
	fd = accept(listener, NULL, NULL);
	while (fd >= 0 && (got = recv(fd, chunk, CHUNK, 0)) > 0 && (!begin_ns || last_ns < begin_ns + for_ns)) {
		last_ns = now = clock_now();
		first_ns = first_ns ? first_ns : now;
		/* What begins the time took its own time before that. */
		if (begin_ns)
			bytes += (uint64_t)got;
		else if (now >= first_ns + skip_ns)
			begin_ns = now;
	}
	printf("bytes %llu ns %llu\n", (unsigned long long)bytes, (unsigned long long)(last_ns - begin_ns));
}
