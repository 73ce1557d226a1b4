// SPDX-License-Identifier: GPL-2.0-only
/* `provium exec`: a command in a node of a running lab, at this terminal. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/labs.h"
#include "lab/registry.h"
#include "node/netns/cgroup.h"
#include "node/node.h"
#include "util/error.h"
#include "util/proc.h"

#define VISIT_FLAGS (CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

/* As shells have it. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND	    127

struct request {
	const char *lab, *node;
	char **command; /* ends with NULL, as argv does */
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			request->lab = text;
		else if (state->arg_num == 1)
			request->node = text;
		else
			return ARGP_ERR_UNKNOWN; /* and so all the rest comes as ARGP_KEY_ARGS */
		return 0;
	case ARGP_KEY_ARGS:
		request->command = state->argv + state->next;
		return 0;
	case ARGP_KEY_END:
		if (!request->command)
			argp_error(state, "give LAB, NODE and a command; provium ps shows labs and nodes");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* A pidfd of the node's init. The registry may be older than its end, and its number be another's by now. */
static int open_init(const json_t *run, const json_t *node, struct error *err)
{
	pid_t pid = (pid_t)labs_number(node, "pid");
	int pidfd;

	if (!pid)
		return error_set(err, EINVAL, "node `%s` is not up: it is %s", labs_text(node, "name"),
				 labs_text(node, "state"));
	if (strcmp(labs_text(node, "kind"), node_kind_netns.name) != 0)
		return error_set(err, EINVAL,
				 "node `%s` is a machine of its own (%s); only its script can run commands there",
				 labs_text(node, "name"), labs_text(node, "profile"));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return error_errno(err, errno, "node `%s`: open a pidfd", labs_text(node, "name"));
	/* Asked for once the descriptor is there, and so of the process that it stands for, unless that has ended. */
	if (proc_parent(pid) == labs_number(run, "pid") &&
	    (json_int_t)proc_started(pid) == labs_number(node, "started"))
		return pidfd;
	close(pidfd);
	return error_set(err, ESRCH, "node `%s` is dead", labs_text(node, "name"));
}

static int find_node(const struct request *request, struct error *err)
{
	json_t *list = registry_list();
	json_t *run = labs_find(list, request->lab, err);
	json_t *node = run ? labs_find_node(run, request->node, err) : NULL;
	int pidfd = node ? open_init(run, node, err) : -err->code;

	json_decref(list);
	return pidfd;
}

__attribute__((noreturn)) static void child_main(const struct request *request, int pidfd)
{
	struct error err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	if (cgroup_join(pidfd, &err)) {
		fprintf(stderr, "provium: enter node `%s`: %s\n", request->node, err.text);
		_exit(EXIT_NOT_EXECUTABLE);
	}
	if (setns(pidfd, VISIT_FLAGS) || chdir("/")) {
		fprintf(stderr, "provium: enter node `%s`: %s\n", request->node, strerror(errno));
		_exit(EXIT_NOT_EXECUTABLE);
	}
	execvp(request->command[0], request->command);
	fprintf(stderr, "provium: run `%s` in node `%s`: %s\n", request->command[0], request->node, strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static pid_t child;

static void pass_on(int number)
{
	kill(child, number);
}

/* Children are born in the process namespace that their parent chose for them: it is chosen around the fork. */
static int start_inside(const struct request *request, int pidfd, struct error *err)
{
	int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	if (home < 0)
		return error_errno(err, errno, "open the process namespace of this command");
	if (setns(pidfd, CLONE_NEWPID))
		return error_errno(err, errno, "enter node `%s`", request->node);
	child = fork();
	if (child == 0)
		child_main(request, pidfd);
	if (child < 0)
		return error_errno(err, errno, "fork");
	if (setns(home, CLONE_NEWPID))
		return error_errno(err, errno, "return from node `%s`", request->node);
	close(home);
	return 0;
}

static int run_inside(const struct request *request, int pidfd, struct error *err)
{
	struct sigaction action = { .sa_handler = pass_on };
	int status;

	/* The terminal sends these to the command too, which decides. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	if (start_inside(request, pidfd, err))
		return -err->code;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "wait for `%s`", request->command[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int cli_exec(int argc, char **argv)
{
	static const struct argp argp = {
		NULL,
		parse,
		"LAB NODE CMD [ARG...]",
		"Run a command in a node of a running lab, with this terminal."
		"\vLAB is the pid of a lab, or its script's path or the beginning of it. NODE is the name of a node; "
		"in a "
		"sub-lab LAB.NODE. The exit status is that of the command, 128+N if signal N ended it, 127 if there is "
		"no such "
		"command, and 2 if there is no such node.",
	};
	struct request request = { 0 };
	struct error err = { 0 };
	int pidfd, status;

	/* Options behind LAB are the command's. */
	cli_parse(&argp, argc, argv, ARGP_IN_ORDER, &request);
	pidfd = find_node(&request, &err);
	if (pidfd < 0)
		return cli_fail(&err);
	status = run_inside(&request, pidfd, &err);
	return status < 0 ? cli_fail(&err) : status;
}
