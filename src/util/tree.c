// SPDX-License-Identifier: GPL-2.0-only
#include "util/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

/* NULL if it is no folder of this one and of its file system. */
static DIR *open_folder(int above, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, above, name, &how, sizeof(how));
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !list)
		close(fd);
	return list;
}

static const char *next_name(DIR *list)
{
	const struct dirent *entry;

	do
		entry = readdir(list);
	while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry ? entry->d_name : NULL;
}

static bool remove_one(int folder, const char *name)
{
	return unlinkat(folder, name, 0) == 0 || unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

static bool move_up(int folder, const char *name, int top)
{
	static unsigned long last;
	char fresh[32];

	do
		snprintf(fresh, sizeof(fresh), "%lx", ++last);
	while (renameat2(folder, name, top, fresh, RENAME_NOREPLACE) && errno == EEXIST);
	return faccessat(top, fresh, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of a folder in `top`: what is in it is removed, or moved to where it is next to this. Returns whether anything has changed. */
static bool take_apart(int top, const char *name)
{
	DIR *list = open_folder(top, name);
	bool changed = false;
	const char *next;

	while (list && (next = next_name(list)))
		changed |= remove_one(dirfd(list), next) || move_up(dirfd(list), next, top);
	if (list)
		closedir(list);
	return remove_one(top, name) || changed;
}

void tree_empty(int folder)
{
	DIR *list = open_folder(folder, ".");
	bool changed = list;
	const char *next;

	while (changed) {
		changed = false;
		rewinddir(list);
		while ((next = next_name(list)))
			changed |= remove_one(folder, next) || take_apart(folder, next);
	}
	if (list)
		closedir(list);
}

int tree_remove(int folder, const char *name)
{
	DIR *list = open_folder(folder, name);

	if (list) {
		tree_empty(dirfd(list));
		closedir(list);
	}
	return remove_one(folder, name) ? 0 : -1;
}
