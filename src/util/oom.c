// SPDX-License-Identifier: GPL-2.0-only
#include "util/oom.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4300

/* The number behind a word that begins a line, 0 if there is none. */
static uint64_t read_count(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	uint64_t value = 0, found = 0;
	char name[64];

	while (file && !found && fscanf(file, "%63s %" SCNu64 "%*[^\n]", name, &value) == 2)
		if (strcmp(name, word) == 0)
			found = value;
	if (file)
		fclose(file);
	return found;
}

/* Of this process, in the hierarchy that counts memory: the first version's, if that is there, or the second's. */
static bool find_cgroup(char folder[static PATH_SIZE], bool *first_version)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_SIZE - 64];
	bool found = false;

	*first_version = false;
	while (file && !*first_version && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		line[strcspn(line, "\n")] = '\0';
		*path++ = '\0';
		*first_version = strcmp(controllers + 1, "memory") == 0;
		if (!*first_version && controllers[1])
			continue;
		snprintf(folder, PATH_SIZE, "/sys/fs/cgroup%s%s", *first_version ? "/memory" : "", path);
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

static uint64_t read_cgroup(char folder[static PATH_SIZE], bool *first_version)
{
	char path[PATH_SIZE + 32];

	if (!find_cgroup(folder, first_version))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", folder, *first_version ? "memory.oom_control" : "memory.events");
	return read_count(path, "oom_kill");
}

uint64_t oom_met(const char *folder)
{
	char path[PATH_SIZE + 32];

	snprintf(path, sizeof(path), "%.*s/memory.events", PATH_SIZE, folder);
	/* "oom_kill" counts what was killed in it, for whatever limit. */
	return read_count(path, "oom");
}

struct oom_mark oom_mark(void)
{
	char folder[PATH_SIZE];
	bool first_version;

	return (struct oom_mark){
		.machine = read_count("/proc/vmstat", "oom_kill"),
		.cgroup = read_cgroup(folder, &first_version),
	};
}

const char *oom_explain(const struct oom_mark *before, char text[static OOM_TEXT_SIZE])
{
	char folder[PATH_SIZE];
	bool first_version;

	if (read_cgroup(folder, &first_version) > before->cgroup)
		snprintf(text, OOM_TEXT_SIZE,
			 "by the kernel for want of memory (raise %s of the cgroup %.400s, or of one above it)",
			 first_version ? "memory.limit_in_bytes" : "memory.max", folder);
	else if (read_count("/proc/vmstat", "oom_kill") > before->machine)
		snprintf(text, OOM_TEXT_SIZE,
			 "by the kernel for want of memory on this machine, as it seems (oom_kill in /proc/vmstat)");
	else
		return NULL;
	return text;
}
