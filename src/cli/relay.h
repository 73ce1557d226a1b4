/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the standard descriptors of this process and those of a command of a stranger, who never gets hold of the former: with a file
 * one can change its mode and read what is in it, whatever it was opened for; with a terminal, read what is typed later, and type.
 * So the command has pipes, or a terminal of its own if standard input is one and this process is in its foreground.
 */
#ifndef PROVIUM_CLI_RELAY_H
#define PROVIUM_CLI_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

struct error;

#define RELAY_CHUNK 4096 /* PIPE_BUF: when there is room for something in a pipe, there is for so much */

/* One direction. from: -1 when nothing comes any more, or nobody takes it. */
struct relay_flow {
	int from, to;
	size_t size, sent;
	char bytes[RELAY_CHUNK];
};

/* The first three are from and to the standard descriptors of these numbers, the last what is printed to the command's terminal. */
enum { RELAY_INPUT, RELAY_OUTPUT, RELAY_ERRORS, RELAY_SCREEN, RELAY_FLOWS };

struct relay {
	int theirs[3];
	int terminal; /* the command's, of theirs; -1: none */
	int master;   /* the other side of that */
	struct relay_flow flows[RELAY_FLOWS];
	struct termios before; /* of our terminal */
	bool is_raw;
};

/* Closed on failure, too. */
int relay_open(struct relay *relay, struct error *err);

/*
 * Once the command was started: takes its descriptors from this process, and passes on what is typed, printed and signalled until it
 * has ended. What it has printed by then is passed on, but not what others print that it left behind. Sets the status as
 * waitpid() has it.
 */
int relay_run(struct relay *relay, pid_t child, int *status, struct error *err);

/* Our terminal is as before. */
void relay_close(struct relay *relay);

#endif
