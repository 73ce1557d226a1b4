// SPDX-License-Identifier: GPL-2.0-only
/* A script in a process of its own: events come back through a socket, what it prints through a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/report.h"
#include "cli/run.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fork.h"
#include "util/interrupt.h"
#include "util/limits.h"
#include "util/oom.h"
#include "util/utf8.h"

#define EVENTS_FD  3
#define READ_SIZE  65536
#define READ_TURNS 32 /* a file that prints without end must not keep the others waiting */
/* Lines longer than this are handed on in pieces. */
#define OUTPUT_LINE_LIMIT 65536
#define EVENT_LINE_LIMIT  (64U << 20)

/* Signals stay blocked until here, so that one that comes early is not lost and does not kill. */
static void take_signals(void)
{
	sigset_t none;

	interrupt_install(NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void child_main(const struct plan *plan, size_t number, int events, int output,
						 pid_t parent)
{
	struct script_options options = plan->script;
	const struct plan_file *file = &plan->files[number - 1];
	struct script_source source = { file->path, file->folder, buffer_string(&file->text), file->text.size };
	int input = open("/dev/null", O_RDONLY);
	int status;

	if (!fork_follow(parent))
		_exit(EXIT_FAILURE);
	/* Ctrl-C reaches the parent alone, which passes it on once. */
	setpgid(0, 0);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	/* Above all that could be in the way, then down to its place. */
	events = fcntl(events, F_DUPFD, EVENTS_FD + 1);
	dup2(events, EVENTS_FD);
	fcntl(EVENTS_FD, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, EVENTS_FD + 1U, ~0U, 0U);
	setvbuf(stdout, NULL, _IOLBF, 0);
	take_signals();
	options.events = EVENTS_FD;
	status = script_run_file(&source, &options);
	exit(status ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int fork_child(struct job *job, const struct plan *plan, size_t number, const int events[2], const int output[2],
		      struct error *err)
{
	pid_t parent = getpid();

	/* What is in a buffer now would come out twice. */
	fflush(NULL);
	job->pid = fork();
	if (job->pid == 0)
		child_main(plan, number, events[1], output[1], parent);
	if (job->pid < 0) {
		error_errno(err, errno, "start a process for %s", plan->files[number - 1].path);
		return limits_explain_process(err);
	}
	job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
	if (job->pidfd < 0) {
		error_errno(err, errno, "open a pidfd of the process for %s", plan->files[number - 1].path);
		kill(job->pid, SIGKILL);
		waitpid(job->pid, NULL, 0);
		return -err->code;
	}
	return 0;
}

int job_start(struct job *job, const struct plan *plan, size_t number, struct error *err)
{
	int events[2], output[2];

	*job = (struct job){ .oom = oom_mark(), .begun_ns = clock_now() };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, events))
		return error_errno(err, errno, "make a pair of sockets");
	if (pipe2(output, O_CLOEXEC)) {
		error_errno(err, errno, "make a pipe");
		close(events[0]);
		close(events[1]);
		return -err->code;
	}
	err->code = 0;
	fork_child(job, plan, number, events, output, err);
	close(events[1]);
	close(output[1]);
	if (err->code) {
		close(events[0]);
		close(output[0]);
		return -err->code;
	}
	job->events = events[0];
	job->output = output[0];
	fcntl(job->events, F_SETFL, O_NONBLOCK);
	fcntl(job->output, F_SETFL, O_NONBLOCK);
	job->number = number;
	return 0;
}

/* At the end of a pipe its descriptor is closed and set to -1, which poll() passes over. False if there was nothing. */
static bool read_some(int *fd, struct buffer *text)
{
	char bytes[READ_SIZE];
	ssize_t size = *fd >= 0 ? read(*fd, bytes, sizeof(bytes)) : -1;

	if (size > 0)
		buffer_add(text, bytes, (size_t)size);
	else if (*fd >= 0 && (size == 0 || errno != EAGAIN)) {
		close(*fd);
		*fd = -1;
	}
	return size > 0;
}

struct lines {
	int (*take)(struct report *report, size_t file, const char *line, size_t size, struct error *err);
	size_t limit;
	bool last;
};

/* Of a line that goes on in what was not read yet: a piece, if there is enough for one. */
static size_t piece_size(const char *line, size_t left, const struct lines *lines)
{
	if (lines->last || left < lines->limit)
		return lines->last ? left : 0;
	return utf8_cut(line, left, lines->limit - 1);
}

static int hand_over(struct buffer *text, const struct lines *lines, struct report *report, size_t file,
		     struct error *err)
{
	size_t done = 0;

	while (done < text->size) {
		const char *line = text->data + done;
		size_t left = text->size - done;
		const char *end = memchr(line, '\n', left);
		size_t size = end ? (size_t)(end - line) : piece_size(line, left, lines);

		if (!end && !size)
			break;
		if (lines->take(report, file, line, size, err))
			return -err->code;
		done += size + (end ? 1 : 0);
	}
	text->size -= done;
	if (done)
		memmove(text->data, text->data + done, text->size);
	return 0;
}

static bool is_whole(const struct buffer *event)
{
	return event->size && event->data[event->size - 1] == '\n';
}

/*
 * The script waits with each event for its answer. So all that it has printed before is in the pipe when the event is here,
 * and nothing that it prints later.
 */
static int read_event(struct job *job, struct report *report, bool last, bool *more, struct error *err)
{
	struct lines output = { report_output, OUTPUT_LINE_LIMIT, last };
	struct lines events = { report_event, EVENT_LINE_LIMIT, last };
	bool answer;

	do
		*more = read_some(&job->events, &job->event_text);
	while (*more && !is_whole(&job->event_text));
	answer = *more;
	for (int turn = 0; turn < READ_TURNS && read_some(&job->output, &job->output_text); turn++)
		;
	/* An event ends the line before it. */
	output.last |= answer;
	if (hand_over(&job->output_text, &output, report, job->number, err) ||
	    hand_over(&job->event_text, &events, report, job->number, err))
		return -err->code;
	if (answer && job->events >= 0)
		send(job->events, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return 0;
}

int job_read(struct job *job, struct report *report, struct error *err)
{
	bool more;

	return read_event(job, report, false, &more, err);
}

static int read_rest(struct job *job, struct report *report, struct error *err)
{
	bool more = true;

	while (more)
		if (read_event(job, report, true, &more, err))
			return -err->code;
	return 0;
}

static void send_signal(const struct job *job, int number)
{
	syscall(SYS_pidfd_send_signal, job->pidfd, number, NULL, 0);
}

/* Not SIGINT, to which a process is deaf as long as it is in system(3), which is os.execute(). */
void job_interrupt(const struct job *job)
{
	send_signal(job, SIGTERM);
}

void job_kill(struct job *job, const char *why)
{
	job->killed = why;
	kill(-job->pid, SIGKILL);
	send_signal(job, SIGKILL);
}

void job_drop(struct job *job)
{
	close(job->pidfd);
	if (job->events >= 0)
		close(job->events);
	if (job->output >= 0)
		close(job->output);
	buffer_free(&job->event_text);
	buffer_free(&job->output_text);
	job->number = 0;
}

int job_end(struct job *job, struct report *report, struct error *err)
{
	struct report_end end = { .killed = job->killed, .duration_ns = clock_now() - job->begun_ns };
	char why[OOM_TEXT_SIZE];
	siginfo_t info = { 0 };
	int status;

	waitid(P_PIDFD, (id_t)job->pidfd, &info, WEXITED);
	if (info.si_code == CLD_EXITED)
		end.status = info.si_status;
	else
		end.signal = info.si_status;
	if (end.signal == SIGKILL && !end.killed)
		end.killed = oom_explain(&job->oom, why);
	status = read_rest(job, report, err);
	if (!status)
		status = report_ended(report, job->number, &end, err);
	job_drop(job);
	return status;
}
