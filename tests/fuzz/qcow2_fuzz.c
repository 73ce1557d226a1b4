// SPDX-License-Identifier: GPL-2.0-only
/* The header of a disk image: what is taken needs no other file and no feature that is not known, as QEMU would read it. */
#include <endian.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "node/qemu/qcow2.h"
#include "util/error.h"

#define OFFSET	   4096 /* of an image within a file */
#define MOST_BYTES (1ULL << 51)
/* dirty, compression type, extended L2 entries */
#define KNOWN	    (1ULL << 0 | 1ULL << 3 | 1ULL << 4)
#define DATA	    0x44415441U
#define CRYPTO	    0x0537be77U
#define SEVENTY_TWO 72

static uint32_t get32(const uint8_t *data, size_t at)
{
	uint32_t number;

	memcpy(&number, data + at, sizeof(number));
	return be32toh(number);
}

static uint64_t get64(const uint8_t *data, size_t at)
{
	return (uint64_t)get32(data, at) << 32 | get32(data, at + 4);
}

/* As QEMU walks them (block/qcow2.c: qcow2_read_extensions). What is behind the bytes that were judged is not walked to. */
static void check_extensions(const uint8_t *data, size_t size, uint64_t at, uint64_t cluster)
{
	while (at < cluster) {
		uint32_t length;

		require(at + 8 <= size);
		length = get32(data, at + 4);
		require(get32(data, at) != DATA && get32(data, at) != CRYPTO);
		if (!get32(data, at))
			return;
		at += 8;
		require(length <= cluster - at);
		at += (length + 7ULL) & ~7ULL;
	}
}

static void check_taken(const uint8_t *data, size_t size, const struct qcow2_head *head)
{
	uint32_t version = get32(data, 4), bits = get32(data, 20), length = SEVENTY_TWO;

	require(size >= SEVENTY_TWO);
	require(version == 2 || version == 3);
	require(!get64(data, 8) && !get32(data, 32));
	require(bits >= 9 && bits <= 21);
	require(head->size == get64(data, 24) && head->size <= MOST_BYTES);
	if (version == 3) {
		require(size >= 104);
		require(!(get64(data, 72) & ~KNOWN));
		length = get32(data, 100);
		require(length >= 104 && length <= 1U << bits);
	}
	check_extensions(data, size, length, 1ULL << bits);
}

/* An empty memory file with these bytes at that place. */
static int file_with(int fd, const uint8_t *data, size_t size, off_t at)
{
	require(ftruncate(fd, 0) == 0);
	require(!size || pwrite(fd, data, size, at) == (ssize_t)size);
	return fd;
}

/* What we make is an image by the same rules, of the same size. */
static void check_overlay(int disk, bool is_qcow2, uint64_t size)
{
	static int overlay = -1;
	struct qcow2_head head;
	struct error err;

	if (overlay < 0)
		overlay = memfd_create("overlay", MFD_CLOEXEC);
	require(ftruncate(overlay, 0) == 0);
	if (qcow2_make_overlay(overlay, disk, is_qcow2, &err))
		return;
	require(qcow2_look(overlay, 0, &head, &err) == 0);
	require(head.is_qcow2 && head.size == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int disk = -1;
	struct qcow2_head head, again;
	struct error err;
	int status;

	if (disk < 0)
		disk = memfd_create("disk", MFD_CLOEXEC);
	status = qcow2_judge(data, size, &head, &err);
	require(status || head.is_qcow2 || !head.size);
	require(head.is_qcow2 == (size >= 4 && memcmp(data, "QFI\xfb", 4) == 0));
	if (!status && head.is_qcow2)
		check_taken(data, size, &head);
	if (size > QCOW2_HEAD_SIZE)
		return 0;
	require(qcow2_look(file_with(disk, data, size, OFFSET), OFFSET, &again, &err) == status);
	require(again.is_qcow2 == head.is_qcow2 && again.size == head.size);
	file_with(disk, data, size, 0);
	if (!status)
		check_overlay(disk, head.is_qcow2, head.is_qcow2 ? head.size : (size + 511) / 512 * 512);
	return 0;
}
