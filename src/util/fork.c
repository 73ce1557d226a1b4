// SPDX-License-Identifier: GPL-2.0-only
#include "util/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/close_range.h>

/* The kernel gives an orphan its new parent before it looks for the signal to send; so one of the two is seen. */
bool fork_follow(pid_t parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

/* A process that ends has its descriptors closed before its children are told. */
bool fork_follow_pipe(int alive)
{
	struct pollfd end = { .fd = alive, .events = POLLIN };

	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && poll(&end, 1, 0) == 0;
}

int fork_keep_fds(const int *fds, size_t count)
{
	if (syscall(SYS_close_range, STDERR_FILENO + 1U, ~0U, CLOSE_RANGE_CLOEXEC))
		return errno;
	for (size_t i = 0; i < count; i++)
		if (fcntl(fds[i], F_SETFD, 0))
			return errno;
	return 0;
}
