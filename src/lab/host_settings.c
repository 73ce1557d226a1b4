// SPDX-License-Identifier: GPL-2.0-only
#include "lab/host_settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/namespace.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"

#define SETTINGS_FILE HOST_SETTINGS_FOLDER "/settings"
#define RUN_PREFIX    "run."
#define LOCK_NS	      (5 * NS_PER_S)
#define LOCK_PAUSE_US 1000
#define READ_SIZE     4096
#define ROW	      "%lu %95s %" SCNu64 " %" SCNu64

/* A row of either file: what was raised, or what a run needs (without the last number). */
struct row {
	unsigned long space; /* the number of the network namespace, 0 for a setting that is one for all */
	char path[HOST_SETTING_PATH];
	uint64_t value; /* what it was by itself; or what is needed of it */
	uint64_t raised;
};

struct table {
	struct row *rows;
	size_t count;
};

struct host_settings {
	int lock;
	char path[sizeof(HOST_SETTINGS_FOLDER) + sizeof("/" RUN_PREFIX "XXXXXX")];
	struct table needs;
};

static unsigned long space_of(const char *path)
{
	struct stat status;

	if (strncmp(path, "net/", 4) != 0)
		return 0;
	return stat("/proc/thread-self/ns/net", &status) ? 0 : (unsigned long)status.st_ino;
}

static struct row *find(const struct table *table, unsigned long space, const char *path)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].space == space && strcmp(table->rows[i].path, path) == 0)
			return &table->rows[i];
	return NULL;
}

/* The row of that setting, made if there is none. */
static struct row *make(struct table *table, unsigned long space, const char *path)
{
	struct row *row = find(table, space, path);

	if (row)
		return row;
	table->rows = memory_resize(table->rows, (table->count + 1) * sizeof(*table->rows));
	row = &table->rows[table->count++];
	*row = (struct row){ .space = space };
	snprintf(row->path, sizeof(row->path), "%s", path);
	return row;
}

static void drop(struct table *table, const struct row *row)
{
	size_t index = (size_t)(row - table->rows);

	table->count--;
	memmove(&table->rows[index], &table->rows[index + 1], (table->count - index) * sizeof(*table->rows));
}

/*
 * Adds what the rows of a file say. What is no row ends it: nobody but us writes there. No descriptor is taken for it, and a
 * file that cannot be read is an error, never an empty one: who took it for that would forget what is to be put back.
 */
static int read_table(int fd, struct table *table, struct error *err)
{
	struct buffer text = { 0 };
	char part[READ_SIZE];
	const char *line;
	struct row row;
	ssize_t size;
	int length;

	while ((size = pread(fd, part, sizeof(part), (off_t)text.size)) > 0)
		buffer_add(&text, part, (size_t)size);
	if (size < 0)
		error_errno(err, errno, "read a file in " HOST_SETTINGS_FOLDER);
	line = buffer_string(&text);
	while (!size && sscanf(line, ROW " %n", &row.space, row.path, &row.value, &row.raised, &length) == 4) {
		struct row *sum = make(table, row.space, row.path);

		sum->value += row.value;
		sum->raised = row.raised;
		line += length;
	}
	buffer_free(&text);
	return size < 0 ? -err->code : 0;
}

/* Over what was there before it is cut: whoever is killed in between leaves rows of the one or the other. */
static int write_table(int fd, const struct table *table)
{
	off_t size = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct row *row = &table->rows[i];
		char line[HOST_SETTING_PATH + 64];
		int length = snprintf(line, sizeof(line), "%lu %s %" PRIu64 " %" PRIu64 "\n", row->space, row->path,
				      row->value, row->raised);

		if (pwrite(fd, line, (size_t)length, size) != length)
			return -1;
		size += length;
	}
	return ftruncate(fd, size);
}

/* Somebody else holds it for a few reads and writes, unless he was stopped. */
static bool lock(int fd)
{
	uint64_t deadline_ns = clock_after(LOCK_NS);

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK || clock_now() > deadline_ns)
			return false;
		usleep(LOCK_PAUSE_US);
	}
	return true;
}

/* Opens what was raised, and locks it. Again if it was removed between the two. -1 and errno if that cannot be. */
static int open_settings(bool create)
{
	struct stat status;
	int fd;

	do {
		fd = open(SETTINGS_FILE, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
		if (fd < 0)
			return -1;
		if (!lock(fd) || fstat(fd, &status)) {
			close(fd);
			return -1;
		}
		if (status.st_nlink)
			return fd;
		close(fd);
	} while (create);
	return -1;
}

/* What the run of that file needs, if there still is one; else the file goes. */
static int add_needs(const char *name, struct table *needs, size_t *runs, struct error *err)
{
	char path[sizeof(HOST_SETTINGS_FOLDER) + 258];
	int fd, status = 0;

	snprintf(path, sizeof(path), HOST_SETTINGS_FOLDER "/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		status = read_table(fd, needs, err);
		*runs += 1;
	} else {
		unlink(path);
	}
	close(fd);
	return status;
}

/* And how many runs there are. Whoever comes or goes holds the lock: no file goes meanwhile. */
static int add_all_needs(struct table *needs, size_t *runs, struct error *err)
{
	DIR *folder = opendir(HOST_SETTINGS_FOLDER);
	struct dirent *entry;
	int status = 0;

	*runs = 0;
	if (!folder)
		return error_errno(err, errno, "open " HOST_SETTINGS_FOLDER);
	while (!status && (entry = readdir(folder)))
		if (strncmp(entry->d_name, RUN_PREFIX, strlen(RUN_PREFIX)) == 0)
			status = add_needs(entry->d_name, needs, runs, err);
	closedir(folder);
	return status;
}

static int read_all(int fd, struct table *raised, struct table *needs, size_t *runs, struct error *err)
{
	int status = read_table(fd, raised, err);

	return status ? status : add_all_needs(needs, runs, err);
}

int host_setting_read(const char *path, uint64_t *value, struct error *err)
{
	char file[HOST_SETTING_PATH + sizeof("/proc/sys/")];
	FILE *stream;
	int found;

	*value = 0;
	snprintf(file, sizeof(file), "/proc/sys/%s", path);
	stream = fopen(file, "re");
	if (!stream)
		return error_errno(err, errno, "open %s", file);
	found = fscanf(stream, "%" SCNu64, value);
	fclose(stream);
	return found == 1 ? 0 : error_set(err, EINVAL, "%s is no number", file);
}

static int set(const char *path, uint64_t value, struct error *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return namespace_write_sysctl(path, text, err);
}

static bool is_here(const struct row *row)
{
	return row->space == space_of(row->path);
}

/* What nobody needs any more. Somebody else may have set it meanwhile: then it is his. What cannot be done stays noted. */
static void put_back(struct table *raised, const struct table *needs)
{
	for (size_t i = raised->count; i--;) {
		struct row *row = &raised->rows[i];
		struct error err = { 0 };
		uint64_t now;

		if (find(needs, row->space, row->path) || !is_here(row))
			continue;
		if (!host_setting_read(row->path, &now, &err) && now == row->raised)
			set(row->path, row->value, &err);
		if (!err.code || err.code == ENOENT) /* a device may have gone */
			drop(raised, row);
	}
}

static uint64_t target(const struct host_setting *setting, uint64_t by_itself, uint64_t needed)
{
	if (needed <= by_itself / 2 || by_itself >= setting->most)
		return by_itself;
	return needed < setting->most - by_itself ? by_itself + needed : setting->most;
}

/* Noted before it is done, so that whoever is killed in between leaves nothing that nobody knows of. */
static int raise_one(int fd, struct table *raised, const struct host_setting *setting, uint64_t needed,
		     struct error *err)
{
	unsigned long space = space_of(setting->path);
	struct row *row = find(raised, space, setting->path);
	struct row before = row ? *row : (struct row){ 0 };
	uint64_t now, by_itself, wanted;

	if (host_setting_read(setting->path, &now, err))
		return -err->code;
	by_itself = row && row->raised == now ? row->value : now;
	wanted = target(setting, by_itself, needed);
	if (now >= wanted)
		return 0;
	row = make(raised, space, setting->path);
	row->value = by_itself;
	row->raised = wanted;
	if (write_table(fd, raised))
		return error_errno(err, errno, "write " SETTINGS_FILE);
	if (!set(setting->path, wanted, err))
		return 0;
	if (*before.path)
		*row = before;
	else
		drop(raised, row);
	return -err->code;
}

/* A file of its own, and what it is locked by. The settings are locked: nobody sees it before that is so. */
static int open_run(struct host_settings *settings, struct error *err)
{
	snprintf(settings->path, sizeof(settings->path), HOST_SETTINGS_FOLDER "/" RUN_PREFIX "XXXXXX");
	settings->lock = mkostemp(settings->path, O_CLOEXEC);
	if (settings->lock < 0)
		return error_errno(err, errno, "make a file in " HOST_SETTINGS_FOLDER);
	flock(settings->lock, LOCK_SH);
	return 0;
}

static void note_needs(struct host_settings *settings, const struct host_setting *wanted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct row *row = make(&settings->needs, space_of(wanted[i].path), wanted[i].path);

		row->value = wanted[i].amount;
		if (!row->value)
			drop(&settings->needs, row);
	}
}

static int raise_all(int fd, struct table *raised, const struct table *needs, const struct host_setting *wanted,
		     size_t count, struct error *err)
{
	struct error one;

	err->code = 0;
	for (size_t i = 0; i < count; i++) {
		const struct row *need = find(needs, space_of(wanted[i].path), wanted[i].path);

		if (need && raise_one(fd, raised, &wanted[i], need->value, &one) && !err->code)
			*err = one;
	}
	return -err->code;
}

/* Makes the settings what all runs need together. */
static int settle(int fd, const struct host_setting *wanted, size_t count, struct error *err)
{
	struct table raised = { 0 }, needs = { 0 };
	size_t runs;

	if (!read_all(fd, &raised, &needs, &runs, err)) {
		put_back(&raised, &needs);
		raise_all(fd, &raised, &needs, wanted, count, err);
		if (write_table(fd, &raised))
			error_errno(err, errno, "write " SETTINGS_FILE);
		if (!runs && !raised.count)
			unlink(SETTINGS_FILE);
	}
	free(raised.rows);
	free(needs.rows);
	return -err->code;
}

static struct host_settings *new_settings(void)
{
	struct host_settings *settings = memory_new(sizeof(*settings));

	settings->lock = -1;
	return settings;
}

int host_settings_need(struct host_settings **settings, const struct host_setting *wanted, size_t count,
		       struct error *err)
{
	int fd;

	mkdir(HOST_SETTINGS_FOLDER, 0755);
	fd = open_settings(true);
	if (fd < 0)
		return error_errno(err, errno, "open and lock " SETTINGS_FILE);
	if (!*settings)
		*settings = new_settings();
	err->code = 0;
	if ((*settings)->lock < 0)
		open_run(*settings, err);
	if (!err->code) {
		note_needs(*settings, wanted, count);
		if (write_table((*settings)->lock, &(*settings)->needs))
			error_errno(err, errno, "write %s", (*settings)->path);
		else
			settle(fd, wanted, count, err);
	}
	close(fd);
	return -err->code;
}

void host_settings_close(struct host_settings *settings)
{
	struct error ignored;
	int fd;

	if (!settings)
		return;
	fd = settings->lock < 0 ? -1 : open_settings(false);
	if (settings->lock >= 0) {
		/* Said outright: nodes that are still ending have the descriptor too. */
		flock(settings->lock, LOCK_UN);
		unlink(settings->path);
		close(settings->lock);
	}
	if (fd >= 0) {
		settle(fd, NULL, 0, &ignored);
		close(fd);
	}
	free(settings->needs.rows);
	free(settings);
}

void host_settings_each_left(void (*each)(const char *path, uint64_t original, void *context), void *context)
{
	struct table raised = { 0 }, needs = { 0 };
	int fd = open_settings(false);
	struct error ignored;
	uint64_t now;
	size_t runs;

	if (fd < 0)
		return;
	if (read_all(fd, &raised, &needs, &runs, &ignored))
		raised.count = 0;
	for (size_t i = 0; i < raised.count; i++) {
		const struct row *row = &raised.rows[i];

		if (!find(&needs, row->space, row->path) && is_here(row) &&
		    !host_setting_read(row->path, &now, &ignored) && now == row->raised)
			each(row->path, row->value, context);
	}
	close(fd);
	free(raised.rows);
	free(needs.rows);
}
