/* SPDX-License-Identifier: GPL-2.0-only */
/* QMP, QEMU's own control protocol: https://qemu.readthedocs.io/en/v7.2.0/interop/qmp-intro.html */
#ifndef PROVIUM_NODE_QEMU_QMP_H
#define PROVIUM_NODE_QEMU_QMP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/qemu/channel.h"

struct error;

struct qmp {
	struct channel channel;
	bool greeted;
	json_int_t last_id;
	/* Called for each event as it is read, which is while a command waits for its answer, or in qmp_listen(). */
	void (*on_event)(void *context, const char *name, const json_t *data);
	void *context;
};

void qmp_open(struct qmp *qmp, int fd);
void qmp_close(struct qmp *qmp);

/* The first exchange, unless that is done: QEMU is there when it succeeds. */
int qmp_greet(struct qmp *qmp, uint64_t deadline_ns, struct error *err);

/*
 * Executes a command. Takes over the arguments, NULL for none. The answer is the caller's to json_decref(), unless `answer`
 * is NULL. With fd, unless that is -1, beside it: for getfd.
 */
int qmp_command_fd(struct qmp *qmp, const char *name, json_t *arguments, int fd, json_t **answer, struct error *err);
int qmp_command(struct qmp *qmp, const char *name, json_t *arguments, struct error *err);

/* Reads events until one comes or the deadline passes, which is no error. */
int qmp_listen(struct qmp *qmp, uint64_t deadline_ns, struct error *err);

#endif
