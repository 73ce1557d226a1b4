// SPDX-License-Identifier: GPL-2.0-only
#include "lab/host_needs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "lab/host_settings.h"
#include "lab/run.h"
#include "net/namespace.h"
#include "util/error.h"

/*
 * For each node and for each pair: what a busy machine has of it, and twice that; and for the line, if there is one. Nothing of
 * this costs anything until it is used.
 */
static const struct need {
	const char *path;
	uint64_t a_node, a_pair, most, line;
} needs[] = {
	/* Each node knows each other one. Below the first nothing is ever forgotten, and at the third nothing new is known. */
	{ "net/ipv4/neigh/default/gc_thresh1", 0, 1, INT32_MAX },
	{ "net/ipv4/neigh/default/gc_thresh2", 0, 1, INT32_MAX },
	{ "net/ipv4/neigh/default/gc_thresh3", 0, 1, INT32_MAX },
	/* By two addresses, and by a group for each, of which the node has some of its own. */
	{ "net/ipv6/neigh/default/gc_thresh1", 8, 4, INT32_MAX },
	{ "net/ipv6/neigh/default/gc_thresh2", 8, 4, INT32_MAX },
	{ "net/ipv6/neigh/default/gc_thresh3", 8, 4, INT32_MAX },
	/*
	 * All ask for all at once: that many copies of broadcasts. More would be 64 MB of frames on the way, a CPU. What was held on
	 * the line and is due at one time comes off it at once, and goes through that queue twice.
	 */
	{ "net/core/netdev_max_backlog", 0, 1, 1 << 18, 1 << 16 },
	{ "fs/inotify/max_user_instances", 8, 0, INT32_MAX },
	{ "fs/inotify/max_user_watches", 1024, 0, INT32_MAX },
	{ "fs/aio-max-nr", 4096, 0, INT32_MAX },
	{ "kernel/pid_max", 256, 0, 4194304 }, /* PID_MAX_LIMIT */
	{ "kernel/threads-max", 256, 0, INT32_MAX },
	{ "kernel/pty/max", 16, 0, INT32_MAX },
	/* Of users other than root, who have the same number in all nodes. */
	{ "kernel/keys/maxkeys", 8, 0, INT32_MAX },
	{ "kernel/keys/maxbytes", 1024, 0, INT32_MAX },
};

#define NEEDS (sizeof(needs) / sizeof(needs[0]))

static struct host_setting setting_of(const struct need *need, uint64_t nodes, uint64_t pairs, bool line)
{
	struct host_setting setting = { .amount = need->a_node * nodes + need->a_pair * pairs, .most = need->most };

	if (line)
		setting.amount += need->line;
	snprintf(setting.path, sizeof(setting.path), "%s", need->path);
	return setting;
}

static int ask_in_host(void *context, struct error *err)
{
	struct host_setting wanted[NEEDS];
	struct run *run = context;

	for (size_t i = 0; i < NEEDS; i++)
		wanted[i] = setting_of(&needs[i], run->needs.asked_nodes, run->needs.asked_pairs, run->needs.line);
	return host_settings_need(&run->settings, wanted, NEEDS, err);
}

/* The next power of 2: a lab that grows node by node asks now and then. */
static bool grow(uint64_t *asked, uint64_t needed)
{
	if (needed <= *asked)
		return false;
	while (*asked < needed)
		*asked = *asked ? 2 * *asked : 1;
	return true;
}

static void ask(struct run *run, bool more)
{
	struct error ignored;

	more |= grow(&run->needs.asked_nodes, run->needs.nodes);
	more |= grow(&run->needs.asked_pairs, run->needs.pairs);
	if (more)
		namespace_visit(run->host, ask_in_host, run, &ignored);
}

void host_needs_nodes(struct run *run, int change)
{
	run->needs.nodes += (uint64_t)change;
	ask(run, false);
}

void host_needs_pairs(struct run *run, int change)
{
	run->needs.pairs += (uint64_t)change;
	ask(run, false);
}

void host_needs_line(struct run *run)
{
	bool is_new = !run->needs.line;

	run->needs.line = true;
	ask(run, is_new);
}

static int close_in_host(void *context, struct error *err)
{
	(void)err;
	host_settings_close(context);
	return 0;
}

void host_needs_close(struct run *run)
{
	struct error ignored;

	if (run->settings)
		namespace_visit(run->host, close_in_host, run->settings, &ignored);
	run->settings = NULL;
}

static bool may_write(const char *path)
{
	char file[HOST_SETTING_PATH + sizeof("/proc/sys/")];

	snprintf(file, sizeof(file), "/proc/sys/%s", path);
	return access(file, W_OK) == 0;
}

/* Where it is not there, this kernel has been built without it, or another network namespace shows it. */
static bool is_short(const struct host_setting *setting)
{
	struct error ignored;
	uint64_t now;

	return !host_setting_read(setting->path, &now, &ignored) && now < setting->amount && !may_write(setting->path);
}

static bool in_first_namespace(void)
{
	struct error ignored;
	uint64_t backlog;

	return !host_setting_read("net/core/netdev_max_backlog", &backlog, &ignored);
}

int host_needs_check(unsigned int nodes, struct error *err)
{
	err->code = 0;
	if (!in_first_namespace())
		return error_set(err, ENOENT,
				 "this network namespace does not show net.core.netdev_max_backlog and "
				 "net.ipv4.neigh.default.gc_thresh3, which are the machine's: labs of more than 30 "
				 "nodes may lose "
				 "frames, and say so");
	for (size_t i = 0; i < NEEDS; i++) {
		struct host_setting setting = setting_of(&needs[i], nodes, (uint64_t)nodes * (nodes - 1), false);

		if (setting.amount > setting.most)
			setting.amount = setting.most;
		if (!is_short(&setting))
			continue;
		if (!err->code)
			error_set(err, EPERM, "%u nodes need what this process may not set:", nodes);
		error_append(err, " %s=%" PRIu64, setting.path, setting.amount);
	}
	return -err->code;
}
