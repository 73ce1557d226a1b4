// SPDX-License-Identifier: GPL-2.0-only
/* `provium exec`: a command in a node of a running lab, at this terminal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/labs.h"
#include "cli/relay.h"
#include "lab/registry.h"
#include "node/netns/visit.h"
#include "node/node.h"
#include "util/error.h"
#include "util/proc.h"

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

static int find_node(const struct request *request, pid_t *pid, struct error *err)
{
	json_t *list = registry_list();
	json_t *run = labs_find(list, request->lab, err);
	json_t *node = run ? labs_find_node(run, request->node, err) : NULL;
	int pidfd = node ? open_init(run, node, err) : -err->code;

	*pid = (pid_t)labs_number(node, "pid");
	json_decref(list);
	return pidfd;
}

static int run_inside(const struct request *request, int pidfd, pid_t pid, struct error *err)
{
	struct relay relay;
	int status = 0;
	pid_t child;

	if (relay_open(&relay, err))
		return -err->code;
	child = netns_visit(pidfd, pid, request->node, request->command, relay.theirs, relay.terminal, err);
	err->code = child < 0 ? err->code : 0;
	if (child > 0 && relay_run(&relay, child, &status, err))
		error_wrap(err, "`%s`", request->command[0]);
	relay_close(&relay);
	if (err->code)
		return -err->code;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int cli_exec(int argc, char **argv)
{
	static const struct argp argp = {
		NULL,
		parse,
		"LAB NODE CMD [ARG...]",
		"Run a command in a node of a running lab, at this terminal."
		"\vLAB is the pid of a lab, or its script's path or the beginning of it. NODE is the name of a node; "
		"in a "
		"sub-lab LAB.NODE. The exit status is that of the command, 128+N if signal N ended it, 127 if there is "
		"no such "
		"command, and 2 if there is no such node.",
	};
	struct request request = { 0 };
	struct error err = { 0 };
	int pidfd, status;
	pid_t pid;

	/* Options behind LAB are the command's. */
	cli_parse(&argp, argc, argv, ARGP_IN_ORDER, &request);
	pidfd = find_node(&request, &pid, &err);
	if (pidfd < 0)
		return cli_fail(&err);
	status = run_inside(&request, pidfd, pid, &err);
	return status < 0 ? cli_fail(&err) : status;
}
