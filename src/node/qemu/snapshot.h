/* SPDX-License-Identifier: GPL-2.0-only */
/* The header of a snapshot's file: what a QEMU must be like to take the state behind it. */
#ifndef PROVIUM_NODE_QEMU_SNAPSHOT_H
#define PROVIUM_NODE_QEMU_SNAPSHOT_H

#include <stddef.h>
#include <sys/types.h>

struct error;
struct qemu_nic;
struct qemu_node;

/* The header is a line of JSON; the state begins behind this many bytes. */
#define SNAPSHOT_HEADER_SIZE 65536

struct snapshot {
	off_t disk;	       /* where the disk's overlay begins, if there is a disk */
	struct qemu_nic *nics; /* id, slot, configured, and of what is wanted: mac, mtu, offload */
	size_t nic_count;
};

/* disk: where that part begins. */
int snapshot_write_header(const struct qemu_node *node, int fd, off_t disk, struct error *err);
/* Refuses the snapshot of a guest that was made differently. */
int snapshot_read_header(const struct qemu_node *node, int fd, struct snapshot *snapshot, struct error *err);
void snapshot_free(struct snapshot *snapshot);

#endif
