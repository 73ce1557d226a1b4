// SPDX-License-Identifier: GPL-2.0-only
#include "init/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/netns/drop.h"
#include "node/netns/protocol.h"
#include "util/error.h"

/* With a cgroup namespace of its own a node could mount the machine's cgroups, whose files belong to root. */
static int forbid_cgroups(struct error *err)
{
	int fd = openat(INIT_LIMITS, "max_cgroup_namespaces", O_WRONLY | O_CLOEXEC);

	/* A kernel without has none. */
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || write(fd, "0", 1) != 1)
		return error_errno(err, errno, "set max_cgroup_namespaces");
	close(fd);
	return 0;
}

int enter_namespaces(struct error *err)
{
	drop_cores();
	if (setns(INIT_HOLDER, CLONE_NEWUSER) || unshare(CLONE_NEWNS))
		return error_errno(err, errno, "enter the node's user namespace");
	/* Until it is gone it has the run's descriptors. */
	syscall(SYS_pidfd_send_signal, INIT_HOLDER, SIGKILL, NULL, 0);
	waitid(P_PIDFD, INIT_HOLDER, NULL, WEXITED);
	drop_rights();
	return forbid_cgroups(err);
}
