// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/netns/protocol.h"
#include "node/netns/cgroup.h"
#include "node/netns/drop.h"
#include "node/netns/program.h"
#include "util/error.h"
#include "util/fork.h"
#include "util/limits.h"
#include "util/memory.h"

#define FLAGS (CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID)

struct visit {
	int init, program;
	int alive[2]; /* a pipe; that nobody has its writing end any more says that this process has ended */
	bool own;     /* the node has a user namespace of its own */
	int terminal;
	const int *fds;
	const char *node;
	const char **arguments;
	char **environment;
};

static bool is_own(pid_t pid)
{
	struct stat mine, other;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return stat("/proc/self/ns/user", &mine) || stat(path, &other) || mine.st_ino != other.st_ino ||
	       mine.st_dev != other.st_dev;
}

static void complain(const struct visit *visit, const char *why)
{
	fprintf(stderr, "provium: enter node `%s`: %s\n", visit->node, why);
}

static int take_fds(const struct visit *visit)
{
	setsid();
	if (visit->terminal >= 0 && ioctl(visit->terminal, TIOCSCTTY, 0))
		return -1;
	for (int i = 0; i < 3; i++)
		if (dup2(visit->fds[i], i) < 0)
			return -1;
	return 0;
}

/*
 * One of the node's processes, which sees it from here on. By way of init's program: as long as this is the memory of a program of the
 * machine's, the node may not look into it; and it may never see that program's file as the executable of one of its processes.
 */
__attribute__((noreturn)) static void child_main(const struct visit *visit)
{
	int program = fcntl(visit->program, F_DUPFD, INIT_ALIVE + 1);
	const int kept = INIT_ALIVE;

	if (program >= 0 && !take_fds(visit) && dup2(visit->alive[0], INIT_ALIVE) >= 0 && !fork_keep_fds(&kept, 1))
		execveat(program, "", (char *const *)visit->arguments, visit->environment, AT_EMPTY_PATH);
	complain(visit, strerror(errno));
	_exit(INIT_NOT_EXECUTABLE);
}

/*
 * Enters the node, and has a sibling born in it: of a process that the node can name, it can have a network device made in the
 * network where that is (IFLA_NET_NS_PID), and that must be its own by then. Returns only if that fails.
 */
static void enter(const struct visit *visit, int report)
{
	struct rlimit files;
	struct error err;
	pid_t child;

	prctl(PR_SET_DUMPABLE, 0);
	if (cgroup_join(visit->init, &err)) {
		complain(visit, err.text);
		return;
	}
	if (visit->own && !getrlimit(RLIMIT_NOFILE, &files)) {
		files = limits_most_files(files);
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (visit->own)
		drop_cores();
	if (setns(visit->init, FLAGS | (visit->own ? CLONE_NEWUSER : 0)) || chdir("/")) {
		complain(visit, strerror(errno));
		return;
	}
	if (visit->own)
		drop_rights();
	child = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0)
		child_main(visit);
	if (child < 0)
		complain(visit, strerror(errno));
	else if (write(report, &child, sizeof(child)) == sizeof(child))
		_exit(0);
}

/* "init", the node's name, the mode, and the command. */
static const char **make_arguments(const struct visit *visit, char *const *command)
{
	const char **arguments;
	size_t count = 0;

	while (command[count])
		count++;
	arguments = memory_new((count + 4) * sizeof(*arguments));
	arguments[0] = "init";
	arguments[1] = visit->node;
	arguments[2] = INIT_VISIT;
	memcpy(arguments + 3, command, count * sizeof(*arguments));
	return arguments;
}

/* The child is who could not enter, too. */
static pid_t await_child(pid_t entering, int report)
{
	pid_t child;
	ssize_t size;

	do
		size = read(report, &child, sizeof(child));
	while (size < 0 && errno == EINTR);
	if (size != sizeof(child))
		return entering;
	while (waitpid(entering, NULL, 0) < 0 && errno == EINTR)
		;
	return child;
}

static pid_t fork_inside(const struct visit *visit, struct error *err)
{
	int report[2];
	pid_t child;

	if (pipe2(report, O_CLOEXEC))
		return error_errno(err, errno, "make a pipe");
	child = fork();
	if (child == 0) {
		enter(visit, report[1]);
		_exit(INIT_NOT_EXECUTABLE);
	}
	if (child < 0)
		error_errno(err, errno, "fork");
	close(report[1]);
	if (child > 0)
		child = await_child(child, report[0]);
	close(report[0]);
	return child < 0 ? -err->code : child;
}

pid_t netns_visit(int init, pid_t pid, const char *node, char *const *command, const int fds[static 3], int terminal,
		  struct error *err)
{
	struct visit visit = { .init = init, .node = node, .own = is_own(pid), .fds = fds, .terminal = terminal };
	pid_t child;

	visit.program = program_open(err);
	if (visit.program < 0)
		return visit.program;
	/* The writing end stays open for as long as this process lives. */
	if (pipe2(visit.alive, O_CLOEXEC))
		return error_errno(err, errno, "make a pipe");
	visit.arguments = make_arguments(&visit, command);
	visit.environment = program_environment();
	err->code = 0;
	child = fork_inside(&visit, err);
	close(visit.alive[0]);
	free(visit.arguments);
	free(visit.environment);
	return child;
}
