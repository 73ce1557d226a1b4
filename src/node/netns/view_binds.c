// SPDX-License-Identifier: GPL-2.0-only
/* What a node sees of the machine at another place. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/netns/view_parts.h"
#include "node/node.h"
#include "util/error.h"

/* With all that is mounted in it. Before any place is taken over, so that it is what the machine has there. */
int binds_open(const struct view *view, struct error *err)
{
	/* A device in there would be written to all the same. */
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV };

	for (size_t i = 0; i < view->config->bind_count; i++) {
		const struct node_bind *bind = &view->config->binds[i];

		view->binds[i] = open_tree(AT_FDCWD, bind->host, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (view->binds[i] < 0 ||
		    (bind->read_only &&
		     mount_setattr(view->binds[i], "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only, sizeof(read_only))))
			return error_errno(err, errno, "bind %s", bind->host);
	}
	return 0;
}

/* Whether that is in a file system of the node's own, and not in a folder of the machine that was bound into it. */
static bool is_own(const struct view *view, int folder)
{
	struct stat status, own;

	if (fstat(folder, &status))
		return false;
	for (size_t i = 0; i < view->layer_count; i++)
		if (stat(view->layers[i].guest, &own) == 0 && own.st_dev == status.st_dev)
			return true;
	return stat("/dev", &own) == 0 && own.st_dev == status.st_dev;
}

/*
 * Opens what is mounted on, and makes it if it is not there: a folder, or a file if a file is bound. With a shared root that
 * would have to be made on the machine. Returns -1 and errno.
 */
static int open_target(const struct view *view, const char *path, bool is_folder)
{
	char prefix[PATH_MAX];
	int parent = -1, fd = view_open_inside("/");

	for (const char *end = path; fd >= 0 && *end;) {
		const char *name = end + 1;

		end = name + strcspn(name, "/");
		if (snprintf(prefix, sizeof(prefix), "%.*s", (int)(end - path), path) >= (int)sizeof(prefix)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if (parent >= 0)
			close(parent);
		parent = fd;
		fd = view_open_inside(prefix);
		if (fd >= 0 || errno != ENOENT || !is_own(view, parent))
			continue;
		name = prefix + (name - path);
		if (*end || is_folder ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0))
			return -1;
		fd = view_open_inside(prefix);
	}
	return fd;
}

int binds_attach(const struct view *view, struct error *err)
{
	for (size_t i = 0; i < view->config->bind_count; i++) {
		const char *guest = view->config->binds[i].guest;
		struct stat status;
		int target;

		if (fstat(view->binds[i], &status))
			return error_errno(err, errno, "look at %s", view->config->binds[i].host);
		target = open_target(view, guest, S_ISDIR(status.st_mode));
		if (target < 0 ||
		    move_mount(view->binds[i], "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
			return error_errno(err, errno, "bind %s to %s in the node", view->config->binds[i].host, guest);
		close(target);
	}
	return 0;
}
