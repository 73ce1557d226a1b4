// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/error.h"
#include "util/limits.h"
#include "util/memory.h"
#include "util/terminal.h"

/* glibc looks for it by its name. */
__attribute__((visibility("default"))) const char *argp_program_version = "provium " PROVIUM_VERSION;

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} commands[] = {
	{ "run", cli_run },   { "doctor", cli_doctor },	  { "ps", cli_ps },	{ "capture", cli_capture },
	{ "exec", cli_exec }, { "inspect", cli_inspect }, { "repl", cli_repl },
};

void cli_parse(const struct argp *argp, int argc, char **argv, unsigned int flags, void *input)
{
	static char title[32];

	snprintf(title, sizeof(title), "provium %s", argv[0]);
	argv[0] = title;
	argp_err_exit_status = EXIT_COULD_NOT_RUN;
	argp_parse(argp, argc, argv, flags, NULL, input);
}

uint64_t cli_random_seed(void)
{
	uint64_t seed = 0;

	/* Never fails for so few bytes once the machine has booted. */
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		abort();
	return seed >> (64 - SEED_BITS);
}

int cli_fail(const struct error *err)
{
	terminal_text(stderr, "provium: %s", err->text);
	return EXIT_COULD_NOT_RUN;
}

/* Without the name of a command, all arguments are for run. */
static int run_by_default(int argc, char **argv)
{
	char **with_name = memory_new(((size_t)argc + 1) * sizeof(*with_name));
	int status;

	memcpy(with_name, argv, (size_t)argc * sizeof(*with_name));
	with_name[0] = "run";
	status = cli_run(argc, with_name);
	free(with_name);
	return status;
}

/*
 * What was closed when we began would be taken by the next file that is opened, and a report be written into it. Opened for
 * the wrong direction, they are as good as closed to whoever uses them.
 */
static void hold_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			abort();
}

int main(int argc, char **argv)
{
	hold_standard_files();
	limits_raise_files();
	/* What is written beyond the limit of a file's size is an error, which names it. */
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	return run_by_default(argc, argv);
}
