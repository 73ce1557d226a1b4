// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/qemu/confine.h"
#include "util/error.h"
#include "util/fork.h"
#include "util/limits.h"
#include "util/memory.h"

/* As many as may be in use by other runs in a row. */
#define UID_TRIES 1000

void arguments_add(struct arguments *arguments, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		memory_exhausted();
	arguments->list = memory_resize(arguments->list, (arguments->count + 2) * sizeof(*arguments->list));
	arguments->list[arguments->count++] = text;
	arguments->list[arguments->count] = NULL;
}

void arguments_add_fd(struct arguments *arguments, int fd)
{
	arguments->fds = memory_resize(arguments->fds, (arguments->fd_count + 1) * sizeof(*arguments->fds));
	arguments->fds[arguments->fd_count++] = fd;
}

void arguments_free(struct arguments *arguments)
{
	for (size_t i = 0; i < arguments->count; i++)
		free(arguments->list[i]);
	free(arguments->list);
	free(arguments->fds);
	*arguments = (struct arguments){ 0 };
}

struct spawn_pipes {
	int errors[2], report[2];
};

/* Why there was no exec. The text is in the program's image, which the child has alike. */
struct report {
	int code;
	const char *what;
};

/* PATH alone: what else is in there is for the run, and a process of another user is not to know it. */
static void copy_environment(char *copy[static 2])
{
	copy[0] = copy[1] = NULL;
	for (char **entry = environ; *entry && !copy[0]; entry++)
		if (strncmp(*entry, "PATH=", 5) == 0)
			copy[0] = *entry;
}

static int connect_streams(int errors)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	return nothing < 0 || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 || dup2(errors, 2) < 0 ? errno : 0;
}

/* Its own session: Ctrl-C is for the run, which ends the guests in its own order. */
static void reset_process(void)
{
	sigset_t none;

	setsid();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Between fork and exec: nothing may be allocated, for the run has other threads. */
__attribute__((noreturn)) static void child_main(const struct arguments *arguments, uid_t uid, bool kvm, pid_t parent,
						 const struct spawn_pipes *pipes)
{
	struct report report = { .what = "connect it" };
	char *environment[2];

	reset_process();
	copy_environment(environment);
	report.code = connect_streams(pipes->errors[1]);
	if (!report.code)
		report.code = fork_keep_fds(arguments->fds, arguments->fd_count);
	if (!report.code)
		report.code = confine(uid, kvm, &report.what);
	/* After the change of user, which takes the signal away. */
	if (!fork_follow(parent))
		_exit(126);
	if (!report.code) {
		execvpe(arguments->list[0], arguments->list, environment);
		report = (struct report){ .code = errno };
	}
	if (write(pipes->report[1], &report, sizeof(report)) < 0)
		_exit(126);
	_exit(127);
}

static int open_pipes(struct spawn_pipes *pipes, struct error *err)
{
	if (pipe2(pipes->errors, O_CLOEXEC))
		return error_errno(err, errno, "make a pipe");
	if (pipe2(pipes->report, O_CLOEXEC)) {
		error_errno(err, errno, "make a pipe");
		close(pipes->errors[0]);
		close(pipes->errors[1]);
		return -err->code;
	}
	return 0;
}

/* Waits for the exec, which is at once, or for the reason why it failed. */
static int exec_report(int fd, const char *program, struct error *err)
{
	struct report report;
	ssize_t size;

	do
		size = read(fd, &report, sizeof(report));
	while (size < 0 && errno == EINTR);
	if (size != sizeof(report))
		return 0;
	if (report.what)
		return error_errno(err, report.code, "start %s: %s", program, report.what);
	error_errno(err, report.code, "start %s", program);
	if (report.code != ENOENT && report.code != EACCES)
		return -err->code;
	/* EACCES also if it is nowhere, but a folder in PATH is root's alone. */
	return error_append(
		err, " (it is in Debian's package qemu-system-x86; tools/setup installs it; users without rights "
		     "must be able to run it)");
}

static int spawn_as(const struct arguments *arguments, uid_t uid, bool kvm, struct child *child, struct error *err)
{
	pid_t parent = getpid();
	struct spawn_pipes pipes;

	*child = (struct child){ .pid = -1, .pidfd = -1, .stderr_fd = -1, .oom = oom_mark() };
	if (open_pipes(&pipes, err))
		return -err->code;
	err->code = 0;
	child->pid = fork();
	if (child->pid == 0)
		child_main(arguments, uid, kvm, parent, &pipes);
	if (child->pid < 0)
		error_errno(err, errno, "fork");
	else
		child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pid > 0 && child->pidfd < 0)
		error_errno(err, errno, "open a pidfd of QEMU");
	close(pipes.errors[1]);
	close(pipes.report[1]);
	child->stderr_fd = pipes.errors[0];
	if (!err->code)
		exec_report(pipes.report[0], arguments->list[0], err);
	close(pipes.report[0]);
	if (err->code) {
		child_end(child);
		close(child->stderr_fd);
	}
	return -err->code;
}

int spawn(const struct arguments *arguments, bool kvm, struct child *child, struct error *err)
{
	for (int tries = 0; tries < UID_TRIES; tries++)
		if (spawn_as(arguments, confine_next_uid(), kvm, child, err) != -EAGAIN)
			return -err->code;
	return limits_explain_process(err);
}

void child_end(struct child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (child->pidfd >= 0)
		close(child->pidfd);
	child->pid = child->pidfd = -1;
}

bool child_has_ended(const struct child *child)
{
	struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };

	return child->pid <= 0 || poll(&ended, 1, 0) != 0;
}

int child_signal(const struct child *child)
{
	siginfo_t info = { 0 };

	/* Left to be waited for by child_end(). */
	if (child->pid <= 0 || waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT))
		return 0;
	return info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED ? info.si_status : 0;
}
