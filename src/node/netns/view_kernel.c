// SPDX-License-Identifier: GPL-2.0-only
/* What a node is shown of its kernel: /dev, /proc and /sys of its own. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "node/netns/view_parts.h"
#include "util/error.h"
#include "util/list.h"
#include "util/memory.h"

#define KERNEL (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Entries of /proc that are the machine's, and which root could write to. The kernel's alone, so one list for the run. */
static struct masks {
	char **names;
	size_t count;
} masks;

/* Folders may hold anything, but these only show; what is below a number is a process's own. */
static bool is_mask(int proc, const char *name)
{
	static const char *const shown[] = { ".", "..", "pressure", "sysvipc", "tty" };
	struct stat status;

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (strcmp(name, shown[i]) == 0)
			return false;
	if ((*name >= '0' && *name <= '9') || fstatat(proc, name, &status, AT_SYMLINK_NOFOLLOW))
		return false;
	return S_ISDIR(status.st_mode) || (S_ISREG(status.st_mode) && status.st_mode & 0222);
}

int kernel_view_prepare(struct error *err)
{
	DIR *proc = masks.count ? NULL : opendir("/proc");
	struct dirent *entry;

	if (masks.count)
		return 0;
	if (!proc)
		return error_errno(err, errno, "open /proc");
	while ((entry = readdir(proc)))
		if (is_mask(dirfd(proc), entry->d_name))
			LIST_ADD(masks.names, masks.count, memory_string(entry->d_name));
	closedir(proc);
	return 0;
}

static int mount_dev(const struct view *view, struct error *err)
{
	static const struct {
		const char *name;
		unsigned int major, minor;
	} devices[] = {
		{ "null", 1, 3 },    { "zero", 1, 5 }, { "full", 1, 7 },       { "random", 1, 8 },
		{ "urandom", 1, 9 }, { "tty", 5, 0 },  { "net/tun", 10, 200 },
	};
	static const char *const links[][2] = {
		{ "pts/ptmx", "ptmx" },		 { "/proc/self/fd", "fd" },	  { "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
	};
	static const char *const folders[] = { "net", "pts", "shm", "mqueue" };

	if (view_make_place("dev") || mount("dev", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") || chdir("dev"))
		return error_errno(err, errno, "mount /dev");
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(folders[i], 0755))
			return error_errno(err, errno, "make /dev/%s", folders[i]);
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (mknod(devices[i].name, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)))
			return error_errno(err, errno, "make /dev/%s", devices[i].name);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]))
			return error_errno(err, errno, "make /dev/%s", links[i][1]);
	/* Group 5 is tty. */
	if (mount("devpts", "pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5") ||
	    layers_mount_memory(view, "shm", 01777, 4))
		return error_errno(err, errno, "mount /dev/pts and /dev/shm");
	/* A kernel may have been built without. */
	if (mount("mqueue", "mqueue", "mqueue", KERNEL, NULL) && errno != ENODEV)
		return error_errno(err, errno, "mount /dev/mqueue");
	return chdir("..") ? error_errno(err, errno, "leave /dev") : 0;
}

/* A mount of its own for what is in there, to be read, or to be written in what is to be read. */
static int bind_again(const char *path, unsigned long read_only, struct error *err)
{
	if (mount(path, path, NULL, MS_BIND, NULL) ||
	    mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | KERNEL | read_only, NULL))
		return errno == ENOENT ? 0 : error_errno(err, errno, "mount %s again", path);
	return 0;
}

static int mount_proc(struct error *err)
{
	if (view_make_place("proc") || mount("proc", "proc", "proc", KERNEL, NULL))
		return error_errno(err, errno, "mount /proc");
	for (size_t i = 0; i < masks.count; i++) {
		char path[NAME_MAX + sizeof("proc/")];

		snprintf(path, sizeof(path), "proc/%s", masks.names[i]);
		if (bind_again(path, MS_RDONLY, err))
			return -err->code;
	}
	return bind_again("proc/sys/net", 0, err);
}

static int mount_sys(struct error *err)
{
	if (view_make_place("sys") || mount("sysfs", "sys", "sysfs", KERNEL, NULL) ||
	    mount(NULL, "sys", NULL, MS_BIND | MS_REMOUNT | KERNEL | MS_RDONLY, NULL))
		return error_errno(err, errno, "mount /sys");
	return bind_again("sys/devices/virtual/net", 0, err);
}

int kernel_view_mount(const struct view *view, struct error *err)
{
	return mount_dev(view, err) || mount_proc(err) || mount_sys(err) ? -err->code : 0;
}
