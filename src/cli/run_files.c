// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/run.h"
#include "util/error.h"
#include "util/memory.h"

static const char suffix[] = ".test.lua";

static void add_file(struct plan *plan, const char *path)
{
	plan->files = memory_resize(plan->files, (plan->file_count + 1) * sizeof(*plan->files));
	plan->files[plan->file_count++] = memory_string(path);
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
			add_file(plan, entry->fts_path);
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

int plan_find_files(struct plan *plan, char **paths, struct error *err)
{
	struct stat status;

	for (; *paths; paths++) {
		if (stat(*paths, &status)) {
			error_errno(err, errno, "%s", *paths);
			return strchr(*paths, '/') || strchr(*paths, '.')
				       ? -err->code
				       : error_append(err, " (nor is it a command; see provium --help)");
		}
		if (!S_ISDIR(status.st_mode))
			add_file(plan, *paths);
		else if (find_below(plan, *paths, err))
			return -err->code;
	}
	return 0;
}
