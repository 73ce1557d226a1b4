// SPDX-License-Identifier: GPL-2.0-only
/*
 * Process 1 of a namespace node. It makes the node's own view of the file system, and then serves (serve.c). When it ends,
 * the kernel ends every process of the node; and it ends when the run does, however that ends, by its parent-death signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node/netns/cgroup.h"
#include "node/netns/netns.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/limits.h"

/* Init answers at once; a stopped one never. */
#define ANSWER_NS (10 * NS_PER_S)

#define INIT_FLAGS (CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)

struct init_context {
	const char *name;
	int control;
	int cgroup; /* -1: none */
	struct rlimit files;
};

/* A copy of the file for the node alone: a file of its private /tmp, which is not to be seen there. */
static int make_private(const char *path, struct error *err)
{
	static const char file[] = "/tmp/.private";
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int to = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	char bytes[4096];
	ssize_t size;

	while (from >= 0 && (size = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)size) < 0)
			break;
	if (to < 0 || mount(file, path, NULL, MS_BIND, NULL))
		return error_errno(err, errno, "give the node its own %s", path);
	close(to);
	if (from >= 0)
		close(from);
	unlink(file);
	return 0;
}

/* New instances of what shows the namespaces it was mounted in, and private places for what programs leave lying about. */
static int mount_view(const struct init_context *init, struct error *err)
{
	static const struct {
		const char *type, *path, *options;
	} mounts[] = {
		{ "proc", "/proc", NULL },
		{ "sysfs", "/sys", NULL },
		{ "tmpfs", "/tmp", "mode=1777" },
		{ "tmpfs", "/dev/shm", "mode=1777" },
	};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		if (mount(mounts[i].type, mounts[i].path, mounts[i].type, MS_NOSUID | MS_NODEV, mounts[i].options))
			return error_errno(err, errno, "mount a private %s", mounts[i].path);
	if (make_private("/etc/hosts", err))
		return -err->code;
	/* A machine without it looks names up on itself; so does the node then. */
	if (access("/etc/resolv.conf", F_OK) == 0 && make_private("/etc/resolv.conf", err))
		return -err->code;
	if (sethostname(init->name, strlen(init->name)))
		return error_errno(err, errno, "set the host name");
	return 0;
}

/* Between fork and here nothing may be allocated: the run may have other threads. */
__attribute__((noreturn)) static void init_main(const struct init_context *init)
{
	struct error err = { 0 };
	sigset_t all;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, init->name);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	if (chdir("/") == 0)
		mount_view(init, &err);
	/* If the parent died before the death signal was set, nobody reads this, and the write ends the node. */
	if (send(init->control, &err, sizeof(err), MSG_NOSIGNAL) != sizeof(err) || err.code)
		_exit(1);
	netns_serve(init->control, init->cgroup, &init->files);
}

int netns_init_start(struct netns_node *node, struct error *err)
{
	struct init_context init = { .name = node->name, .files = limits_raise_files() };
	int control[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control))
		return error_errno(err, errno, "make a socket pair");
	init.control = control[1];
	init.cgroup = cgroup_descriptor(node->cgroup);
	/* As fork(), but with new namespaces from the first instruction on; clone flags have no libc call of that form. */
	node->pid = (pid_t)syscall(SYS_clone, INIT_FLAGS | SIGCHLD, NULL, NULL, NULL, NULL);
	if (node->pid == 0)
		init_main(&init);
	if (node->pid < 0) {
		error_errno(err, errno, "make the namespaces of node `%s`", node->name);
		limits_explain_process(err);
	} else {
		node->pidfd = (int)syscall(SYS_pidfd_open, node->pid, 0);
	}
	close(control[1]);
	if (init.cgroup >= 0)
		close(init.cgroup);
	node->control = control[0];
	node->patience_ns = ANSWER_NS;
	if (node->pid > 0 && node->pidfd < 0)
		error_errno(err, errno, "open a pidfd of node `%s`", node->name);
	return node->pid < 0 || node->pidfd < 0 ? -err->code : 0;
}
