// SPDX-License-Identifier: GPL-2.0-only
#include "lab/forwarding.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/namespace.h"
#include "util/error.h"

#define FILE_PREFIX "forwarding"

static unsigned long namespace_number(void)
{
	struct stat status;

	return stat("/proc/thread-self/ns/net", &status) ? 0 : (unsigned long)status.st_ino;
}

static void sysctl_path(const char *device, char path[static 96])
{
	snprintf(path, 96, "net/ipv4/conf/%.15s/forwarding", device);
}

static bool is_on(const char *device)
{
	char path[96], file[128], value = '0';
	int fd;

	sysctl_path(device, path);
	snprintf(file, sizeof(file), "/proc/sys/%s", path);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, &value, 1) != 1)
		value = '0';
	if (fd >= 0)
		close(fd);
	return value != '0';
}

static int switch_to(const char *device, const char *value, struct error *err)
{
	char path[96];

	sysctl_path(device, path);
	return namespace_write_sysctl(path, value, err);
}

/* Opens the file, made if need be, and locks it. Again if it was removed between the two. */
static int open_locked(const char *path, bool create)
{
	struct stat status;
	int fd;

	do {
		fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_SH) || fstat(fd, &status)) {
			close(fd);
			return -1;
		}
		if (status.st_nlink)
			return fd;
		close(fd);
	} while (create);
	return -1;
}

int forwarding_hold(struct forwarding *forwarding, const char *device, struct error *err)
{
	*forwarding = (struct forwarding){ .lock = -1 };
	snprintf(forwarding->device, sizeof(forwarding->device), "%.15s", device);
	snprintf(forwarding->path, sizeof(forwarding->path), FORWARDING_FOLDER "/" FILE_PREFIX ".%lu.%.15s",
		 namespace_number(), device);
	/* Without a file, what is on was not switched on by us. */
	if (is_on(device)) {
		forwarding->lock = open_locked(forwarding->path, false);
		return 0;
	}
	mkdir(FORWARDING_FOLDER, 0755);
	forwarding->lock = open_locked(forwarding->path, true);
	if (forwarding->lock < 0)
		return error_errno(err, errno, "make %s", forwarding->path);
	if (!switch_to(device, "1", err))
		return 0;
	forwarding_release(forwarding);
	return -err->code;
}

void forwarding_release(struct forwarding *forwarding)
{
	struct error ignored; /* the device may have gone */

	if (forwarding->lock < 0)
		return;
	if (flock(forwarding->lock, LOCK_EX | LOCK_NB) == 0) {
		switch_to(forwarding->device, "0", &ignored);
		unlink(forwarding->path);
	}
	close(forwarding->lock);
	forwarding->lock = -1;
}

/* Whether nobody holds it any more. */
static bool is_left(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool left = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return left;
}

void forwarding_each_left(void (*each)(const char *device, void *context), void *context)
{
	DIR *folder = opendir(FORWARDING_FOLDER);
	char prefix[48], path[sizeof(FORWARDING_FOLDER) + 258];
	struct dirent *entry;

	snprintf(prefix, sizeof(prefix), FILE_PREFIX ".%lu.", namespace_number());
	while (folder && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), FORWARDING_FOLDER "/%s", entry->d_name);
		if (is_left(path) && is_on(entry->d_name + strlen(prefix)))
			each(entry->d_name + strlen(prefix), context);
	}
	if (folder)
		closedir(folder);
}
