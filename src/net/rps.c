// SPDX-License-Identifier: GPL-2.0-only
#include "net/rps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"

#define BITS_A_WORD 32

/* sysfs as this network namespace has it, mounted nowhere: that at /sys is the host's. */
static int open_sysfs(void)
{
	int context = fsopen("sysfs", FSOPEN_CLOEXEC), mount = -1;

	if (context >= 0 && !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	fd_close(&context);
	return mount;
}

/* All processors, as the kernel reads sets of them: words of hexadecimal digits, the last one first. */
static void write_mask(struct buffer *text)
{
	long processors = sysconf(_SC_NPROCESSORS_CONF);

	for (long word = (processors - 1) / BITS_A_WORD; word >= 0; word--) {
		long bits = processors - word * BITS_A_WORD;
		uint32_t mask = bits >= BITS_A_WORD ? UINT32_MAX : (1U << bits) - 1;

		buffer_printf(text, "%08x%s", mask, word ? "," : "");
	}
}

int rps_enable(const char *device, struct error *err)
{
	struct buffer mask = { 0 };
	char path[128];
	int mount = open_sysfs(), file = -1;
	ssize_t written = -1;

	snprintf(path, sizeof(path), "class/net/%s/queues/rx-0/rps_cpus", device);
	if (mount >= 0)
		file = openat(mount, path, O_WRONLY | O_CLOEXEC);
	write_mask(&mask);
	if (file >= 0)
		written = write(file, mask.data, mask.size);
	if (written < 0)
		error_errno(err, errno, "spread what %s receives over the processors", device);
	fd_close(&file);
	fd_close(&mount);
	buffer_free(&mask);
	return written < 0 ? -err->code : 0;
}
