// SPDX-License-Identifier: GPL-2.0-only
#include "capture/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"

void spool_open(struct spool *spool, uint64_t limit)
{
	*spool = (struct spool){ .file = -1, .limit = limit };
}

void spool_close(struct spool *spool)
{
	fd_close(&spool->file);
	buffer_free(&spool->fresh);
	buffer_free(&spool->first);
}

static const char *folder_of_files(void)
{
	const char *folder = getenv("TMPDIR");

	return folder && *folder ? folder : "/var/tmp";
}

/* Not every file system has files without a name. */
static int open_file(struct error *err)
{
	const char *folder = folder_of_files();
	char path[4096];
	int fd;

	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/provium-XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "make a temporary file in %s (TMPDIR names another folder)", folder);
	unlink(path);
	return fd;
}

static int write_batch(struct spool *spool, struct error *err)
{
	off_t offset = (off_t)(spool->moved - spool->filed);
	size_t done = 0;

	while (done < spool->fresh.size) {
		ssize_t size =
			pwrite(spool->file, spool->fresh.data + done, spool->fresh.size - done, offset + (off_t)done);

		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return error_errno(err, size ? errno : ENOSPC,
					   "write what was captured to a file in %s (TMPDIR names another folder)",
					   folder_of_files());
		done += (size_t)size;
	}
	spool->moved += spool->fresh.size;
	spool->fresh.size = 0;
	return 0;
}

/* From now on there is a file, behind what is in memory. */
static int begin_file(struct spool *spool, struct error *err)
{
	spool->file = open_file(err);
	if (spool->file < 0)
		return -err->code;
	spool->first = spool->fresh;
	spool->fresh = (struct buffer){ 0 };
	spool->moved += spool->first.size;
	spool->filed = spool->moved;
	return 0;
}

int spool_settle(struct spool *spool, struct error *err)
{
	if (spool_end(spool) - spool->start > spool->limit)
		return error_set(err, EFBIG,
				 "more than the limit of %llu MiB was captured and not read; give a filter, a snaplen "
				 "or a larger limit",
				 (unsigned long long)(spool->limit >> 20));
	if (spool->file < 0)
		return spool->fresh.size > SPOOL_MEMORY ? begin_file(spool, err) : 0;
	return spool->fresh.size > SPOOL_BATCH ? write_batch(spool, err) : 0;
}

uint64_t spool_end(const struct spool *spool)
{
	return spool->moved + spool->fresh.size;
}

static size_t least(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

static long read_buffer(const struct buffer *buffer, uint64_t offset, void *bytes, size_t size)
{
	size = least(size, buffer->size - offset);
	if (size)
		memcpy(bytes, buffer->data + offset, size);
	return (long)size;
}

long spool_read(const struct spool *spool, uint64_t place, void *bytes, size_t size, struct error *err)
{
	ssize_t got;

	if (place >= spool->moved)
		return read_buffer(&spool->fresh, place - spool->moved, bytes, size);
	if (place < spool->filed)
		return read_buffer(&spool->first, place + spool->first.size - spool->filed, bytes, size);
	do
		got = pread(spool->file, bytes, least(size, spool->moved - place), (off_t)(place - spool->filed));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return error_errno(err, got ? errno : EIO, "read the temporary file of the capture");
	return got;
}

bool spool_take(struct spool *spool, struct buffer *bytes)
{
	struct buffer fresh = spool->fresh;

	if (spool->file >= 0)
		return false;
	spool->fresh = *bytes;
	spool->fresh.size = 0;
	*bytes = fresh;
	spool->start = spool->moved = spool->moved + fresh.size;
	return true;
}

void spool_forget(struct spool *spool, uint64_t place)
{
	spool->start = place;
	if (place < spool_end(spool)) {
		if (spool->file >= 0 && place >= spool->filed) {
			buffer_free(&spool->first);
			/* A file system that cannot do it keeps the room until all is read. */
			fallocate(spool->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				  (off_t)(place - spool->filed));
		}
		return;
	}
	spool->moved = place;
	spool->fresh.size = 0;
	buffer_free(&spool->first);
	fd_close(&spool->file);
}
