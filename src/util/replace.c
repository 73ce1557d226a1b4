// SPDX-License-Identifier: GPL-2.0-only
#include "util/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/memory.h"

/* Beside the place, so that a rename puts it there. */
static int open_beside(struct replacement *replacement, mode_t mode)
{
	size_t size = strlen(replacement->path) + sizeof(".XXXXXX");

	replacement->temporary = memory_new(size);
	snprintf(replacement->temporary, size, "%s.XXXXXX", replacement->path);
	replacement->fd = mkostemp(replacement->temporary, O_CLOEXEC);
	if (replacement->fd >= 0) {
		fchmod(replacement->fd, mode);
		return 0;
	}
	free(replacement->temporary);
	replacement->temporary = NULL;
	return -errno;
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
	if (!*path)
		return error_set(err, EINVAL, "the name of a file is empty");
	replacement->path = is_file ? realpath(path, NULL) : memory_string(path);
	if (exists && !is_file)
		replacement->fd = open(path, O_WRONLY | O_CLOEXEC);
	else if (replacement->path)
		open_beside(replacement, exists ? status.st_mode & 07777 : new_mode());
	if (replacement->fd >= 0)
		return 0;
	error_set(err, errno, "%s", strerror(errno));
	replace_close(replacement);
	return -err->code;
}

int replace_commit(struct replacement *replacement, struct error *err)
{
	if (!replacement->temporary)
		return 0;
	if (rename(replacement->temporary, replacement->path))
		return error_errno(err, errno, "rename %s to %s", replacement->temporary, replacement->path);
	free(replacement->temporary);
	replacement->temporary = NULL;
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
