// SPDX-License-Identifier: GPL-2.0-only
/* A node with a kernel of its own: a guest of QEMU. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/qemu/accel.h"
#include "node/qemu/qemu.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/wait.h"

/*
 * A card that is plugged is there for the guest within 50 ms, and gone as soon; "pc" boots 0.2 s faster, and takes 0.3 s for
 * each card, for its one bus is searched whole.
 */
#define MACHINE	       "q35"
#define GUEST_MEMORY   (256ULL << 20)
#define FOREIGN_MEMORY (512ULL << 20)
#define MAX_CPUS       64U
/* A QEMU that was asked to end has written all back after this long, or is stuck. */
#define QUIT_NS (10 * NS_PER_S)

/* Panics end the guest, by way of -no-reboot. */
#define CMDLINE "console=ttyS0 panic=-1"
/*
 * What a test guest can do without, most of a second under TCG: mitigations against neighbours that it does not have, self
 * tests (that of kdf108 alone takes 0.3 s), and waiting for entropy that QEMU has. TCG keeps translated code by
 * its virtual address: where that is random, each start of a program translates its libraries anew, 40 ms of 50.
 */
#define GUEST_CMDLINE                                                                                                  \
	CMDLINE " quiet mitigations=off random.trust_cpu=on noreplace-smp "                                            \
		"cryptomgr.notests initcall_blacklist=crypto_kdf108_init norandmaps"

static void qemu_close(struct node *base)
{
	struct qemu_node *node = (struct qemu_node *)base;

	qemu_orphan_processes(node, "was shut down");
	qemu_land(node);
	qemu_free_nics(node);
	console_close(node->console);
	image_close(&node->image);
	free(node->shutdown_reason);
	free(node->hosts);
	free(node->resolver);
	free(node->cmdline);
	free(node->machine);
	free(node->name);
	free(node);
}

/* QEMU writes back what it keeps of the overlay when it is asked to end; what it was killed with is lost, as in a power cut. */
static int qemu_keep_disk(struct node *base, bool orderly)
{
	struct qemu_node *node = (struct qemu_node *)base;
	struct pollfd ended = { .fd = node->child.pidfd, .events = POLLIN };
	struct error ignored;

	if (node->image.overlay < 0)
		return -1;
	if (orderly && guest_answers(node))
		qemu_run_script(node, "sync", (const char *const[]){ NULL }, NULL, guest_deadline(node), &ignored);
	if (orderly && !child_has_ended(&node->child) && !qmp_command(&node->qmp, "quit", NULL, &ignored))
		wait_poll(&ended, 1, clock_after(QUIT_NS), &ignored);
	return fcntl(node->image.overlay, F_DUPFD_CLOEXEC, 0);
}

static char *make_cmdline(const struct node_config *config, bool built_in)
{
	struct buffer text = { 0 };

	buffer_printf(&text, "%s", built_in ? GUEST_CMDLINE : CMDLINE);
	if (config->kernel_cmdline && *config->kernel_cmdline)
		buffer_printf(&text, " %s", config->kernel_cmdline);
	return text.data;
}

static int check_config(const struct node_config *config, struct error *err)
{
	if (config->cpus > MAX_CPUS)
		return error_set(err, EINVAL, "node `%s`: %u CPUs are more than %u", config->name, config->cpus,
				 MAX_CPUS);
	return 0;
}

static void take_config(struct qemu_node *node, const struct node_config *config)
{
	uint64_t memory = node->image.built_in ? GUEST_MEMORY : FOREIGN_MEMORY;

	node->memory_bytes = config->memory_bytes ? config->memory_bytes : memory;
	node->cpus = config->cpus ? config->cpus : 1;
	node->machine = memory_string(config->machine ? config->machine : MACHINE);
	node->cmdline = make_cmdline(config, node->image.built_in);
	node->has_agent = !config->no_agent;
}

static int qemu_boot(const struct node_config *config, struct netlink *switch_nl, struct node **result,
		     struct error *err)
{
	struct qemu_node *node = memory_new(sizeof(*node));

	node->node.kind = &node_kind_qemu;
	node->name = memory_string(config->name);
	node->switch_nl = switch_nl;
	node->child = (struct child){ .pid = -1, .pidfd = -1, .stderr_fd = -1 };
	node->image = (struct image){ .kernel = -1, .initrd = -1, .disk = -1, .overlay = -1 };
	qmp_open(&node->qmp, -1);
	agent_open(&node->agent, -1);
	if (check_config(config, err) || image_open(config, &node->image, err) ||
	    accel_choose(config->accel, &node->kvm, err)) {
		error_wrap(err, "boot node `%s`", node->name);
		qemu_close(&node->node);
		return -err->code;
	}
	take_config(node, config);
	if (qemu_launch(node, false, err)) {
		qemu_close(&node->node);
		return -err->code;
	}
	*result = &node->node;
	return 0;
}

/* A guest that does not come up is most often explained by what it printed. */
static int boot_failure(struct qemu_node *node, struct error *err)
{
	char last[300];

	if (err->code == ETIMEDOUT && !child_has_ended(&node->child)) {
		console_last_lines(node->console, last, sizeof(last));
		error_wrap(err, "node `%s` was not ready in time", node->name);
		return error_append(err, " (the last lines of its console: %s)", *last ? last : "none");
	}
	return qemu_explain(node, err);
}

static int qemu_wait_ready(struct node *base, uint64_t deadline_ns, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;

	if (qmp_greet(&node->qmp, deadline_ns, err))
		return boot_failure(node, err);
	if (!node->has_agent) {
		node->ready = true;
		return 0;
	}
	if (!node->ready && guest_prepare(node, deadline_ns, err))
		return boot_failure(node, err);
	return guest_settle(node, deadline_ns, err);
}

static bool qemu_is_alive(struct node *base)
{
	return !child_has_ended(&((struct qemu_node *)base)->child);
}

static int qemu_pause(struct node *base, struct error *err)
{
	return qemu_stop((struct qemu_node *)base, err);
}

static int qemu_resume(struct node *base, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;

	return qemu_continue(node, err) ? -err->code : guest_settle(node, guest_deadline(node), err);
}

static int qemu_pid(const struct node *base)
{
	return ((const struct qemu_node *)base)->child.pid;
}

static const char *qemu_console(struct node *base)
{
	return console_text(((struct qemu_node *)base)->console);
}

static uint64_t qemu_console_printed(struct node *base)
{
	return console_printed(((struct qemu_node *)base)->console);
}

static int qemu_console_write(struct node *base, const void *data, size_t size, uint64_t deadline_ns, struct error *err)
{
	return console_write(((struct qemu_node *)base)->console, data, size, deadline_ns, err);
}

const struct node_kind node_kind_qemu = {
	.name = "vm",
	.pause_silences = true,
	.boot = qemu_boot,
	.wait_ready = qemu_wait_ready,
	.keep_disk = qemu_keep_disk,
	.close = qemu_close,
	.is_alive = qemu_is_alive,
	.pause = qemu_pause,
	.resume = qemu_resume,
	.plug = qemu_plug,
	.unplug = qemu_unplug,
	.set_link = qemu_set_link,
	.set_routes = qemu_set_routes,
	.forget_neighbours = qemu_forget_neighbours,
	.set_hosts = guest_set_hosts,
	.set_resolver = guest_set_resolver,
	.start = qemu_start,
	.pid = qemu_pid,
	.console = qemu_console,
	.console_printed = qemu_console_printed,
	.console_write = qemu_console_write,
	.snapshot = qemu_snapshot,
	.restore = qemu_restore,
};
