// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_ether.h>

#include "net/link.h"
#include "node/qemu/qemu.h"
#include "node/qemu/snapshot.h"
#include "util/error.h"
#include "util/memory.h"

#define FORMAT	  "provium snapshot 1"
#define GROUP_BIT 1U /* in the first byte of a MAC address */

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

/* As mac_text() writes it, of one card alone. */
static bool parse_mac(const char *text, uint8_t mac[static MAC_SIZE])
{
	char again[MAC_TEXT_SIZE];

	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		      &mac[5]) == MAC_SIZE &&
	       strcmp(mac_text(mac, again), text) == 0 && !(mac[0] & GROUP_BIT);
}

static bool read_nic(json_t *saved, struct qemu_nic *nic)
{
	json_int_t slot, mtu;
	int offload, configured;
	const char *id, *mac;

	if (json_unpack_ex(saved, NULL, JSON_STRICT, "{s:s, s:I, s:s, s:I, s:b, s:b}", "id", &id, "slot", &slot, "mac",
			   &mac, "mtu", &mtu, "offload", &offload, "configured", &configured) ||
	    !qemu_nic_slot(id, &nic->slot) || slot != (json_int_t)nic->slot || mtu < ETH_MIN_MTU || mtu > ETH_MAX_MTU)
		return false;
	strcpy(nic->id, id);
	nic->wanted.mtu = (uint32_t)mtu;
	nic->wanted.offload = offload;
	nic->configured = configured;
	return parse_mac(mac, nic->wanted.mac);
}

/* No two cards in one place, or with one address. */
static bool is_another(const struct snapshot *snapshot, size_t which)
{
	const struct qemu_nic *nic = &snapshot->nics[which];

	for (size_t i = 0; i < which; i++)
		if (snapshot->nics[i].slot == nic->slot ||
		    memcmp(snapshot->nics[i].wanted.mac, nic->wanted.mac, MAC_SIZE) == 0)
			return false;
	return true;
}

static bool read_nics(const json_t *nics, struct snapshot *snapshot)
{
	size_t count = json_array_size(nics);

	if (!json_is_array(nics) || count > QEMU_SLOT_END)
		return false;
	snapshot->nics = memory_new((count + 1) * sizeof(*snapshot->nics));
	snapshot->nic_count = count;
	for (size_t i = 0; i < count; i++)
		if (!read_nic(json_array_get(nics, i), &snapshot->nics[i]) || !is_another(snapshot, i))
			return false;
	return true;
}

/* *guest: borrowed. */
static bool read_whole(json_t *header, struct snapshot *snapshot, json_t **guest)
{
	const char *format;
	json_t *nics;
	json_int_t disk;

	if (json_unpack_ex(header, NULL, JSON_STRICT, "{s:s, s:o, s:o, s:I}", "format", &format, "guest", guest, "nics",
			   &nics, "disk_at", &disk) ||
	    strcmp(format, FORMAT) != 0 || disk < SNAPSHOT_HEADER_SIZE)
		return false;
	snapshot->disk = (off_t)disk;
	return read_nics(nics, snapshot);
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
	if (!err->code && !json_equal(mine, saved))
		error_set(err, EINVAL, "it is of a guest with settings that this version of provium does not know");
	json_decref(mine);
	return -err->code;
}

int snapshot_read_header(const struct qemu_node *node, int fd, struct snapshot *snapshot, struct error *err)
{
	char *text = memory_new(SNAPSHOT_HEADER_SIZE + 1);
	ssize_t size = pread(fd, text, SNAPSHOT_HEADER_SIZE, 0);
	json_t *header = size == SNAPSHOT_HEADER_SIZE ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_t *guest;

	err->code = 0;
	if (!header || !read_whole(header, snapshot, &guest))
		error_set(err, EINVAL, "it is no snapshot of this version of provium");
	else
		compare_guest(node, guest, err);
	json_decref(header);
	free(text);
	return -err->code;
}

void snapshot_free(struct snapshot *snapshot)
{
	free(snapshot->nics);
	*snapshot = (struct snapshot){ 0 };
}
