// SPDX-License-Identifier: GPL-2.0-only
/* The header of a snapshot's file: what is taken says what we would have written, and nothing else. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "node/qemu/qemu.h"
#include "node/qemu/snapshot.h"
#include "util/error.h"
#include "util/memory.h"

static struct qemu_node plain_node(void)
{
	return (struct qemu_node){
		.name = (char *)"a",
		.machine = (char *)"q35",
		.cmdline = (char *)"",
		.cpus = 1,
		.memory_bytes = 256U << 20,
		.image = { .disk = -1, .overlay = -1 },
	};
}

/* A card is one that a guest can have, and no other card is in its place or has its address. */
static void check_nics(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->nic_count; i++) {
		const struct qemu_nic *nic = &snapshot->nics[i];
		unsigned int number, slot;

		require(memchr(nic->id, '\0', sizeof(nic->id)));
		require(sscanf(nic->id, QEMU_NIC_ID, &number, &slot) == 2 && slot == nic->slot);
		require(slot >= QEMU_FIRST_SLOT && slot < QEMU_SLOT_END);
		require(nic->wanted.mtu >= 68 && nic->wanted.mtu <= UINT16_MAX);
		require(!(nic->wanted.mac[0] & 1));
		for (size_t k = 0; k < i; k++) {
			require(snapshot->nics[k].slot != slot);
			require(memcmp(snapshot->nics[k].wanted.mac, nic->wanted.mac, MAC_SIZE) != 0);
		}
	}
}

static json_t *read_json(int fd)
{
	char *text = memory_new(SNAPSHOT_HEADER_SIZE + 1);
	json_t *json;

	require(pread(fd, text, SNAPSHOT_HEADER_SIZE, 0) == SNAPSHOT_HEADER_SIZE);
	json = json_loads(text, 0, NULL);
	free(text);
	require(json);
	return json;
}

/* A guest with these cards has the header that was read. */
static void write_again(int fd, const struct snapshot *snapshot)
{
	struct qemu_node node = plain_node();
	json_t *read = read_json(fd), *written;
	struct error err;

	node.nics = memory_new((snapshot->nic_count + 1) * sizeof(struct qemu_nic *));
	node.nic_count = snapshot->nic_count;
	for (size_t i = 0; i < snapshot->nic_count; i++)
		node.nics[i] = &snapshot->nics[i];
	require(ftruncate(fd, 0) == 0 && ftruncate(fd, SNAPSHOT_HEADER_SIZE) == 0);
	require(snapshot_write_header(&node, fd, snapshot->disk, &err) == 0);
	written = read_json(fd);
	require(json_equal(read, written));
	json_decref(read);
	json_decref(written);
	free(node.nics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	const struct qemu_node node = plain_node();
	struct snapshot snapshot = { 0 };
	struct error err;

	if (fd < 0)
		fd = memfd_create("snapshot", MFD_CLOEXEC);
	require(ftruncate(fd, 0) == 0 && ftruncate(fd, SNAPSHOT_HEADER_SIZE) == 0);
	require(!size || pwrite(fd, data, size, 0) == (ssize_t)size);
	if (snapshot_read_header(&node, fd, &snapshot, &err) == 0) {
		require(snapshot.disk >= SNAPSHOT_HEADER_SIZE);
		check_nics(&snapshot);
		write_again(fd, &snapshot);
	} else {
		require(err.code == EINVAL && *err.text);
	}
	snapshot_free(&snapshot);
	return 0;
}
