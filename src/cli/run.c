// SPDX-License-Identifier: GPL-2.0-only
/* `provium run`: every script in a process of its own, several side by side, and what they tell to the report. */
#include "cli/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/report.h"
#include "node/netns/cgroup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/limits.h"
#include "util/memory.h"

#define END_CLEANLY_NS (10 * NS_PER_S)
/* A process that does not even go by SIGKILL is stuck in the kernel: it is left to it. */
#define END_KILLED_NS (10 * NS_PER_S)
/* Nodes of a process that was killed are ended by the kernel. */
#define END_NODES_NS (2 * NS_PER_S)
#define FDS_PER_JOB  3U

struct runner {
	const struct plan *plan;
	struct report *report;
	struct job *jobs; /* plan->jobs places */
	size_t started, running;
	int signals;	 /* signalfd */
	int interrupted; /* the signal, 0 if there was none */
	bool killed;
	uint64_t deadline_ns; /* for the end, once interrupted */
	struct pollfd *fds;
};

/* From here on they are read from a descriptor. Children unblock them. */
static int open_signals(struct runner *runner, struct error *err)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN) /* by nohup(1) */
		signal(SIGHUP, SIG_IGN);
	else
		sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	runner->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return runner->signals < 0 ? error_errno(err, errno, "open a signalfd") : 0;
}

static int start_jobs(struct runner *runner, struct error *err)
{
	for (unsigned int i = 0; i < runner->plan->jobs; i++) {
		if (runner->jobs[i].number)
			continue;
		if (runner->interrupted || runner->started == runner->plan->file_count)
			return 0;
		if (job_start(&runner->jobs[i], runner->plan, runner->started + 1, err))
			return -err->code;
		runner->started++;
		runner->running++;
	}
	return 0;
}

static void kill_all(struct runner *runner, const char *why)
{
	for (unsigned int i = 0; i < runner->plan->jobs; i++)
		if (runner->jobs[i].number)
			job_kill(&runner->jobs[i], why);
	runner->killed = true;
	runner->deadline_ns = clock_after(END_KILLED_NS);
}

static void take_signal(struct runner *runner)
{
	struct signalfd_siginfo info;

	if (read(runner->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (runner->interrupted) {
		kill_all(runner, "the run was interrupted twice");
		return;
	}
	runner->interrupted = (int)info.ssi_signo;
	runner->deadline_ns = clock_after(END_CLEANLY_NS);
	for (unsigned int i = 0; i < runner->plan->jobs; i++)
		if (runner->jobs[i].number)
			job_interrupt(&runner->jobs[i]);
}

static int take_from_job(struct runner *runner, struct job *job, const struct pollfd *fds, struct error *err)
{
	if (!fds[0].revents)
		return fds[1].revents || fds[2].revents ? job_read(job, runner->report, err) : 0;
	runner->running--;
	return job_end(job, runner->report, err);
}

static void fill_fds(struct runner *runner)
{
	struct pollfd *next = runner->fds;

	*next++ = (struct pollfd){ .fd = runner->signals, .events = POLLIN };
	for (unsigned int i = 0; i < runner->plan->jobs; i++) {
		const struct job *job = &runner->jobs[i];

		*next++ = (struct pollfd){ .fd = job->number ? job->pidfd : -1, .events = POLLIN };
		*next++ = (struct pollfd){ .fd = job->number ? job->events : -1, .events = POLLIN };
		*next++ = (struct pollfd){ .fd = job->number ? job->output : -1, .events = POLLIN };
	}
}

/* Waits for the next thing to happen, and deals with it. */
static int step(struct runner *runner, struct error *err)
{
	int ready;

	fill_fds(runner);
	ready = poll(runner->fds, 1 + FDS_PER_JOB * runner->plan->jobs, clock_poll_ms(runner->deadline_ns));
	if (ready < 0 && errno != EINTR)
		return error_errno(err, errno, "poll");
	if (ready <= 0) {
		if (clock_now() < runner->deadline_ns)
			return 0;
		if (runner->killed)
			return error_set(err, ETIMEDOUT, "processes of the run do not end, not even by SIGKILL");
		kill_all(runner, "it did not end within 10 s after the interrupt");
		return 0;
	}
	if (runner->fds[0].revents)
		take_signal(runner);
	for (unsigned int i = 0; i < runner->plan->jobs; i++)
		if (runner->jobs[i].number &&
		    take_from_job(runner, &runner->jobs[i], &runner->fds[1 + FDS_PER_JOB * i], err))
			return -err->code;
	return 0;
}

static int run_files(struct runner *runner, struct error *err)
{
	int status = start_jobs(runner, err);

	while (!status && runner->running) {
		status = step(runner, err);
		if (!status)
			status = start_jobs(runner, err);
	}
	if (!status)
		return 0;
	kill_all(runner, "the run is given up");
	for (unsigned int i = 0; i < runner->plan->jobs; i++)
		if (runner->jobs[i].number)
			job_drop(&runner->jobs[i]);
	return status;
}

/* A run that is given up has a report all the same, which says so. */
static int run_and_report(struct runner *runner, struct report_totals *totals, struct error *err)
{
	struct error ignored;

	if (run_files(runner, err)) {
		report_finish(runner->report, err->text, totals, &ignored);
		return -err->code;
	}
	return report_finish(runner->report, runner->interrupted ? "interrupted" : NULL, totals, err);
}

static int exit_status(const struct runner *runner, const struct report_totals *totals)
{
	if (runner->interrupted)
		return 128 + runner->interrupted;
	if (totals->broken)
		return EXIT_COULD_NOT_RUN;
	if (totals->failed)
		return EXIT_FAILED;
	/* A part of few tests may well be empty; a filter that matches nothing is a mistake. */
	if (totals->passed + totals->skipped + totals->listed > 0 || runner->plan->shards)
		return 0;
	fprintf(stderr, "provium: no test matches; see what there is with --list and without --filter and --tag\n");
	return EXIT_COULD_NOT_RUN;
}

/* Returns 0 and the exit status, or an error. */
static int run_plan(const struct plan *plan, int *status, struct error *err)
{
	struct runner runner = { .plan = plan, .signals = -1, .deadline_ns = CLOCK_NEVER };
	struct report_totals totals;
	int failed;

	runner.jobs = memory_new(plan->jobs * sizeof(*runner.jobs));
	runner.fds = memory_new((1 + FDS_PER_JOB * plan->jobs) * sizeof(*runner.fds));
	failed = limits_check_files(err) || report_open(&runner.report, plan, err) || open_signals(&runner, err) ||
		 run_and_report(&runner, &totals, err);
	if (!failed)
		*status = exit_status(&runner, &totals);
	report_close(runner.report);
	if (runner.signals >= 0)
		close(runner.signals);
	free(runner.jobs);
	free(runner.fds);
	return failed ? -err->code : 0;
}

int cli_run(int argc, char **argv)
{
	struct plan plan;
	char **paths = plan_parse(&plan, argc, argv);
	struct error err;
	int status = EXIT_COULD_NOT_RUN;

	if (plan_find_files(&plan, paths, &err) || run_plan(&plan, &status, &err))
		cli_fail(&err);
	/* Of files whose process was killed, or ended itself. */
	cgroup_sweep(clock_after(END_NODES_NS));
	free(paths);
	plan_free(&plan);
	return status;
}
