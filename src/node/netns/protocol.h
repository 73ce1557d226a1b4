/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the run asks of a node's init, and what init answers, over a socket pair of whole messages. Init starts all
 * commands, so that they are its children: when the run ends, the kernel ends init, and init's end is theirs, whatever
 * the machine's own process 1 does about orphans.
 *
 * Init is a program of its own, a part of the command and of the Lua module: a process of the node that was only forked would
 * show the node the run's memory, and the run's executable, which is a file of the host, as /proc/PID/exe.
 */
#ifndef PROVIUM_NODE_NETNS_PROTOCOL_H
#define PROVIUM_NODE_NETNS_PROTOCOL_H

#include <stdint.h>

/* Arguments of init, behind its own name: the node's name, and one of these. Whether the node has a root and a user namespace of its own. */
#define INIT_OWN    "own"
#define INIT_SHARED "shared"
/* The same, and a command that it becomes, in a node that is up. Beside the descriptors 0 to 2 there is one then. */
#define INIT_VISIT "visit"

#define INIT_ALIVE 3 /* at its end when whoever visits the node has ended */

/* As shells have it. */
#define INIT_NOT_EXECUTABLE 126
#define INIT_NOT_FOUND	    127

/* What init is started with; those that there are. The last two are for a root of its own alone. */
enum {
	INIT_CONTROL = 3, /* its end of the socket pair */
	INIT_CGROUP, /* in which commands are born. Who enters the node from outside finds it here: cgroup_join() */
	INIT_HOLDER, /* see struct namespaces in node/netns/namespaces.h */
	INIT_LIMITS,
	INIT_END,
};

#define INIT_GROUPS 32 /* most that a command is started with */

enum netns_request_kind {
	/*
	 * Comes with five descriptors: a memory file with the arguments, the variables and the folder, each ended by NUL; the
	 * command's three standard ones; and a pipe into which an errno is written if it cannot be run.
	 */
	NETNS_START,
	/* A process that was started here, and its process group. SIGKILL is answered when that has nobody in it: await_group_end(). */
	NETNS_KILL,
	NETNS_KILL_ALL, /* all but init */
};

struct netns_request {
	enum netns_request_kind kind;
	uint32_t number; /* comes back with the answer */
	int32_t pid, signal;
	uint32_t arguments, variables; /* how many */
	uint32_t clear;		       /* of what init has in its environment, the command gets nothing */
	uint32_t any_folder;	       /* / will do if the folder is not there */
	uint64_t size;		       /* of the memory file */
	uint32_t uid, gid;
	uint32_t group_count;
	uint32_t groups[INIT_GROUPS];
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

#endif
