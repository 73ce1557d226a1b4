// SPDX-License-Identifier: GPL-2.0-only
#include "net/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/error.h"

int namespace_write_sysctl(const char *path, const char *value, struct error *err)
{
	char file[128];
	ssize_t written;
	int fd, code;

	snprintf(file, sizeof(file), "/proc/sys/%s", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open %s", file);
	written = write(fd, value, strlen(value));
	code = errno;
	close(fd);
	return written < 0 ? error_errno(err, code, "write %s to %s", value, file) : 0;
}

/* A kernel that has yet to load IPv6 would have nothing to be silenced now, and load it with the first bridge. */
static void load_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
}

/*
 * A kernel without IPv6 or without br_netfilter has nothing to be silenced. With br_netfilter a bridge shows its frames
 * to firewalls, and drops IP packets whose headers are wrong: a cable does neither.
 */
static int silence(struct error *err)
{
	static const char *const settings[][2] = {
		{ "net/ipv6/conf/default/disable_ipv6", "1" },
		{ "net/bridge/bridge-nf-call-iptables", "0" },
		{ "net/bridge/bridge-nf-call-ip6tables", "0" },
		{ "net/bridge/bridge-nf-call-arptables", "0" },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (namespace_write_sysctl(settings[i][0], settings[i][1], err) && err->code != ENOENT)
			return -err->code;
	return 0;
}

int namespace_make_switch(struct error *err)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS)) {
		error_errno(err, errno, "make the private network of the run");
		return err->code == EPERM ? error_append(err, " (needs CAP_SYS_ADMIN; run it as root)") : -err->code;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return error_errno(err, errno, "make the mounts of the run private");
	load_ipv6();
	return silence(err);
}

int namespace_visit(int pidfd, int (*act)(void *context, struct error *err), void *context, struct error *err)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int status;

	if (home < 0)
		return error_errno(err, errno, "open the network namespace of the run");
	if (setns(pidfd, CLONE_NEWNET)) {
		status = error_errno(err, errno, "enter the network namespace of the node");
	} else {
		status = act(context, err);
		if (setns(home, CLONE_NEWNET))
			status = error_errno(err, errno, "return from the network namespace of the node");
	}
	close(home);
	return status;
}
