// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "node/netns/view_parts.h"
#include "node/node.h"
#include "util/error.h"
#include "util/memory.h"

int view_prepare(struct view *view, const struct node_config *config, const char *disk, struct error *err)
{
	*view = (struct view){ .config = config, .disk = disk };
	view->binds = memory_new((config->bind_count + 1) * sizeof(*view->binds));
	view->shared = node_shares_root(config);
	if (view->shared)
		return 0;
	if (kernel_view_prepare(err) || layers_list(view, err) ||
	    (config->kept_disk && layers_empty_kept(view, config->kept_disk, err))) {
		view_free(view);
		return -err->code;
	}
	return 0;
}

void view_free(struct view *view)
{
	for (size_t i = 0; i < view->layer_count; i++) {
		free(view->layers[i].path);
		free(view->layers[i].guest);
	}
	free(view->layers);
	free(view->binds);
}

/* The old root goes on top of the new one, and away from there: see pivot_root(2). */
static int change_root(struct error *err)
{
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return error_errno(err, errno, "change the root");
	return 0;
}

/* A folder in the working directory to mount on. What else has its name makes place for it, so that nothing is mounted elsewhere. */
int view_make_place(const char *name)
{
	struct stat status;

	if (lstat(name, &status) == 0 && S_ISDIR(status.st_mode))
		return 0;
	return (unlink(name) && errno != ENOENT) || mkdir(name, 0755) ? -1 : 0;
}

/* In the node's root, without the kernel's links that lead anywhere (see proc_pid_fd(5)). */
int view_open_inside(const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* The folder may be elsewhere in the root, by a link; what leads to none makes place for one. */
static int open_etc(struct view_files *files, struct error *err)
{
	struct stat status;
	int folder = view_open_inside("/etc");

	if (folder < 0 || fstat(folder, &status) || !S_ISDIR(status.st_mode)) {
		if (folder >= 0)
			close(folder);
		if (view_make_place("etc"))
			return error_errno(err, errno, "make /etc");
		folder = view_open_inside("/etc");
	}
	files->etc = folder < 0 ? -1 : open_tree(folder, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (files->etc < 0)
		return error_errno(err, errno, "open /etc");
	close(folder);
	return 0;
}

static int make_own(const struct view *view, struct view_files *files, struct error *err)
{
	if (binds_open(view, err) || layers_mount_store(view, files, err) || layers_mount(view, err))
		return -err->code;
	if (chdir(ROOT))
		return error_errno(err, errno, "enter the new root");
	if (kernel_view_mount(view, err) || change_root(err))
		return -err->code;
	return open_etc(files, err) ? -err->code : binds_attach(view, err);
}

/* A copy of the file for the node alone, in the folder that is kept, and mounted over the machine's. */
static int make_private(const char *path, const char *copy, struct error *err)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to = open(copy, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	char bytes[4096];
	ssize_t size;

	while (from >= 0 && (size = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)size) < 0)
			break;
	if (to < 0 || mount(copy, path, NULL, MS_BIND, NULL))
		return error_errno(err, errno, "give the node its own %s", path);
	close(to);
	if (from >= 0)
		close(from);
	return 0;
}

/* New instances of what shows the namespaces it was mounted in, and private places for what programs leave lying about. */
static int make_shared(const struct view *view, struct view_files *files, struct error *err)
{
	static const struct {
		const char *type, *path, *options;
	} mounts[] = {
		{ "proc", "/proc", NULL },
		{ "sysfs", "/sys", NULL },
		{ "tmpfs", "/tmp", "mode=0755" }, /* of the private files, below the node's own */
		{ "tmpfs", "/dev/shm", "mode=1777" },
	};

	if (binds_open(view, err))
		return -err->code;
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		if (mount(mounts[i].type, mounts[i].path, mounts[i].type, MS_NOSUID | MS_NODEV, mounts[i].options))
			return error_errno(err, errno, "mount a private %s", mounts[i].path);
	if (make_private("/etc/hosts", "/tmp/hosts", err))
		return -err->code;
	/* A machine without it looks names up on itself; so does the node then. */
	if (access("/etc/resolv.conf", F_OK) == 0 && make_private("/etc/resolv.conf", "/tmp/resolv.conf", err))
		return -err->code;
	files->etc = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files->etc < 0 || mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"))
		return error_errno(err, errno, "mount a private /tmp");
	return binds_attach(view, err);
}

int view_make(const struct view *view, struct view_files *files, struct error *err)
{
	*files = (struct view_files){ .etc = -1, .store = -1 };
	return view->shared ? make_shared(view, files, err) : make_own(view, files, err);
}
