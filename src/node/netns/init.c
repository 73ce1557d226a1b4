// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes process 1 of a namespace node: its namespaces, its root, and then the program that it runs (src/init). When it ends, the
 * kernel ends every process of the node; and it ends when the run does, however that ends, by its parent-death signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node/netns/protocol.h"
#include "node/netns/cgroup.h"
#include "node/netns/namespaces.h"
#include "node/netns/netns.h"
#include "node/netns/program.h"
#include "node/netns/report.h"
#include "node/netns/view.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/limits.h"
#include "util/memory.h"

/* Init answers at once; a stopped one never. */
#define ANSWER_NS (10 * NS_PER_S)

#define SHARED_FLAGS (CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)
#define OWN_FLAGS    (CLONE_NEWNS | CLONE_NEWPID)

struct init_context {
	const char *name;
	int control, program;
	int cgroup; /* -1: none */
	struct rlimit files;
	struct rlimit most_files; /* where this process may set it */
	struct view view;
	char **environment;
};

/* In the order of the enum in node/netns/protocol.h; -1 for those that there are not. */
struct init_fds {
	int control, cgroup;
	struct namespaces namespaces;
};
_Static_assert(sizeof(struct init_fds) == (INIT_END - INIT_CONTROL) * sizeof(int), "one for each");

static int make_node(const struct init_context *init, struct namespaces *namespaces, struct view_files *files,
		     struct error *err)
{
	if (chdir("/"))
		return error_errno(err, errno, "enter /");
	if ((!init->view.shared && namespaces_make(namespaces, err)) || view_make(&init->view, files, err))
		return -err->code;
	return sethostname(init->name, strlen(init->name)) ? error_errno(err, errno, "set the host name") : 0;
}

/* All others are closed. The program goes behind them; each number is out of the way before it is given out. */
static int arrange(struct init_fds *fds, int program)
{
	int *list = (int *)fds;

	for (int i = 0; i < INIT_END - INIT_CONTROL; i++)
		if (list[i] >= 0)
			list[i] = fcntl(list[i], F_DUPFD, INIT_END + 1);
	program = fcntl(program, F_DUPFD, INIT_END + 1);
	for (int i = 0; i < INIT_END - INIT_CONTROL; i++)
		if (list[i] >= 0)
			list[i] = dup2(list[i], INIT_CONTROL + i);
	dup2(program, INIT_END);
	syscall(SYS_close_range, INIT_END + 1U, ~0U, 0);
	fcntl(INIT_END, F_SETFD, FD_CLOEXEC);
	return INIT_END;
}

/* Between fork and here nothing may be allocated: the run may have other threads. */
__attribute__((noreturn)) static void init_main(const struct init_context *init)
{
	const char *arguments[] = { "init", init->name, init->view.shared ? INIT_SHARED : INIT_OWN, NULL };
	struct init_fds fds = { init->control, init->cgroup, { -1, -1 } };
	struct boot_report report = { .files = { .etc = -1, .store = -1 } };
	sigset_t all;
	int program;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The holder of the user namespace has this memory, which is the run's, until it is gone. */
	prctl(PR_SET_DUMPABLE, 0);
	umask(0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	make_node(init, &fds.namespaces, &report.files, &report.error);
	/* If the parent died before the death signal was set, nobody reads this. */
	if (report_send(init->control, &report) || report.error.code)
		_exit(1);
	program = arrange(&fds, init->program);
	/* What its commands begin with. Only now, for descriptors of the run may be beyond it. */
	if (init->view.shared || setrlimit(RLIMIT_NOFILE, &init->most_files))
		setrlimit(RLIMIT_NOFILE, &init->files);
	execveat(program, "", (char *const *)arguments, init->environment, AT_EMPTY_PATH);
	report.files = (struct view_files){ .etc = -1, .store = -1 };
	error_errno(&report.error, errno, "execute the node's init");
	report_send(INIT_CONTROL, &report);
	_exit(1);
}

static int start(struct netns_node *node, struct init_context *init, int flags, struct error *err)
{
	int control[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control))
		return error_errno(err, errno, "make a socket pair");
	init->control = control[1];
	init->cgroup = cgroup_descriptor(node->cgroup);
	/* As fork(), but with new namespaces from the first instruction on; clone flags have no libc call of that form. */
	node->pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (node->pid == 0)
		init_main(init);
	if (node->pid < 0) {
		error_errno(err, errno, "make the namespaces of node `%s`", node->name);
		limits_explain_process(err);
	} else {
		node->pidfd = (int)syscall(SYS_pidfd_open, node->pid, 0);
	}
	close(control[1]);
	if (init->cgroup >= 0)
		close(init->cgroup);
	node->control = control[0];
	node->patience_ns = ANSWER_NS;
	if (node->pid > 0 && node->pidfd < 0)
		error_errno(err, errno, "open a pidfd of node `%s`", node->name);
	return node->pid < 0 || node->pidfd < 0 ? -err->code : 0;
}

/* The array alone is the caller's to free. */
static char **environment_of(const struct netns_node *node)
{
	size_t count = 0;
	char **environment;

	if (!node->rootfs.env)
		return program_environment();
	while (node->rootfs.env[count])
		count++;
	environment = memory_new((count + 1) * sizeof(*environment));
	memcpy(environment, node->rootfs.env, count * sizeof(*environment));
	return environment;
}

int netns_init_start(struct netns_node *node, const struct node_config *config, struct error *err)
{
	struct init_context init = { .name = node->name, .files = limits_raise_files() };
	int status;

	init.program = program_open(err);
	if (init.program < 0 || view_prepare(&init.view, config, node->disk, err))
		return -err->code;
	init.most_files = limits_most_files(init.files);
	init.environment = environment_of(node);
	status = start(node, &init, init.view.shared ? SHARED_FLAGS : OWN_FLAGS, err);
	free(init.environment);
	view_free(&init.view);
	return status;
}
