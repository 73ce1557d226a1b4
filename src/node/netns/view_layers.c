// SPDX-License-Identifier: GPL-2.0-only
/* Overlays: what of the machine a node has below, and what it writes above. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mntent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/openat2.h>

#include "node/netns/view_parts.h"
#include "node/node.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/list.h"
#include "util/memory.h"
#include "util/tree.h"

#define TRASH "trash" /* in the store */

/* As on any machine that boots, nothing is there of the life before. */
static const char *const emptied[] = { "/run", "/tmp" };

/* Begins with the folder, or is it. */
static bool is_below(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && (path[length] == '/' || !path[length]);
}

/* What the node has of its own; what shows the machine's kernel; and what a program of some user answers for, or never answers. */
static bool is_left_out(const struct mntent *entry)
{
	static const char *const types[] = {
		"autofs",    "binfmt_misc", "bpf",	"cgroup",  "cgroup2", "configfs",   "debugfs",
		"devpts",    "devtmpfs",    "efivarfs", "fuse",	   "fuseblk", "fusectl",    "mqueue",
		"nfsd",	     "nsfs",	    "proc",	"pstore",  "resctrl", "rpc_pipefs", "securityfs",
		"selinuxfs", "smackfs",	    "sysfs",	"tracefs",
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(entry->mnt_type, types[i]) == 0)
			return true;
	return strncmp(entry->mnt_type, "fuse.", 5) == 0 || is_below(entry->mnt_dir, "/proc") ||
	       is_below(entry->mnt_dir, "/sys") || is_below(entry->mnt_dir, "/dev");
}

/* Each place once, for a path leads to what is mounted there last. root: "" for the machine's. */
static void add_layer(struct view *view, const char *root, const char *guest, bool is_overlay)
{
	struct view_layer layer = { .is_overlay = is_overlay };
	struct buffer path = { 0 };
	struct stat status;

	for (size_t i = 0; i < view->layer_count; i++)
		if (strcmp(view->layers[i].guest, guest) == 0)
			return;
	buffer_printf(&path, "%s%s", root, guest);
	/* A socket or a device would be the machine's own; and these two files the node has of its own. */
	if (lstat(path.data, &status) ||
	    (!S_ISDIR(status.st_mode) && (!S_ISREG(status.st_mode) || strcmp(guest, "/etc/hosts") == 0 ||
					  strcmp(guest, "/etc/resolv.conf") == 0))) {
		buffer_free(&path);
		return;
	}
	layer.is_folder = S_ISDIR(status.st_mode);
	layer.path = path.data;
	layer.guest = memory_string(guest);
	/* By what is below: what was written above another root is none of this one's. */
	snprintf(layer.upper, sizeof(layer.upper), "upper-%016" PRIx64, hash_string(layer.path));
	snprintf(layer.work, sizeof(layer.work), "work-%016" PRIx64, hash_string(layer.path));
	LIST_ADD(view->layers, view->layer_count, layer);
}

/* Every mount of the machine; or one, which is a root file system. */
int layers_list(struct view *view, struct error *err)
{
	const char *root = view->config->root ? view->config->root : "";
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	char line[3 * PATH_MAX];

	if (!mounts)
		return error_errno(err, errno, "open /proc/self/mounts");
	add_layer(view, root, "/", false);
	/* Parents come before what is mounted on them. */
	while (!*root && getmntent_r(mounts, &entry, line, sizeof(line)))
		if (!is_left_out(&entry))
			add_layer(view, root, entry.mnt_dir, strcmp(entry.mnt_type, "overlay") == 0);
	endmntent(mounts);
	return view->layer_count && view->layers[0].is_folder
		       ? 0
		       : error_set(err, ENOTDIR, "`root` is %s, which is no folder", view->config->root);
}

/* By a rename, which cannot stop half way. */
static int throw_away(int store, const char *path, int trash, struct error *err)
{
	if (renameat(store, path, trash, "old") && errno != ENOENT)
		return error_errno(err, errno, "empty what a node has kept: %s", path);
	tree_empty(trash);
	return 0;
}

int layers_empty_kept(const struct view *view, int store, struct error *err)
{
	char path[64];
	int trash, status = 0;

	mkdirat(store, TRASH, 0700);
	trash = openat(store, TRASH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (trash < 0)
		return error_errno(err, errno, "make a folder in what the node writes");
	tree_empty(trash);
	for (size_t i = 0; i < view->layer_count; i++) {
		const struct view_layer *layer = &view->layers[i];

		for (size_t k = 0; k < sizeof(emptied) / sizeof(emptied[0]) && !status; k++) {
			bool is_root = strcmp(layer->guest, "/") == 0;

			if (!is_root && strcmp(layer->guest, emptied[k]) != 0)
				continue;
			snprintf(path, sizeof(path), "%s%s", layer->upper, is_root ? emptied[k] : "");
			status = throw_away(store, path, trash, err);
		}
	}
	close(trash);
	return status;
}

int layers_mount_memory(const struct view *view, const char *path, mode_t mode, unsigned int part)
{
	uint64_t memory = view->config->memory_bytes;
	char options[64];

	snprintf(options, sizeof(options), memory ? "mode=%04o,size=%" PRIu64 : "mode=%04o", mode, memory / part);
	return mount("provium", path, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

static int need_folder(const char *path, mode_t mode, struct error *err)
{
	if (mkdir(path, mode) && errno != EEXIST)
		return error_errno(err, errno, "make a folder in what the node writes");
	return 0;
}

int layers_mount_store(const struct view *view, struct view_files *files, struct error *err)
{
	int kept = view->config->kept_disk, status;

	if (kept)
		status = move_mount(kept, "", AT_FDCWD, STORE, MOVE_MOUNT_F_EMPTY_PATH);
	else if (view->disk)
		status = mount(view->disk, STORE, NULL, MS_BIND, NULL);
	else
		status = layers_mount_memory(view, STORE, 0755, 2);
	if (status)
		return error_errno(err, errno, "mount what the node writes");
	if (need_folder(ROOT, 0755, err))
		return -err->code;
	files->store = open_tree(AT_FDCWD, STORE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return files->store < 0 ? error_errno(err, errno, "keep what the node writes") : 0;
}

/* Returns a descriptor of a folder that is there afterwards, or -1. No link is followed: what is above may be a node's. */
static int make_folder(int above, const char *name, mode_t mode)
{
	mkdirat(above, name, mode);
	return openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * What the machine's init says of itself is not so in the node: that it is systemd (a folder that programs look for, see
 * sd_booted(3)), the runlevel, which has packages start their servers when they are installed, and who is logged in (utmp(5)).
 * It is below the root, or below a mount of its own.
 */
static void hide_init(const struct view_layer *layer, const char *upper)
{
	static const char *const hidden[][2] = { { "systemd", "system" }, { ".", "utmp" } };
	bool is_run = strcmp(layer->guest, "/run") == 0;
	const char *run = is_run ? "." : "run";
	struct stat status;
	char below[64];
	int folder;

	if ((!is_run && strcmp(layer->guest, "/") != 0) || stat(run, &status))
		return;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		snprintf(below, sizeof(below), "%s/%s/%s", run, hidden[i][0], hidden[i][1]);
		if (access(below, F_OK))
			continue;
		folder = open(upper, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (!is_run)
			folder = make_folder(folder, "run", status.st_mode & 07777);
		folder = make_folder(folder, hidden[i][0], 0755);
		/* A whiteout: see the kernel's Documentation/filesystems/overlayfs.rst. */
		mknodat(folder, hidden[i][1], S_IFCHR, makedev(0, 0));
	}
}

/* A folder that is in both layers is shown as it is above. */
static int make_upper(const char *upper, struct error *err)
{
	struct stat below;

	if (mkdir(upper, 0755) == 0)
		return stat(".", &below) || chown(upper, below.st_uid, below.st_gid) ||
				       chmod(upper, below.st_mode & 07777)
			       ? error_errno(err, errno, "make a folder in what the node writes")
			       : 0;
	return errno == EEXIST ? 0 : error_errno(err, errno, "make a folder in what the node writes");
}

/* What is below is the working directory. */
static int explain_overlay(int status, struct error *err)
{
	struct statfs below;

	if (status == -ENODEV)
		return error_append(err, " (this kernel has no overlay file system)");
	if (status == -EINVAL && statfs(".", &below) == 0 && below.f_type == OVERLAYFS_SUPER_MAGIC)
		return error_append(err, " (that is an overlay itself, and as many as the kernel takes)");
	return status;
}

/*
 * The path of the layer goes by the working directory, for it may contain what separates options. redirect_dir: so that folders
 * of the layer below can be renamed.
 */
static int mount_overlay(const struct view_layer *layer, const char *target, struct error *err)
{
	char upper[64], work[64], options[256];

	snprintf(upper, sizeof(upper), STORE "/%s", layer->upper);
	snprintf(work, sizeof(work), STORE "/%s", layer->work);
	if (chdir(layer->path))
		return error_errno(err, errno, "enter %s", layer->path);
	if (make_upper(upper, err) || need_folder(work, 0700, err))
		return -err->code;
	hide_init(layer, upper);
	snprintf(options, sizeof(options), "lowerdir=.,upperdir=%s,workdir=%s,redirect_dir=on,index=off,metacopy=off",
		 upper, work);
	if (mount("provium", target, "overlay", MS_NODEV, options))
		return explain_overlay(error_errno(err, errno, "mount an overlay on %s", layer->path), err);
	return 0;
}

/* Not by way of links: these may be a node's of a life before, or an image's, and would lead to the machine, whose root it still is. */
static bool has_target(const char *target)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, target, &how, sizeof(how));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* What cannot be below an overlay is there to be read; but sockets of the machine may lie in what is an overlay itself. */
static int mount_below(const struct view_layer *layer, struct error *err)
{
	char target[PATH_MAX];

	if (snprintf(target, sizeof(target), ROOT "%s", layer->guest) >= (int)sizeof(target) || !has_target(target))
		return 0;
	if ((layer->is_folder && !mount_overlay(layer, target, err)) || layer->is_overlay)
		return 0;
	if (mount(layer->path, target, NULL, MS_BIND, NULL) ||
	    mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV | MS_NOSUID, NULL))
		return error_errno(err, errno, "show %s", layer->path);
	return 0;
}

int layers_mount(const struct view *view, struct error *err)
{
	if (mount_overlay(&view->layers[0], ROOT, err))
		return error_append(err, VIEW_HINT);
	for (size_t i = 1; i < view->layer_count; i++)
		if (mount_below(&view->layers[i], err))
			return error_append(err, VIEW_HINT);
	return 0;
}
