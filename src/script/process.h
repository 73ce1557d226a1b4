/* SPDX-License-Identifier: GPL-2.0-only */
/* A process of run_async(), shared by the files that give scripts something of it: process.c, stream.c, tail.c. */
#ifndef PROVIUM_SCRIPT_PROCESS_H
#define PROVIUM_SCRIPT_PROCESS_H

#include "script/internal.h"
#include "util/oom.h"

struct script_process {
	struct script_userdata base; /* first */
	struct process *process;     /* NULL when closed */
	char node[NAME_LIMIT + 1];
	char *command;			/* for people */
	unsigned int depth;		/* of the scope that it was started in, or that its node belongs to */
	struct machine *main_of;	/* what its image says that it is for; NULL: started by a script */
	uint64_t deadline_ns, limit_ns; /* when it is ended, and how long it may run; CLOCK_NEVER, 0 */
	bool is_overdue;		/* it was ended for that */
	struct oom_mark oom;		/* as it was when the process began */
	char *cgroup;			/* of its node, NULL if it has none */
	uint64_t cgroup_oom;		/* see oom_met(), as it was then */
	char *killed;			/* why the kernel has killed it, if it has */
	bool is_explained;
	struct script *script;
	struct script_process *older, *younger;
};

/* Starts a process, as kind->start() does, and pushes it. It lives until its scope ends, or it is closed. */
struct script_process *script_start_process(lua_State *L, struct machine *machine, const struct command *command,
					    uint64_t limit_ns);
void script_close_process(struct script_process *process);
/* Ends it if its time has passed. */
void script_enforce_limit(struct script_process *process);

/* Pushes the result of a process that has ended. Returns 1. */
int script_push_result(lua_State *L, struct script_process *process, bool timed_out);
extern const struct script_record script_record_result;

enum script_output { SCRIPT_STDOUT, SCRIPT_STDERR, SCRIPT_TAIL };

/* Pushes a stream of what the process at this index prints. That of a tail ends the process when it is closed. */
void script_push_stream(lua_State *L, int index, enum script_output which);

#endif
