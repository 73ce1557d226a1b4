/* SPDX-License-Identifier: GPL-2.0-only */
/* The reporters are written in Lua (lua/report); this is the parent process's way to them. */
#ifndef PROVIUM_CLI_REPORT_H
#define PROVIUM_CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct plan;
struct report;

/* How a script's process ended. */
struct report_end {
	int status;	    /* of its exit */
	int signal;	    /* that ended it, 0 if none */
	const char *killed; /* why, NULL if it was not by the command */
	uint64_t duration_ns;
};

struct report_totals {
	int64_t passed, failed, skipped;
	int64_t broken; /* files that could not be run; each counts as failed too */
	int64_t listed;
};

/* Opens the place where the report goes, so that a bad one is known before anything runs. */
int report_open(struct report **report, const struct plan *plan, struct error *err);
/* Files are numbered from 1, in the order in which they are shown. */
int report_event(struct report *report, size_t file, const char *line, size_t size, struct error *err);
int report_output(struct report *report, size_t file, const char *line, size_t size, struct error *err);
int report_ended(struct report *report, size_t file, const struct report_end *end, struct error *err);
/*
 * Shows the summary, and puts the report in its place. broken_off: why files have not run, or not to their end; NULL if all
 * was run.
 */
int report_finish(struct report *report, const char *broken_off, struct report_totals *totals, struct error *err);
/* What is not finished leaves no file. */
void report_close(struct report *report);

#endif
