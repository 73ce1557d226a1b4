// SPDX-License-Identifier: GPL-2.0-only
#include "forward.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>

#include "util/clock.h"
#include "util/memory.h"

#define AT_ONCE 64U /* as a card's driver */

struct source {
	uint64_t (*send)(struct source *source, uint32_t count);
	const struct frame *frame;
	int fd;		       /* a program or a socket */
	struct xdp_md context; /* for the program */
	struct iovec part;     /* for the socket */
	struct mmsghdr messages[AT_ONCE];
};

/* Lets everything pass. */
static int load_program(void)
{
	struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "bench_source", "GPL", program, sizeof(program) / sizeof(program[0]),
			       NULL);

	if (fd < 0)
		give_up("load a program: %m");
	return fd;
}

static uint64_t send_live(struct source *source, uint32_t count)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = source->frame->bytes, .data_size_in = source->frame->size,
		    .ctx_in = &source->context, .ctx_size_in = sizeof(source->context),
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .repeat = (int)count, .batch_size = AT_ONCE);

	if (bpf_prog_test_run_opts(source->fd, &opts))
		give_up("send %u frames: %m", count);
	return (uint64_t)opts.duration * count;
}

static void open_port(struct source *source, const struct place *at)
{
	source->send = send_live;
	source->fd = load_program();
	source->context = (struct xdp_md){ .data_end = source->frame->size, .ingress_ifindex = (uint32_t)at->ifindex };
}

static uint64_t send_packets(struct source *source, uint32_t count)
{
	uint64_t start = clock_now();

	for (uint32_t sent = 0; sent < count;) {
		int done = sendmmsg(source->fd, source->messages, count - sent < AT_ONCE ? count - sent : AT_ONCE, 0);

		if (done < 0 && errno != ENOBUFS)
			give_up("send: %m");
		sent += done > 0 ? (uint32_t)done : 0;
	}
	return clock_now() - start;
}

static void open_node(struct source *source, const struct place *at)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = at->ifindex };
	int on = 1;

	source->send = send_packets;
	source->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (source->fd < 0 || bind(source->fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(source->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)))
		give_up("open a packet socket: %m");
	source->part = (struct iovec){ .iov_base = (void *)source->frame->bytes, .iov_len = source->frame->size };
	for (unsigned int i = 0; i < AT_ONCE; i++)
		source->messages[i].msg_hdr = (struct msghdr){ .msg_iov = &source->part, .msg_iovlen = 1 };
}

struct source *source_open(const char *name, const struct place *at, const struct frame *frame)
{
	struct source *source = memory_new(sizeof(*source));

	source->frame = frame;
	if (strcmp(name, "port") == 0)
		open_port(source, at);
	else if (strcmp(name, "node") == 0)
		open_node(source, at);
	else
		give_up("the source is %s; port or node is accepted", name);
	return source;
}

uint64_t source_send(struct source *source, uint32_t count)
{
	return source->send(source, count);
}
