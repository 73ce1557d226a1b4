// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/list.h"
#include "util/memory.h"
#include "util/tree.h"
#include "util/trust.h"

#define PREFIX "provium-"

/* Those that this process uses. */
static struct disks {
	struct disk {
		int folder; /* in which it is */
		int lock;
		dev_t device;
		ino_t inode;
		unsigned int holders;
	} * list;
	size_t count;
} disks;

/* Ours, and nobody else can change it or put another in its place: the folder may be one like /tmp. */
static bool is_private(int disk)
{
	struct stat status;

	return fstat(disk, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & 077);
}

static void sweep(int folder)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *all = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	while (all && (entry = readdir(all))) {
		int fd;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		fd = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && is_private(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0)
			tree_remove(folder, entry->d_name);
		if (fd >= 0)
			close(fd);
	}
	if (all)
		closedir(all);
}

/* NULL if it is none of them. */
static struct disk *find_disk(int fd)
{
	struct stat status;

	for (size_t i = 0; i < disks.count && !fstat(fd, &status); i++)
		if (disks.list[i].device == status.st_dev && disks.list[i].inode == status.st_ino)
			return &disks.list[i];
	return NULL;
}

void disk_hold(int fd)
{
	struct disk *disk = find_disk(fd);

	if (disk)
		disk->holders++;
}

void disk_drop(int fd)
{
	struct disk *disk = find_disk(fd), ended;

	close(fd);
	if (!disk || (disk->holders && --disk->holders))
		return;
	ended = *disk;
	LIST_REMOVE(disks.list, disks.count, (size_t)(disk - disks.list));
	close(ended.lock);
	sweep(ended.folder);
	close(ended.folder);
}

/* Returns false if a sweep of another run came between the two steps, and has taken the folder away. */
static bool lock_disk(int folder, const char *path)
{
	struct disk disk = { .lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	struct stat status;

	if (disk.lock < 0 || flock(disk.lock, LOCK_EX | LOCK_NB) || fstat(disk.lock, &status) || !status.st_nlink) {
		if (disk.lock >= 0)
			close(disk.lock);
		return false;
	}
	disk.device = status.st_dev;
	disk.inode = status.st_ino;
	disk.folder = folder;
	LIST_ADD(disks.list, disks.count, disk);
	return true;
}

char *disk_open(const char *path, struct error *err)
{
	int folder = trust_open_folder(path, err);
	struct buffer disk = { 0 };

	if (folder < 0) {
		error_wrap(err, "`disk`");
		return NULL;
	}
	sweep(folder);
	do {
		buffer_free(&disk);
		buffer_printf(&disk, "%s/" PREFIX "XXXXXX", path);
		if (!mkdtemp(disk.data)) {
			error_errno(err, errno, "`disk`: make a folder in %s", path);
			buffer_free(&disk);
			close(folder);
			return NULL;
		}
	} while (!lock_disk(folder, disk.data));
	return disk.data;
}
