// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "node/netns/view.h"
#include "util/error.h"
#include "util/limits.h"

#define OWNED	   (CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
#define STACK_SIZE 16384

/* Every id is the same inside and outside. The last one, -1, stands for none. */
#define IDENTITY "0 0 4294967295\n"

/*
 * A user namespace is made by a process that goes into it, and which then has no say outside any more. Init has to mount file
 * systems as the machine's root after that, so another process goes, and waits there until init follows.
 */
static int hold(void *context)
{
	(void)context;
	while (pause() < 0)
		;
	return 0;
}

static int write_map(pid_t pid, const char *name, struct error *err)
{
	char path[64];
	ssize_t written;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	written = fd < 0 ? -1 : write(fd, IDENTITY, strlen(IDENTITY));
	if (written < 0)
		error_errno(err, errno, "write %s", path);
	else
		err->code = 0;
	if (fd >= 0)
		close(fd);
	return -err->code;
}

static int explain(int status, struct error *err)
{
	limits_explain_process(err);
	if (status == -EPERM)
		error_append(err, " (which a process in a chroot may not, and a security module may forbid)");
	else if (status == -EINVAL)
		error_append(err, " (this kernel has none)");
	return error_append(err, VIEW_HINT);
}

int namespaces_make(struct namespaces *namespaces, struct error *err)
{
	static char stack[STACK_SIZE] __attribute__((aligned(16)));
	pid_t holder;
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return error_errno(err, errno, "mount /proc");
	namespaces->limits = open("/proc/sys/user", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* A user namespace takes this limit over for all of its processes together. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	/* It shares init's memory, and copies nothing of it. */
	holder = clone(hold, stack + sizeof(stack), OWNED | CLONE_NEWUSER | CLONE_VM | CLONE_PIDFD | SIGCHLD, NULL,
		       &namespaces->holder);
	if (holder < 0)
		return explain(error_errno(err, errno, "make a user namespace"), err);
	if (write_map(holder, "uid_map", err) || write_map(holder, "gid_map", err))
		return -err->code;
	return setns(namespaces->holder, OWNED) ? error_errno(err, errno, "enter the node's namespaces") : 0;
}
