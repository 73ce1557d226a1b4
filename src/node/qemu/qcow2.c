// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/memory.h"

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

/* Bits of incompatible_features. */
#define DIRTY	    (1ULL << 0) /* its reference counts are stale, which nobody reads who only reads */
#define CORRUPT	    (1ULL << 1)
#define EXTERNAL    (1ULL << 2) /* its data is in another file */
#define COMPRESSION (1ULL << 3) /* its compression type is another than zlib */
#define EXTENDED_L2 (1ULL << 4)
#define HARMLESS    (DIRTY | COMPRESSION | EXTENDED_L2)

/* Types of header extensions. */
#define END_OF_EXTENSIONS 0U
#define EXTERNAL_NAME	  0x44415441U /* "DATA" */
#define ENCRYPTION	  0x0537be77U

#define HEADER_2_SIZE	 72U /* of version 2: up to and without the features */
#define MIN_CLUSTER_BITS 9U
#define MAX_CLUSTER_BITS 21U
/* What an overlay can cover: QEMU takes tables of up to 32 MiB. */
#define MAX_DISK ((32ULL << 20) / sizeof(uint64_t) * CLUSTER * L2_ENTRIES)

#define IF_TRUSTED "if you trust who made it, qemu-img convert -O qcow2 makes one file of it"

/* The header and what is behind it, as far as it is there. */
struct head {
	const uint8_t *bytes;
	size_t size;
	struct qcow2_header header; /* zero where it is cut off or of version 2 */
	size_t length;
};

static int judge_features(uint64_t features, struct error *err)
{
	if (features & EXTERNAL)
		return error_set(err, EINVAL,
				 "it has its data in another file, which may be any file of this machine; " IF_TRUSTED);
	if (features & CORRUPT)
		return error_set(err, EINVAL, "it is marked as corrupt; qemu-img check -r all tries to mend it");
	if (features & ~HARMLESS)
		return error_set(
			err, EINVAL,
			"it uses feature %d of qcow2, which is not known here; qemu-img convert -O qcow2 makes "
			"an image without",
			__builtin_ctzll(features & ~HARMLESS));
	return 0;
}

static int judge_header(const struct head *head, struct error *err)
{
	const struct qcow2_header *header = &head->header;
	uint32_t cluster_bits = be32toh(header->cluster_bits);

	if (header->backing_file_offset)
		return error_set(err, EINVAL,
				 "it stands on another image, which may be any file of this machine; " IF_TRUSTED);
	if (header->crypt_method)
		return error_set(err, EINVAL, "it is encrypted; qemu-img convert makes an image of it that is not");
	if (judge_features(be64toh(header->incompatible_features), err))
		return -err->code;
	if (cluster_bits < MIN_CLUSTER_BITS || cluster_bits > MAX_CLUSTER_BITS)
		return error_set(err, EINVAL, "its header says clusters of 2^%u bytes, which there are none of",
				 cluster_bits);
	if (be64toh(header->size) > MAX_DISK)
		return error_set(err, EFBIG, "its disk is larger than %llu TiB", MAX_DISK >> 40);
	if (head->length > 1ULL << cluster_bits)
		return error_set(err, EINVAL, "its header is longer than a cluster");
	return 0;
}

static uint32_t number_at(const uint8_t *bytes)
{
	uint32_t number;

	memcpy(&number, bytes, sizeof(number));
	return be32toh(number);
}

/* They go from behind the header to the end of the first cluster, or to one that says that it is the last. */
static int judge_extensions(const struct head *head, struct error *err)
{
	uint64_t end = 1ULL << be32toh(head->header.cluster_bits), at = head->length;

	while (at < end) {
		uint32_t type, length;

		if (at + 2 * sizeof(uint32_t) > head->size)
			return error_set(err, EINVAL, "its header is cut short, or of more than %u bytes",
					 QCOW2_HEAD_SIZE);
		type = number_at(head->bytes + at);
		length = number_at(head->bytes + at + sizeof(type));
		at += 2 * sizeof(uint32_t);
		if (type == END_OF_EXTENSIONS)
			return 0;
		if (type == EXTERNAL_NAME)
			return judge_features(EXTERNAL, err);
		if (type == ENCRYPTION)
			return error_set(err, EINVAL, "it is encrypted, though its header does not say so");
		if (length > end - at)
			return error_set(err, EINVAL, "a part of its header does not end in its first cluster");
		at += (length + 7ULL) / 8 * 8;
	}
	return 0;
}

/* *is_one: whether there is a header. */
static int read_header(struct head *head, bool *is_one, struct error *err)
{
	uint32_t version;

	*is_one = head->size >= sizeof(uint32_t) && number_at(head->bytes) == MAGIC;
	if (!*is_one)
		return 0;
	if (head->size < HEADER_2_SIZE)
		return error_set(err, EINVAL, "its header is cut short");
	version = number_at(head->bytes + offsetof(struct qcow2_header, version));
	if (version != 2 && version != 3)
		return error_set(err, EINVAL, "it is of version %u of qcow2; known are 2 and 3", version);
	memcpy(&head->header, head->bytes, HEADER_2_SIZE);
	head->length = HEADER_2_SIZE;
	if (version == 2)
		return 0;
	if (head->size < sizeof(head->header))
		return error_set(err, EINVAL, "its header is cut short");
	memcpy(&head->header, head->bytes, sizeof(head->header));
	head->length = be32toh(head->header.header_length);
	if (head->length < sizeof(head->header))
		return error_set(err, EINVAL, "its header says that it is of %zu bytes, which is too few",
				 head->length);
	return 0;
}

int qcow2_judge(const void *bytes, size_t size, struct qcow2_head *result, struct error *err)
{
	struct head head = { .bytes = bytes, .size = size };

	*result = (struct qcow2_head){ 0 };
	if (read_header(&head, &result->is_qcow2, err))
		return -err->code;
	if (!result->is_qcow2)
		return 0;
	result->size = be64toh(head.header.size);
	return judge_header(&head, err) || judge_extensions(&head, err) ? -err->code : 0;
}

int qcow2_look(int file, off_t offset, struct qcow2_head *head, struct error *err)
{
	uint8_t *bytes = memory_new(QCOW2_HEAD_SIZE);
	ssize_t got = 0;
	size_t size = 0;

	*head = (struct qcow2_head){ 0 };
	while (size < QCOW2_HEAD_SIZE &&
	       (got = pread(file, bytes + size, QCOW2_HEAD_SIZE - size, offset + (off_t)size)) > 0)
		size += (size_t)got;
	err->code = 0;
	if (got < 0)
		error_errno(err, errno, "read its header");
	else
		qcow2_judge(bytes, size, head, err);
	free(bytes);
	return -err->code;
}

int qcow2_disk_size(int disk, bool is_qcow2, uint64_t *size, struct error *err)
{
	struct qcow2_head head;
	off_t end;

	if (is_qcow2) {
		if (qcow2_look(disk, 0, &head, err))
			return -err->code;
		*size = head.size;
		return 0;
	}
	/* A block device has no st_size. */
	end = lseek(disk, 0, SEEK_END);
	if (end < 0)
		return error_errno(err, errno, "look up the size of the disk image");
	*size = ((uint64_t)end + SECTOR - 1) / SECTOR * SECTOR;
	return *size > MAX_DISK ? error_set(err, EFBIG, "the disk image is too large") : 0;
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

	if (qcow2_disk_size(disk, is_qcow2, &size, err))
		return -err->code;
	l1_size = (size + CLUSTER * L2_ENTRIES - 1) / (CLUSTER * L2_ENTRIES);
	clusters = L1_TABLE_AT + (l1_size * sizeof(uint64_t) + CLUSTER - 1) / CLUSTER;
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
