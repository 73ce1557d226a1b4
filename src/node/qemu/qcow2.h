/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's disk format: https://qemu.readthedocs.io/en/v7.2.0/interop/qcow2.html. An image comes from anywhere, and may name other
 * files as parts of it: what its header says is judged here before QEMU reads it. And as much is made of it as an empty overlay
 * needs, so that a guest's writes go to a file without a name, which no qemu-img could make.
 */
#ifndef PROVIUM_NODE_QEMU_QCOW2_H
#define PROVIUM_NODE_QEMU_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* How much of an image is judged: all of its header must be in that. */
#define QCOW2_HEAD_SIZE 65536U

struct qcow2_head {
	bool is_qcow2; /* else it is taken as raw, whatever is in it */
	uint64_t size; /* of the disk, in bytes; 0 if raw */
};

/*
 * Judges the first bytes of an image: QCOW2_HEAD_SIZE of them, or all if the file is shorter. Refused is, with EINVAL, what
 * stands on other files, what is encrypted or corrupt, and what uses a feature that is not known to be safe.
 */
int qcow2_judge(const void *bytes, size_t size, struct qcow2_head *head, struct error *err);

/* The same for the image that begins at `offset` of a file. */
int qcow2_look(int file, off_t offset, struct qcow2_head *head, struct error *err);

/* The size in bytes of a disk that the guest sees. */
int qcow2_disk_size(int disk, bool is_qcow2, uint64_t *size, struct error *err);

/* Makes `overlay` an empty disk of the size of `disk`. Which disk lies below is said on QEMU's command line. */
int qcow2_make_overlay(int overlay, int disk, bool is_qcow2, struct error *err);

#endif
