// SPDX-License-Identifier: GPL-2.0-only
/* Single datagrams: their round trips, their way to a receiver, and which of them arrive. */
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/clock.h"

#define LARGEST	   9000
#define START_NS   (300 * NS_PER_MS) /* before the first: a probe that starts beside this one must not be in its way */
#define QUIET_NS   (500 * NS_PER_MS) /* after the last datagram: nothing more is on its way */
#define QUEUE_SIZE (64 << 20)	     /* a receiver that runs late must not lose what the wire has delivered */

static void say_ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

static void widen_queue(int fd)
{
	int size = QUEUE_SIZE;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		give_up("widen the receive queue: %m");
}

/* echo PORT: returns every datagram, until it is killed. */
void run_echo(char **args)
{
	struct sockaddr_in here = address_argument("0.0.0.0", args[0]), from;
	int fd = new_socket(SOCK_DGRAM, &here);
	char bytes[LARGEST];

	widen_queue(fd);
	say_ready();
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t got = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);

		if (got >= 0)
			sendto(fd, bytes, (size_t)got, 0, (struct sockaddr *)&from, size);
	}
}

struct train {
	int fd;
	uint64_t count, interval_ns;
	size_t size;
	uint64_t next;	 /* the number of the next one to send */
	uint64_t due_ns; /* when */
};

static struct train new_train(char **args)
{
	struct sockaddr_in to = address_argument(args[0], args[1]);
	struct train train = {
		.fd = new_socket(SOCK_DGRAM, NULL),
		.count = number_argument("COUNT", args[2]),
		.interval_ns = number_argument("INTERVAL_US", args[3]) * NS_PER_US,
		.size = number_argument("BYTES", args[4]),
	};

	if (train.size < sizeof(struct stamp) || train.size > LARGEST)
		give_up("BYTES is %zu; %zu to %d is accepted", train.size, sizeof(struct stamp), LARGEST);
	if (connect(train.fd, (struct sockaddr *)&to, sizeof(to)))
		give_up("connect: %m");
	widen_queue(train.fd);
	train.due_ns = clock_after(START_NS);
	srandom((unsigned int)train.due_ns);
	return train;
}

/* Half to one and a half of the interval: answers must not always meet what is sent later, nor two trains each other. */
static void plan_next(struct train *train)
{
	train->due_ns += train->interval_ns / 2 + (uint64_t)random() % (train->interval_ns + 1);
}

static void send_next(struct train *train)
{
	char bytes[LARGEST] = { 0 };
	struct stamp stamp = { .number = train->next++, .sent_ns = clock_now() };

	memcpy(bytes, &stamp, sizeof(stamp));
	/* ECONNREFUSED is about an earlier one. */
	while (send(train->fd, bytes, train->size, 0) < 0)
		if (errno != ECONNREFUSED && errno != EINTR && errno != ENOBUFS)
			give_up("send: %m");
	plan_next(train);
}

/* Waits for an answer until the time given. False if none came. */
static int take_answer(int fd, uint64_t until_ns, struct samples *samples)
{
	struct pollfd poll_in = { .fd = fd, .events = POLLIN };
	uint64_t now = clock_now();
	struct timespec left = { 0 };
	struct stamp stamp;

	if (until_ns > now)
		left = (struct timespec){ .tv_sec = (time_t)((until_ns - now) / NS_PER_S),
					  .tv_nsec = (long)((until_ns - now) % NS_PER_S) };
	if (ppoll(&poll_in, 1, &left, NULL) <= 0)
		return 0;
	if (recv(fd, &stamp, sizeof(stamp), 0) == sizeof(stamp))
		samples_add(samples, clock_now() - stamp.sent_ns);
	return 1;
}

/* rtt IP PORT COUNT INTERVAL_US BYTES: round trips to an echo. The next is sent on time, whether answers came or not. */
void run_rtt(char **args)
{
	struct train train = new_train(args);
	struct samples samples = { 0 };

	while (train.next < train.count) {
		while (take_answer(train.fd, train.due_ns, &samples))
			;
		send_next(&train);
	}
	while (samples.count < train.count && take_answer(train.fd, clock_after(QUIET_NS), &samples))
		;
	printf("sent %llu received %zu", (unsigned long long)train.count, samples.count);
	samples_print(&samples);
	printf("\n");
}

/* blast IP PORT COUNT INTERVAL_US BYTES: to a sink. Interval 0: as fast as the socket takes them. */
void run_blast(char **args)
{
	struct train train = new_train(args);

	while (train.next < train.count) {
		if (train.interval_ns)
			sleep_until(train.due_ns);
		send_next(&train);
	}
	printf("sent %llu\n", (unsigned long long)train.count);
}

/*
 * sink PORT COUNT NAP_MS: their ways, until COUNT have come, or nothing for a while after the first. With a nap it lets them
 * gather, so that it does not wake up for each: for whoever asks how many come, and not when.
 */
void run_sink(char **args)
{
	struct sockaddr_in here = address_argument("0.0.0.0", args[0]);
	uint64_t count = number_argument("COUNT", args[1]), nap_ns = number_argument("NAP_MS", args[2]) * NS_PER_MS;
	int fd = new_socket(SOCK_DGRAM, &here);
	struct pollfd poll_in = { .fd = fd, .events = POLLIN };
	uint64_t expected = 0, overtaken = 0;
	struct samples samples = { 0 };
	struct stamp stamp;

	widen_queue(fd);
	say_ready();
	while (samples.count < count &&
	       poll(&poll_in, 1, samples.count ? (int)(QUIET_NS / NS_PER_MS) : LIMIT_S * 1000) == 1) {
		if (nap_ns)
			sleep_until(clock_after(nap_ns));
		while (recv(fd, &stamp, sizeof(stamp), MSG_DONTWAIT) == sizeof(stamp)) {
			samples_add(&samples, clock_now() - stamp.sent_ns);
			overtaken += stamp.number < expected;
			expected = stamp.number + 1;
		}
	}
	printf("received %zu overtaken %llu", samples.count, (unsigned long long)overtaken);
	samples_print(&samples);
	printf("\n");
}
