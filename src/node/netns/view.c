// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/view.h"

#include <dirent.h>
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

#include "util/list.h"
#include "node/node.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/memory.h"
#include "util/tree.h"

/*
 * The store is mounted here while the root is made, for this is the one folder that every machine has and that no node takes
 * over. The root is put together in a folder of it.
 */
#define STORE	 "/proc"
#define ROOT	 STORE "/root"
#define VOLATILE STORE "/volatile" /* a tmpfs for what is in memory on any machine */
#define TRASH	 "trash"	   /* in the store */
#define KERNEL	 (MS_NOSUID | MS_NODEV | MS_NOEXEC)

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
	layer.is_folder = !lstat(path.data, &status) && S_ISDIR(status.st_mode);
	/* A socket or a device would be the machine's own; and these two files the node has of its own. */
	if (!layer.is_folder &&
	    (!S_ISREG(status.st_mode) || strcmp(guest, "/etc/hosts") == 0 || strcmp(guest, "/etc/resolv.conf") == 0)) {
		buffer_free(&path);
		return;
	}
	layer.path = path.data;
	layer.guest = memory_string(guest);
	/* By what is below: what was written above another root is none of this one's. */
	snprintf(layer.upper, sizeof(layer.upper), "upper-%016" PRIx64, hash_string(layer.path));
	snprintf(layer.work, sizeof(layer.work), "work-%016" PRIx64, hash_string(layer.path));
	LIST_ADD(view->layers, view->layer_count, layer);
}

/* Every mount of the machine; or one, which is a root file system. */
static int list_layers(struct view *view, struct error *err)
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

static int list_masks(struct error *err)
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

/* By a rename, which cannot stop half way. */
static int throw_away(int store, const char *path, int trash, struct error *err)
{
	if (renameat(store, path, trash, "old") && errno != ENOENT)
		return error_errno(err, errno, "empty what a node has kept: %s", path);
	tree_empty(trash);
	return 0;
}

static int empty_kept(const struct view *view, int store, struct error *err)
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

int view_prepare(struct view *view, const struct node_config *config, const char *disk, struct error *err)
{
	*view = (struct view){ .config = config, .disk = disk };
	view->binds = memory_new((config->bind_count + 1) * sizeof(*view->binds));
	view->shared = config->root && strcmp(config->root, NODE_ROOT_SHARED) == 0;
	if (view->shared)
		return 0;
	if (list_masks(err) || list_layers(view, err) ||
	    (config->kept_disk && empty_kept(view, config->kept_disk, err))) {
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

/*
 * A part of a node's memory: a half for what it writes, as any machine has for a tmpfs, and a quarter for what is volatile. A node
 * that has used up all by what it writes could not even remove it.
 */
static int mount_memory(const struct view *view, const char *path, unsigned long flags, unsigned int part)
{
	uint64_t memory = view->config->memory_bytes;
	char options[64];

	snprintf(options, sizeof(options), memory ? "mode=0755,size=%" PRIu64 : "mode=0755", memory / part);
	return mount("provium", path, "tmpfs", flags, options);
}

static int mount_store(const struct view *view, struct view_files *files, struct error *err)
{
	int kept = view->config->kept_disk, status;

	if (kept)
		status = move_mount(kept, "", AT_FDCWD, STORE, MOVE_MOUNT_F_EMPTY_PATH);
	else if (view->disk)
		status = mount(view->disk, STORE, NULL, MS_BIND, NULL);
	else
		status = mount_memory(view, STORE, MS_NOSUID | MS_NODEV, 2);
	if (status)
		return error_errno(err, errno, "mount what the node writes");
	if ((mkdir(ROOT, 0755) && errno != EEXIST) || (mkdir(VOLATILE, 0755) && errno != EEXIST))
		return error_errno(err, errno, "make a folder in what the node writes");
	files->store = open_tree(AT_FDCWD, STORE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (files->store < 0)
		return error_errno(err, errno, "keep what the node writes");
	if (mount_memory(view, VOLATILE, MS_NOSUID, 4) || mkdir(VOLATILE "/dev", 0755) || mkdir(VOLATILE "/shm", 01777))
		return error_errno(err, errno, "mount a tmpfs");
	return 0;
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
	if (make_upper(upper, err))
		return -err->code;
	if (mkdir(work, 0700) && errno != EEXIST)
		return error_errno(err, errno, "make a folder in what the node writes");
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

static int mount_layers(const struct view *view, struct error *err)
{
	if (mount_overlay(&view->layers[0], ROOT, err))
		return error_append(err, VIEW_HINT);
	for (size_t i = 1; i < view->layer_count; i++)
		if (mount_below(&view->layers[i], err))
			return error_append(err, VIEW_HINT);
	return 0;
}

/* A folder in the working directory to mount on. What else has its name makes place for it, for the same reason. */
static int make_place(const char *name)
{
	struct stat status;

	if (lstat(name, &status) == 0 && S_ISDIR(status.st_mode))
		return 0;
	return (unlink(name) && errno != ENOENT) || mkdir(name, 0755) ? -1 : 0;
}

static int mount_dev(struct error *err)
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

	if (make_place("dev") || mount("dev", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") || chdir("dev"))
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
	    mount(VOLATILE "/shm", "shm", NULL, MS_BIND, NULL))
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
	if (make_place("proc") || mount("proc", "proc", "proc", KERNEL, NULL))
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
	if (make_place("sys") || mount("sysfs", "sys", "sysfs", KERNEL, NULL) ||
	    mount(NULL, "sys", NULL, MS_BIND | MS_REMOUNT | KERNEL | MS_RDONLY, NULL))
		return error_errno(err, errno, "mount /sys");
	return bind_again("sys/devices/virtual/net", 0, err);
}

/* The old root goes on top of the new one, and away from there: see pivot_root(2). */
static int change_root(struct error *err)
{
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return error_errno(err, errno, "change the root");
	return 0;
}

/* In the node's root, without the kernel's links that lead anywhere (see proc_pid_fd(5)). */
static int open_inside(const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* The folder may be elsewhere in the root, by a link; what leads to none makes place for one. */
static int open_etc(struct view_files *files, struct error *err)
{
	struct stat status;
	int folder = open_inside("/etc");

	if (folder < 0 || fstat(folder, &status) || !S_ISDIR(status.st_mode)) {
		if (folder >= 0)
			close(folder);
		if (make_place("etc"))
			return error_errno(err, errno, "make /etc");
		folder = open_inside("/etc");
	}
	files->etc = folder < 0 ? -1 : open_tree(folder, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (files->etc < 0)
		return error_errno(err, errno, "open /etc");
	close(folder);
	return 0;
}

/* With all that is mounted in it. Before any place is taken over, so that it is what the machine has there. */
static int open_binds(const struct view *view, struct error *err)
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
	int parent = -1, fd = open_inside("/");

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
		fd = open_inside(prefix);
		if (fd >= 0 || errno != ENOENT || !is_own(view, parent))
			continue;
		name = prefix + (name - path);
		if (*end || is_folder ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0))
			return -1;
		fd = open_inside(prefix);
	}
	return fd;
}

static int attach_binds(const struct view *view, struct error *err)
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

static int make_own(const struct view *view, struct view_files *files, struct error *err)
{
	if (open_binds(view, err) || mount_store(view, files, err) || mount_layers(view, err))
		return -err->code;
	if (chdir(ROOT))
		return error_errno(err, errno, "enter the new root");
	if (mount_dev(err) || mount_proc(err) || mount_sys(err) || change_root(err))
		return -err->code;
	return open_etc(files, err) ? -err->code : attach_binds(view, err);
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

	if (open_binds(view, err))
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
	return attach_binds(view, err);
}

int view_make(const struct view *view, struct view_files *files, struct error *err)
{
	*files = (struct view_files){ .etc = -1, .store = -1 };
	return view->shared ? make_shared(view, files, err) : make_own(view, files, err);
}
