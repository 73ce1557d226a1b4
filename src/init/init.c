// SPDX-License-Identifier: GPL-2.0-only
/*
 * Process 1 of a namespace node: starts commands, tells of their end, reaps orphans. Its namespaces and its root were made
 * before it was executed (src/node/netns/init.c). When it ends, the kernel ends every process of the node; and it ends when
 * the run does, however that ends: by its parent-death signal, or because nobody holds the other end of its socket.
 */
#include "node/netns/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched.h>

#include "init/enter.h"
#include "node/netns/report.h"
#include "util/clock.h"
#include "util/fork.h"

#define CONTROL	 INIT_CONTROL
#define MAX_PIDS (1U << 22) /* PID_MAX_LIMIT of the kernel */

#define GROUP_END_NS NS_PER_S

struct server {
	bool has_cgroup;
	sigset_t child; /* SIGCHLD, which is blocked from the start: src/node/netns/init.c */
	/* A bit for each process that was started here and whose end has not been told. Pages that are not used cost nothing. */
	unsigned char *started;
	bool is_full; /* the socket: nobody reads now */
};

static bool is_started(const struct server *server, pid_t pid)
{
	return server->started[(unsigned int)pid / 8] & 1U << (unsigned int)pid % 8;
}

static void set_started(struct server *server, pid_t pid, bool value)
{
	unsigned char bit = (unsigned char)(1U << (unsigned int)pid % 8);

	if (value)
		server->started[(unsigned int)pid / 8] |= bit;
	else
		server->started[(unsigned int)pid / 8] &= (unsigned char)~bit;
}

static bool same_name(const char *variable, const char *other)
{
	size_t length = strcspn(variable, "=") + 1;

	return strncmp(variable, other, length) == 0;
}

struct start {
	const char *strings;
	const struct netns_request *request;
	char **argv, **env;
	const char *cwd;
	char **pointers; /* for both lists, allocated */
};

static bool is_replaced(const struct start *start, const char *variable)
{
	for (uint32_t i = 0; i < start->request->variables; i++)
		if (same_name(variable, start->env[i]))
			return true;
	return false;
}

/* Lists that point into the strings. */
static int lay_out(struct start *start)
{
	uint32_t arguments = start->request->arguments, variables = start->request->variables;
	const char *next = start->strings;
	size_t inherited = 0, count;

	while (environ[inherited])
		inherited++;
	count = arguments + 1 + variables + inherited + 1;
	start->pointers = calloc(count, sizeof(char *));
	if (!start->pointers)
		return errno;
	start->argv = start->pointers;
	start->env = start->argv + arguments + 1;
	for (uint32_t i = 0; i < arguments; i++, next += strlen(next) + 1)
		start->argv[i] = (char *)next;
	for (uint32_t i = 0; i < variables; i++, next += strlen(next) + 1)
		start->env[i] = (char *)next;
	start->cwd = next;
	for (size_t i = 0, end = variables; environ[i] && !start->request->clear; i++)
		if (!is_replaced(start, environ[i]))
			start->env[end++] = environ[i];
	return 0;
}

/* Whoever started provium may have had some ignored, as nohup(1) does; a node's commands begin as on a machine of its own. */
static void reset_signals(void)
{
	/* The kernel's own form of it (struct kernel_sigaction): flags, handler and mask are 0, and 0 is SIG_DFL. */
	static const uint64_t as_default[4];
	sigset_t none;

	/* Not by sigaction(), which refuses those that the C library keeps for itself. The few that cannot be set need no setting. */
	for (int number = 1; number < NSIG; number++)
		syscall(SYS_rt_sigaction, number, as_default, NULL, NSIG / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What is written to is theirs, too: programs open /dev/stdout anew. Returns 0, or an errno. */
static int become(const struct netns_request *request)
{
	if (!request->uid && !request->gid && !request->group_count)
		return 0;
	for (int fd = 0; fd < 3; fd++)
		if (fchown(fd, request->uid, request->gid))
			return errno;
	return setgroups(request->group_count, request->groups) || setgid(request->gid) || setuid(request->uid) ? errno
														: 0;
}

__attribute__((noreturn)) static void run_command(const struct start *start, const int *fds)
{
	int code = 0;

	setsid();
	reset_signals();
	for (int i = 0; i < 3 && !code; i++)
		if (dup2(fds[NETNS_FD_INPUT + i], i) < 0)
			code = errno;
	if (!code && chdir(start->cwd) && (!start->request->any_folder || chdir("/")))
		code = errno;
	if (!code)
		code = become(start->request);
	if (!code) {
		environ = start->env;
		execvp(start->argv[0], start->argv);
		code = errno;
	}
	if (write(fds[NETNS_FD_REPORT], &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

/*
 * As fork(). A child that was moved into its cgroup later would run outside of it before, and moving waits for all
 * processors.
 */
static pid_t clone_command(const struct server *server)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.flags = CLONE_INTO_CGROUP,
		.cgroup = INIT_CGROUP,
	};

	if (!server->has_cgroup)
		return fork();
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* Returns the pid, or -errno. */
static int start_command(struct server *server, const struct netns_request *request, const int *fds)
{
	struct start start = { .request = request };
	int code;
	pid_t pid;

	start.strings = mmap(NULL, request->size, PROT_READ, MAP_PRIVATE, fds[NETNS_FD_STRINGS], 0);
	if (start.strings == MAP_FAILED)
		return -errno;
	code = lay_out(&start);
	if (code) {
		munmap((void *)start.strings, request->size);
		return -code;
	}
	pid = clone_command(server);
	if (pid == 0)
		run_command(&start, fds);
	code = errno;
	munmap((void *)start.strings, request->size);
	free(start.pointers);
	if (pid < 0)
		return -code;
	set_started(server, pid, true);
	return pid;
}

/* Tells first and reaps then: a process whose end cannot be told yet stays a zombie, with its number. */
static void reap(struct server *server)
{
	struct netns_answer answer = { .kind = NETNS_ENDED };
	siginfo_t info;

	server->is_full = false;
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
			return;
		if (is_started(server, info.si_pid)) {
			answer.pid = info.si_pid;
			answer.value = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status;
			if (send(CONTROL, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
			    errno == EAGAIN) {
				server->is_full = true;
				return;
			}
			set_started(server, info.si_pid, false);
		}
		waitpid(info.si_pid, NULL, 0);
	}
}

/*
 * The kernel ends them one by one, and until then they hold their ports and files: whoever asked may count on all being gone.
 * In vain for a process that is stuck in the kernel, or that a parent outside of the group does not wait for.
 */
static void await_group_end(struct server *server, pid_t group)
{
	static const struct timespec slice = { .tv_nsec = NS_PER_MS };
	uint64_t deadline_ns = clock_after(GROUP_END_NS);

	do {
		sigtimedwait(&server->child, NULL, &slice);
		reap(server);
	} while (!server->is_full && kill(-group, 0) == 0 && clock_now() < deadline_ns);
}

static int kill_one(struct server *server, const struct netns_request *request)
{
	/* Once its end was told, its number may be another's. */
	if (!is_started(server, request->pid))
		return 0;
	/* It made itself the leader of its group first of all. */
	if (kill(-request->pid, request->signal) && kill(request->pid, request->signal))
		return -errno;
	if (request->signal == SIGKILL)
		await_group_end(server, request->pid);
	return 0;
}

static int do_request(struct server *server, const struct netns_request *request, const int *fds)
{
	switch (request->kind) {
	case NETNS_START:
		return start_command(server, request, fds);
	case NETNS_KILL:
		return kill_one(server, request);
	case NETNS_KILL_ALL:
		/* Twice, for a process that was born during the first sweep. -1 spares init. */
		kill(-1, request->signal);
		kill(-1, request->signal);
		return 0;
	}
	return -EINVAL;
}

static void take_request(struct server *server)
{
	struct netns_request request;
	struct netns_answer answer = { .kind = NETNS_DONE };
	char control[CMSG_SPACE(NETNS_FDS * sizeof(int))];
	struct iovec part = { &request, sizeof(request) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t size = recvmsg(CONTROL, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *passed;
	int fds[NETNS_FDS] = { -1, -1, -1, -1, -1 };

	/* The run is gone, and init is about to be killed. */
	if (size == 0)
		_exit(0);
	if (size != sizeof(request))
		return;
	passed = CMSG_FIRSTHDR(&message);
	if (passed && passed->cmsg_type == SCM_RIGHTS && passed->cmsg_len == CMSG_LEN(sizeof(fds)))
		memcpy(fds, CMSG_DATA(passed), sizeof(fds));
	answer.value = do_request(server, &request, fds);
	answer.number = request.number;
	answer.pid = request.pid;
	for (int i = 0; i < NETNS_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	/* Whoever asks waits for the answer, and so makes room for it. */
	send(CONTROL, &answer, sizeof(answer), MSG_NOSIGNAL);
}

static int serve(struct server *server)
{
	struct signalfd_siginfo signals[16];
	struct pollfd fds[2] = { { .fd = CONTROL }, { .events = POLLIN } };

	sigemptyset(&server->child);
	sigaddset(&server->child, SIGCHLD);
	fds[1].fd = signalfd(-1, &server->child, SFD_CLOEXEC | SFD_NONBLOCK);
	server->started =
		mmap(NULL, MAX_PIDS / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fds[1].fd < 0 || server->started == MAP_FAILED)
		return 1;
	for (;;) {
		fds[0].events = (short)(POLLIN | (server->is_full ? POLLOUT : 0));
		if (poll(fds, 2, -1) < 0)
			continue;
		while (read(fds[1].fd, signals, sizeof(signals)) > 0)
			;
		reap(server);
		if (fds[0].revents & (POLLIN | POLLHUP))
			take_request(server);
	}
}

static int boot(const char *mode)
{
	struct boot_report report = { .files = { .etc = -1, .store = -1 } };
	struct server server = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(S_IWGRP | S_IWOTH);
	if (strcmp(mode, INIT_OWN) == 0)
		enter_namespaces(&report.error);
	/* If the run died before the death signal was set, nobody reads this. */
	if (report_send(CONTROL, &report) || report.error.code)
		return 1;
	server.has_cgroup = fcntl(INIT_CGROUP, F_SETFD, FD_CLOEXEC) == 0;
	syscall(SYS_close_range, INIT_CGROUP + 1U, ~0U, 0U);
	/* The lowest numbers stay taken, so that descriptors that come with requests get higher ones. */
	for (int fd = 0; fd < CONTROL; fd++)
		dup2(CONTROL, fd);
	fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
	return serve(&server);
}

/* Of `provium exec`, which waits for its end and dies with it. */
static int visit(const char *node, char **command)
{
	if (!fork_follow_pipe(INIT_ALIVE))
		return INIT_NOT_EXECUTABLE;
	close(INIT_ALIVE);
	execvp(command[0], command);
	fprintf(stderr, "provium: run `%s` in node `%s`: %s\n", command[0], node, strerror(errno));
	return errno == ENOENT ? INIT_NOT_FOUND : INIT_NOT_EXECUTABLE;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	/* The node's programs may not look into init, whose socket is the run's. */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, argv[1]);
	return argc == 3 ? boot(argv[2]) : visit(argv[1], argv + 3);
}
