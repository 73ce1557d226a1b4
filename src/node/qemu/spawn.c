// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/memory.h"

#define KVM_DEVICE "/dev/kvm"

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

bool spawn_may_use_kvm(void)
{
	struct stat device;

	if (stat(KVM_DEVICE, &device))
		return false;
	return (device.st_mode & (S_IROTH | S_IWOTH)) == (S_IROTH | S_IWOTH) ||
	       (device.st_gid && (device.st_mode & (S_IRGRP | S_IWGRP)) == (S_IRGRP | S_IWGRP));
}

/*
 * Dropped before the exec and not by QEMU's -runas, for a change of user takes the parent-death signal away. The group of
 * /dev/kvm is kept: that of a machine which lets its users have it.
 */
static int drop_rights(void)
{
	struct stat device;
	gid_t groups[1];
	size_t count = 0;

	if (geteuid() != 0)
		return 0;
	if (stat(KVM_DEVICE, &device) == 0 && device.st_gid)
		groups[count++] = device.st_gid;
	if (setgroups(count, groups) || setresgid(SPAWN_UID, SPAWN_UID, SPAWN_UID) ||
	    setresuid(SPAWN_UID, SPAWN_UID, SPAWN_UID))
		return errno;
	return 0;
}

struct spawn_pipes {
	int errors[2], report[2];
};

/* Between fork and exec: nothing may be allocated, for the run has other threads. */
__attribute__((noreturn)) static void child_main(const struct arguments *arguments, bool as_root,
						 const struct spawn_pipes *pipes)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;
	int code = as_root ? 0 : drop_rights();

	/* Its own session: Ctrl-C is for the run, which ends the guests in its own order. */
	setsid();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!code && (dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 || dup2(pipes->errors[1], 2) < 0))
		code = errno;
	for (size_t i = 0; i < arguments->fd_count; i++)
		fcntl(arguments->fds[i], F_SETFD, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!code) {
		execvp(arguments->list[0], arguments->list);
		code = errno;
	}
	/* A parent that died before the death signal was set does not read this. */
	if (write(pipes->report[1], &code, sizeof(code)) < 0)
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
static int exec_report(int report, const char *program, struct error *err)
{
	ssize_t size;
	int code;

	do
		size = read(report, &code, sizeof(code));
	while (size < 0 && errno == EINTR);
	if (size != sizeof(code))
		return 0;
	error_errno(err, code, "start %s", program);
	return code == ENOENT
		       ? error_append(err, " (it is in Debian's package qemu-system-x86; tools/setup installs it)")
		       : -err->code;
}

int spawn(const struct arguments *arguments, bool as_root, struct child *child, struct error *err)
{
	struct spawn_pipes pipes;

	*child = (struct child){ .pid = -1, .pidfd = -1, .stderr_fd = -1, .oom = oom_mark() };
	if (open_pipes(&pipes, err))
		return -err->code;
	err->code = 0;
	child->pid = fork();
	if (child->pid == 0)
		child_main(arguments, as_root, &pipes);
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
