/* SPDX-License-Identifier: GPL-2.0-only */
/* Nodes on bridges, driven through node.h alone: without the lab, the wire program and the script language. */
#ifndef PROVIUM_TESTS_VM_FIXTURE_H
#define PROVIUM_TESTS_VM_FIXTURE_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "net/address.h"
#include "net/link.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "node/node.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/wait.h"

/* For all that waits for a guest; long, for machines that are busy or emulated themselves. */
#define BOOT_NS (180 * NS_PER_S)
#define RUN_NS	(60 * NS_PER_S)
#define MS(NS)	((double)(NS) / 1e6)

static struct netlink *switch_nl;

static inline void must(int status, const struct error *err)
{
	if (status)
		fail_msg("%s", err->text);
}

static inline int open_switch(void **state)
{
	struct error err;

	(void)state;
	must(namespace_make_switch(&err), &err);
	must(netlink_open(&switch_nl, &err), &err);
	return 0;
}

static inline struct node *boot(const struct node_config *config)
{
	struct node *node;
	struct error err;

	must(node_kind_qemu.boot(config, switch_nl, &node, &err), &err);
	return node;
}

static inline void wait_ready(struct node *node)
{
	struct error err;

	must(node->kind->wait_ready(node, clock_after(BOOT_NS), &err), &err);
}

static inline struct node *boot_netns(const char *name)
{
	struct node_config config = { .name = name };
	struct node *node;
	struct error err;

	must(node_kind_netns.boot(&config, switch_nl, &node, &err), &err);
	wait_ready(node);
	return node;
}

static inline int make_bridge(const char *name)
{
	struct error err;
	int ifindex;

	must(link_create_bridge(switch_nl, name, 1500, &err), &err);
	must(link_index(switch_nl, name, &ifindex, &err), &err);
	return ifindex;
}

/* A card with the addresses 10.N.0.host and fd00:N::host. */
static inline struct node_nic make_nic(const char *port, const char *bridge, uint8_t net, uint8_t host)
{
	return (struct node_nic){
		.port_name = port,
		.bridge_name = bridge,
		.mac = { 2, 'p', 'v', net, 0, host },
		.ip = { .family = AF_INET, .prefix = 16, .bytes = { 10, net, 0, host } },
		.ip6 = { .family = AF_INET6, .prefix = 64, .bytes = { 0xfd, 0, 0, net, [15] = host } },
		.mtu = 1500,
	};
}

/* As the lab does it: card, bridge, cable. */
static inline void attach(struct node *node, struct node_nic *nic, int bridge)
{
	struct error err;

	must(node->kind->plug(node, nic, &err), &err);
	must(link_set_master(switch_nl, nic->ifindex, bridge, &err), &err);
	must(node->kind->set_link(node, nic, true, &err), &err);
}

struct outcome {
	enum process_status status;
	int code;
	char out[16384], err[4096];
	uint64_t took_ns;
};

static inline struct outcome finish(struct process *process, uint64_t limit_ns)
{
	struct outcome outcome = { 0 };
	struct error err;

	must(process->ops->wait(process, clock_after(limit_ns), PROCESS_UNTIL_END, &err), &err);
	outcome.status = process->status;
	outcome.code = process->code;
	snprintf(outcome.out, sizeof(outcome.out), "%s", buffer_string(&process->out));
	snprintf(outcome.err, sizeof(outcome.err), "%s", buffer_string(&process->err));
	process->ops->close(process);
	return outcome;
}

static inline struct outcome run_command(struct node *node, const struct command *command)
{
	uint64_t start = clock_now();
	struct process *process;
	struct outcome outcome;
	struct error err;

	must(node->kind->start(node, command, &process, &err), &err);
	outcome = finish(process, RUN_NS);
	outcome.took_ns = clock_now() - start;
	return outcome;
}

static inline struct outcome run(struct node *node, const char *line)
{
	const char *argv[] = { "sh", "-c", line, NULL };
	struct command command = { .argv = argv };

	return run_command(node, &command);
}

/* Runs the line, which must succeed, and returns what it wrote. The text lives until the next call. */
static inline const char *output(struct node *node, const char *line)
{
	static struct outcome outcome;

	outcome = run(node, line);
	if (outcome.status != PROCESS_EXITED || outcome.code)
		fail_msg("`%s`: status %d code %d, stdout `%s`, stderr `%s`", line, outcome.status, outcome.code,
			 outcome.out, outcome.err);
	return outcome.out;
}

static inline bool succeeds(struct node *node, const char *line)
{
	struct outcome outcome = run(node, line);

	return outcome.status == PROCESS_EXITED && outcome.code == 0;
}

/* Repeats the line until it succeeds. Returns how long that took. */
static inline uint64_t until_succeeds(struct node *node, const char *line, uint64_t limit_ns)
{
	uint64_t start = clock_now(), deadline = start + limit_ns;

	while (!succeeds(node, line))
		if (clock_now() > deadline)
			fail_msg("`%s` does not succeed within %.0f ms", line, MS(limit_ns));
	return clock_now() - start;
}

#endif
