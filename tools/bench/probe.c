// SPDX-License-Identifier: GPL-2.0-only
#include "probe.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "net/ethtool.h"
#include "net/link.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/units.h"

void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("probe: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
	exit(1);
}

uint64_t number_argument(const char *name, const char *text)
{
	int64_t value;

	if (!units_integer(text, 0, INT64_MAX, &value))
		give_up("%s is %s; a whole number is accepted", name, text);
	return (uint64_t)value;
}

struct sockaddr_in address_argument(const char *ip, const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)number_argument("the port", port)),
	};

	if (inet_pton(AF_INET, ip, &address.sin_addr) != 1)
		give_up("%s is no IPv4 address", ip);
	return address;
}

int new_socket(int type, const struct sockaddr_in *bind_to)
{
	struct timeval limit = { .tv_sec = LIMIT_S };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		give_up("no socket: %m");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind_to && bind(fd, (const struct sockaddr *)bind_to, sizeof(*bind_to)))
		give_up("port %d: %m", ntohs(bind_to->sin_port));
	return fd;
}

void sleep_until(uint64_t when_ns)
{
	struct timespec when = { .tv_sec = (time_t)(when_ns / NS_PER_S), .tv_nsec = (long)(when_ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL))
		;
}

void samples_add(struct samples *samples, uint64_t value)
{
	if (samples->count == samples->room) {
		samples->room = samples->room ? 2 * samples->room : 1024;
		samples->list = memory_resize(samples->list, samples->room * sizeof(*samples->list));
	}
	samples->list[samples->count++] = value;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest sample that is at least as large as `percent` of all. */
static uint64_t percentile(const struct samples *samples, size_t percent)
{
	return samples->list[(samples->count * percent + 99) / 100 - 1];
}

void samples_print(struct samples *samples)
{
	if (!samples->count)
		return;
	qsort(samples->list, samples->count, sizeof(*samples->list), by_size);
	printf(" p50 %llu p90 %llu p99 %llu max %llu", (unsigned long long)percentile(samples, 50),
	       (unsigned long long)percentile(samples, 90), (unsigned long long)percentile(samples, 99),
	       (unsigned long long)percentile(samples, 100));
}

/* plain IFACE: turns off the offloads that nodes of a lab have off, so that both sides of a comparison are alike. */
void run_plain(char **args)
{
	struct error err;

	if (ethtool_single_frames(args[0], &err))
		give_up("%s", err.text);
}

static const struct {
	const char *name;
	int count;
	void (*run)(char **args);
	const char *arguments;
} commands[] = {
	{ "echo", 1, run_echo, "PORT" },
	{ "rtt", 5, run_rtt, "IP PORT COUNT INTERVAL_US BYTES" },
	{ "blast", 5, run_blast, "IP PORT COUNT INTERVAL_US BYTES" },
	{ "sink", 3, run_sink, "PORT COUNT NAP_MS" },
	{ "tcp-send", 3, run_tcp_send, "IP PORT BUFFER_BYTES" },
	{ "tcp-sink", 4, run_tcp_sink, "PORT BUFFER_BYTES SKIP_MS MS" },
	{ "watch", 3, run_watch, "IFACE SKIP_MS MS" },
	{ "plain", 1, run_plain, "IFACE" },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc < 2 || strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (argc - 2 != commands[i].count)
			give_up("usage: probe %s %s", commands[i].name, commands[i].arguments);
		commands[i].run(argv + 2);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "usage: probe %s %s\n", commands[i].name, commands[i].arguments);
	return 2;
}
