// SPDX-License-Identifier: GPL-2.0-only
/* Commands in a namespace node, as the run sees them: their pipes and their end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

/* What was killed is gone after this long, or not in our hands. */
#define END_NS (5 * NS_PER_S)

struct netns_process {
	struct process process; /* first */
	struct netns_node *node; /* NULL once that is closed */
	struct netns_process *older, *younger; /* of the node's */
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

static int take_some(int *fd, struct buffer *buffer, size_t limit)
{
	char bytes[READ_SIZE];
	ssize_t size = read(*fd, bytes, limit < sizeof(bytes) ? limit : sizeof(bytes));

	if (size > 0) {
		buffer_add(buffer, bytes, (size_t)size);
		return 1;
	}
	if (size == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	return 0;
}

/* What is there now, and not what somebody goes on to write. */
static void take_rest(int *fd, struct buffer *buffer)
{
	int left = 0;

	if (*fd >= 0 && ioctl(*fd, FIONREAD, &left))
		left = 0;
	for (size_t end = buffer->size + (size_t)left; buffer->size < end;)
		if (!take_some(fd, buffer, end - buffer->size))
			break;
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

static void unlink_process(struct netns_process *process)
{
	if (!process->node)
		return;
	if (process->younger)
		process->younger->older = process->older;
	else
		process->node->processes = process->older;
	if (process->older)
		process->older->younger = process->younger;
	process->node = NULL;
}

/* Output that was written before the end is there to be read now; what a left-over child may still write is not waited for. */
static void reap(struct netns_process *process)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) || !info.si_pid)
		return;
	take_rest(&process->output, &process->process.out);
	take_rest(&process->errors, &process->process.err);
	process->process.status = info.si_code == CLD_EXITED ? PROCESS_EXITED : PROCESS_SIGNALLED;
	process->process.code = info.si_status;
	unlink_process(process);
}

bool netns_await(int pidfd, uint64_t deadline_ns)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int ready;

	do
		ready = poll(&ended, 1, clock_poll_ms(deadline_ns));
	while (ready < 0 && errno == EINTR && clock_now() < deadline_ns);
	return ready > 0;
}

void netns_reap_all(struct netns_node *node)
{
	struct netns_process *process = node->processes, *older;

	for (; process; process = older) {
		older = process->older;
		reap(process);
	}
}

void netns_end_all(struct netns_node *node)
{
	uint64_t deadline_ns = clock_after(END_NS);

	while (node->processes) {
		struct netns_process *process = node->processes;

		if (netns_await(process->pidfd, deadline_ns))
			reap(process);
		unlink_process(process);
	}
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
			fresh += take_some(&process->output, &base->out, READ_SIZE);
		if (fds[2].revents)
			fresh += take_some(&process->errors, &base->err, READ_SIZE);
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
		if (netns_await(process->pidfd, clock_after(END_NS)))
			waitpid(process->pid, NULL, 0);
	}
	unlink_process(process);
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

static struct netns_process *new_process(struct netns_node *node, pid_t pid, const struct command *command, struct pipes *pipes)
{
	struct netns_process *process = memory_new(sizeof(*process));

	process->process.ops = &netns_process_ops;
	process->node = node;
	process->older = node->processes;
	if (process->older)
		process->older->younger = process;
	node->processes = process;
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

	if (open_pipes(&pipes, err) || (pid = netns_fork_into(node, err)) < 0) {
		close_pipes(&pipes);
		return -err->code;
	}
	if (pid == 0)
		netns_child_main(node, command, (int[]){ pipes.input[0], pipes.output[1], pipes.errors[1] }, pipes.report[1]);
	process = new_process(node, pid, command, &pipes);
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
