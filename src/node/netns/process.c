// SPDX-License-Identifier: GPL-2.0-only
/* Commands in a namespace node: children of the run that were moved into the node's namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/netns/netns.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/wait.h"

#define READ_SIZE 65536
#define VISIT_FLAGS (CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

struct netns_process {
	struct process process; /* first */
	pid_t pid;
	int pidfd;
	int input, output, errors; /* our ends of its pipes, -1 when done */
	char *stdin_data;
	size_t stdin_size, stdin_sent;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Children are born in the PID namespace that their parent chose for them, so it is chosen around the fork. */
static pid_t fork_into(const struct netns_node *node, struct error *err)
{
	int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	pid_t pid = -1;

	if (home < 0)
		return error_errno(err, errno, "open the process namespace of the run");
	if (setns(node->pidfd, CLONE_NEWPID)) {
		error_errno(err, errno, "enter the process namespace of node `%s`", node->name);
	} else {
		pid = fork();
		if (pid == 0)
			return 0;
		if (pid < 0)
			error_errno(err, errno, "fork");
		setns(home, CLONE_NEWPID);
	}
	close(home);
	return pid;
}

/* A node is a machine of its own: proxies, paths of libraries and secrets of this one have no meaning there. */
static bool is_for_nodes(const char *variable)
{
	static const char *const names[] = { "PATH=", "HOME=", "USER=", "LOGNAME=", "SHELL=", "TERM=", "LANG=", "LC_", "TZ=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void sift_environment(void)
{
	char **kept = environ;

	for (char **variable = environ; variable && *variable; variable++)
		if (is_for_nodes(*variable))
			*kept++ = *variable;
	if (kept)
		*kept = NULL;
}

static int find_and_exec(const struct command *command)
{
	sift_environment();
	for (const char *const *env = command->env; env && *env; env++)
		putenv((char *)*env);
	execvp(command->argv[0], (char *const *)command->argv);
	return errno;
}

/* Runs in the child. Whatever fails is reported as errno through the pipe, which exec closes. */
__attribute__((noreturn)) static void child_main(const struct netns_node *node, const struct command *command,
						 int stdio[3], int report)
{
	sigset_t none;
	int code = 0;

	setsid();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (setns(node->pidfd, VISIT_FLAGS))
		code = errno;
	for (int fd = 0; fd < 3 && !code; fd++)
		if (dup2(stdio[fd], fd) < 0)
			code = errno;
	if (!code && chdir(command->cwd ? command->cwd : "/"))
		code = errno;
	if (!code)
		code = find_and_exec(command);
	if (write(report, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

struct pipes {
	int input[2], output[2], errors[2], report[2];
};

static int open_pipes(struct pipes *pipes, struct error *err)
{
	int *all[] = { pipes->input, pipes->output, pipes->errors, pipes->report };

	memset(pipes, -1, sizeof(*pipes));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (pipe2(all[i], O_CLOEXEC))
			return error_errno(err, errno, "make a pipe");
	return 0;
}

static void close_pipes(struct pipes *pipes)
{
	for (int end = 0; end < 2; end++) {
		close_fd(&pipes->input[end]);
		close_fd(&pipes->output[end]);
		close_fd(&pipes->errors[end]);
		close_fd(&pipes->report[end]);
	}
}

/* Waits for the exec, which is at once, or for the reason why it failed. */
static int exec_report(struct netns_node *node, const struct command *command, int report, struct error *err)
{
	ssize_t size;
	int code;

	do
		size = read(report, &code, sizeof(code));
	while (size < 0 && errno == EINTR);
	if (size != sizeof(code))
		return 0;
	if (command->cwd)
		return error_errno(err, code, "run `%s` in node `%s` (with cwd %s)", command->argv[0], node->name,
				   command->cwd);
	return error_errno(err, code, "run `%s` in node `%s`", command->argv[0], node->name);
}

static int take_new(int *fd, struct buffer *buffer)
{
	char bytes[READ_SIZE];
	ssize_t size = read(*fd, bytes, sizeof(bytes));

	if (size > 0) {
		buffer_add(buffer, bytes, (size_t)size);
		return 1;
	}
	if (size == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	return 0;
}

/* write(2), but without a signal when nobody reads: the interpreter may belong to somebody else. */
static ssize_t write_quietly(int fd, const void *data, size_t size)
{
	static const struct timespec at_once;
	sigset_t broken_pipe, before;
	ssize_t written;
	int code;

	sigemptyset(&broken_pipe);
	sigaddset(&broken_pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
	written = write(fd, data, size);
	code = errno;
	if (written < 0 && code == EPIPE)
		sigtimedwait(&broken_pipe, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = code;
	return written;
}

static void send_stdin(struct netns_process *process)
{
	size_t left = process->stdin_size - process->stdin_sent;
	ssize_t sent = left ? write_quietly(process->input, process->stdin_data + process->stdin_sent, left) : 0;

	if (sent > 0)
		process->stdin_sent += (size_t)sent;
	/* A program that does not read all of its input is not an error. */
	if (process->stdin_sent == process->stdin_size || (sent < 0 && errno != EAGAIN && errno != EINTR))
		close_fd(&process->input);
}

/* Output that was written before the end is there to be read now; what a left-over child may still write is not waited for. */
static void reap(struct netns_process *process)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) || !info.si_pid)
		return;
	while (process->output >= 0 && take_new(&process->output, &process->process.out))
		;
	while (process->errors >= 0 && take_new(&process->errors, &process->process.err))
		;
	process->process.status = info.si_code == CLD_EXITED ? PROCESS_EXITED : PROCESS_SIGNALLED;
	process->process.code = info.si_status;
}

static int netns_process_kill(struct process *base, int number, struct error *err)
{
	struct netns_process *process = (struct netns_process *)base;

	if (base->status != PROCESS_RUNNING)
		return 0;
	/* It made itself the leader of its group before it did anything else, unless that is still to come. */
	if (kill(-process->pid, number) && kill(process->pid, number) && errno != ESRCH)
		return error_errno(err, errno, "send signal %d", number);
	return 0;
}

static int netns_process_wait(struct process *base, uint64_t deadline_ns, bool until_output, struct error *err)
{
	struct netns_process *process = (struct netns_process *)base;

	while (base->status == PROCESS_RUNNING) {
		struct pollfd fds[] = {
			{ .fd = process->pidfd, .events = POLLIN },
			{ .fd = process->output, .events = POLLIN },
			{ .fd = process->errors, .events = POLLIN },
			{ .fd = process->input, .events = POLLOUT },
		};
		int ready = wait_poll(fds, sizeof(fds) / sizeof(fds[0]), deadline_ns, err);
		int fresh = 0;

		if (ready <= 0)
			return ready;
		if (fds[1].revents)
			fresh += take_new(&process->output, &base->out);
		if (fds[2].revents)
			fresh += take_new(&process->errors, &base->err);
		if (fds[3].revents)
			send_stdin(process);
		if (base->out.size > PROCESS_OUTPUT_LIMIT || base->err.size > PROCESS_OUTPUT_LIMIT) {
			netns_process_kill(base, SIGKILL, err);
			return error_set(err, EFBIG, "more than %u MiB of output; write it to a file in the node",
					 PROCESS_OUTPUT_LIMIT >> 20);
		}
		if (fds[0].revents)
			reap(process);
		if (until_output && fresh)
			return 0;
	}
	return 0;
}

static void netns_process_close(struct process *base)
{
	struct netns_process *process = (struct netns_process *)base;
	struct error ignored;

	if (base->status == PROCESS_RUNNING) {
		netns_process_kill(base, SIGKILL, &ignored);
		while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_fd(&process->pidfd);
	close_fd(&process->input);
	close_fd(&process->output);
	close_fd(&process->errors);
	buffer_free(&base->out);
	buffer_free(&base->err);
	free(process->stdin_data);
	free(process);
}

static const struct process_ops netns_process_ops = {
	.wait = netns_process_wait,
	.kill = netns_process_kill,
	.close = netns_process_close,
};

static int take_end(int pipe_ends[2], int end)
{
	int fd = pipe_ends[end];

	pipe_ends[end] = -1;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static struct netns_process *new_process(pid_t pid, const struct command *command, struct pipes *pipes)
{
	struct netns_process *process = memory_new(sizeof(*process));

	process->process.ops = &netns_process_ops;
	process->pid = pid;
	process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	process->input = take_end(pipes->input, 1);
	process->output = take_end(pipes->output, 0);
	process->errors = take_end(pipes->errors, 0);
	process->stdin_size = command->stdin_data ? command->stdin_size : 0;
	if (process->stdin_size) {
		process->stdin_data = memory_new(process->stdin_size);
		memcpy(process->stdin_data, command->stdin_data, process->stdin_size);
	} else {
		close_fd(&process->input);
	}
	return process;
}

int netns_start(struct node *base, const struct command *command, struct process **result, struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;
	struct netns_process *process;
	struct pipes pipes;
	pid_t pid;

	if (open_pipes(&pipes, err) || (pid = fork_into(node, err)) < 0) {
		close_pipes(&pipes);
		return -err->code;
	}
	if (pid == 0)
		child_main(node, command, (int[]){ pipes.input[0], pipes.output[1], pipes.errors[1] }, pipes.report[1]);
	process = new_process(pid, command, &pipes);
	close_fd(&pipes.report[1]);
	err->code = 0;
	exec_report(node, command, pipes.report[0], err);
	close_pipes(&pipes);
	if (err->code) {
		netns_process_close(&process->process);
		return -err->code;
	}
	*result = &process->process;
	return 0;
}

int netns_signal_all(struct netns_node *node, int number, struct error *err)
{
	pid_t pid = fork_into(node, err);
	int status;

	if (pid < 0)
		return -err->code;
	if (pid == 0) {
		/* Twice, for a process that was born during the first sweep. -1 spares init and the sender. */
		kill(-1, number);
		kill(-1, number);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}
