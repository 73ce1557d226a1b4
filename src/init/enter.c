// SPDX-License-Identifier: GPL-2.0-only
#include "init/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/keyctl.h>

#include "node/netns/protocol.h"
#include "util/error.h"

/* Of what is the machine's. In a user namespace of its own they say nothing about the machine anyway; but programs ask for them. */
void enter_limits(void)
{
	static const int dropped[] = { CAP_SYS_TIME,  CAP_SYS_MODULE,	 CAP_SYS_RAWIO,	 CAP_SYS_BOOT,
				       CAP_MKNOD,     CAP_AUDIT_CONTROL, CAP_AUDIT_READ, CAP_AUDIT_WRITE,
				       CAP_MAC_ADMIN, CAP_MAC_OVERRIDE };

	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0);
	/* The session keyring is that of whoever started this. A kernel without keyrings has none to hide. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

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
	if (setns(INIT_HOLDER, CLONE_NEWUSER) || unshare(CLONE_NEWNS))
		return error_errno(err, errno, "enter the node's user namespace");
	syscall(SYS_pidfd_send_signal, INIT_HOLDER, SIGKILL, NULL, 0);
	enter_limits();
	return forbid_cgroups(err);
}
