/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command in a guest. The agent starts it, but cannot stream: its output goes to two files in the guest's memory, which
 * have no name any more once it runs, and which the agent reads bit by bit through handles that it opened before.
 */
#ifndef PROVIUM_NODE_QEMU_PROCESS_H
#define PROVIUM_NODE_QEMU_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/process.h"

struct qemu_node;

#define MARK_SIZE 24

struct qemu_process {
	struct process process;	   /* first */
	struct qemu_node *node;	   /* NULL once that has ended */
	struct qemu_process *next; /* of the node's */
	char *name, *cwd;	   /* for errors */
	char *ending;		   /* why the node ended */
	json_int_t output, errors; /* handles of the agent */
	bool is_open;
	/* What the wrapper writes, alone, to stderr if it could not start the command. Nobody else can guess it. */
	char mark[MARK_SIZE];
	uint64_t started_ns;
	uint64_t active_ns; /* when it last did something */
};

/* command.c: opens the files and starts the wrapper. */
int qemu_process_launch(struct qemu_process *process, const struct command *command, uint64_t deadline_ns,
			struct error *err);

#endif
