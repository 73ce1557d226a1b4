// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"

#define MAGIC	       0x514649fbU /* "QFI", 0xfb */
#define CLUSTER_BITS   16
#define CLUSTER	       (1ULL << CLUSTER_BITS)
#define L2_ENTRIES     (CLUSTER / sizeof(uint64_t))
#define REFCOUNT_ORDER 4 /* 16 bits each */
#define SECTOR	       512U

enum { HEADER_AT, REFCOUNT_TABLE_AT, REFCOUNT_BLOCK_AT, L1_TABLE_AT }; /* in clusters */

/* All numbers are big-endian. */
struct qcow2_header {
	uint32_t magic, version;
	uint64_t backing_file_offset;
	uint32_t backing_file_size, cluster_bits;
	uint64_t size;
	uint32_t crypt_method, l1_size;
	uint64_t l1_table_offset, refcount_table_offset;
	uint32_t refcount_table_clusters, nb_snapshots;
	uint64_t snapshots_offset, incompatible_features, compatible_features, autoclear_features;
	uint32_t refcount_order, header_length;
};
_Static_assert(sizeof(struct qcow2_header) == 104, "the header of version 3");

int qcow2_recognise(int disk, bool *is_qcow2, struct error *err)
{
	struct qcow2_header header = { 0 };

	*is_qcow2 = false;
	if (pread(disk, &header, sizeof(header), 0) < 0)
		return error_errno(err, errno, "read its header");
	*is_qcow2 = be32toh(header.magic) == MAGIC;
	if (*is_qcow2 && header.backing_file_offset)
		return error_set(err, EINVAL, "it stands on another image; join them with qemu-img convert -O qcow2");
	return 0;
}

static int disk_size(int disk, bool is_qcow2, uint64_t *size, struct error *err)
{
	struct qcow2_header header;
	off_t end;

	if (is_qcow2) {
		if (pread(disk, &header, sizeof(header), 0) != sizeof(header))
			return error_set(err, EIO, "the header of the disk image is cut short");
		*size = be64toh(header.size);
		return 0;
	}
	/* A block device has no st_size. */
	end = lseek(disk, 0, SEEK_END);
	if (end < 0)
		return error_errno(err, errno, "look up the size of the disk image");
	*size = ((uint64_t)end + SECTOR - 1) / SECTOR * SECTOR;
	return 0;
}

static int put(int fd, const void *bytes, size_t size, uint64_t at, struct error *err)
{
	if (pwrite(fd, bytes, size, (off_t)at) != (ssize_t)size)
		return error_errno(err, errno, "write the overlay of the disk image");
	return 0;
}

static int put_refcounts(int overlay, uint64_t clusters, struct error *err)
{
	uint64_t block = htobe64(REFCOUNT_BLOCK_AT * CLUSTER);
	uint16_t one = htobe16(1);

	if (put(overlay, &block, sizeof(block), REFCOUNT_TABLE_AT * CLUSTER, err))
		return -err->code;
	for (uint64_t i = 0; i < clusters; i++)
		if (put(overlay, &one, sizeof(one), REFCOUNT_BLOCK_AT * CLUSTER + i * sizeof(one), err))
			return -err->code;
	return 0;
}

int qcow2_make_overlay(int overlay, int disk, bool is_qcow2, struct error *err)
{
	struct qcow2_header header = { .magic = htobe32(MAGIC), .version = htobe32(3) };
	uint64_t size = 0, l1_size, clusters;

	if (disk_size(disk, is_qcow2, &size, err))
		return -err->code;
	l1_size = (size + CLUSTER * L2_ENTRIES - 1) / (CLUSTER * L2_ENTRIES);
	clusters = L1_TABLE_AT + (l1_size * sizeof(uint64_t) + CLUSTER - 1) / CLUSTER;
	/* More than one refcount block covers: no disk is of that size. */
	if (clusters > CLUSTER / sizeof(uint16_t))
		return error_set(err, EFBIG, "the disk image is too large");
	header.cluster_bits = htobe32(CLUSTER_BITS);
	header.size = htobe64(size);
	header.l1_size = htobe32((uint32_t)l1_size);
	header.l1_table_offset = htobe64(L1_TABLE_AT * CLUSTER);
	header.refcount_table_offset = htobe64(REFCOUNT_TABLE_AT * CLUSTER);
	header.refcount_table_clusters = htobe32(1);
	header.refcount_order = htobe32(REFCOUNT_ORDER);
	header.header_length = htobe32(sizeof(header));
	if (put(overlay, &header, sizeof(header), HEADER_AT, err) || put_refcounts(overlay, clusters, err))
		return -err->code;
	return ftruncate(overlay, (off_t)(clusters * CLUSTER))
		       ? error_errno(err, errno, "make the overlay of the disk image")
		       : 0;
}
