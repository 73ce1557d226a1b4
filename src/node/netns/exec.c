// SPDX-License-Identifier: GPL-2.0-only
/* The way into a namespace node: children of the run that are moved into the node's namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/netns/netns.h"
#include "util/error.h"

#define VISIT_FLAGS (CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

/* Children are born in the PID namespace that their parent chose for them, so it is chosen around the fork. */
pid_t netns_fork_into(const struct netns_node *node, struct error *err)
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

void netns_child_main(const struct netns_node *node, const struct command *command, int stdio[static 3], int report)
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

int netns_signal_all(struct netns_node *node, int number, struct error *err)
{
	pid_t pid = netns_fork_into(node, err);
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
