/* SPDX-License-Identifier: GPL-2.0-only */
/* The subcommands. argv[0] is the subcommand's name. Each returns the exit status of the command. */
#ifndef PROVIUM_CLI_CLI_H
#define PROVIUM_CLI_CLI_H

#include <argp.h>
#include <stdint.h>

struct error;

#define SEED_BITS 53 /* see cli_random_seed() */

#define EXIT_FAILED	   1 /* a test failed; what was asked about is not so */
#define EXIT_COULD_NOT_RUN 2 /* bad arguments, missing files, missing rights */

int cli_run(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_ps(int argc, char **argv);
int cli_exec(int argc, char **argv);
int cli_capture(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_repl(int argc, char **argv);

/*
 * argp_parse() for a subcommand: usage texts and errors begin with "provium NAME", and bad arguments end the command
 * with EXIT_COULD_NOT_RUN.
 */
void cli_parse(const struct argp *argp, int argc, char **argv, unsigned int flags, void *input);

/* A new seed, small enough for every tool that reads JSON to hold exactly. */
uint64_t cli_random_seed(void);

/* Shows what went wrong. Returns EXIT_COULD_NOT_RUN. */
int cli_fail(const struct error *err);

#endif
