// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
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

#define PREFIX "provium-"

/* Those that this process uses. */
static struct disks {
	struct disk {
		char *folder; /* in which it is */
		int lock;
		dev_t device;
		ino_t inode;
		unsigned int holders;
	} * list;
	size_t count;
} disks;

void disk_remove_tree(const char *path)
{
	char *const roots[] = { (char *)path, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	const FTSENT *entry;

	while (tree && (entry = fts_read(tree)))
		if (entry->fts_info != FTS_D)
			unlinkat(AT_FDCWD, entry->fts_path, entry->fts_info == FTS_DP ? AT_REMOVEDIR : 0);
	if (tree)
		fts_close(tree);
}

static void sweep(const char *folder)
{
	DIR *all = opendir(folder);
	struct dirent *entry;

	while (all && (entry = readdir(all))) {
		struct buffer path = { 0 };
		int fd;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		fd = openat(dirfd(all), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		buffer_printf(&path, "%s/%s", folder, entry->d_name);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			disk_remove_tree(path.data);
		if (fd >= 0)
			close(fd);
		buffer_free(&path);
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
	free(ended.folder);
}

/* Returns false if a sweep of another run came between the two steps, and has taken the folder away. */
static bool lock_disk(const char *folder, const char *path)
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
	disk.folder = memory_string(folder);
	LIST_ADD(disks.list, disks.count, disk);
	return true;
}

char *disk_open(const char *folder, struct error *err)
{
	struct buffer path = { 0 };

	sweep(folder);
	do {
		buffer_free(&path);
		buffer_printf(&path, "%s/" PREFIX "XXXXXX", folder);
		if (!mkdtemp(path.data)) {
			error_errno(err, errno, "`disk`: make a folder in %s", folder);
			buffer_free(&path);
			return NULL;
		}
	} while (!lock_disk(folder, path.data));
	return path.data;
}
