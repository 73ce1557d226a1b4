/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A history: rules, frames and time as chance would have it, played on the wire program and on the model at once. One seed makes
 * one history, on every machine, for the program has a clock that the history sets (clocked.bpf.c). Each step draws from chances of
 * its own, so that one can be left out and the others stay what they are.
 */
#ifndef PROVIUM_TESTS_WIRE_HISTORY_H
#define PROVIUM_TESTS_WIRE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/wire/clocked.skel.h"
#include "wire/internal.h"

#include "history_frame.h"
#include "reference.h"

#define HISTORY_STEPS	48
#define HISTORY_FRAMES	64
#define HISTORY_COPIES	256
#define HISTORY_FLOWS	256
#define HISTORY_DEVICES 12

enum history_program { PROGRAM_INGRESS, PROGRAM_EGRESS, PROGRAM_DUE, PROGRAMS };

/* What all histories are played on. */
struct stage {
	struct clocked_bpf *program;
	struct wire wire; /* its maps */
	int devices[HISTORY_DEVICES];
	uint32_t line, line_end;
};

/* A frame on the bridge, as the program and as the model know it. */
struct flight {
	struct frame_bytes bytes;
	struct reference_frame model;
	uint32_t wire_len;
	uint32_t gso_size, gso_segs;
	uint32_t tag; /* beside the data */
	uint32_t from_index;
	uint32_t mark, priority; /* as it left ingress */
};

struct copy {
	uint32_t flight;
	uint16_t to;
};

/* A frame on the line; in the order of the model's list. */
struct waiting {
	uint32_t flight;
	uint32_t mark, tc_index, cb[5];
};

/* What makes a flow of fq, and its number. */
struct flow {
	uint32_t from, to_index, flush;
	uint32_t generations[WIRE_HOPS];
	uint32_t number;
};

struct history {
	uint64_t seed;
	uint64_t skipped; /* steps, a bit each */
	FILE *trace;	  /* NULL: nothing is told */
	struct stage *stage;
	struct chance chance; /* of the step */
	struct reference model;

	uint64_t now_ns;
	uint64_t pace_ns;  /* the most that a step takes, but for a few */
	uint64_t rate_bps; /* the order of magnitude; 0: no link has one */
	uint32_t bridge, flush;
	uint16_t port_count;
	uint32_t generations[REFERENCE_PORTS][REFERENCE_PORTS]; /* of the links in force */
	uint32_t index[REFERENCE_PORTS]; /* of the device that is the port now; 0: a port of another bridge */
	uint32_t first_device, next_device;

	struct flight flights[HISTORY_FRAMES];
	uint32_t flight_count;
	struct copy copies[HISTORY_COPIES]; /* on their way to the receiver */
	uint32_t copy_count;
	struct waiting waiting[REFERENCE_HELD];
	struct flow flows[HISTORY_FLOWS];
	uint32_t flow_count, shared_flows;

	char difference[2048];
	/* What came of all of it. */
	uint64_t passes, verdicts[WIRE_VERDICTS], held;
};

/* Whether both agreed; if not, `difference` says in what. */
bool history_play(struct history *history, struct stage *stage, uint64_t seed, uint64_t skipped, FILE *trace);

/* ---- Between history.c, history_rules.c and history_run.c. */

__attribute__((format(printf, 2, 3))) void history_tell(struct history *history, const char *format, ...);
/* The first one counts. */
__attribute__((format(printf, 2, 3))) void history_differs(struct history *history, const char *format, ...);

/* One frame through one of the programs. */
struct run {
	enum history_program program;
	const struct flight *flight;
	uint32_t index, from_index;
	uint32_t mark, priority, tc_index;
	const uint32_t *cb; /* five words; NULL: none */
};
struct ran {
	int action;
	uint32_t mark, priority;
	bool seen; /* on the line */
};
struct ran history_run(struct history *history, const struct run *run);
void history_enter(struct history *history, struct flight *flight);
void history_leave(struct history *history, uint32_t copy);
void history_due(struct history *history, size_t held);
void history_check_counters(struct history *history, uint16_t from, uint16_t to);

/* Random changes to what is said about links. */
void history_change_rules(struct history *history);
void history_reset_rules(struct history *history);
void history_follow_trace(struct history *history);
/* A frame or two, where rules are announced and not yet in force. */
void history_go_on(struct history *history);

uint64_t history_name(const struct history *history, uint16_t from, uint16_t to);

#endif
