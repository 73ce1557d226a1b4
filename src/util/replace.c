// SPDX-License-Identifier: GPL-2.0-only
#include "util/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/memory.h"

#define NAME_TRIES 100

static char *name_beside(const char *path, const char *end)
{
	size_t size = strlen(path) + strlen(end) + 1;
	char *name = memory_new(size);

	snprintf(name, size, "%s%s", path, end);
	return name;
}

/* In the same folder, without a name: of one that is killed nothing is left. */
static int open_nameless(const char *path)
{
	char *copy = memory_string(path);
	int fd = open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	free(copy);
	return fd;
}

static void open_new(struct replacement *replacement, mode_t mode)
{
	replacement->fd = open_nameless(replacement->path);
	/* Not every file system has files without a name. */
	if (replacement->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		replacement->temporary = name_beside(replacement->path, ".XXXXXX");
		replacement->fd = mkostemp(replacement->temporary, O_CLOEXEC);
	}
	if (replacement->fd >= 0)
		fchmod(replacement->fd, mode);
	replacement->is_new = replacement->fd >= 0;
}

/* A link does not replace what is there, so it gets a name beside the place first, from which a rename puts it there. */
static int give_name(struct replacement *replacement)
{
	char file[32], end[16];
	unsigned int number;

	snprintf(file, sizeof(file), "/proc/self/fd/%d", replacement->fd);
	for (int i = 0; i < NAME_TRIES && !replacement->temporary; i++) {
		char *name;

		getrandom(&number, sizeof(number), 0);
		snprintf(end, sizeof(end), ".%06x", number & 0xffffff);
		name = name_beside(replacement->path, end);
		if (linkat(AT_FDCWD, file, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
			replacement->temporary = name;
		} else {
			free(name);
			if (errno != EEXIST)
				break;
		}
	}
	return replacement->temporary ? 0 : -errno;
}

/* That of any new file. */
static mode_t new_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

int replace_open(struct replacement *replacement, const char *path, struct error *err)
{
	struct stat status;
	bool exists = stat(path, &status) == 0;
	/* A pipe, as /dev/stdout may be, has no path of its own. */
	bool is_file = exists && S_ISREG(status.st_mode);

	*replacement = (struct replacement){ .fd = -1 };
	if (!*path || path[strlen(path) - 1] == '/')
		return error_set(err, EINVAL, "this is no name of a file");
	replacement->path = is_file ? realpath(path, NULL) : memory_string(path);
	if (exists && !is_file)
		replacement->fd = open(path, O_WRONLY | O_CLOEXEC);
	else if (replacement->path)
		open_new(replacement, exists ? status.st_mode & 07777 : new_mode());
	if (replacement->fd >= 0)
		return 0;
	error_set(err, errno, "%s", strerror(errno));
	replace_close(replacement);
	return -err->code;
}

int replace_commit(struct replacement *replacement, struct error *err)
{
	if (!replacement->is_new)
		return 0;
	if (!replacement->temporary && give_name(replacement))
		return error_errno(err, errno, "put %s in its place", replacement->path);
	if (rename(replacement->temporary, replacement->path))
		return error_errno(err, errno, "rename %s to %s", replacement->temporary, replacement->path);
	free(replacement->temporary);
	replacement->temporary = NULL;
	replacement->is_new = false;
	return 0;
}

void replace_close(struct replacement *replacement)
{
	if (replacement->fd >= 0)
		close(replacement->fd);
	if (replacement->temporary)
		unlink(replacement->temporary);
	free(replacement->temporary);
	free(replacement->path);
	*replacement = (struct replacement){ .fd = -1 };
}
