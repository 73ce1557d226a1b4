// SPDX-License-Identifier: GPL-2.0-only
/* What a guest is doing: running, paused, or at an end, and then why. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/qemu/qemu.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/oom.h"
#include "util/wait.h"

/* QEMU has closed its end; its own is a matter of milliseconds. */
#define ENDING_NS (2 * NS_PER_S)
/* After a migration QEMU needs a moment before it can go on. */
#define CONTINUE_NS  (5 * NS_PER_S)
#define REASON_SIZE  (OOM_TEXT_SIZE + 64)
#define CONSOLE_SIZE 300

void qemu_on_event(void *context, const char *name, const json_t *data)
{
	struct qemu_node *node = context;
	const char *reason = json_string_value(json_object_get(data, "reason"));
	const char *device = json_string_value(json_object_get(data, "device"));
	unsigned int slot;

	if (strcmp(name, "SHUTDOWN") == 0 && reason) {
		free(node->shutdown_reason);
		node->shutdown_reason = memory_string(reason);
	}
	/* A guest may give up its card long after it was asked to. */
	if (strcmp(name, "DEVICE_DELETED") == 0 && device && qemu_nic_slot(device, &slot))
		node->slots &= ~(1U << slot);
}

/* What QEMU still told before it ended. */
static void hear_last_events(struct qemu_node *node)
{
	uint64_t deadline = clock_after(ENDING_NS);
	struct pollfd ended = { .fd = node->child.pidfd, .events = POLLIN };
	struct error ignored;

	wait_poll(&ended, 1, deadline, &ignored);
	while (clock_now() < deadline && qmp_listen(&node->qmp, deadline, &ignored) == 0)
		;
}

static void say_why(struct qemu_node *node, char *reason)
{
	const char *cause = node->shutdown_reason ? node->shutdown_reason : "";
	char complaint[REASON_SIZE / 2], text[OOM_TEXT_SIZE];
	int number = child_signal(&node->child);

	if (strcmp(cause, "guest-shutdown") == 0) {
		strcpy(reason, "it powered itself off");
	} else if (strcmp(cause, "guest-reset") == 0) {
		strcpy(reason, "it rebooted, or its kernel panicked, which ends a node");
	} else if (strcmp(cause, "guest-panic") == 0) {
		strcpy(reason, "its kernel panicked");
	} else if (number == SIGKILL && oom_explain(&node->child.oom, text)) {
		snprintf(reason, REASON_SIZE, "QEMU was killed %s", text);
	} else if (number) {
		snprintf(reason, REASON_SIZE, "QEMU was ended by signal %d (%s)", number, strsignal(number));
	} else {
		console_complaint(node->console, complaint, sizeof(complaint));
		snprintf(reason, REASON_SIZE, "QEMU ended%s%s", *complaint ? ": " : " by itself", complaint);
	}
}

int qemu_explain(struct qemu_node *node, struct error *err)
{
	char reason[REASON_SIZE], last[CONSOLE_SIZE];

	if (err->code == EINTR)
		return -err->code;
	if (err->code != ENOTCONN && !child_has_ended(&node->child))
		return error_wrap(err, "node `%s`", node->name);
	hear_last_events(node);
	say_why(node, reason);
	error_set(err, ENOTCONN, "node `%s` has ended: %s", node->name, reason);
	console_last_lines(node->console, last, sizeof(last));
	return *last ? error_append(err, " (the last lines of its console: %s)", last) : -err->code;
}

int qemu_stop(struct qemu_node *node, struct error *err)
{
	if (qmp_command(&node->qmp, "stop", NULL, err))
		return qemu_explain(node, err);
	node->paused = true;
	return 0;
}

int qemu_continue(struct qemu_node *node, struct error *err)
{
	uint64_t deadline = clock_after(CONTINUE_NS);

	while (qmp_command(&node->qmp, "cont", NULL, err)) {
		struct error ignored;

		if (err->code != EIO || clock_now() >= deadline || wait_sleep(5 * NS_PER_MS, &ignored))
			return qemu_explain(node, err);
	}
	node->paused = false;
	err->code = 0;
	return 0;
}
