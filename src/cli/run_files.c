// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which scripts a run has. Each is read before the first one runs: so the standard input or a pipe can be one, and nobody
 * changes one under a run.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/run.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/trust.h"

#define READ_SIZE  65536U
#define SIZE_LIMIT (64U << 20) /* what is larger is no script, and may have no end */

static const char suffix[] = ".test.lua";

static void add_file(struct plan *plan, const char *path, bool is_found)
{
	plan->files = memory_resize(plan->files, (plan->file_count + 1) * sizeof(*plan->files));
	plan->files[plan->file_count++] = (struct plan_file){ .path = memory_string(path), .is_found = is_found };
}

bool plan_is_standard_input(const char *path)
{
	static const char *const names[] = { "-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(path, names[i]) == 0)
			return true;
	return false;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_test(const FTSENT *entry)
{
	size_t length = strlen(suffix);

	return entry->fts_namelen > length && strcmp(entry->fts_name + entry->fts_namelen - length, suffix) == 0;
}

static int take_entry(struct plan *plan, FTS *tree, FTSENT *entry, struct error *err)
{
	switch (entry->fts_info) {
	case FTS_D:
		/* .git and the like; but "." and "../x" are folders that somebody named. */
		if (entry->fts_level > 0 && entry->fts_name[0] == '.')
			fts_set(tree, entry, FTS_SKIP);
		return 0;
	case FTS_F:
		if (is_test(entry))
			add_file(plan, entry->fts_path, true);
		return 0;
	case FTS_SLNONE:
		/* A link that leads nowhere matters only where it has the name of a test. */
		return is_test(entry) ? error_errno(err, ENOENT, "%s", entry->fts_path) : 0;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return error_errno(err, entry->fts_errno, "read %s", entry->fts_path);
	}
	return 0;
}

static int find_below(struct plan *plan, char *path, struct error *err)
{
	size_t before = plan->file_count;
	FTS *tree = fts_open((char *[]){ path, NULL }, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	FTSENT *entry;

	if (!tree)
		return error_errno(err, errno, "read %s", path);
	err->code = 0;
	while (!err->code && (entry = fts_read(tree)))
		take_entry(plan, tree, entry, err);
	fts_close(tree);
	if (!err->code && plan->file_count == before)
		error_set(err, ENOENT, "%s: no *%s in this folder or below; name the file if it is called otherwise",
			  path, suffix);
	return -err->code;
}

/* All that comes from fd; closes it. */
static int read_all(int fd, const char *path, struct buffer *text, struct error *err)
{
	char *bytes = memory_new(READ_SIZE);
	ssize_t size;

	err->code = 0;
	while ((size = read(fd, bytes, READ_SIZE)) != 0 && !err->code) {
		if (size < 0 && errno != EINTR)
			error_errno(err, errno, "read %s", path);
		if (size > 0)
			buffer_add(text, bytes, (size_t)size);
		if (text->size > SIZE_LIMIT)
			error_set(err, EFBIG, "%s: more than %u MiB, which is no script", path, SIZE_LIMIT >> 20);
	}
	free(bytes);
	close(fd);
	return -err->code;
}

/* What is no file in a folder (a device, a pipe) may find other scripts and its configuration in the working folder. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash || strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0)
		return memory_string("./");
	return strndup(path, (size_t)(slash - path) + 1);
}

/* Whose the file is that somebody named, is his to judge; and so not that of one which just lay there. */
static int open_file(const struct plan_file *file, struct error *err)
{
	int fd;

	if (file->is_found)
		return trust_open(file->path, err);
	fd = plan_is_standard_input(file->path) ? dup(STDIN_FILENO) : open(file->path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "open %s", file->path) : fd;
}

static int read_file(struct plan_file *file, struct error *err)
{
	bool from_input = plan_is_standard_input(file->path);
	int fd = open_file(file, err);

	file->folder = folder_of(file->path);
	if (fd < 0)
		return -err->code;
	if (read_all(fd, file->path, &file->text, err))
		return -err->code;
	/* An empty file passes, as any without tests. But here whoever was to write the script has failed. */
	if (from_input && !file->text.size)
		return error_set(err, ENODATA, "%s: the standard input is empty, or was read before", file->path);
	return 0;
}

/* Those whose number is `shard` modulo `shards`. */
static void cut_shard(struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; plan->shards && i < plan->file_count; i++) {
		if (i % plan->shards == plan->shard)
			plan->files[kept++] = plan->files[i];
		else
			free(plan->files[i].path);
	}
	if (plan->shards)
		plan->file_count = kept;
}

static int read_files(struct plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->file_count; i++)
		if (read_file(&plan->files[i], err))
			return -err->code;
	return 0;
}

int plan_find_files(struct plan *plan, char **paths, struct error *err)
{
	struct stat status;

	for (; *paths; paths++) {
		if (plan_is_standard_input(*paths)) {
			add_file(plan, *paths, false);
			continue;
		}
		if (stat(*paths, &status)) {
			error_errno(err, errno, "%s", *paths);
			return strchr(*paths, '/') || strchr(*paths, '.')
				       ? -err->code
				       : error_append(err, " (nor is it a command; see provium --help)");
		}
		if (!S_ISDIR(status.st_mode))
			add_file(plan, *paths, false);
		else if (find_below(plan, *paths, err))
			return -err->code;
	}
	cut_shard(plan);
	return read_files(plan, err);
}
