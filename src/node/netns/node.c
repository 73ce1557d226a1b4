// SPDX-License-Identifier: GPL-2.0-only
/* A node without its own kernel: network, mount, process, IPC and host-name namespaces, up in about a millisecond. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/namespace.h"
#include "net/netlink.h"
#include "node/netns/cgroup.h"
#include "node/netns/disk.h"
#include "node/netns/netns.h"
#include "node/netns/report.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/memory.h"
#include "util/tree.h"
#include "util/wait.h"

/* An init that was killed is gone after this long, or stuck in the kernel. */
#define END_NS (5 * NS_PER_S)

/* Whether init has ended by the deadline, whatever interrupts. */
static bool is_over(const struct netns_node *node, uint64_t deadline_ns)
{
	struct pollfd ended = { .fd = node->pidfd, .events = POLLIN };
	int ready;

	do
		ready = poll(&ended, 1, clock_poll_ms(deadline_ns));
	while (ready < 0 && errno == EINTR && clock_now() < deadline_ns);
	return ready > 0;
}

static void netns_close(struct node *base)
{
	struct netns_node *node = (struct netns_node *)base;

	if (node->pid > 0) {
		/* The kernel kills all other processes of the namespace, and waits for them before init itself is gone. */
		kill(node->pid, SIGKILL);
		if (node->pidfd < 0 || is_over(node, clock_after(END_NS)))
			waitpid(node->pid, NULL, 0);
	}
	netns_processes_lost(node);
	cgroup_close(node->cgroup);
	fd_close(&node->pidfd);
	fd_close(&node->control);
	fd_close(&node->etc);
	if (node->disk && node->store < 0)
		node->store = open(node->disk, O_PATH | O_DIRECTORY | O_CLOEXEC);
	disk_drop(node->store);
	free(node->disk);
	netlink_close(node->nl);
	rootfs_close(&node->rootfs);
	free(node->folder);
	free(node->unkept);
	free(node->name);
	free(node);
}

/*
 * `memory` and `cpus` are options of guests too, and scripts that give them run everywhere; but where they are not kept, that is
 * told. `pids` is none: who asks for it means it. Without a cgroup, pause() has signals.
 */
static int open_cgroup(struct netns_node *node, struct node_config *config, struct error *err)
{
	struct cgroup_limits limits = { config->memory_bytes, config->cpus, config->pids };
	struct error why;

	if (!cgroup_open(&node->cgroup, node->name, &limits, &why))
		return 0;
	if (limits.memory_bytes || limits.cpus) {
		node->unkept = memory_string(why.text);
		limits = (struct cgroup_limits){ .pids = config->pids };
		config->memory_bytes = 0;
		if (!cgroup_open(&node->cgroup, node->name, &limits, &why))
			return 0;
	}
	if (!config->pids)
		return 0;
	return error_set(err, why.code, "node `%s`: `pids` cannot be kept on this machine: %s (leave it out)",
			 node->name, why.text);
}

/* Where the root is, and where its commands start. */
static int open_root(struct netns_node *node, struct node_config *config, struct error *err)
{
	/* In the machine's own file system commands start where they always did. */
	if (node_shares_root(config))
		return 0;
	if (config->root && rootfs_open(config->root, &node->rootfs, err))
		return error_wrap(err, "node `%s`", node->name);
	if (config->root)
		config->root = node->rootfs.folder;
	if (node->rootfs.cwd)
		config->folder = node->rootfs.cwd;
	node->folder = config->folder ? memory_string(config->folder) : NULL;
	return 0;
}

static int open_disk(struct netns_node *node, const struct node_config *config, struct error *err)
{
	/* What it was in its last life is there. */
	if (!config->disk || config->kept_disk || node_shares_root(config))
		return 0;
	node->disk = disk_open(config->disk, err);
	return node->disk ? 0 : error_wrap(err, "node `%s`", node->name);
}

static int netns_boot(const struct node_config *config, struct netlink *switch_nl, struct node **result,
		      struct error *err)
{
	struct netns_node *node = memory_new(sizeof(*node));
	struct node_config own = *config;

	node->node.kind = &node_kind_netns;
	node->name = memory_string(config->name);
	node->switch_nl = switch_nl;
	node->pidfd = node->control = node->etc = node->store = -1;
	if (open_root(node, &own, err) || open_cgroup(node, &own, err) || open_disk(node, config, err) ||
	    netns_init_start(node, &own, err)) {
		netns_close(&node->node);
		return -err->code;
	}
	*result = &node->node;
	return 0;
}

/* One of init's messages about its boot. Sets is_ready when no other comes. */
static int take_report(struct netns_node *node, struct error *err)
{
	struct boot_report report;

	if (report_take(node->control, &report))
		return error_set(err, ECHILD, "node `%s` ended while it booted", node->name);
	node->is_ready = report.error.code || report.files.etc < 0;
	if (report.files.etc >= 0)
		node->etc = report.files.etc;
	if (report.files.store >= 0) {
		node->store = report.files.store;
		disk_hold(node->store);
	}
	*err = report.error;
	return err->code ? error_wrap(err, "boot node `%s`", node->name) : 0;
}

static int netns_wait_ready(struct node *base, uint64_t deadline_ns, struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;
	struct pollfd told = { .fd = node->control, .events = POLLIN };

	if (node->is_ready)
		return 0;
	while (!node->is_ready) {
		int ready = wait_poll(&told, 1, deadline_ns, err);

		if (ready < 0)
			return ready;
		if (ready == 0)
			return error_set(err, ETIMEDOUT, "node `%s` was not ready in time", node->name);
		if (take_report(node, err))
			return -err->code;
	}
	return netns_prepare_network(node, err);
}

/*
 * It is all in the kernel's memory, or with the file system, which survives the node: orderly or not makes no difference. Init
 * tells of it within a moment, whether its boot goes well or not.
 */
static int netns_keep_disk(struct node *base, bool orderly)
{
	struct netns_node *node = (struct netns_node *)base;
	struct pollfd told = { .fd = node->control, .events = POLLIN };
	struct error ignored;
	int store;

	(void)orderly;
	if (!node->is_ready && node->store < 0 && poll(&told, 1, (int)(END_NS / NS_PER_MS)) > 0)
		take_report(node, &ignored);
	store = node->store;
	node->store = -1;
	free(node->disk);
	node->disk = NULL;
	return store;
}

static bool netns_is_alive(struct node *base)
{
	/* It hangs up as soon as init ends. Its pidfd tells of that only when the last process of the node has gone, too. */
	struct pollfd control = { .fd = ((struct netns_node *)base)->control };

	return poll(&control, 1, 0) <= 0;
}

static int signal_all(struct node *base, int number, struct error *err)
{
	struct netns_request request = { .kind = NETNS_KILL_ALL, .signal = number };
	int ignored;

	return netns_ask((struct netns_node *)base, &request, NULL, &ignored, err);
}

static int netns_pause(struct node *base, struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;

	if (!node->cgroup)
		return signal_all(base, SIGSTOP, err);
	return cgroup_freeze(node->cgroup, err) ? error_wrap(err, "pause node `%s`", node->name) : 0;
}

static int netns_resume(struct node *base, struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;

	if (!node->cgroup)
		return signal_all(base, SIGCONT, err);
	return cgroup_thaw(node->cgroup, err) ? error_wrap(err, "resume node `%s`", node->name) : 0;
}

static bool netns_main(const struct node *base, struct command *command)
{
	const struct netns_node *node = (const struct netns_node *)base;

	if (!node->rootfs.argv)
		return false;
	*command = (struct command){
		.argv = (const char *const *)node->rootfs.argv,
		.user = &node->rootfs.user,
	};
	return true;
}

static const char *netns_unkept(const struct node *base)
{
	return ((const struct netns_node *)base)->unkept;
}

static const char *netns_cgroup(const struct node *base)
{
	const struct netns_node *node = (const struct netns_node *)base;

	return node->cgroup ? cgroup_path(node->cgroup) : NULL;
}

/*
 * The folder is the node's alone, and so is all that can be reached from it: whatever the node has put there, nothing of the
 * machine's is written to. What is no regular file makes place for one.
 */
static int open_private(const struct netns_node *node, const char *file)
{
	int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, fd = openat(node->etc, file, flags, 0644);
	struct stat status;

	if (fd >= 0 ? fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
		    : errno != ELOOP && errno != ENXIO && errno != EISDIR)
		return fd;
	if (fd >= 0)
		close(fd);
	return tree_remove(node->etc, file) ? -1 : openat(node->etc, file, flags | O_EXCL, 0644);
}

/* Written before it is cut to its new length: a reader in between sees lines of both texts, but never none. */
static int replace_file(struct netns_node *node, const char *file, const char *text, struct error *err)
{
	size_t size = strlen(text);
	int fd = open_private(node, file);

	if (fd < 0 || pwrite(fd, text, size, 0) != (ssize_t)size || ftruncate(fd, (off_t)size))
		error_errno(err, errno, "write /etc/%s of node `%s`", file, node->name);
	else
		err->code = 0;
	if (fd >= 0)
		close(fd);
	return -err->code;
}

static int netns_set_hosts(struct node *base, const char *text, struct error *err)
{
	return replace_file((struct netns_node *)base, "hosts", text, err);
}

static int netns_set_resolver(struct node *base, const char *text, struct error *err)
{
	return replace_file((struct netns_node *)base, "resolv.conf", text, err);
}

static int netns_pid(const struct node *base)
{
	return ((const struct netns_node *)base)->pid;
}

/* There is no console: what programs print is in their results. */
static const char *netns_console(struct node *base)
{
	(void)base;
	return "";
}

const struct node_kind node_kind_netns = {
	.name = "netns",
	.shares_kernel = true,
	.boot = netns_boot,
	.wait_ready = netns_wait_ready,
	.keep_disk = netns_keep_disk,
	.drop_disk = disk_drop,
	.close = netns_close,
	.main = netns_main,
	.unkept = netns_unkept,
	.cgroup = netns_cgroup,
	.is_alive = netns_is_alive,
	.pause = netns_pause,
	.resume = netns_resume,
	.plug = netns_plug,
	.unplug = netns_unplug,
	.set_link = netns_set_link,
	.set_routes = netns_set_routes,
	.forget_neighbours = netns_forget_neighbours,
	.set_hosts = netns_set_hosts,
	.set_resolver = netns_set_resolver,
	.start = netns_start,
	.pid = netns_pid,
	.console = netns_console,
};
