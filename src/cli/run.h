/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of `provium run` alone: its options, its files, its children. */
#ifndef PROVIUM_CLI_RUN_H
#define PROVIUM_CLI_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/oom.h"
#include "script/script.h"
#include "util/buffer.h"

struct error;
struct report;

struct plan_file {
	char *path;    /* as it was named, or found in a folder */
	bool is_found; /* the latter */
	char *folder;  /* where its modules and its configuration are looked for; ends with a slash */
	struct buffer text;
};

/* What is to be run, and how. */
struct plan {
	struct script_options script;
	unsigned int jobs;
	const char *format;
	const char *output; /* NULL: the report goes to stdout */
	struct plan_file *files;
	size_t file_count;
	unsigned int shard, shards; /* of the files, run those whose number is shard modulo shards; shards 0: all */
	char *repeat;		    /* the command line that runs the same again, with the seed in it */
};

/*
 * run_options.c: ends the process if the arguments are bad. Fills all but the files, and returns what was named: an
 * array for the caller to free. Strings stay those of argv.
 */
char **plan_parse(struct plan *plan, int argc, char **argv);
void plan_free(struct plan *plan);

/* run_files.c: finds the scripts, those of a folder sorted by name, and reads those of this shard. */
int plan_find_files(struct plan *plan, char **paths, struct error *err);
bool plan_is_standard_input(const char *path);

/* job.c: a script in a process of its own. */
struct job {
	size_t number; /* of the file, from 1; 0: this place is free */
	pid_t pid;
	int pidfd;
	uint64_t begun_ns;
	int events, output;		       /* our ends of the socket and the pipe */
	struct buffer event_text, output_text; /* what is not a whole line yet */
	struct oom_mark oom;		       /* when it began */
	const char *killed;		       /* why it was killed by the command, NULL if it was not */
};

int job_start(struct job *job, const struct plan *plan, size_t number, struct error *err);
/* Hands what has arrived to the report. */
int job_read(struct job *job, struct report *report, struct error *err);
/* Asks the script, and it alone, to come to its end. */
void job_interrupt(const struct job *job);
/* Ends it and all that is in its process group. */
void job_kill(struct job *job, const char *why);
/* After its end: tells the report how it went, and frees the place. */
int job_end(struct job *job, struct report *report, struct error *err);
/* Frees the place without a word, of a run that is given up. */
void job_drop(struct job *job);

#endif
