// SPDX-License-Identifier: GPL-2.0-only
/* Commands in a namespace node, as the run sees them: their pipes and their end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/netns/netns.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/interrupt.h"
#include "util/memory.h"
#include "util/wait.h"

#define READ_SIZE 65536

/* What was killed is gone after this long, or stuck in the kernel. */
#define END_NS	 (5 * NS_PER_S)
#define SLICE_NS (50 * NS_PER_MS)
/* A process that prints without end must not keep the script waiting. */
#define COLLECT_TURNS 64

struct netns_process {
	struct process process;		       /* first */
	struct netns_node *node;	       /* NULL once that is closed */
	struct netns_process *older, *younger; /* of the node's */
	int input, output, errors;	       /* our ends of its pipes, -1 when done */
	struct buffer stdin_data;	       /* for its input */
	size_t stdin_sent;
	bool input_stays_open;
};

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
		fd_close(&pipes->input[end]);
		fd_close(&pipes->output[end]);
		fd_close(&pipes->errors[end]);
		fd_close(&pipes->report[end]);
	}
}

/* Waits for the exec, which is at once unless a program of the node stops this one first; or for the reason why it failed. */
static int exec_report(struct netns_node *node, const struct command *command, int report, struct error *err)
{
	struct pollfd told = { .fd = report, .events = POLLIN };
	ssize_t size;
	int code;

	while (wait_slice(&told, 1, CLOCK_NEVER) <= 0)
		if (interrupt_pending(err))
			return -err->code;
	size = read(report, &code, sizeof(code));
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
		fd_close(fd);
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

static size_t unsent(const struct netns_process *process)
{
	return process->stdin_data.size - process->stdin_sent;
}

static void send_input(struct netns_process *process)
{
	size_t left = unsent(process);
	ssize_t sent = left ? write_quietly(process->input, process->stdin_data.data + process->stdin_sent, left) : 0;

	if (sent > 0)
		process->stdin_sent += (size_t)sent;
	/* A program that does not read all of its input is not an error. */
	if ((!unsent(process) && !process->input_stays_open) || (sent < 0 && errno != EAGAIN && errno != EINTR))
		fd_close(&process->input);
	if (!unsent(process)) {
		buffer_free(&process->stdin_data);
		process->stdin_sent = 0;
	}
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
static void end_process(struct netns_process *process, int status)
{
	take_rest(&process->output, &process->process.out);
	take_rest(&process->errors, &process->process.err);
	fd_close(&process->input);
	fd_close(&process->output);
	fd_close(&process->errors);
	process->process.status = WIFEXITED(status) ? PROCESS_EXITED : PROCESS_SIGNALLED;
	process->process.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	unlink_process(process);
}

void netns_process_ended(struct netns_node *node, pid_t pid, int status)
{
	struct netns_process *process = node->processes;

	while (process && process->process.pid != pid)
		process = process->older;
	if (process)
		end_process(process, status);
}

void netns_processes_lost(struct netns_node *node)
{
	while (node->processes)
		end_process(node->processes, SIGKILL);
}

static int netns_process_kill(struct process *base, int number, struct error *err)
{
	struct netns_process *process = (struct netns_process *)base;
	struct netns_request request = { .kind = NETNS_KILL, .pid = (int)base->pid, .signal = number };
	int value;

	if (base->status != PROCESS_RUNNING)
		return 0;
	if (netns_ask(process->node, &request, NULL, &value, err))
		return err->code == ESRCH ? 0 : -err->code;
	if (value && value != -ESRCH)
		return error_errno(err, -value, "send signal %d", number);
	return 0;
}

static int check_output(struct process *base, struct error *err)
{
	struct error ignored;

	if (base->out.size <= PROCESS_OUTPUT_LIMIT && base->err.size <= PROCESS_OUTPUT_LIMIT)
		return 0;
	netns_process_kill(base, SIGKILL, &ignored);
	return error_set(err, EFBIG, "more than %u MiB of output; write it to a file in the node",
			 PROCESS_OUTPUT_LIMIT >> 20);
}

#define PROCESS_FDS 4

static void list_fds(const struct netns_process *process, struct pollfd fds[static PROCESS_FDS])
{
	fds[0] = (struct pollfd){ .fd = process->node->control, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = process->output, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = process->errors, .events = POLLIN };
	fds[3] = (struct pollfd){ .fd = unsent(process) ? process->input : -1, .events = POLLOUT };
}

/* Afterwards the process may have ended. */
static void serve_fds(struct netns_process *process, const struct pollfd fds[static PROCESS_FDS])
{
	if (fds[1].revents)
		take_some(&process->output, &process->process.out, READ_SIZE);
	if (fds[2].revents)
		take_some(&process->errors, &process->process.err, READ_SIZE);
	if (fds[3].revents)
		send_input(process);
	if (fds[0].revents)
		netns_take_answers(process->node);
}

static void netns_process_collect(struct process *base)
{
	struct netns_process *process = (struct netns_process *)base;
	struct pollfd fds[PROCESS_FDS];
	struct error ignored;

	for (int turn = 0; turn < COLLECT_TURNS && base->status == PROCESS_RUNNING; turn++) {
		list_fds(process, fds);
		if (poll(fds, PROCESS_FDS, 0) <= 0)
			return;
		serve_fds(process, fds);
		if (check_output(base, &ignored))
			return;
	}
}

static int netns_process_wait(struct process *base, uint64_t deadline_ns, size_t seen, struct error *err)
{
	struct netns_process *process = (struct netns_process *)base;
	struct pollfd fds[PROCESS_FDS];
	uint64_t slice_end;
	int ready;

	/* What is there is taken here, at once, before what goes on beside the wait takes it. */
	netns_process_collect(base);
	while (!check_output(base, err)) {
		if (base->status != PROCESS_RUNNING || process_output_size(base) > seen)
			return 0;
		list_fds(process, fds);
		/* Not in one piece: what goes on beside it may take output in, and hear of the end, see collect(). */
		slice_end = clock_after(SLICE_NS);
		ready = wait_poll(fds, PROCESS_FDS, slice_end < deadline_ns ? slice_end : deadline_ns, err);
		if (ready < 0)
			return ready;
		if (base->status != PROCESS_RUNNING)
			continue;
		if (ready)
			serve_fds(process, fds);
		else if (clock_now() >= deadline_ns)
			return 0;
	}
	return -err->code;
}

static int netns_process_write(struct process *base, const void *data, size_t size, struct error *err)
{
	struct netns_process *process = (struct netns_process *)base;

	if (base->status != PROCESS_RUNNING)
		return error_set(err, EPIPE, "it has ended");
	if (!process->input_stays_open)
		return error_set(err, EPIPE, "its standard input was closed, or given by `stdin`");
	if (process->input < 0)
		return error_set(err, EPIPE, "it has closed its standard input");
	if (unsent(process) + size > PROCESS_INPUT_LIMIT)
		return error_set(err, ENOBUFS, "it has not read the last %u MiB of its standard input",
				 PROCESS_INPUT_LIMIT >> 20);
	buffer_add(&process->stdin_data, data, size);
	send_input(process);
	return 0;
}

static void netns_process_close_input(struct process *base)
{
	struct netns_process *process = (struct netns_process *)base;

	process->input_stays_open = false;
	if (process->input >= 0)
		send_input(process);
}

/* Waits for the end of what was killed, whatever interrupts. */
static void await_end(struct netns_process *process, uint64_t deadline_ns)
{
	while (process->process.status == PROCESS_RUNNING && clock_now() < deadline_ns) {
		struct pollfd control = { .fd = process->node->control, .events = POLLIN };

		if (poll(&control, 1, clock_poll_ms(deadline_ns)) > 0)
			netns_take_answers(process->node);
	}
}

static void netns_process_close(struct process *base)
{
	struct netns_process *process = (struct netns_process *)base;
	struct error ignored;

	netns_process_kill(base, SIGKILL, &ignored);
	await_end(process, clock_after(END_NS));
	unlink_process(process);
	fd_close(&process->input);
	fd_close(&process->output);
	fd_close(&process->errors);
	buffer_free(&base->out);
	buffer_free(&base->err);
	buffer_free(&process->stdin_data);
	free(process);
}

static const struct process_ops netns_process_ops = {
	.wait = netns_process_wait,
	.kill = netns_process_kill,
	.collect = netns_process_collect,
	.write = netns_process_write,
	.close_input = netns_process_close_input,
	.close = netns_process_close,
};

static int take_end(int pipe_ends[2], int end)
{
	int fd = pipe_ends[end];

	pipe_ends[end] = -1;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static struct netns_process *new_process(struct netns_node *node, pid_t pid, const struct command *command,
					 struct pipes *pipes)
{
	struct netns_process *process = memory_new(sizeof(*process));

	process->process.ops = &netns_process_ops;
	process->node = node;
	process->older = node->processes;
	if (process->older)
		process->older->younger = process;
	node->processes = process;
	process->process.pid = pid;
	process->input = take_end(pipes->input, 1);
	process->output = take_end(pipes->output, 0);
	process->errors = take_end(pipes->errors, 0);
	process->input_stays_open = command->stdin_open;
	if (command->stdin_size)
		buffer_add(&process->stdin_data, command->stdin_data, command->stdin_size);
	else if (!command->stdin_open)
		fd_close(&process->input);
	return process;
}

int netns_start(struct node *base, const struct command *command, struct process **result, struct error *err)
{
	struct netns_node *node = (struct netns_node *)base;
	struct netns_process *process;
	struct pipes pipes;
	int pid;

	if (open_pipes(&pipes, err) ||
	    netns_ask_start(node, command,
			    (int[NETNS_FDS]){ -1, pipes.input[0], pipes.output[1], pipes.errors[1], pipes.report[1] },
			    &pid, err)) {
		close_pipes(&pipes);
		return -err->code;
	}
	process = new_process(node, pid, command, &pipes);
	fd_close(&pipes.report[1]);
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
