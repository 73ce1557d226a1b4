/* SPDX-License-Identifier: GPL-2.0-only */
/* A process of run_async(), shared by the files that give scripts something of it: process.c, stream.c, tail.c. */
#ifndef PROVIUM_SCRIPT_PROCESS_H
#define PROVIUM_SCRIPT_PROCESS_H

#include "script/internal.h"

struct script_process {
	struct process *process; /* NULL when closed */
	char node[NAME_LIMIT + 1];
	char *command;	    /* for people */
	unsigned int depth; /* of the scope that it was started in */
	struct script *script;
	struct script_process *older, *younger;
};

enum script_output { SCRIPT_STDOUT, SCRIPT_STDERR, SCRIPT_TAIL };

/* Pushes a stream of what the process prints. The process is the value at index 1. */
void script_push_stream(lua_State *L, struct script_process *process, enum script_output which);

#endif
