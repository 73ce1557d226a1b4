// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/node.h"
#include "node/qemu/qcow2.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/interrupt.h"
#include "util/trust.h"

#define CACHE	  "/var/cache/provium"
#define GUEST	  "guest.2" /* guest_recipe in tools/mkguest */
#define SCRATCH	  "/var/tmp"
#define COPY_SIZE 65536

const char *image_cache(void)
{
	const char *cache = getenv("PROVIUM_CACHE");

	return cache && *cache ? cache : CACHE;
}

static bool is_zero(const char *bytes, size_t size)
{
	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Both go on where there is data: a hole may be larger than anybody can wait for. Of what is no file, all is data. */
static int skip_hole(int to, int from)
{
	off_t here = lseek(from, 0, SEEK_CUR), data = here < 0 ? -1 : lseek(from, here, SEEK_DATA);

	if (here >= 0 && data < 0)
		data = lseek(from, 0, errno == ENXIO ? SEEK_END : SEEK_CUR);
	return data > here && lseek(to, data - here, SEEK_CUR) < 0 ? -1 : 0;
}

int copy_file(int to, int from, struct error *err)
{
	char bytes[COPY_SIZE];
	ssize_t size;

	for (;;) {
		if (interrupt_pending(err))
			return -err->code;
		if (skip_hole(to, from))
			return error_errno(err, errno, "copy a file");
		size = read(from, bytes, sizeof(bytes));
		if (size <= 0)
			break;
		if (is_zero(bytes, (size_t)size) ? lseek(to, size, SEEK_CUR) < 0
						 : write(to, bytes, (size_t)size) != size)
			return error_errno(err, errno, "copy a file");
	}
	if (size < 0 || ftruncate(to, lseek(to, 0, SEEK_CUR)))
		return error_errno(err, errno, "copy a file");
	return 0;
}

/* QEMU opens the file anew, through /proc/self/fd, without the rights of root: a file that only root may read is copied. */
static int make_readable(int fd, int *result, struct error *err)
{
	struct stat file;
	int copy;

	*result = fd;
	err->code = 0;
	if (fstat(fd, &file) == 0 && file.st_mode & S_IROTH)
		return 0;
	copy = memfd_create("provium-guest", MFD_CLOEXEC);
	*result = copy;
	if (copy < 0)
		error_errno(err, errno, "make a memory file");
	else
		copy_file(copy, fd, err);
	close(fd);
	return -err->code;
}

static int open_for_all(const char *what, const char *path, int *result, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, errno, "open the guest's %s %s", what, path) : make_readable(fd, result, err);
}

void image_built_in(char *path, const char *name)
{
	snprintf(path, PATH_MAX, "%s/" GUEST "/%s", image_cache(), name);
}

/* In the cache, and so by search. */
static int open_cached(const char *name, int *result, struct error *err)
{
	char path[PATH_MAX];
	int fd;

	image_built_in(path, name);
	fd = trust_open(path, err);
	return fd < 0 ? fd : make_readable(fd, result, err);
}

static int open_built_in(struct image *image, struct error *err)
{
	char path[PATH_MAX];

	image->built_in = true;
	image_built_in(path, "packages");
	if (access(path, R_OK))
		return error_set(err, ENOENT, "there is no built-in guest in %s; tools/setup guest makes it",
				 image_cache());
	return open_cached("kernel", &image->kernel, err) ? -err->code : open_cached("initrd", &image->initrd, err);
}

/* A file system that knows no files without a name has one for a moment. */
static int open_scratch(void)
{
	char path[] = SCRATCH "/provium-XXXXXX";
	int fd = open(SCRATCH, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || errno != EOPNOTSUPP)
		return fd;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int image_renew_overlay(struct image *image, int from, struct error *err)
{
	if (image->disk < 0)
		return 0;
	if (image->overlay >= 0)
		close(image->overlay);
	image->overlay = open_scratch();
	if (image->overlay < 0)
		return error_errno(err, errno, "make a file in " SCRATCH " for what the guest writes to its disk");
	return from < 0 ? qcow2_make_overlay(image->overlay, image->disk, image->disk_is_qcow2, err)
			: copy_file(image->overlay, from, err);
}

/*
 * kept: an overlay from before, 0 for none. The image is handed over by the descriptor through which it was judged: its path may
 * lead elsewhere by then.
 */
static int open_disk(const char *path, int kept, struct image *image, struct error *err)
{
	struct qcow2_head head;
	struct stat file;

	/* Of a pipe, nobody waits for who writes to it. */
	image->disk = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (image->disk < 0 || fstat(image->disk, &file))
		return error_errno(err, errno, "open the guest's disk image %s", path);
	if (!S_ISREG(file.st_mode) && !S_ISBLK(file.st_mode))
		return error_set(err, EINVAL, "disk image %s: this is neither a file nor a block device", path);
	if (qcow2_look(image->disk, 0, &head, err))
		return error_wrap(err, "disk image %s", path);
	image->disk_is_qcow2 = head.is_qcow2;
	if (!kept)
		return image_renew_overlay(image, -1, err);
	image->overlay = fcntl(kept, F_DUPFD_CLOEXEC, 0);
	return image->overlay < 0 ? error_errno(err, errno, "keep the guest's disk") : 0;
}

int image_open(const struct node_config *config, struct image *image, struct error *err)
{
	*image = (struct image){ .kernel = -1, .initrd = -1, .disk = -1, .overlay = -1 };
	if (config->initrd && !config->kernel)
		return error_set(err, EINVAL, "an initrd needs a kernel beside it");
	if (config->kernel_cmdline && *config->kernel_cmdline && !config->kernel && config->disk)
		return error_set(err, EINVAL, "a kernel command line needs a kernel: a disk image has its own");
	if (!config->kernel && !config->disk)
		return open_built_in(image, err);
	if (config->kernel && open_for_all("kernel", config->kernel, &image->kernel, err))
		return -err->code;
	if (config->initrd && open_for_all("initrd", config->initrd, &image->initrd, err))
		return -err->code;
	return config->disk ? open_disk(config->disk, config->kept_disk, image, err) : 0;
}

void image_close(struct image *image)
{
	int *fds[] = { &image->kernel, &image->initrd, &image->disk, &image->overlay };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fd_close(fds[i]);
}
