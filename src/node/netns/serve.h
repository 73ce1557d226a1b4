/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the run asks of a node's init, and what init answers, over a socket pair of whole messages. Init starts all
 * commands, so that they are its children: when the run ends, the kernel ends init, and init's end is theirs, whatever
 * the machine's own process 1 does about orphans.
 */
#ifndef PROVIUM_NODE_NETNS_SERVE_H
#define PROVIUM_NODE_NETNS_SERVE_H

#include <stdint.h>

#include <sys/resource.h>

enum netns_request_kind {
	/*
	 * Comes with five descriptors: a memory file with the arguments, the variables and the folder, each ended by NUL; the
	 * command's three standard ones; and a pipe into which an errno is written if it cannot be run.
	 */
	NETNS_START,
	NETNS_KILL,	/* a process that was started here, and its process group */
	NETNS_KILL_ALL, /* all but init */
};

struct netns_request {
	enum netns_request_kind kind;
	uint32_t number; /* comes back with the answer */
	int32_t pid, signal;
	uint32_t arguments, variables; /* how many */
	uint32_t clear;		       /* of what init has in its environment, the command gets nothing */
	uint64_t size;		       /* of the memory file */
};

enum netns_answer_kind {
	NETNS_DONE,  /* to the request of this number: `value` is the pid of what was started, or -errno */
	NETNS_ENDED, /* a process that was started here has ended: `value` is its status as waitpid() has it */
};

struct netns_answer {
	enum netns_answer_kind kind;
	uint32_t number;
	int32_t pid, value;
};

enum { NETNS_FD_STRINGS, NETNS_FD_INPUT, NETNS_FD_OUTPUT, NETNS_FD_ERRORS, NETNS_FD_REPORT, NETNS_FDS };

/*
 * Where init has the cgroup of its commands, if there is one (see cgroup_join()). Who enters the node from outside
 * finds it here.
 */
#define NETNS_CGROUP_FD 4

/*
 * Process 1 of a node, for the rest of its life. Commands are born in the cgroup, unless it is -1, and have that limit on open
 * files.
 */
__attribute__((noreturn)) void netns_serve(int control, int cgroup, const struct rlimit *files);

#endif
