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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/netns/protocol.h"
#include "node/netns/cgroup.h"
#include "node/netns/program.h"
#include "util/error.h"
#include "util/fork.h"
#include "util/limits.h"
#include "util/memory.h"

#define FLAGS (CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

struct visit {
	int init, program;
	int alive[2]; /* a pipe; that nobody has its writing end any more says that this process has ended */
	bool own;     /* the node has a user namespace of its own */
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

/*
 * By way of init's program. As long as this is the memory of a program of the machine's, the node may not look into it; and it
 * may never see that program's file as the executable of one of its processes.
 */
__attribute__((noreturn)) static void child_main(const struct visit *visit)
{
	int init = fcntl(visit->init, F_DUPFD, INIT_ALIVE + 1),
	    program = fcntl(visit->program, F_DUPFD, INIT_ALIVE + 1);
	const int kept = INIT_ALIVE;
	struct rlimit files;
	struct error err;

	prctl(PR_SET_DUMPABLE, 0);
	if (init < 0 || program < 0 || dup2(visit->alive[0], INIT_ALIVE) < 0 || fork_keep_fds(&kept, 1))
		_exit(INIT_NOT_EXECUTABLE);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	if (visit->own && !getrlimit(RLIMIT_NOFILE, &files)) {
		files = limits_most_files(files);
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (cgroup_join(init, &err)) {
		fprintf(stderr, "provium: enter node `%s`: %s\n", visit->node, err.text);
		_exit(INIT_NOT_EXECUTABLE);
	}
	if (setns(init, FLAGS | (visit->own ? CLONE_NEWUSER : 0)) == 0 && chdir("/") == 0)
		execveat(program, "", (char *const *)visit->arguments, visit->environment, AT_EMPTY_PATH);
	fprintf(stderr, "provium: enter node `%s`: %s\n", visit->node, strerror(errno));
	_exit(INIT_NOT_EXECUTABLE);
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
	arguments[2] = visit->own ? INIT_VISIT_OWN : INIT_VISIT_SHARED;
	memcpy(arguments + 3, command, count * sizeof(*arguments));
	return arguments;
}

/* Children are born in the process namespace that their parent chose for them: it is chosen around the fork. */
static pid_t fork_inside(const struct visit *visit, struct error *err)
{
	int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	pid_t child;

	if (home < 0)
		return error_errno(err, errno, "open the process namespace of this command");
	if (setns(visit->init, CLONE_NEWPID)) {
		close(home);
		return error_errno(err, errno, "enter node `%s`", visit->node);
	}
	child = fork();
	if (child == 0)
		child_main(visit);
	if (child < 0)
		error_errno(err, errno, "fork");
	if (setns(home, CLONE_NEWPID))
		error_errno(err, errno, "return from node `%s`", visit->node);
	close(home);
	return err->code ? -err->code : child;
}

pid_t netns_visit(int init, pid_t pid, const char *node, char *const *command, struct error *err)
{
	struct visit visit = { .init = init, .node = node, .own = is_own(pid) };
	pid_t child;

	visit.program = program_open(err);
	if (visit.program < 0)
		return visit.program;
	/* The writing end stays open for as long as this process lives. */
	if (pipe2(visit.alive, O_CLOEXEC)) {
		error_errno(err, errno, "make a pipe");
		close(visit.program);
		return -err->code;
	}
	visit.arguments = make_arguments(&visit, command);
	visit.environment = program_environment();
	err->code = 0;
	child = fork_inside(&visit, err);
	close(visit.alive[0]);
	free(visit.arguments);
	free(visit.environment);
	return child;
}
