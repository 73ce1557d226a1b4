// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/cgroup_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "node/netns/cgroup.h"
#include "node/netns/cgroup_home.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"

#define PREFIX	    "provium."
#define LOCK_FOLDER "/run/provium"
#define LOCK_FILE   LOCK_FOLDER "/cgroups"
#define LOCK_NS	    (5 * NS_PER_S)
#define PAUSE_US    1000
#define SWITCHED_ON "trusted.provium" /* bits of controllers, as text */
/* Of the file whose lock says that a process lives: for writing alone, so nobody but root can open it. */
#define LIFE "cgroup.kill"

static struct cgroup_place *places;

/* -1 and errno if it cannot be had. It is removed before it is let go of, so one that has no name any more is tried again. */
static int lock_all(void)
{
	uint64_t deadline_ns = clock_after(LOCK_NS);
	struct stat status;
	int fd;

	mkdir(LOCK_FOLDER, 0755);
	for (;;) {
		fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -1;
		if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &status) && status.st_nlink)
			return fd;
		close(fd);
		if (clock_now() > deadline_ns) {
			errno = EWOULDBLOCK;
			return -1;
		}
		usleep(PAUSE_US);
	}
}

static void unlock_all(int fd)
{
	unlink(LOCK_FILE);
	close(fd);
}

int cgroup_remove(const char *folder, uint64_t deadline_ns)
{
	while (rmdir(folder)) {
		if (errno != EBUSY || clock_now() >= deadline_ns)
			return -errno;
		usleep(PAUSE_US);
	}
	return 0;
}

/* Calls each() for all cgroups in the folder, until one returns false. */
static bool each_below(const char *folder, bool (*each)(const char *path, const char *name, void *context),
		       void *context)
{
	DIR *list = opendir(folder);
	struct dirent *entry;
	char path[PATH_MAX];
	bool going_on = true;

	while (list && going_on && (entry = readdir(list)))
		if (entry->d_type == DT_DIR && *entry->d_name != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) < PATH_MAX)
			going_on = each(path, entry->d_name, context);
	if (list)
		closedir(list);
	return going_on;
}

static bool remove_one(const char *path, const char *name, void *context)
{
	(void)name;
	return cgroup_remove(path, *(const uint64_t *)context) == 0;
}

/* Locks a folder for this process. -1: somebody else has it. */
static int hold(const char *path)
{
	char life[PATH_MAX + 32];
	int fd;

	snprintf(life, sizeof(life), "%s/" LIFE, path);
	fd = open(life, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* If it is of a process that is gone, so are its nodes, or they are ending. */
static bool sweep_one(const char *path, const char *name, void *context)
{
	uint64_t deadline_ns = *(const uint64_t *)context;
	int fd = strncmp(name, PREFIX, strlen(PREFIX)) == 0 ? hold(path) : -1;

	if (fd < 0)
		return true;
	if (write(fd, "1", 1) == 1 && each_below(path, remove_one, context))
		cgroup_remove(path, deadline_ns);
	close(fd);
	return true;
}

static bool is_any(const char *path, const char *name, void *context)
{
	(void)path;
	(void)name;
	(void)context;
	return false;
}

static bool is_ours(const char *path, const char *name, void *context)
{
	(void)path;
	(void)context;
	return strncmp(name, PREFIX, strlen(PREFIX)) != 0;
}

static unsigned int read_switched_on(const char *folder)
{
	char text[16] = "";

	return getxattr(folder, SWITCHED_ON, text, sizeof(text) - 1) > 0 ? (unsigned int)strtoul(text, NULL, 10) : 0;
}

/* Once there is no cgroup below it that could have a use for them: others' would lose their limits. */
static void switch_off(const char *folder)
{
	unsigned int which = read_switched_on(folder);
	struct error ignored;

	if (which && each_below(folder, is_any, NULL) && !cgroup_switch(folder, '-', which, &ignored))
		removexattr(folder, SWITCHED_ON);
}

/* Noted before it is done, so that whoever is killed in between leaves nothing that nobody knows of. */
static int switch_on(const char *folder, unsigned int wanted, struct error *err)
{
	unsigned int missing = wanted & ~cgroup_switched_on(folder), before = read_switched_on(folder);
	char text[16];

	if (!missing)
		return 0;
	snprintf(text, sizeof(text), "%u", before | missing);
	if (setxattr(folder, SWITCHED_ON, text, strlen(text), 0))
		return error_errno(err, errno, "note at the cgroup %s what is switched on in it", folder);
	return cgroup_switch(folder, '+', missing, err);
}

void cgroup_sweep(uint64_t deadline_ns)
{
	const struct cgroup_home *home;
	char folder[PATH_MAX];
	struct error ignored;
	int lock;

	if (cgroup_home(&home, &ignored))
		return;
	strcpy(folder, home->own);
	do {
		if (each_below(folder, is_ours, NULL) && !read_switched_on(folder))
			continue;
		lock = lock_all();
		if (lock < 0)
			return;
		each_below(folder, sweep_one, &deadline_ns);
		switch_off(folder);
		unlock_all(lock);
	} while (cgroup_go_up(home, folder));
}

static int make_folder(struct cgroup_place *place, struct error *err)
{
	snprintf(place->path, PATH_MAX, "%.4000s/" PREFIX "%d", place->above, getpid());
	/* Processes of containers that share the hierarchy may have the same number. */
	for (int i = 2; mkdir(place->path, 0755); i++) {
		if (errno != EEXIST)
			return error_errno(err, errno, "make the cgroup %s", place->path);
		snprintf(place->path, PATH_MAX, "%.4000s/" PREFIX "%d.%d", place->above, getpid(), i);
	}
	place->lock = hold(place->path);
	return place->lock < 0 ? error_errno(err, errno, "open and lock %s/" LIFE, place->path) : 0;
}

/* Whether a process can be born in it. */
static int check_folder(const struct cgroup_place *place, struct error *err)
{
	char type[CGROUP_TEXT_SIZE];

	cgroup_read(place->path, "cgroup.type", type);
	if (strcmp(type, "domain\n") != 0)
		return error_set(err, EOPNOTSUPP, "the cgroup %s is for threads alone", place->above);
	if (syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS)
		return error_errno(err, ENOSYS, "clone3(2), which is how processes get into a cgroup");
	return 0;
}

static void drop_place(struct cgroup_place *place)
{
	cgroup_remove(place->path, 0);
	if (place->lock >= 0)
		close(place->lock);
	switch_off(place->above);
	free(place);
}

static int make_place(const char *above, struct cgroup_place **result, struct error *err)
{
	struct cgroup_place *place = memory_new(sizeof(*place));

	strcpy(place->above, above);
	place->lock = -1;
	if (make_folder(place, err) || check_folder(place, err)) {
		drop_place(place);
		return -err->code;
	}
	place->next = places;
	places = place;
	*result = place;
	return 0;
}

static struct cgroup_place *find_place(const char *above)
{
	struct cgroup_place *place = places;

	while (place && strcmp(place->above, above) != 0)
		place = place->next;
	return place;
}

static void unlink_place(const struct cgroup_place *place)
{
	struct cgroup_place **at = &places;

	while (*at != place)
		at = &(*at)->next;
	*at = place->next;
}

/* All is locked: nobody takes a new folder for one of the dead before it is locked by itself. */
static int take(const char *above, unsigned int wanted, struct cgroup_place **result, struct error *err)
{
	struct cgroup_place *place = find_place(above);

	if (!place && make_place(above, &place, err))
		return -err->code;
	if (switch_on(above, wanted, err) || cgroup_switch(place->path, '+', wanted, err)) {
		if (!place->users) {
			unlink_place(place);
			drop_place(place);
		}
		return -err->code;
	}
	place->users++;
	*result = place;
	return 0;
}

int cgroup_place_take(unsigned int wanted, struct cgroup_place **result, struct error *err)
{
	const struct cgroup_home *home;
	struct cgroup_place *place;
	char above[PATH_MAX];
	int lock, status;

	if (cgroup_home(&home, err) || cgroup_choose(home, wanted, above, err))
		return -err->code;
	place = find_place(above);
	if (place && !wanted) {
		place->users++;
		*result = place;
		return 0;
	}
	lock = lock_all();
	if (lock < 0)
		return error_errno(err, errno, "open and lock " LOCK_FILE);
	status = take(above, wanted, result, err);
	unlock_all(lock);
	return status;
}

void cgroup_place_release(struct cgroup_place *place)
{
	int lock;

	if (--place->users)
		return;
	unlink_place(place);
	lock = lock_all();
	drop_place(place);
	if (lock >= 0)
		unlock_all(lock);
}
