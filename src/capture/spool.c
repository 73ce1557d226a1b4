// SPDX-License-Identifier: GPL-2.0-only
#include "capture/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

void spool_open(struct spool *spool, uint64_t limit)
{
	*spool = (struct spool){ .file = -1, .limit = limit };
}

void spool_close(struct spool *spool)
{
	if (spool->file >= 0)
		close(spool->file);
	buffer_free(&spool->fresh);
	spool->file = -1;
}

/* Not every file system has files without a name. */
static int open_file(struct error *err)
{
	const char *folder = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (!folder || !*folder)
		folder = "/var/tmp";
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

static int move_to_file(struct spool *spool, struct error *err)
{
	size_t done = 0;

	if (spool->file < 0)
		spool->file = open_file(err);
	if (spool->file < 0)
		return -err->code;
	while (done < spool->fresh.size) {
		off_t offset = (off_t)(spool->moved - spool->start + done);
		ssize_t size = pwrite(spool->file, spool->fresh.data + done, spool->fresh.size - done, offset);

		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return error_errno(err, size ? errno : ENOSPC, "write to the temporary file of the capture");
		done += (size_t)size;
	}
	spool->moved += spool->fresh.size;
	spool->fresh.size = 0;
	return 0;
}

int spool_settle(struct spool *spool, struct error *err)
{
	if (spool_end(spool) - spool->start > spool->limit)
		return error_set(
			err, EFBIG,
			"more than the limit of %llu MiB was captured and not read; give a filter, a snaplen or a "
			"larger limit",
			(unsigned long long)(spool->limit >> 20));
	return spool->fresh.size > SPOOL_MEMORY ? move_to_file(spool, err) : 0;
}

uint64_t spool_end(const struct spool *spool)
{
	return spool->moved + spool->fresh.size;
}

long spool_read(const struct spool *spool, uint64_t place, void *bytes, size_t size, struct error *err)
{
	uint64_t left = spool_end(spool) - place;
	ssize_t got;

	if (size > left)
		size = (size_t)left;
	if (!size)
		return 0;
	if (place >= spool->moved) {
		memcpy(bytes, spool->fresh.data + (place - spool->moved), size);
		return (long)size;
	}
	if (size > spool->moved - place)
		size = (size_t)(spool->moved - place);
	do
		got = pread(spool->file, bytes, size, (off_t)(place - spool->start));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return error_errno(err, got ? errno : EIO, "read the temporary file of the capture");
	return got;
}

void spool_forget(struct spool *spool, uint64_t place)
{
	if (place < spool_end(spool))
		return;
	spool->start = spool->moved = spool_end(spool);
	spool->fresh.size = 0;
	/* What cannot be cut off is written over. */
	if (spool->file >= 0 && ftruncate(spool->file, 0))
		return;
}
