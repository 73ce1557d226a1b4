// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/link.h"
#include "node/qemu/qemu.h"
#include "node/qemu/snapshot.h"
#include "util/error.h"
#include "util/memory.h"

#define FORMAT "provium snapshot 1"

static json_t *describe_nic(const struct qemu_nic *nic)
{
	char mac[MAC_TEXT_SIZE];

	return json_pack("{ss si ss sI sb sb}", "id", nic->id, "slot", (int)nic->slot, "mac",
			 mac_text(nic->wanted.mac, mac), "mtu", (json_int_t)nic->wanted.mtu, "offload",
			 nic->wanted.offload, "configured", nic->configured);
}

/* What must be the same for a state to fit. */
static json_t *describe_guest(const struct qemu_node *node)
{
	return json_pack("{sI si ss ss ss sb}", "memory", (json_int_t)node->memory_bytes, "cpus", (int)node->cpus,
			 "machine", node->machine, "accel", node->kvm ? "kvm" : "tcg", "cmdline", node->cmdline, "disk",
			 node->image.disk >= 0);
}

int snapshot_write_header(const struct qemu_node *node, int fd, off_t disk, struct error *err)
{
	json_t *nics = json_array(), *header;
	size_t length;
	char *text;

	for (size_t i = 0; i < node->nic_count; i++)
		json_array_append_new(nics, describe_nic(node->nics[i]));
	header = json_pack("{ss so so sI}", "format", FORMAT, "guest", describe_guest(node), "nics", nics, "disk_at",
			   (json_int_t)disk);
	text = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(header);
	length = text ? strlen(text) : 0;
	err->code = 0;
	if (!text || length >= SNAPSHOT_HEADER_SIZE)
		error_set(err, E2BIG, "the description of the node does not fit");
	else if (pwrite(fd, text, length, 0) != (ssize_t)length)
		error_errno(err, errno, "write its header");
	free(text);
	return -err->code;
}

static bool parse_mac(const char *text, uint8_t mac[static MAC_SIZE])
{
	return text && sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
			      &mac[5]) == MAC_SIZE;
}

static bool read_nic(const json_t *saved, struct qemu_nic *nic)
{
	const char *id = json_string_value(json_object_get(saved, "id"));

	if (!id || !qemu_nic_slot(id, &nic->slot) ||
	    json_integer_value(json_object_get(saved, "slot")) != (json_int_t)nic->slot)
		return false;
	strcpy(nic->id, id);
	nic->wanted.mtu = (uint32_t)json_integer_value(json_object_get(saved, "mtu"));
	nic->wanted.offload = json_is_true(json_object_get(saved, "offload"));
	nic->configured = json_is_true(json_object_get(saved, "configured"));
	return parse_mac(json_string_value(json_object_get(saved, "mac")), nic->wanted.mac);
}

static bool read_nics(const json_t *header, struct snapshot *snapshot)
{
	const json_t *nics = json_object_get(header, "nics");
	size_t count = json_array_size(nics);

	if (count > QEMU_SLOT_END)
		return false;
	snapshot->nics = memory_new((count + 1) * sizeof(*snapshot->nics));
	snapshot->nic_count = count;
	for (size_t i = 0; i < count; i++)
		if (!read_nic(json_array_get(nics, i), &snapshot->nics[i]))
			return false;
	return true;
}

/* Names the first setting that differs. */
static int compare_guest(const struct qemu_node *node, const json_t *saved, struct error *err)
{
	json_t *mine = describe_guest(node);
	const char *key;
	json_t *value;

	err->code = 0;
	json_object_foreach (mine, key, value)
		if (!err->code && !json_equal(value, json_object_get(saved, key)))
			error_set(err, EINVAL, "it is of a guest that was made differently: its `%s` is another", key);
	json_decref(mine);
	return -err->code;
}

int snapshot_read_header(const struct qemu_node *node, int fd, struct snapshot *snapshot, struct error *err)
{
	char *text = memory_new(SNAPSHOT_HEADER_SIZE + 1);
	ssize_t size = pread(fd, text, SNAPSHOT_HEADER_SIZE, 0);
	json_t *header = size == SNAPSHOT_HEADER_SIZE ? json_loads(text, 0, NULL) : NULL;
	const char *format = json_string_value(json_object_get(header, "format"));

	err->code = 0;
	snapshot->disk = (off_t)json_integer_value(json_object_get(header, "disk_at"));
	if (!format || strcmp(format, FORMAT) != 0 || !read_nics(header, snapshot))
		error_set(err, EINVAL, "it is no snapshot of this version of provium");
	else
		compare_guest(node, json_object_get(header, "guest"), err);
	json_decref(header);
	free(text);
	return -err->code;
}

void snapshot_free(struct snapshot *snapshot)
{
	free(snapshot->nics);
	*snapshot = (struct snapshot){ 0 };
}
