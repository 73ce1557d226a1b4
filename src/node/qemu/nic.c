// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network cards of a guest: a TAP device as the port in the switch, handed to QEMU by descriptor, and a virtio card that is
 * plugged while the guest runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/link.h"
#include "net/netlink.h"
#include "node/qemu/qemu.h"
#include "node/qemu/tap.h"
#include "util/error.h"
#include "util/memory.h"

/* How long a guest may take to give a card up. After that its backend is taken from it. */
#define REMOVE_NS (2 * NS_PER_S)
#define GREET_NS  (20 * NS_PER_S)

#define QEMU_BACKEND_SIZE 32 /* of a name */

static int take_slot(struct qemu_node *node, unsigned int *slot, struct error *err)
{
	unsigned int end = qemu_has_ports(node) ? QEMU_FIRST_SLOT + QEMU_PORTS : QEMU_SLOT_END;

	for (*slot = QEMU_FIRST_SLOT; *slot < end; (*slot)++)
		if (!(node->slots & 1U << *slot)) {
			node->slots |= 1U << *slot;
			return 0;
		}
	return error_set(err, ENOSPC, "node `%s` has no place for another network card: it has %u", node->name,
			 end - QEMU_FIRST_SLOT);
}

static struct qemu_nic *new_nic(const struct node_nic *wanted)
{
	struct qemu_nic *nic = memory_new(sizeof(*nic));

	nic->tap = -1;
	nic->wanted = *wanted;
	snprintf(nic->port_name, sizeof(nic->port_name), "%s", wanted->port_name);
	nic->bridge_name = memory_string(wanted->bridge_name ? wanted->bridge_name : "");
	nic->wanted.port_name = nic->port_name;
	nic->wanted.bridge_name = nic->bridge_name;
	return nic;
}

static void free_nic(struct qemu_nic *nic)
{
	if (nic->tap >= 0)
		close(nic->tap);
	free(nic->bridge_name);
	free(nic->routes);
	free(nic);
}

static void forget_nic(struct qemu_node *node, struct qemu_nic *nic)
{
	for (size_t i = 0; i < node->nic_count; i++)
		if (node->nics[i] == nic) {
			node->nics[i] = node->nics[--node->nic_count];
			break;
		}
	free_nic(nic);
}

void qemu_free_nics(struct qemu_node *node)
{
	for (size_t i = 0; i < node->nic_count; i++)
		free_nic(node->nics[i]);
	free(node->nics);
	node->nics = NULL;
	node->nic_count = 0;
}

static int hand_over_tap(struct qemu_node *node, const struct qemu_nic *nic, const char *backend, struct error *err)
{
	if (qmp_command_fd(&node->qmp, "getfd", json_pack("{ss}", "fdname", backend), nic->tap, NULL, err))
		return -err->code;
	return qmp_command(&node->qmp, "netdev_add",
			   json_pack("{ss ss ss}", "type", "tap", "id", backend, "fd", backend), err);
}

/* Every frame is one that a wire could carry, unless the lab wants speed. */
static void turn_offloads_off(json_t *device)
{
	static const char *const offloads[] = {
		"csum",	     "gso",	  "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn",
		"guest_ufo", "host_tso4", "host_tso6",	"host_ecn",   "host_ufo",
	};

	for (size_t i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++)
		json_object_set_new(device, offloads[i], json_false());
}

/* backend: NULL for none. */
static json_t *device_arguments(const struct qemu_node *node, const struct qemu_nic *nic, const char *backend)
{
	char mac[MAC_TEXT_SIZE], place[16];
	json_t *device =
		json_pack("{ss ss ss* ss ss sI}", "driver", "virtio-net-pci", "id", nic->id, "netdev", backend, "mac",
			  mac_text(nic->wanted.mac, mac), "romfile", "", "host_mtu", (json_int_t)nic->wanted.mtu);
	bool has_ports = qemu_has_ports(node);

	snprintf(place, sizeof(place), has_ports ? "port%u" : "%#x", nic->slot);
	json_object_set_new(device, has_ports ? "bus" : "addr", json_string(place));
	if (!nic->wanted.offload)
		turn_offloads_off(device);
	return device;
}

int qemu_tell_link(struct qemu_node *node, const struct qemu_nic *nic, struct error *err)
{
	return qmp_command(&node->qmp, "set_link", json_pack("{ss sb}", "name", nic->id, "up", nic->link_up), err);
}

static void backend_name(const char *id, char name[static QEMU_BACKEND_SIZE])
{
	snprintf(name, QEMU_BACKEND_SIZE, "%s-tap", id);
}

int qemu_place_nic(struct qemu_node *node, struct qemu_nic *nic, struct error *err)
{
	if (take_slot(node, &nic->slot, err))
		return -err->code;
	snprintf(nic->id, sizeof(nic->id), QEMU_NIC_ID, ++node->last_nic, nic->slot);
	return 0;
}

int qemu_insert_empty_nic(struct qemu_node *node, const struct qemu_nic *nic, struct error *err)
{
	if (qmp_command(&node->qmp, "device_add", device_arguments(node, nic, NULL), err))
		return qemu_explain(node, err);
	node->slots |= 1U << nic->slot;
	return 0;
}

int qemu_insert_nic(struct qemu_node *node, struct qemu_nic *nic, struct error *err)
{
	char backend[QEMU_BACKEND_SIZE];
	struct error ignored;

	backend_name(nic->id, backend);
	if (hand_over_tap(node, nic, backend, err))
		return qemu_explain(node, err);
	if (qmp_command(&node->qmp, "device_add", device_arguments(node, nic, backend), err)) {
		qmp_command(&node->qmp, "netdev_del", json_pack("{ss}", "id", backend), &ignored);
		return qemu_explain(node, err);
	}
	node->slots |= 1U << nic->slot;
	return qemu_tell_link(node, nic, err) ? qemu_explain(node, err) : 0;
}

bool qemu_nic_slot(const char *id, unsigned int *slot)
{
	char again[sizeof(((struct qemu_nic *)0)->id)];
	unsigned int number;

	if (sscanf(id, QEMU_NIC_ID, &number, slot) != 2 || *slot < QEMU_FIRST_SLOT || *slot >= QEMU_SLOT_END)
		return false;
	snprintf(again, sizeof(again), QEMU_NIC_ID, number, *slot);
	return strcmp(id, again) == 0;
}

static bool slot_is_free(const struct qemu_node *node, const char *id)
{
	unsigned int slot;

	return qemu_nic_slot(id, &slot) && !(node->slots & 1U << slot);
}

int qemu_remove_device(struct qemu_node *node, const char *id, struct error *err)
{
	uint64_t deadline = clock_after(REMOVE_NS);
	char backend[QEMU_BACKEND_SIZE];
	struct error ignored;

	backend_name(id, backend);
	/* A guest that is stopped, or does not care, keeps an empty card, and gives it up when it looks. */
	qmp_command(&node->qmp, "device_del", json_pack("{ss}", "id", id), &ignored);
	while (node->ready && !node->paused && !slot_is_free(node, id) && clock_now() < deadline)
		if (qmp_listen(&node->qmp, deadline, err))
			return qemu_explain(node, err);
	/* A card without a backend has none to be taken. */
	if (qmp_command(&node->qmp, "netdev_del", json_pack("{ss}", "id", backend), err) && err->code != EIO)
		return qemu_explain(node, err);
	return 0;
}

static int make_port(struct qemu_node *node, struct qemu_nic *nic, struct error *err)
{
	nic->tap = tap_open(nic->port_name, nic->wanted.mtu, nic->wanted.offload, err);
	if (nic->tap < 0)
		return nic->tap;
	return link_index(node->switch_nl, nic->port_name, &nic->wanted.ifindex, err);
}

int qemu_plug(struct node *base, struct node_nic *wanted, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;
	struct qemu_nic *nic = new_nic(wanted);
	struct error ignored;

	if (make_port(node, nic, err) || qemu_place_nic(node, nic, err)) {
		free_nic(nic);
		return -err->code;
	}
	if (qmp_greet(&node->qmp, clock_after(GREET_NS), err) ? qemu_explain(node, err)
							      : qemu_insert_nic(node, nic, err)) {
		node->slots &= ~(1U << nic->slot);
		free_nic(nic);
		return -err->code;
	}
	node->nics = memory_resize(node->nics, (node->nic_count + 1) * sizeof(*node->nics));
	node->nics[node->nic_count++] = nic;
	if (guest_settle(node, guest_deadline(node), err)) {
		qemu_remove_device(node, nic->id, &ignored);
		forget_nic(node, nic);
		return -err->code;
	}
	wanted->ifindex = nic->wanted.ifindex;
	strcpy(wanted->guest_name, nic->guest_name);
	return 0;
}

static struct qemu_nic *find_nic(const struct qemu_node *node, const struct node_nic *wanted)
{
	for (size_t i = 0; i < node->nic_count; i++)
		if (node->nics[i]->wanted.ifindex == wanted->ifindex)
			return node->nics[i];
	return NULL;
}

int qemu_unplug(struct node *base, const struct node_nic *wanted, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;
	struct qemu_nic *nic = find_nic(node, wanted);

	err->code = 0;
	if (!nic)
		return 0;
	/* Gone for the guest at once, even if it takes its time to give the card up. */
	nic->link_up = false;
	if (qemu_tell_link(node, nic, err))
		qemu_explain(node, err);
	else if (qemu_remove_device(node, nic->id, err) == 0)
		err->code = 0;
	forget_nic(node, nic);
	return -err->code;
}

int qemu_set_link(struct node *base, const struct node_nic *wanted, bool up, struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;
	struct qemu_nic *nic = find_nic(node, wanted);

	if (!nic)
		return error_set(err, ENODEV, "node `%s` has no such network card", node->name);
	if (link_set_up(node->switch_nl, nic->wanted.ifindex, up, err))
		return -err->code;
	nic->link_up = up;
	if (qemu_tell_link(node, nic, err))
		return qemu_explain(node, err);
	guest_await_carrier(node, nic);
	return 0;
}

int qemu_forget_neighbours(struct node *base, const struct node_nic *wanted, const struct neighbour_choice *choice,
			   struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;
	const struct qemu_nic *nic = find_nic(node, wanted);

	err->code = 0;
	return nic ? guest_forget_neighbours(node, nic, choice, err) : 0;
}

int qemu_set_routes(struct node *base, const struct node_nic *wanted, const struct node_route *routes, size_t count,
		    struct error *err)
{
	struct qemu_node *node = (struct qemu_node *)base;
	struct qemu_nic *nic = find_nic(node, wanted);

	if (!nic || !node->has_agent)
		return 0;
	free(nic->routes);
	nic->routes = guest_routes_script(routes, count);
	return guest_settle(node, guest_deadline(node), err);
}
