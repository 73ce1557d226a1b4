// SPDX-License-Identifier: GPL-2.0-only
#include "lab/losses.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lab/lab.h"
#include "lab/run.h"
#include "net/link.h"
#include "net/namespace.h"
#include "util/error.h"
#include "wire/wire.h"

/* Both files have a line a processor, of hexadecimal numbers. Not that of the main thread, which may be elsewhere. */
#define FOLDER	      "/proc/thread-self/net/"
#define BACKLOG_DROPS 1 /* softnet_seq_show() in net/core/net-procfs.c */
#define TABLE_FULLS   "table_fulls"
#define LINE_SIZE     512
#define NO_COLUMN     (-1)

#define LOST	"this machine lost "
#define UNASKED " that no rule asked for: "

/* The sum of a column; lines that have no number there, such as the one of titles, count nothing. */
static uint64_t add_column(FILE *file, int column)
{
	char line[LINE_SIZE], *state, *word;
	uint64_t sum = 0, value;

	while (fgets(line, sizeof(line), file)) {
		word = strtok_r(line, " \n", &state);
		for (int i = 0; word && i < column; i++)
			word = strtok_r(NULL, " \n", &state);
		if (word && sscanf(word, "%" SCNx64, &value) == 1)
			sum += value;
	}
	return sum;
}

static int find_column(FILE *file, const char *title)
{
	char line[LINE_SIZE], *state, *word;
	int column = 0;

	if (!fgets(line, sizeof(line), file))
		return NO_COLUMN;
	for (word = strtok_r(line, " \n", &state); word; word = strtok_r(NULL, " \n", &state), column++)
		if (strcmp(word, title) == 0)
			return column;
	return NO_COLUMN;
}

/* 0 if this namespace does not show it: only the machine's first one has the tables of neighbours. */
static uint64_t read_count(const char *path, const char *title, int column)
{
	FILE *file = fopen(path, "re");
	uint64_t count = 0;

	if (!file)
		return 0;
	if (title)
		column = find_column(file, title);
	if (column != NO_COLUMN)
		count = add_column(file, column);
	fclose(file);
	return count;
}

static struct losses read_machine(void)
{
	return (struct losses){
		.neighbours = read_count(FOLDER "stat/arp_cache", TABLE_FULLS, NO_COLUMN),
		.neighbours6 = read_count(FOLDER "stat/ndisc_cache", TABLE_FULLS, NO_COLUMN),
		.backlog = read_count(FOLDER "softnet_stat", NULL, BACKLOG_DROPS),
	};
}

void losses_begin(struct run *run)
{
	run->losses = read_machine();
}

void losses_of_port(const struct member *member)
{
	struct run *run = member->bridge->run;
	struct link_counters port;
	struct error ignored;

	if (!link_counters(run->nl, member->nic.ifindex, &port, &ignored))
		run->losses.ports += port.dropped;
}

/* Frames that were held, in the queue of a processor behind the line. */
static void add_line(struct run *run)
{
	struct link_counters line;
	struct error ignored;
	int index = wire_line(run->wire);

	if (index && !link_counters(run->nl, index, &line, &ignored))
		run->losses.ports += line.dropped;
}

static int read_in_host(void *context, struct error *err)
{
	(void)err;
	*(struct losses *)context = read_machine();
	return 0;
}

static void tell(const struct run *run, const char *what, uint64_t count, const char *cause, const char *why)
{
	if (!count)
		return;
	fprintf(stderr, "provium: %s%" PRIu64 " frames%s\n", what, count, why);
	if (run->hear_loss)
		run->hear_loss(run->hear_context, cause, count);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void losses_tell(struct run *run)
{
	const struct losses *before = &run->losses;
	struct losses now;
	struct error ignored;

	if (namespace_visit(run->host, read_in_host, &now, &ignored))
		return;
	add_line(run);
	tell(run, LOST, now.neighbours - before->neighbours, "ipv4_neighbours",
	     UNASKED "the IPv4 neighbour table was full, counted for the whole machine; raise "
		     "net.ipv4.neigh.default.gc_thresh3");
	tell(run, LOST, now.neighbours6 - before->neighbours6, "ipv6_neighbours",
	     UNASKED "the IPv6 neighbour table was full, counted for the whole machine; raise "
		     "net.ipv6.neigh.default.gc_thresh3");
	/* Ports drop for other reasons too, such as a cable that is pulled, and other ports of the machine for this one. */
	tell(run, LOST, least(now.backlog - before->backlog, before->ports), "backlog",
	     UNASKED "a processor's queue was full, by at most so many; raise net.core.netdev_max_backlog");
	tell(run, "", wire_uncounted(run->wire), "uncounted",
	     " were not counted, for there was no room for their pair");
	tell(run, "", wire_unnumbered(run->wire), "unnumbered",
	     " rolled dice that no seed repeats, for there was no room for their class");
}

int losses_check_counted(const struct run *run, struct error *err)
{
	uint64_t count = wire_uncounted(run->wire);

	if (!count)
		return 0;
	return error_set(err, EOVERFLOW,
			 "it is not known: %" PRIu64 " frames of this run were not counted, for there was no room for "
			 "their pair (%d pairs at most on large bridges)",
			 count, WIRE_MORE_ENTRIES);
}
