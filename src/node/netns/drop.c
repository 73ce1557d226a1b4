// SPDX-License-Identifier: GPL-2.0-only
/* A part of the run and of a node's init alike. */
#include "node/netns/drop.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/keyctl.h>

/* '\0' if it cannot be read. */
static char first_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char first = '\0';

	if (fd >= 0 && read(fd, &first, 1) != 1)
		first = '\0';
	if (fd >= 0)
		close(fd);
	return first;
}

/*
 * Whether the kernel gives the core of a node's program to a program of the machine, which runs as the machine's root, or writes it
 * to a folder of the machine: see core(5), and suid_dumpable in proc(5).
 */
static bool cores_leave_the_node(void)
{
	char first = first_of("/proc/sys/kernel/core_pattern");

	return first == '|' || first == '@' || (first == '/' && first_of("/proc/sys/fs/suid_dumpable") == '2');
}

void drop_cores(void)
{
	/* Of all limits this one says "none" to a program too, which 0 does not. */
	static const struct rlimit none = { 1, 1 };

	if (cores_leave_the_node())
		setrlimit(RLIMIT_CORE, &none);
}

void drop_rights(void)
{
	static const int dropped[] = { CAP_SYS_TIME,  CAP_SYS_MODULE,	 CAP_SYS_RAWIO,	 CAP_SYS_BOOT,
				       CAP_MKNOD,     CAP_AUDIT_CONTROL, CAP_AUDIT_READ, CAP_AUDIT_WRITE,
				       CAP_MAC_ADMIN, CAP_MAC_OVERRIDE };

	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0);
	/* The session keyring is that of whoever started this. A kernel without keyrings has none to hide. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}
