/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of build/tools/bench/forward alone: see main.c. */
#ifndef PROVIUM_BENCH_FORWARD_H
#define PROVIUM_BENCH_FORWARD_H

#include <stdint.h>

struct netlink;

#define SHORTEST 60U /* without the frame check sequence */
#define LONGEST	 1514U

/* A device in the network namespace of a process, and the socket by which it is asked. */
struct place {
	struct netlink *nl;
	int net_fd, ifindex;
};

struct frame {
	uint32_t size;
	uint8_t bytes[LONGEST];
};

/*
 * Where frames come from, at full speed:
 *
 *     port  frames of an XDP program under BPF_PROG_TEST_RUN, which the kernel takes as if that port of the switch had received
 *           them: no system call, no socket, no copy a frame, so that next to nothing is measured but the switch
 *     node  a packet socket on a node's device, which asks no queue: as cheap as a program in a node can have it
 */
struct source;
struct source *source_open(const char *name, const struct place *at, const struct frame *frame);
/* In the namespace of the source. Returns the nanoseconds that it took, without preparations. */
uint64_t source_send(struct source *source, uint32_t count);

_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
