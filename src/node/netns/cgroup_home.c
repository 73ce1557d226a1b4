// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/cgroup_home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "util/error.h"

#define PROCESSES "cgroup.procs"
#define OFFERED	  "cgroup.controllers"
#define SWITCHES  "cgroup.subtree_control"

static const char *const controllers[CGROUP_CONTROLLERS] = { "memory", "cpu", "pids" };

/* As the kernel writes spaces and the like in mountinfo: \040. */
static void decode(char *text)
{
	char *to = text;

	for (; *text; to++) {
		unsigned int code;

		if (*text == '\\' && sscanf(text + 1, "%3o", &code) == 1) {
			*to = (char)code;
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

/* A line of mountinfo: what of the hierarchy is mounted, and where, unless something else is mounted over it. */
static bool read_mount(const char *line, char root[static PATH_MAX], char top[static PATH_MAX])
{
	struct statfs found;

	if (!strstr(line, " - cgroup2 ") || sscanf(line, "%*s %*s %*s %4095s %4095s", root, top) != 2)
		return false;
	decode(root);
	decode(top);
	return statfs(top, &found) == 0 && found.f_type == CGROUP2_SUPER_MAGIC;
}

static bool find_mount(char root[static PATH_MAX], char top[static PATH_MAX])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && !found && getline(&line, &size, file) > 0)
		found = read_mount(line, root, top);
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool find_own(char own[static PATH_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && !found && getline(&line, &size, file) > 0)
		found = sscanf(line, "0::%4095[^\n]", own) == 1;
	free(line);
	if (file)
		fclose(file);
	return found;
}

static int find_home(struct cgroup_home *found, struct error *err)
{
	char root[PATH_MAX] = "", own[PATH_MAX] = "";
	size_t length;

	if (!find_mount(root, found->top) || !find_own(own))
		return error_set(err, EOPNOTSUPP, "no cgroup hierarchy of version 2 is mounted");
	length = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(own, root, length) != 0 || strncmp(own, "/..", 3) == 0 ||
	    snprintf(found->own, PATH_MAX, "%s%s", found->top, own + length) >= PATH_MAX)
		return error_set(err, EOPNOTSUPP, "the cgroup of this process, %s, is not to be seen in %s", own,
				 found->top);
	length = strlen(found->own);
	if (found->own[length - 1] == '/')
		found->own[length - 1] = '\0';
	return 0;
}

bool cgroup_go_up(const struct cgroup_home *home, char folder[static PATH_MAX])
{
	if (strlen(folder) <= strlen(home->top))
		return false;
	*strrchr(folder, '/') = '\0';
	return true;
}

void cgroup_read(const char *folder, const char *name, char text[static CGROUP_TEXT_SIZE])
{
	char path[PATH_MAX + 32];
	ssize_t size = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		size = read(fd, text, CGROUP_TEXT_SIZE - 1);
	text[size > 0 ? size : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

int cgroup_write(const char *folder, const char *file, const char *text, struct error *err)
{
	char path[PATH_MAX + 32];
	ssize_t size = (ssize_t)strlen(text), written = -1;
	int fd, code;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		written = write(fd, text, (size_t)size);
	code = errno;
	if (fd >= 0)
		close(fd);
	return written == size ? 0 : error_errno(err, code, "write \"%s\" to %s", text, path);
}

static unsigned int read_controllers(const char *folder, const char *name)
{
	char text[CGROUP_TEXT_SIZE], *state, *word;
	unsigned int found = 0;

	cgroup_read(folder, name, text);
	for (word = strtok_r(text, " \n", &state); word; word = strtok_r(NULL, " \n", &state))
		for (unsigned int i = 0; i < CGROUP_CONTROLLERS; i++)
			if (strcmp(word, controllers[i]) == 0)
				found |= 1U << i;
	return found;
}

unsigned int cgroup_switched_on(const char *folder)
{
	return read_controllers(folder, SWITCHES);
}

int cgroup_switch(const char *folder, char sign, unsigned int which, struct error *err)
{
	char text[CGROUP_TEXT_SIZE] = "";
	size_t length = 0;

	for (unsigned int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (which & 1U << i)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%c%s", length ? " " : "",
						   sign, controllers[i]);
	return which ? cgroup_write(folder, SWITCHES, text, err) : 0;
}

/*
 * Only the root of all may have both processes and controllers for what is below it. It has no type, for it is always
 * the same.
 */
static bool may_switch_on(const char *folder)
{
	char path[PATH_MAX + 32], text[CGROUP_TEXT_SIZE];

	snprintf(path, sizeof(path), "%s/cgroup.type", folder);
	cgroup_read(folder, PROCESSES, text);
	return !*text || access(path, F_OK);
}

static int explain_missing(const struct cgroup_home *home, unsigned int wanted, struct error *err)
{
	unsigned int offered = read_controllers(home->top, OFFERED);

	for (unsigned int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (wanted & ~offered & 1U << i)
			return error_set(err, EOPNOTSUPP, "the cgroup hierarchy at %s has no controller \"%s\"%s",
					 home->top, controllers[i], offered ? "" : "; those of version 1 are not used");
	return error_set(
		err, EOPNOTSUPP,
		"no cgroup from %s up to %s lets those below it have limits: %s is empty, and there are processes "
		"in it; move them into one below it",
		home->own, home->top, SWITCHES);
}

/*
 * A cgroup that has controllers for those below it has no processes (but the root), so this process's own mostly has not. The nearest
 * that has them already is taken, so that nothing changes for anybody else; else the nearest that may have them.
 */
int cgroup_choose(const struct cgroup_home *home, unsigned int wanted, char folder[static PATH_MAX], struct error *err)
{
	strcpy(folder, home->own);
	do
		if ((cgroup_switched_on(folder) & wanted) == wanted)
			return 0;
	while (cgroup_go_up(home, folder));
	strcpy(folder, home->own);
	do
		if ((read_controllers(folder, OFFERED) & wanted) == wanted && may_switch_on(folder))
			return 0;
	while (cgroup_go_up(home, folder));
	return explain_missing(home, wanted, err);
}

int cgroup_home(const struct cgroup_home **found, struct error *err)
{
	static struct cgroup_home home;

	if (!*home.own && find_home(&home, err)) {
		*home.own = '\0';
		return -err->code;
	}
	*found = &home;
	return 0;
}
