// SPDX-License-Identifier: GPL-2.0-only
/* `provium doctor`: what this machine can do, and the fix for what it cannot. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/cli.h"
#include "cli/probes.h"
#include "net/namespace.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fork.h"
#include "util/terminal.h"

#define PROBE_LIMIT_NS (20 * NS_PER_S)

static const struct argp_option options[] = {
	{ "json", 'J', NULL, 0, "Print it as JSON" },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	(void)text;
	if (key != 'J')
		return ARGP_ERR_UNKNOWN;
	*(int *)state->input = 1;
	return 0;
}

__attribute__((noreturn)) static void child_main(const struct probe *probe, int result, pid_t parent)
{
	struct error err = { 0 };

	if (!fork_follow(parent))
		_exit(1);
	if (!probe->in_switch || !namespace_make_switch(&err))
		if (!probe->attempt(&err))
			err.code = 0;
	_exit(write(result, &err, sizeof(err)) == sizeof(err) ? 0 : 1);
}

static int read_result(const struct probe *probe, int result, pid_t child, struct error *err)
{
	struct pollfd fds = { .fd = result, .events = POLLIN };

	if (poll(&fds, 1, clock_poll_ms(clock_after(PROBE_LIMIT_NS))) <= 0)
		error_set(err, ETIMEDOUT, "no answer within %llu s", PROBE_LIMIT_NS / NS_PER_S);
	else if (read(result, err, sizeof(*err)) != sizeof(*err))
		error_set(err, ECHILD, "the process that tried `%s` died", probe->name);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return -err->code;
}

static int try_probe(const struct probe *probe, struct error *err)
{
	pid_t parent = getpid(), child;
	int result[2];

	if (pipe(result))
		return error_errno(err, errno, "make a pipe");
	fflush(NULL);
	child = fork();
	if (child == 0)
		child_main(probe, result[1], parent);
	close(result[1]);
	if (child < 0)
		error_errno(err, errno, "fork");
	else
		read_result(probe, result[0], child, err);
	close(result[0]);
	return -err->code;
}

static void print_result(const struct probe *probe, const char *state, const struct error *err)
{
	printf("%-9s %-11s %s\n", state, probe->name, probe->use);
	if (err->code) {
		terminal_text(stdout, "%-9s %-11s reason: %s", "", "", err->text);
		printf("%-9s %-11s to get it: %s\n", "", "", probe->fix);
	}
}

static json_t *describe_result(const struct probe *probe, const char *state, const struct error *err)
{
	json_t *result = json_pack("{ss ss ss sb}", "name", probe->name, "state", state, "use", probe->use, "basic",
				   probe->basic);

	if (err->code) {
		json_object_set_new(result, "reason", json_string(err->text));
		json_object_set_new(result, "fix", json_string(probe->fix));
	}
	return result;
}

static void print_summary(json_t *results, bool able, int as_json)
{
	if (as_json) {
		json_t *whole = json_pack("{sb sO}", "able", able, "results", results);

		json_dumpf(whole, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(whole);
	} else {
		printf("%s\n", able ? "The basics are there: this machine can run labs."
				    : "Basics are missing: this machine cannot run labs yet.");
	}
}

int cli_doctor(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		NULL,
		"Try all that labs need from this machine, and say how to get what is missing."
		"\vExit status: 0 if the basics are there, 1 if not. fq, perf, btf, qemu, kvm, nft, freezer, cgroups, "
		"settings, left and limits are no basics.",
	};
	json_t *results = json_array();
	bool able = true;
	int as_json = 0;

	cli_parse(&argp, argc, argv, 0, &as_json);
	for (size_t i = 0; i < probe_count; i++) {
		const struct probe *probe = &probes[i];
		struct error err;
		const char *state = !try_probe(probe, &err) ? "ok" : probe->degrades ? "degraded" : "missing";

		able &= !probe->basic || !err.code;
		if (!as_json)
			print_result(probe, state, &err);
		json_array_append_new(results, describe_result(probe, state, &err));
	}
	print_summary(results, able, as_json);
	json_decref(results);
	return able ? 0 : EXIT_FAILED;
}
