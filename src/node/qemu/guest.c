// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the lab sets inside a guest, by its agent: the host's name, names of the others, cards and routes. A guest that is
 * not ready yet, or paused, gets it when it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/qemu/qemu.h"
#include "util/error.h"
#include "util/memory.h"

#define HOST_NAME "/proc/sys/kernel/hostname"
#define HOSTS	  "/etc/hosts"
#define RESOLVER  "/etc/resolv.conf"
#define PROBE	  ".provium"
/* How much longer than writing two files anything may take that is quickly done. */
#define PATIENCE_SHARE 20U

bool guest_listens(const struct qemu_node *node)
{
	return node->has_agent && node->ready && !node->paused;
}

bool guest_answers(const struct qemu_node *node)
{
	return guest_listens(node) && node->agent.in_step;
}

/* Where files of ours can be made, in memory if possible. */
static int find_folder(struct qemu_node *node, uint64_t deadline_ns, struct error *err)
{
	static const char *const folders[] = { "/run", "/tmp", "/var/tmp" };
	char path[64];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/" PROBE, folders[i]);
		if (agent_write_file(&node->agent, path, "", 0, deadline_ns, err) == 0) {
			snprintf(node->folder, sizeof(node->folder), "%s", folders[i]);
			return 0;
		}
		/* Only a refusal means that the next one may do. */
		if (err->code != EIO)
			break;
	}
	return -err->code;
}

int guest_prepare(struct qemu_node *node, uint64_t deadline_ns, struct error *err)
{
	uint64_t begin_ns;

	if (agent_sync(&node->agent, deadline_ns, err))
		return err->code == ETIMEDOUT ? error_set(err, ETIMEDOUT, "its guest agent did not answer in time")
					      : -err->code;
	begin_ns = clock_now();
	if (find_folder(node, deadline_ns, err) ||
	    agent_write_file(&node->agent, HOST_NAME, node->name, strlen(node->name), deadline_ns, err))
		return -err->code;
	node->ready = true;
	node->patience_ns = (clock_now() - begin_ns) * PATIENCE_SHARE;
	if (node->patience_ns > GUEST_LIMIT_NS)
		node->patience_ns = GUEST_LIMIT_NS;
	return 0;
}

uint64_t guest_deadline(const struct qemu_node *node)
{
	return clock_after(node->patience_ns > GUEST_NS ? node->patience_ns : GUEST_NS);
}

static int write_waiting(struct qemu_node *node, const char *path, char **text, uint64_t deadline_ns, struct error *err)
{
	err->code = 0;
	if (!*text)
		return 0;
	agent_write_file(&node->agent, path, *text, strlen(*text), deadline_ns, err);
	/* A file that the guest refuses is not tried again with the next setting. */
	if (!err->code || err->code == EIO) {
		free(*text);
		*text = NULL;
	}
	return -err->code;
}

int guest_settle(struct qemu_node *node, uint64_t deadline_ns, struct error *err)
{
	if (!guest_listens(node))
		return 0;
	for (size_t i = 0; i < node->nic_count; i++) {
		struct qemu_nic *nic = node->nics[i];

		if ((!nic->configured && guest_configure_nic(node, nic, deadline_ns, err)) ||
		    (nic->routes && guest_write_routes(node, nic, deadline_ns, err)))
			return -err->code;
	}
	if (write_waiting(node, HOSTS, &node->hosts, deadline_ns, err) ||
	    write_waiting(node, RESOLVER, &node->resolver, deadline_ns, err))
		return qemu_explain(node, err);
	return 0;
}

static int set_text(struct qemu_node *node, char **waiting, const char *text, struct error *err)
{
	free(*waiting);
	*waiting = node->has_agent ? memory_string(text) : NULL;
	return guest_settle(node, guest_deadline(node), err);
}

int guest_set_hosts(struct node *base, const char *text, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;

	return set_text(node, &node->hosts, text, err);
}

int guest_set_resolver(struct node *base, const char *text, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;

	return set_text(node, &node->resolver, text, err);
}
