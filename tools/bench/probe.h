/* SPDX-License-Identifier: GPL-2.0-only */
/* What the benchmarks run in nodes: senders and receivers that take stamps of their own. Shared by the files of probe alone. */
#ifndef PROVIUM_BENCH_PROBE_H
#define PROVIUM_BENCH_PROBE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* What a probe's datagram begins with; the rest is zero. */
struct stamp {
	uint64_t number;
	uint64_t sent_ns; /* CLOCK_MONOTONIC, which all nodes on one kernel share */
};

/* Ends the program. */
__attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *format, ...);
/* A whole number of at least 0. */
uint64_t number_argument(const char *name, const char *text);
struct sockaddr_in address_argument(const char *ip, const char *port);
/* A socket of ours that does not hold up the receiver of a benchmark for ever: it gives up after LIMIT_S without data. */
int new_socket(int type, const struct sockaddr_in *bind_to);
void sleep_until(uint64_t when_ns);

/* What is waited for at most. */
#define LIMIT_S 30

/* Times, and lines made of them: "p50 N p90 N p99 N max N", in ns. */
struct samples {
	uint64_t *list;
	size_t count, room;
};
void samples_add(struct samples *samples, uint64_t value);
void samples_print(struct samples *samples);

/* The commands; each prints one line of words and numbers. */
void run_echo(char **args);
void run_rtt(char **args);
void run_blast(char **args);
void run_sink(char **args);
void run_tcp_send(char **args);
void run_tcp_sink(char **args);
void run_watch(char **args);
void run_plain(char **args);

#endif
