// SPDX-License-Identifier: GPL-2.0-only
/*
 *     testrun [FRAMES]
 *
 * What the wire program takes for a frame of 64 bytes, without the kernel around it: BPF_PROG_TEST_RUN with its `repeat`, FRAMES
 * frames a measurement. Prints medians of ROUNDS rounds of all, each beside its target, and fails if one is missed.
 *
 * The kernel runs the program on one and the same frame, so what ingress stamps on it would be there for the first run of egress
 * alone: egress is called by a program that stamps it anew. Frames of a test run have a socket, so what would be held is cloned for the line,
 * as TCP's frames are. The line here is a pair of devices without programs and fq. What it takes to stamp a frame, or to clone it and
 * send it there, is measured beside, and taken off.
 *
 * Times of one machine say nothing on another. So targets are in units of what a program takes that only returns.
 */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "net/link.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "util/error.h"
#include "util/units.h"
#include "wire/internal.h"

#define BRIDGE	   1U
#define ROUNDS	   9U
#define FRAME_SIZE 64U

/* Port numbers; 0 is any, as in struct wire_key. */
enum port { ANY, A, B, C, PORTS };

static struct wire *wire;
static struct netlink *nl;
static int device[PORTS], empty_program, clone_program, stamp_program, next_program;
static uint32_t frames = 200000;

_Noreturn static void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("testrun: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
	exit(2);
}

static void must(int status, const struct error *err)
{
	if (status)
		give_up("%s", err->text);
}

static void add_port(enum port number)
{
	struct wire_port port = { .bridge = BRIDGE, .port = (uint16_t)number, .mtu = 1500, .salt = (uint64_t)number };
	struct veth veth = {
		.name = port.name, .peer_pid = getpid(), .mtu = 1500, .peer_mtu = 1500, .peer_mac = { 2 }
	};
	char peer[sizeof("peer0")];
	struct error err;

	snprintf(port.name, sizeof(port.name), "port%d", number);
	snprintf(peer, sizeof(peer), "peer%d", number);
	veth.peer_name = peer;
	veth.peer_mac[MAC_SIZE - 1] = (uint8_t)number;
	must(link_create_veth(nl, &veth, &err), &err);
	must(link_index(nl, port.name, &device[number], &err), &err);
	must(wire_set_port(wire, device[number], &port, &err), &err);
}

static int load(const struct bpf_insn *program, size_t count)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bench", "GPL", program, count, NULL);

	if (fd < 0)
		give_up("load a program: %m");
	return fd;
}

static void load_programs(int line)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = line },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_clone_redirect },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_OK },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	size_t count = sizeof(program) / sizeof(program[0]);

	clone_program = load(program, count);
	empty_program = load(program + count - 2, 2);
}

/* Sent just now, as bpf/stamp.h has it, and has not waited. Goes on with the one program of the map `next_program`. */
static void load_stamp_program(void)
{
	struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_coarse_ns },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_6,
		  .src_reg = BPF_REG_0,
		  .off = offsetof(struct __sk_buff, mark) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = INT32_MIN },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_6,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct __sk_buff, priority) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_6 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_2, .src_reg = BPF_PSEUDO_MAP_FD },
		{ .code = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_SHOT },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	size_t count = sizeof(program) / sizeof(program[0]);

	next_program = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "next", sizeof(uint32_t), sizeof(uint32_t), 1, NULL);
	if (next_program < 0)
		give_up("make a map: %m");
	program[6].imm = next_program;
	stamp_program = load(program, count);
}

static int add_line(void)
{
	struct veth veth = { .name = "line",
			     .peer_name = "end",
			     .peer_pid = getpid(),
			     .mtu = 1500,
			     .peer_mtu = 1500,
			     .peer_mac = { 2 } };
	struct error err;
	int line, end;

	must(link_create_veth(nl, &veth, &err), &err);
	must(link_index(nl, "line", &line, &err), &err);
	must(link_index(nl, "end", &end, &err), &err);
	must(link_set_up(nl, end, true, &err), &err);
	must(link_set_up(nl, line, true, &err), &err);
	return line;
}

static void open_all(void)
{
	struct error err;
	int line;

	must(namespace_make_switch(&err), &err);
	must(netlink_open(&nl, &err), &err);
	must(wire_load(&wire, &err), &err);
	line = add_line();
	load_programs(line);
	load_stamp_program();
	for (enum port port = A; port < PORTS; port++)
		add_port(port);
	wire->global->line = (uint32_t)line;
}

static void add_rule(struct wire_changes *changes, enum port from, enum port to, struct wire_link link)
{
	struct wire_change change = { .key = { .bridge = BRIDGE, .from = (uint16_t)from, .to = (uint16_t)to },
				      .link = link };

	change.link.salt = (uint64_t)from * PORTS + to + 1;
	wire_change(changes, &change);
}

static const struct wire_link loss = { .loss_ppb = 1 };

static void lose_on_medium(struct wire_changes *changes)
{
	add_rule(changes, ANY, ANY, loss);
}

static void lose_on_pair(struct wire_changes *changes)
{
	add_rule(changes, A, B, loss);
}

static void lose_everywhere(struct wire_changes *changes)
{
	add_rule(changes, A, ANY, loss);
	add_rule(changes, ANY, ANY, loss);
	add_rule(changes, A, B, loss);
	add_rule(changes, ANY, B, loss);
}

static void delay(struct wire_changes *changes)
{
	add_rule(changes, A, B, (struct wire_link){ .delay_ns = 1000000, .generation = 1 });
}

/* So much that nothing waits. */
static void limit(struct wire_changes *changes)
{
	add_rule(changes, A, B,
		 (struct wire_link){ .rate_bps = 1000000000000, .queue_ns = 1000000000, .clock = 1, .generation = 1 });
}

static void set_rules(void (*rules)(struct wire_changes *changes))
{
	struct wire_changes changes = { 0 };
	struct error err;

	wire_forget_bridge(wire, BRIDGE);
	wire->global->stamping = 0;
	if (!rules)
		return;
	rules(&changes);
	must(wire_commit(wire, &changes, &err), &err);
}

enum way { EMPTY, CLONE, STAMP, INGRESS, EGRESS, BOTH };

/* UDP from port 12345 to port 80. */
static double run(int program, enum port from, enum port to)
{
	static const uint8_t frame[FRAME_SIZE] = { 2,	 0, 0,	0,  0, 2, 2,	0,    0,  0,  0, 1, 8,	0,
						   0x45, 0, 0,	50, 0, 0, 0,	0,    64, 17, 0, 0, 10, 0,
						   0,	 1, 10, 0,  0, 2, 0x30, 0x39, 0,  80, 0, 30 };
	struct __sk_buff skb = { .ifindex = (uint32_t)device[to], .ingress_ifindex = (uint32_t)device[from] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .repeat = (int)frames);

	if (bpf_prog_test_run_opts(program, &opts))
		give_up("run the program: %m");
	return opts.duration;
}

static double run_stamped(int program, enum port from)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(next_program, &zero, &program, BPF_ANY))
		give_up("call the program: %m");
	return run(stamp_program, from, B);
}

static double run_way(enum way way, enum port from)
{
	if (way == EMPTY)
		return run(empty_program, from, B);
	if (way == CLONE)
		return run(clone_program, from, B);
	if (way == STAMP)
		return run_stamped(empty_program, from);
	return (way == INGRESS || way == BOTH ? run(wire_ingress_fd(wire), from, from) : 0) +
	       (way == EGRESS || way == BOTH ? run_stamped(wire_egress_fd(wire), from) : 0);
}

struct worker {
	unsigned int cpu;
	enum port from;
	double ns;
	pthread_barrier_t *line;
	pthread_t thread;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(worker->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		give_up("processor %u: %m", worker->cpu);
	pthread_barrier_wait(worker->line);
	worker->ns = run_way(INGRESS, worker->from);
	return NULL;
}

/* Two senders at once, each on a processor of its own: of both together, a frame takes so long. */
static double run_two(void)
{
	pthread_barrier_t line;
	struct worker workers[] = { { .cpu = 0, .from = A, .line = &line }, { .cpu = 1, .from = C, .line = &line } };

	pthread_barrier_init(&line, NULL, 2);
	for (unsigned int i = 0; i < 2; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			give_up("start a thread");
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&line);
	return 1 / (1 / workers[0].ns + 1 / workers[1].ns);
}

static struct row {
	const char *name;
	void (*rules)(struct wire_changes *changes);
	enum way way;
	bool two;      /* processors at once */
	bool cloned;   /* to the line */
	double target; /* in times of a program that only returns; 0 for none */
	double ns[ROUNDS];
} rows[] = {
	{ "a program that only returns", NULL, EMPTY, .target = 0 },
	{ "a program that only clones", NULL, CLONE, .target = 0 },
	{ "a program that only stamps", NULL, STAMP, .target = 0 },
	{ "ingress", NULL, INGRESS, .target = 2.53 },
	{ "ingress, where something delays", delay, INGRESS, .target = 0 },
	{ "egress", NULL, EGRESS, .target = 2.53 },
	{ "egress, delay", delay, EGRESS, .cloned = true, .target = 3 },
	{ "egress, loss", lose_on_pair, EGRESS, .target = 4.33 },
	{ "both, loss on all four links", lose_everywhere, BOTH, .target = 10 },
	{ "egress, rate", limit, EGRESS, .cloned = true, .target = 4.67 },
	{ "ingress, loss on the medium", lose_on_medium, INGRESS, .target = 0 },
	{ "the same, two processors at once", lose_on_medium, INGRESS, .two = true },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void measure(unsigned int round)
{
	bool alone = sysconf(_SC_NPROCESSORS_ONLN) < 2;

	for (struct row *row = rows; row < rows + ROWS; row++) {
		set_rules(row->rules);
		/* Nothing takes them off the line here. */
		wire->global->held = 0;
		run_way(row->way, A);
		row->ns[round] = row->cloned ? rows[0].ns[round] - rows[1].ns[round] : 0;
		row->ns[round] += row->way == EGRESS || row->way == BOTH ? rows[0].ns[round] - rows[2].ns[round] : 0;
		row->ns[round] += row->two && !alone ? run_two() : run_way(row->way, A);
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(struct row *row)
{
	qsort(row->ns, ROUNDS, sizeof(row->ns[0]), by_size);
	return row->ns[ROUNDS / 2];
}

/* Returns whether it is as it should be. */
static bool print(struct row *row, double before)
{
	double ns = median(row), target = row->two ? before : row->target * median(&rows[0]);
	char text[32] = "", all[32];

	snprintf(all, sizeof(all), "%.0f to %.0f", row->ns[0], row->ns[ROUNDS - 1]);
	if (target > 0)
		snprintf(text, sizeof(text), "at most %.0f  %s", target, ns <= target ? "ok" : "MISSED");
	printf("%-36s %6.0f   %-12s %s\n", row->name, ns, all, text);
	return target == 0 || ns <= target;
}

int main(int argc, char **argv)
{
	int64_t number;
	bool good = true;

	if (argc > 2 || (argc == 2 && !units_integer(argv[1], 1, 1000000000, &number)))
		give_up("usage: testrun [FRAMES]");
	frames = argc == 2 ? (uint32_t)number : frames;
	open_all();
	for (unsigned int round = 0; round < ROUNDS; round++)
		measure(round);
	printf("%-36s %6s   %-12s %s\n", "ns a frame of 64 bytes", "median", "all", "target");
	for (size_t i = 0; i < ROWS; i++)
		good &= print(&rows[i], i ? rows[i - 1].ns[ROUNDS / 2] : 0);
	wire_close(wire);
	netlink_close(nl);
	return good ? 0 : 1;
}
