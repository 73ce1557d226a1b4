// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding the labs that are the caller's among all processes, any of which may have been made to look like one. So a process and
 * its file are asked whose they are before anything of theirs is believed, and nothing is opened that could wait or do something
 * by being opened, such as a FIFO, a device or a file of somebody's own file system.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/capability.h>

#include "lab/registry.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/units.h"
#include "wire/wire.h"

#define LINK_TEXT "/memfd:" REGISTRY_FILE " (deleted)"
#define LINK_SIZE 64 /* more than of any link that is asked for */

#define INFO_SIZE 1024 /* of /proc/PID/fdinfo/N of a program or a map */

/* A process that is looked at. What is opened by way of its folder is its own, for a later process of that number has another. */
struct candidate {
	int64_t pid;
	int pidfd;
	int folder;   /* /proc/PID */
	DIR *fds;     /* /proc/PID/fd */
	dev_t memory; /* the device that all memory files are on */
};

struct wire_ids registry_ids(const json_t *run)
{
	const json_t *list = json_object_get(run, "bpf");
	struct wire_ids ids = { 0 };

	for (size_t i = 0; i < WIRE_OBJECTS; i++)
		*wire_id(&ids, &wire_objects[i]) =
			(uint32_t)json_integer_value(json_object_get(list, wire_objects[i].name));
	return ids;
}

/* In the caller's namespace of that kind. */
static bool shares(const struct candidate *one, const char *kind)
{
	struct stat own, other;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/%s", kind);
	return stat(path, &own) == 0 && fstatat(one->folder, kind, &other, 0) == 0 && own.st_dev == other.st_dev &&
	       own.st_ino == other.st_ino;
}

static bool are_callers(const char *uids)
{
	unsigned int real, effective, saved;

	return sscanf(uids, "%u %u %u", &real, &effective, &saved) == 3 && real == geteuid() &&
	       effective == geteuid() && saved == geteuid();
}

/* The uids alone do not tell a lab from a service or a container that root has taken the power to make one. */
static bool may_have_labs(const char *capabilities)
{
	return strtoull(capabilities, NULL, 16) >> CAP_SYS_ADMIN & 1;
}

static bool has_callers_rights(const struct candidate *one)
{
	bool uids = false, capabilities = false;
	int fd = openat(one->folder, "status", O_RDONLY | O_CLOEXEC);
	FILE *status = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;

	/* A name with a newline in it is shown with `\n`. */
	while (status && getline(&line, &room, status) > 0) {
		if (strncmp(line, "Uid:", 4) == 0)
			uids = are_callers(line + 4);
		else if (strncmp(line, "CapPrm:", 7) == 0)
			capabilities = may_have_labs(line + 7);
	}
	free(line);
	if (status)
		fclose(status);
	else if (fd >= 0)
		close(fd);
	return uids && capabilities;
}

static bool is_callers(const struct candidate *one)
{
	return shares(one, "ns/user") && shares(one, "ns/pid") && has_callers_rights(one);
}

/* By what the kernel knows without asking a file system that somebody serves from a program of his own. */
static bool is_memory_file(const struct candidate *one, int fd)
{
	struct statx status;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &status) == 0 &&
	       S_ISREG(status.stx_mode) && makedev(status.stx_dev_major, status.stx_dev_minor) == one->memory &&
	       status.stx_uid == geteuid() && status.stx_size <= REGISTRY_SIZE;
}

/* Opens for reading what a descriptor without rights stands for. */
static int open_again(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* The whole text, sealed as those are that a lab wrote: files of tmpfs that are no memory files cannot have these seals. */
static bool read_sealed(int fd, struct buffer *text)
{
	int seals = fcntl(fd, F_GET_SEALS);
	char bytes[16384];
	ssize_t size = -1;

	if (seals < 0 || (seals & REGISTRY_SEALS) != REGISTRY_SEALS)
		return false;
	while (text->size <= REGISTRY_SIZE && (size = read(fd, bytes, sizeof(bytes))) > 0)
		buffer_add(text, bytes, (size_t)size);
	return size == 0;
}

static json_t *read_description(const struct candidate *one, const char *name)
{
	int place = openat(dirfd(one->fds), name, O_PATH | O_CLOEXEC);
	int file = place >= 0 && is_memory_file(one, place) ? open_again(place) : -1;
	struct buffer text = { 0 };
	struct error ignored;
	json_t *whole = NULL;

	if (file >= 0 && read_sealed(file, &text))
		whole = registry_parse(buffer_string(&text), text.size, &ignored);
	buffer_free(&text);
	if (file >= 0)
		close(file);
	if (place >= 0)
		close(place);
	return whole;
}

/* The next of the process's descriptors whose link is one of these texts, NULL behind the last. */
static const char *next_link(const struct candidate *one, const char *text, const char *other)
{
	char target[LINK_SIZE];
	struct dirent *entry;

	while ((entry = readdir(one->fds))) {
		ssize_t length = readlinkat(dirfd(one->fds), entry->d_name, target, sizeof(target) - 1);

		target[length > 0 ? length : 0] = '\0';
		if (strcmp(target, text) == 0 || (other && strcmp(target, other) == 0))
			return entry->d_name;
	}
	return NULL;
}

/* The id of the program or map that is open as this descriptor, 0 if it is neither. */
static uint32_t read_id(const struct candidate *one, const char *name, bool *is_program)
{
	char path[32], text[INFO_SIZE];
	const char *id;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "fdinfo/%s", name);
	fd = openat(one->folder, path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[size > 0 ? size : 0] = '\0';
	id = strstr(text, "\nprog_id:");
	*is_program = id != NULL;
	if (!id)
		id = strstr(text, "\nmap_id:");
	return id ? (uint32_t)strtoul(strchr(id, ':') + 1, NULL, 10) : 0;
}

/* Whether the process has all of them open. Takes those that it has from the list. */
static bool holds(const struct candidate *one, struct wire_ids *ids)
{
	static const struct wire_ids none;
	const char *name;

	rewinddir(one->fds);
	while ((name = next_link(one, "anon_inode:bpf-map", "anon_inode:bpf-prog"))) {
		bool is_program;
		uint32_t id = read_id(one, name, &is_program);

		for (size_t i = 0; i < WIRE_OBJECTS; i++)
			if (*wire_id(ids, &wire_objects[i]) == id && wire_objects[i].is_program == is_program)
				*wire_id(ids, &wire_objects[i]) = 0;
	}
	return memcmp(ids, &none, sizeof(none)) == 0;
}

/* A child between fork and exec has the descriptors of its parent. */
static bool is_of(const json_t *whole, const struct candidate *one)
{
	struct wire_ids ids = registry_ids(whole), claimed = ids;
	struct error ignored;

	return json_integer_value(json_object_get(whole, "pid")) == one->pid && holds(one, &claimed) &&
	       !wire_check_ids(&ids, &ignored);
}

static bool is_alive(const struct candidate *one)
{
	struct pollfd end = { .fd = one->pidfd, .events = POLLIN };

	return poll(&end, 1, 0) == 0;
}

static json_t *find_description(const struct candidate *one)
{
	json_t *whole = NULL;
	const char *name;

	while (!whole && (name = next_link(one, LINK_TEXT, NULL)))
		whole = is_callers(one) ? read_description(one, name) : NULL;
	if (whole && !(is_of(whole, one) && is_alive(one))) {
		json_decref(whole);
		whole = NULL;
	}
	return whole;
}

static bool open_candidate(struct candidate *one)
{
	struct stat owner;
	char path[32];
	int fds;

	snprintf(path, sizeof(path), "/proc/%lld", (long long)one->pid);
	one->fds = NULL;
	one->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)one->pid, 0);
	one->folder = one->pidfd < 0 ? -1 : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (one->folder < 0 || fstat(one->folder, &owner) || owner.st_uid != geteuid())
		return false;
	fds = openat(one->folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	one->fds = fds < 0 ? NULL : fdopendir(fds);
	if (!one->fds && fds >= 0)
		close(fds);
	return one->fds != NULL;
}

static void close_candidate(struct candidate *one)
{
	if (one->fds)
		closedir(one->fds);
	if (one->folder >= 0)
		close(one->folder);
	if (one->pidfd >= 0)
		close(one->pidfd);
}

static dev_t memory_device(void)
{
	int fd = memfd_create("provium", MFD_CLOEXEC);
	struct stat status = { 0 };

	if (fd >= 0 && fstat(fd, &status))
		status.st_dev = 0;
	if (fd >= 0)
		close(fd);
	return status.st_dev;
}

json_t *registry_list(void)
{
	struct candidate candidate = { .memory = memory_device() };
	json_t *list = json_array(), *one;
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	while (processes && (entry = readdir(processes))) {
		if (!units_integer(entry->d_name, 1, INT32_MAX, &candidate.pid))
			continue;
		one = open_candidate(&candidate) ? find_description(&candidate) : NULL;
		if (one)
			json_array_append_new(list, one);
		close_candidate(&candidate);
	}
	if (processes)
		closedir(processes);
	return list;
}
