/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames that this machine's kernel dropped and no rule asked for, where the wire program does not see it. A test that
 * passed although some were lost has not shown what it seems to show, so a run tells at its end.
 */
#ifndef PROVIUM_LAB_LOSSES_H
#define PROVIUM_LAB_LOSSES_H

#include <stdint.h>

struct error;
struct member;
struct run;

struct losses {
	uint64_t neighbours, neighbours6; /* of the whole machine: no room in the table */
	uint64_t backlog;		  /* of the whole machine: a processor's queue was full */
	uint64_t ports;			  /* of this run: what the devices of its ports, and the line, have dropped */
};

/* Remembers what the machine has lost so far. In the network namespace of the host. */
void losses_begin(struct run *run);
/* Adds what was lost at a port that is about to go. */
void losses_of_port(const struct member *member);
/* Says on standard error what was lost, or not counted, a line a cause, and to run->hear_loss. */
void losses_tell(struct run *run);

/* An error if some frames were not counted: then a pair's counters, even if it has none, may not be the whole truth. */
int losses_check_counted(const struct run *run, struct error *err);

#endif
