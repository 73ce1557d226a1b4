// SPDX-License-Identifier: GPL-2.0-only
/* From a node's settings to a running QEMU with its three channels: QMP, the guest agent, the console. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/qemu/qemu.h"
#include "util/error.h"

/* Our ends and QEMU's. Socket pairs have no name, so a run that is killed leaves none behind. */
struct channels {
	int qmp[2], agent[2], console[2];
};

static int open_channels(struct channels *channels, struct error *err)
{
	int *all[] = { channels->qmp, channels->agent, channels->console };

	memset(channels, -1, sizeof(*channels));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, all[i]))
			return error_errno(err, errno, "make a socket pair");
	return 0;
}

static void close_end(struct channels *channels, int end)
{
	int fds[] = { channels->qmp[end], channels->agent[end], channels->console[end] };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Takes over our ends. */
static int connect_channels(struct qemu_node *node, const struct channels *channels, struct error *err)
{
	qmp_open(&node->qmp, channels->qmp[0]);
	node->qmp.on_event = qemu_on_event;
	node->qmp.context = node;
	agent_open(&node->agent, channels->agent[0]);
	return node->console ? console_replace(node->console, channels->console[0], node->child.stderr_fd, err)
			     : console_open(&node->console, channels->console[0], node->child.stderr_fd, err);
}

int qemu_launch(struct qemu_node *node, bool incoming, struct error *err)
{
	struct arguments arguments = { 0 };
	struct channels channels;
	int status = open_channels(&channels, err);

	if (!status) {
		qemu_options(node, channels.qmp[1], channels.agent[1], channels.console[1], incoming, &arguments);
		status = spawn(&arguments, node->kvm, &node->child, err);
		arguments_free(&arguments);
	}
	close_end(&channels, 1);
	if (status) {
		close_end(&channels, 0);
		return error_wrap(err, "node `%s`", node->name);
	}
	free(node->shutdown_reason);
	node->shutdown_reason = NULL;
	node->slots = 0;
	if (connect_channels(node, &channels, err)) {
		qemu_land(node);
		return error_wrap(err, "node `%s`", node->name);
	}
	return 0;
}

void qemu_land(struct qemu_node *node)
{
	child_end(&node->child);
	qmp_close(&node->qmp);
	agent_close(&node->agent);
	node->ready = node->paused = false;
}
