// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's whole state in one file: a header, the stream of a migration, and what the guest has written to its disk. To
 * restore it, a new QEMU takes the place of the old one, on the same TAP devices.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/qemu/qcow2.h"
#include "node/qemu/qemu.h"
#include "node/qemu/snapshot.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/wait.h"

/* Writing or reading a gigabyte of memory, on a slow disk. */
#define MIGRATION_NS (300 * NS_PER_S)
#define POLL_NS	     (5 * NS_PER_MS)
#define GREET_NS     (30 * NS_PER_S)
#define UNLIMITED    (1LL << 40) /* bytes a second */

static int await_migration(struct qemu_node *node, struct error *err)
{
	uint64_t deadline = clock_after(MIGRATION_NS);

	for (;;) {
		json_t *answer = NULL;
		const char *status;
		bool done, failed;

		if (qmp_command_fd(&node->qmp, "query-migrate", NULL, -1, &answer, err))
			return -err->code;
		status = json_string_value(json_object_get(answer, "status"));
		done = status && strcmp(status, "completed") == 0;
		failed = status && strcmp(status, "failed") == 0;
		if (failed)
			error_set(err, EIO, "QEMU could not: %s",
				  json_object_get(answer, "error-desc")
					  ? json_string_value(json_object_get(answer, "error-desc"))
					  : "no reason given (is the disk full?)");
		json_decref(answer);
		if (done)
			return 0;
		if (failed)
			return -err->code;
		if (clock_now() >= deadline)
			return error_set(err, ETIMEDOUT, "not done within %llu s", MIGRATION_NS / NS_PER_S);
		if (wait_sleep(POLL_NS, err))
			return -err->code;
	}
}

/* command: migrate or migrate-incoming, over the descriptor, from its position on. */
static int migrate(struct qemu_node *node, const char *command, int fd, struct error *err)
{
	struct qmp *qmp = &node->qmp;

	if (qmp_command(qmp, "migrate-set-parameters", json_pack("{sI}", "max-bandwidth", (json_int_t)UNLIMITED),
			err) ||
	    qmp_command_fd(qmp, "getfd", json_pack("{ss}", "fdname", "state"), fd, NULL, err) ||
	    qmp_command(qmp, command, json_pack("{ss}", "uri", "fd:state"), err))
		return -err->code;
	return await_migration(node, err);
}

static int write_state(struct qemu_node *node, int fd, struct error *err)
{
	off_t disk;

	if (lseek(fd, SNAPSHOT_HEADER_SIZE, SEEK_SET) < 0)
		return error_errno(err, errno, "write");
	if (migrate(node, "migrate", fd, err))
		return -err->code;
	disk = lseek(fd, 0, SEEK_CUR);
	/* QEMU has written back all that it kept of the overlay, and does not touch it until it goes on. */
	if (node->image.overlay >= 0 &&
	    (lseek(node->image.overlay, 0, SEEK_SET) < 0 || copy_file(fd, node->image.overlay, err)))
		return -err->code;
	return snapshot_write_header(node, fd, disk, err);
}

int qemu_snapshot(struct node *base, int file, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;
	bool was_paused = node->paused;
	struct error failure = { 0 };

	if (!node->ready)
		return error_set(err, EAGAIN, "snapshot of node `%s`: it is not ready yet", node->name);
	if (qemu_stop(node, err))
		return -err->code;
	if (write_state(node, file, &failure))
		qemu_explain(node, &failure);
	err->code = 0;
	if (!was_paused)
		qemu_continue(node, err);
	if (failure.code)
		*err = failure;
	return -err->code;
}

static struct qemu_nic *find_by_mac(const struct qemu_node *node, const uint8_t *mac)
{
	for (size_t i = 0; i < node->nic_count; i++)
		if (memcmp(node->nics[i]->wanted.mac, mac, MAC_SIZE) == 0)
			return node->nics[i];
	return NULL;
}

/* The new QEMU has the cards that the state knows: those that are still attached, and empty ones for the others. */
static int insert_saved_nics(struct qemu_node *node, const struct snapshot *snapshot, struct error *err)
{
	for (size_t i = 0; i < snapshot->nic_count; i++) {
		const struct qemu_nic *saved = &snapshot->nics[i];
		struct qemu_nic *nic = find_by_mac(node, saved->wanted.mac);

		if (!nic && qemu_insert_empty_nic(node, saved, err))
			return -err->code;
		if (!nic)
			continue;
		nic->slot = saved->slot;
		memcpy(nic->id, saved->id, sizeof(nic->id));
		nic->configured = saved->configured;
		if (qemu_insert_nic(node, nic, err))
			return -err->code;
	}
	return 0;
}

static bool is_saved(const struct snapshot *snapshot, const struct qemu_nic *nic)
{
	for (size_t i = 0; i < snapshot->nic_count; i++)
		if (memcmp(snapshot->nics[i].wanted.mac, nic->wanted.mac, MAC_SIZE) == 0)
			return true;
	return false;
}

/* Cards that were attached since, cards that were detached since, and cables as they are now. */
static int adjust_nics(struct qemu_node *node, const struct snapshot *snapshot, struct error *err)
{
	for (size_t i = 0; i < snapshot->nic_count; i++)
		if (!find_by_mac(node, snapshot->nics[i].wanted.mac) &&
		    qemu_remove_device(node, snapshot->nics[i].id, err))
			return -err->code;
	for (size_t i = 0; i < node->nic_count; i++) {
		struct qemu_nic *nic = node->nics[i];

		if (is_saved(snapshot, nic)) {
			if (qemu_tell_link(node, nic, err))
				return qemu_explain(node, err);
			continue;
		}
		nic->configured = false;
		if (qemu_place_nic(node, nic, err) || qemu_insert_nic(node, nic, err))
			return -err->code;
	}
	return 0;
}

/* Bridges learn from it where the guest is, should they have forgotten. */
static int announce(struct qemu_node *node, struct error *err)
{
	return qmp_command(&node->qmp, "announce-self",
			   json_pack("{si si si si}", "initial", 50, "max", 550, "rounds", 5, "step", 50), err);
}

static int run_state(struct qemu_node *node, const struct snapshot *snapshot, int fd, struct error *err)
{
	if (qmp_greet(&node->qmp, clock_after(GREET_NS), err))
		return qemu_explain(node, err);
	if (insert_saved_nics(node, snapshot, err))
		return -err->code;
	if (lseek(fd, SNAPSHOT_HEADER_SIZE, SEEK_SET) < 0 || migrate(node, "migrate-incoming", fd, err))
		return qemu_explain(node, err);
	if (adjust_nics(node, snapshot, err) || qemu_continue(node, err))
		return -err->code;
	if (announce(node, err))
		return qemu_explain(node, err);
	if (!node->has_agent)
		node->ready = true;
	else if (guest_prepare(node, guest_deadline(node), err))
		return qemu_explain(node, err);
	return guest_settle(node, guest_deadline(node), err);
}

static int replace_guest(struct qemu_node *node, const struct snapshot *snapshot, int fd, struct error *err)
{
	qemu_orphan_processes(node, "was restored, without the processes of before");
	qemu_land(node);
	if (node->image.disk >= 0 &&
	    (lseek(fd, snapshot->disk, SEEK_SET) < 0 || image_renew_overlay(&node->image, fd, err)))
		return -err->code;
	if (qemu_launch(node, true, err))
		return -err->code;
	if (run_state(node, snapshot, fd, err) == 0)
		return 0;
	/* Half a guest is none. */
	qemu_land(node);
	return -err->code;
}

/* What the guest had written to its disk comes from outside, as a disk image does. */
static int check_disk(const struct qemu_node *node, const struct snapshot *snapshot, int file, struct error *err)
{
	struct qcow2_head head;
	uint64_t size = 0;
	struct stat status;

	if (node->image.disk < 0)
		return 0;
	if (fstat(file, &status))
		return error_errno(err, errno, "look up its size");
	if (snapshot->disk < SNAPSHOT_HEADER_SIZE || snapshot->disk >= status.st_size)
		return error_set(err, EINVAL, "it is cut short: the guest's disk is not in it");
	if (qcow2_look(file, snapshot->disk, &head, err))
		return error_wrap(err, "the guest's disk in it");
	if (qcow2_disk_size(node->image.disk, node->image.disk_is_qcow2, &size, err))
		return -err->code;
	if (!head.is_qcow2 || head.size != size)
		return error_set(err, EINVAL, "the disk in it is none that goes with the node's disk image");
	return 0;
}

int qemu_restore(struct node *base, int file, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;
	struct snapshot snapshot = { 0 };

	if (snapshot_read_header(node, file, &snapshot, err) == 0 && check_disk(node, &snapshot, file, err) == 0 &&
	    replace_guest(node, &snapshot, file, err) == 0)
		err->code = 0;
	snapshot_free(&snapshot);
	return err->code ? error_wrap(err, "restore node `%s`", node->name) : 0;
}
