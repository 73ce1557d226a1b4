/* SPDX-License-Identifier: GPL-2.0-only */
/* A command that runs in a node, and what came out of it. Each kind of node has its own way to run one. */
#ifndef PROVIUM_NODE_PROCESS_H
#define PROVIUM_NODE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buffer.h"

struct error;

/* In the node. */
struct command_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t group_count;
};
#define COMMAND_GROUPS 32 /* most of them */

struct command {
	const char *const *argv;	 /* NULL-terminated; argv[0] is looked up in PATH */
	const char *const *env;		 /* NULL, or NULL-terminated "NAME=value", on top of the node's environment */
	bool env_clear;			 /* nothing of the node's environment */
	const char *cwd;		 /* NULL: / */
	const struct command_user *user; /* NULL: root */
	const void *stdin_data;		 /* NULL: an empty standard input */
	size_t stdin_size;
	bool stdin_open;      /* it stays open behind stdin_data, for process_ops.write(), where the kind can do that */
	uint64_t timeout_ns;  /* how long the caller means to wait for its end, 0 if that is not known */
	uint64_t deadline_ns; /* for its start (util/clock.h); 0: as the kind finds it long enough */
};

enum process_status {
	PROCESS_RUNNING,
	PROCESS_EXITED,	   /* code: the exit status */
	PROCESS_SIGNALLED, /* code: the signal's number */
};

/* A process writes more than this to stdout or stderr: it is killed, and its wait fails. */
#define PROCESS_OUTPUT_LIMIT (256U << 20)

/* More than this that a process has not read of its standard input is refused. */
#define PROCESS_INPUT_LIMIT (256U << 20)

struct process {
	const struct process_ops *ops;
	enum process_status status;
	int code;
	long pid;		/* in the node */
	struct buffer out, err; /* what it has written so far */
};

#define PROCESS_UNTIL_END SIZE_MAX

/* Of both outputs together. */
static inline size_t process_output_size(const struct process *process)
{
	return process->out.size + process->err.size;
}

struct process_ops {
	/*
	 * Collects output until the process ends or the deadline (util/clock.h) passes: look at status. It also returns once
	 * there are more than `seen` bytes of output, whoever took them in: what collect() finds counts. Those that wait for
	 * the end alone say PROCESS_UNTIL_END.
	 */
	int (*wait)(struct process *process, uint64_t deadline_ns, size_t seen, struct error *err);
	/* Sends a signal to the process and all that it started and that stayed in its process group. */
	int (*kill)(struct process *process, int signal, struct error *err);
	/*
	 * Takes what it has written so far, without waiting, so that it can go on writing while the script looks elsewhere.
	 * NULL: nothing to be done for that.
	 */
	void (*collect)(struct process *process);
	/*
	 * More for its standard input, which is sent while something is waited for. NULL: it has what it was started with, and
	 * that has ended.
	 */
	int (*write)(struct process *process, const void *data, size_t size, struct error *err);
	/* The end of its standard input, behind what was written. NULL as above. */
	void (*close_input)(struct process *process);
	/* Kills it if it still runs, and frees it. */
	void (*close)(struct process *process);
};

#endif
