// SPDX-License-Identifier: GPL-2.0-only
#include "util/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/units.h"

#define MAX_LINKS   40 /* as the kernel has it */
#define OTHERS	    (S_IWGRP | S_IWOTH)
#define READ_SIZE   65536
#define ENVIRONMENT "PROVIUM_TRUST"
#define ACL	    "system.posix_acl_access"

/* A way from / to a file, one step at a time, each from the descriptor of the one before. */
struct walk {
	int fd;		      /* without rights, of what it has come to */
	struct stat status;   /* of that */
	struct buffer path;   /* of that, without links and dots; empty for / */
	char *rest;	      /* what is still to go, allocated */
	unsigned int turns;   /* how often it has begun anew, for a link or `..` */
	bool allowed;	      /* this is in a folder that the environment lists */
	struct error problem; /* the first that there is; code 0: none */
};

static bool is_trusted(uid_t owner)
{
	const char *sudo = geteuid() == 0 ? getenv("SUDO_UID") : NULL;
	int64_t uid;

	if (owner == 0 || owner == geteuid())
		return true;
	return sudo && units_integer(sudo, 0, UINT32_MAX, &uid) && owner == (uid_t)uid;
}

/* Many systems make a group of the same name for each user, and let new files be written by that. */
static bool is_private_group(const struct walk *walk)
{
	const struct passwd *user;
	const struct group *group;
	char path[32];

	/* With an access control list, what stands in the place of the group's rights is the most that anybody else has. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", walk->fd);
	if (getxattr(path, ACL, NULL, 0) > 0)
		return false;
	if (walk->status.st_gid == 0)
		return true;
	user = getpwuid(walk->status.st_uid);
	group = getgrgid(walk->status.st_gid);
	return user && group && user->pw_gid == group->gr_gid && strcmp(user->pw_name, group->gr_name) == 0 &&
	       !group->gr_mem[0];
}

static bool others_write(const struct walk *walk)
{
	mode_t mode = walk->status.st_mode;

	if (S_ISLNK(mode) || (S_ISDIR(mode) && mode & S_ISVTX))
		return false;
	return mode & S_IWOTH || (mode & S_IWGRP && !is_private_group(walk));
}

static void judge(struct walk *walk)
{
	const char *path = walk->path.size ? walk->path.data : "/";
	const struct stat *status = &walk->status;
	const char *what = S_ISDIR(status->st_mode) ? "the folder " : S_ISLNK(status->st_mode) ? "the link " : "";

	if (!is_trusted(status->st_uid)) {
		const struct passwd *user = getpwuid(status->st_uid);

		error_set(&walk->problem, EPERM,
			  "%s%s belongs to %s (uid %u), who is neither root nor the caller (to allow it: chown -h root "
			  "%s",
			  what, path, user ? user->pw_name : "somebody", status->st_uid, path);
	} else if (others_write(walk)) {
		error_set(&walk->problem, EPERM,
			  "others can write to %s%s, whose mode is %04o (to allow it: chmod go-w %s", what, path,
			  status->st_mode & 07777, path);
	}
}

/* Whether the environment lists this folder. Whatever its path: by what it is. */
static bool is_listed(const struct stat *folder)
{
	const char *list = getenv(ENVIRONMENT);
	char *copy, *next, *one;
	bool found = false;

	if (!list || !S_ISDIR(folder->st_mode))
		return false;
	copy = next = memory_string(list);
	while (!found && (one = strsep(&next, ":"))) {
		struct stat status;

		found = *one == '/' && stat(one, &status) == 0 && status.st_dev == folder->st_dev &&
			status.st_ino == folder->st_ino;
	}
	free(copy);
	return found;
}

/* Takes in where it is now. */
static void arrive(struct walk *walk, int fd)
{
	if (walk->fd >= 0)
		close(walk->fd);
	walk->fd = fd;
	if (is_listed(&walk->status)) {
		walk->allowed = true;
		walk->problem.code = 0;
	}
	if (!walk->allowed && !walk->problem.code)
		judge(walk);
}

static int step(struct walk *walk, const char *name, struct error *err)
{
	int fd = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &walk->status)) {
		error_set(err, errno, "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -err->code;
	}
	if (*name != '/')
		buffer_printf(&walk->path, "/%s", name);
	arrive(walk, fd);
	return 0;
}

static void leave_last(struct buffer *path)
{
	const char *slash = path->size ? strrchr(path->data, '/') : NULL;

	if (slash) {
		path->size = (size_t)(slash - path->data);
		path->data[path->size] = '\0';
	}
}

/* To path, and then what is left behind `rest`. What was wrong on the way so far stays wrong. */
static int begin(struct walk *walk, const char *path, const char *rest, struct error *err)
{
	struct buffer whole = { 0 };

	if (walk->turns++ > MAX_LINKS)
		return error_set(err, ELOOP, "%s", strerror(ELOOP));
	buffer_printf(&whole, "%s/%s", path, rest);
	free(walk->rest);
	walk->rest = whole.data;
	walk->path.size = 0;
	walk->allowed = false;
	return step(walk, "/", err);
}

static int follow(struct walk *walk, const char *rest, struct error *err)
{
	char target[PATH_MAX];
	struct buffer path = { 0 };
	ssize_t size = readlinkat(walk->fd, "", target, sizeof(target) - 1);

	if (size < 0)
		return error_set(err, errno, "%s", strerror(errno));
	target[size] = '\0';
	leave_last(&walk->path);
	buffer_printf(&path, "%s/%s", *target == '/' ? "" : buffer_string(&walk->path), target);
	begin(walk, buffer_string(&path), rest, err);
	buffer_free(&path);
	return -err->code;
}

/* The next part of the way. */
static int go_on(struct walk *walk, struct error *err)
{
	char *name = walk->rest + strspn(walk->rest, "/"), *rest;
	size_t length = strcspn(name, "/");

	err->code = 0;
	rest = name[length] ? name + length + 1 : name + length;
	name[length] = '\0';
	if (strcmp(name, "..") == 0) {
		struct buffer parent = walk->path;

		walk->path = (struct buffer){ 0 };
		leave_last(&parent);
		begin(walk, buffer_string(&parent), rest, err);
		buffer_free(&parent);
		return -err->code;
	}
	if (*name && strcmp(name, ".") != 0 && step(walk, name, err))
		return -err->code;
	if (S_ISLNK(walk->status.st_mode))
		return follow(walk, rest, err);
	memmove(walk->rest, rest, strlen(rest) + 1);
	return 0;
}

/* Walks to path. */
static int find(struct walk *walk, const char *path, struct error *err)
{
	char folder[PATH_MAX] = "";

	err->code = 0;
	if (*path != '/' && !getcwd(folder, sizeof(folder)))
		return error_errno(err, errno, "%s", path);
	if (begin(walk, folder, path, err))
		return error_wrap(err, "%s", path);
	while (*walk->rest)
		if (go_on(walk, err))
			return error_wrap(err, "%s", path);
	return 0;
}

/* The folder to list is the one that a file is in. */
static int check(struct walk *walk, const char *path, struct error *err)
{
	if (!walk->problem.code)
		return 0;
	if (!S_ISDIR(walk->status.st_mode))
		leave_last(&walk->path);
	return error_set(err, EPERM,
			 "%s is not read: %s; or list a folder whose files are yours in spite of that: " ENVIRONMENT
			 "=%s)",
			 path, walk->problem.text, walk->path.size ? walk->path.data : "/");
}

static void finish(struct walk *walk)
{
	if (walk->fd >= 0)
		close(walk->fd);
	free(walk->rest);
	buffer_free(&walk->path);
}

int trust_open(const char *path, struct error *err)
{
	struct walk walk = { .fd = -1 };
	char file[32];
	int fd = -1;

	if (!find(&walk, path, err)) {
		snprintf(file, sizeof(file), "/proc/self/fd/%d", walk.fd);
		if (!S_ISREG(walk.status.st_mode))
			error_set(err, EINVAL, "%s: this is no regular file", path);
		else if (!check(&walk, path, err) && (fd = open(file, O_RDONLY | O_CLOEXEC)) < 0)
			error_errno(err, errno, "open %s", path);
	}
	finish(&walk);
	return fd < 0 ? -err->code : fd;
}

int trust_open_folder(const char *path, struct error *err)
{
	struct walk walk = { .fd = -1 };
	int fd = -1;

	if (!find(&walk, path, err)) {
		if (!S_ISDIR(walk.status.st_mode)) {
			error_set(err, ENOTDIR, "%s: this is no folder", path);
		} else if (!check(&walk, path, err)) {
			fd = walk.fd;
			walk.fd = -1;
		}
	}
	finish(&walk);
	return fd < 0 ? -err->code : fd;
}

int trust_read(const char *path, struct buffer *text, struct error *err)
{
	int fd = trust_open(path, err);
	char bytes[READ_SIZE];
	ssize_t size;

	if (fd < 0)
		return fd;
	while ((size = read(fd, bytes, sizeof(bytes))) > 0)
		buffer_add(text, bytes, (size_t)size);
	err->code = 0;
	if (size < 0)
		error_errno(err, errno, "read %s", path);
	close(fd);
	return -err->code;
}

bool trust_found_nothing(const struct error *err)
{
	return err->code == ENOENT || err->code == ENOTDIR;
}
