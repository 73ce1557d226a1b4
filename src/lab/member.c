// SPDX-License-Identifier: GPL-2.0-only
/* Who is on a bridge: the places of names, their ports, who comes and who goes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lab/heal.h"
#include "lab/host_needs.h"
#include "lab/lab.h"
#include "util/list.h"
#include "lab/losses.h"
#include "lab/router.h"
#include "lab/rules.h"
#include "lab/run.h"
#include "net/link.h"
#include "node/device.h"
#include "util/error.h"
#include "util/memory.h"
#include "wire/wire.h"

/*
 * 02, "pv", the bridge, the port. A port takes ten bits of the last two bytes, and a bridge has a number of 32: what is above its
 * eighth goes to the six bits that are left there, to the two bytes of "pv", and to the first byte beside its flags.
 */
void member_mac(uint32_t bridge, uint16_t port, uint8_t mac[static MAC_SIZE])
{
	uint32_t high = (bridge - 1) >> 8;

	mac[0] = (uint8_t)(0x02 | high >> 22 << 2);
	mac[1] = (uint8_t)('p' ^ high >> 14);
	mac[2] = (uint8_t)('v' ^ high >> 6);
	mac[3] = (uint8_t)bridge;
	mac[4] = (uint8_t)(high << 2 | port >> 8);
	mac[5] = (uint8_t)port;
}

static void make_addresses(struct member *member)
{
	const struct bridge *bridge = member->bridge;

	member_mac(bridge->number, member->port, member->nic.mac);
	member->nic.ip = subnet_host(&bridge->subnet, member->port);
	member->nic.ip6 = subnet_host(&bridge->subnet6, member->port);
	member->nic.mtu = bridge->mtu;
	member->nic.offload = bridge->offload;
	member->nic.bridge_name = bridge->name;
	member->nic.port_name = member->port_name;
}

struct member *bridge_add_place(struct bridge *bridge, const char *name)
{
	struct member *member = memory_new(sizeof(*member));

	member->bridge = bridge;
	snprintf(member->name, sizeof(member->name), "%s", name);
	LIST_ADD(bridge->members, bridge->member_count, member);
	member->port = (uint16_t)bridge->member_count;
	make_addresses(member);
	return member;
}

struct member *bridge_find(const struct bridge *bridge, const char *name)
{
	for (size_t i = 0; i < bridge->member_count; i++)
		if (strcmp(bridge->members[i]->name, name) == 0)
			return bridge->members[i];
	return NULL;
}

/* For a new name beside so many others. */
static int check_room(const struct bridge *bridge, size_t others, const char *name, struct error *err)
{
	uint32_t host = (uint32_t)(bridge->member_count + others) + 1;

	if (host <= BRIDGE_MAX_MEMBERS && host <= subnet_hosts(&bridge->subnet) &&
	    host <= subnet_hosts(&bridge->subnet6))
		return 0;
	return error_set(err, ENOSPC, "bridge `%s` has no place for `%s`: %zu names and the router are on it already",
			 bridge->name, name, bridge->member_count + others - 1);
}

/* Who looks a name up takes capitals for small letters. */
static int check_new_place(const struct bridge *bridge, const char *name, struct error *err)
{
	if (lab_check_name(name, err))
		return -err->code;
	for (size_t i = 0; i < bridge->member_count; i++)
		if (strcasecmp(bridge->members[i]->name, name) == 0)
			return error_set(err, EEXIST,
					 "the names `%s` and `%s` on bridge `%s` differ in capitals alone, which name "
					 "look-ups do not tell apart",
					 bridge->members[i]->name, name, bridge->name);
	return 0;
}

struct member *bridge_place(struct bridge *bridge, const char *name, struct error *err)
{
	struct member *member = bridge_find(bridge, name);

	if (member)
		return member;
	if (check_new_place(bridge, name, err) || check_room(bridge, 0, name, err))
		return NULL;
	return bridge_add_place(bridge, name);
}

void member_expect(struct member *member)
{
	if (member->bridge->closed)
		return;
	member->is_expected = true;
	member->expected_depth = member->bridge->home->depth;
}

struct member *bridge_expect(struct bridge *bridge, const char *name, struct error *err)
{
	struct member *member = bridge_place(bridge, name, err);

	if (member)
		member_expect(member);
	return member;
}

void bridge_drop_places(struct bridge *bridge, size_t count)
{
	while (bridge->member_count > count)
		free(bridge->members[--bridge->member_count]);
}

struct member *bridge_attached(struct bridge *bridge, const char *name, struct error *err)
{
	struct member *member = bridge_find(bridge, name);

	if (member && member->attached)
		return member;
	if (member && member->router) {
		error_set(
			err, ENOENT,
			"the router is not on bridge `%s`; it comes with bridge:enable_uplink() or bridge:route(other)",
			bridge->name);
		return NULL;
	}
	error_set(err, ENOENT, "`%s` is not attached to bridge `%s`; attach it first with bridge:attach(\"%s\")", name,
		  bridge->name, name);
	return NULL;
}

static int make_device(struct bridge *bridge, struct error *err)
{
	char wanted[2 * NAME_LIMIT + 2];

	if (bridge->ifindex)
		return 0;
	snprintf(wanted, sizeof(wanted), "%s%s%s", bridge->home->name, *bridge->home->name ? "." : "", bridge->name);
	run_device_name(bridge->run, wanted, bridge->device);
	if (link_create_bridge(bridge->run->nl, bridge->device, bridge->mtu, err))
		return -err->code;
	return link_index(bridge->run->nl, bridge->device, &bridge->ifindex, err);
}

static int make_port(struct member *member, struct error *err)
{
	const struct machine *machine = member->machine;
	struct bridge *bridge = member->bridge;
	struct wire_port port = {
		.bridge = bridge->number,
		.port = member->port,
		.router = member->router,
		.out = member->disconnected,
		.mtu = bridge->mtu,
		.flush = bridge->flush,
		.salt = rules_salt(bridge, member, NULL),
	};
	struct netlink *nl = bridge->run->nl;

	snprintf(port.name, sizeof(port.name), "%s@%s", member->name, bridge->name);
	/* The wire first: no frame may slip past it. */
	if (wire_add_port(bridge->run->wire, nl, member->nic.ifindex, &port, err))
		return -err->code;
	if (link_set_master(nl, member->nic.ifindex, bridge->ifindex, err))
		return -err->code;
	rules_begin_port(member);
	return member->disconnected ? 0 : machine->kind->set_link(machine->node, &member->nic, true, err);
}

int member_plug(struct member *member, struct error *err)
{
	struct machine *machine = member->machine;
	char wanted[3 * NAME_LIMIT + 3];
	struct error ignored;

	if (make_device(member->bridge, err))
		return -err->code;
	snprintf(wanted, sizeof(wanted), "%s-%s", member->name, member->bridge->device);
	run_device_name(member->bridge->run, wanted, member->port_name);
	if (machine->kind->plug(machine->node, &member->nic, err))
		return -err->code;
	if (make_port(member, err)) {
		/* The device first: on the bridge without being a port, it would slip past every rule. */
		machine->kind->unplug(machine->node, &member->nic, &ignored);
		wire_remove_port(member->bridge->run->wire, member->nic.ifindex);
		return -err->code;
	}
	member->plugged = true;
	host_needs_pairs(member->bridge->run, 2 * (int)member->bridge->port_count++);
	if (router_settle(member, err)) {
		member_unplug(member);
		return -err->code;
	}
	return 0;
}

void member_unplug(struct member *member)
{
	struct error ignored;

	if (!member->plugged)
		return;
	losses_of_port(member);
	member->machine->kind->unplug(member->machine->node, &member->nic, &ignored);
	member_unplugged(member);
}

void member_unplugged(struct member *member)
{
	wire_remove_port(member->bridge->run->wire, member->nic.ifindex);
	host_needs_pairs(member->bridge->run, -2 * (int)--member->bridge->port_count);
	member->plugged = false;
}

static int check_party(struct bridge *bridge, const struct party *party, struct error *err)
{
	struct member *member = bridge_find(bridge, party->name);

	if (member ? lab_check_name(party->name, err) : check_new_place(bridge, party->name, err))
		return -err->code;
	if (party->machine && !party->machine->home)
		return error_set(err, EINVAL, "vm `%s` is closed; create a new one", party->name);
	if (member && member->attached && member->machine && party->machine && member->machine != party->machine)
		return error_set(err, EEXIST, "another `%s` is already attached to bridge `%s`", party->name,
				 bridge->name);
	return 0;
}

static bool is_up(struct machine *machine)
{
	enum machine_state state = machine ? machine_state(machine) : MACHINE_CREATED;

	return state == MACHINE_BOOTED || state == MACHINE_PAUSED;
}

/* What a place was before. */
struct place {
	bool attached, was_meant, disconnected, plugged;
	struct machine *machine;
};

static int attach_one(struct bridge *bridge, const struct party *party, struct place *before, struct error *err)
{
	struct member *member = bridge_place(bridge, party->name, err);

	if (!member)
		return -err->code;
	*before = (struct place){ member->attached, member->was_meant, member->disconnected, member->plugged,
				  member->machine };
	/* Attached once more: nothing is to be done. */
	if (member->attached && (member->machine || !party->machine))
		return 0;
	member->machine = party->machine ? party->machine : lab_find_machine(bridge->home, party->name);
	/* What was said about the NIC of a bare name holds for who takes its place. */
	member->disconnected = (member->attached || !member->was_meant) && member->disconnected;
	if (is_up(member->machine) && member_plug(member, err)) {
		member->machine = before->machine;
		member->disconnected = before->disconnected;
		return -err->code;
	}
	member->attached = member->was_meant = true;
	return 0;
}

static void undo_attach(struct bridge *bridge, const struct party *party, const struct place *before)
{
	struct member *member = bridge_find(bridge, party->name);

	if (!before->plugged)
		member_unplug(member);
	member->attached = before->attached;
	member->was_meant = before->was_meant;
	member->disconnected = before->disconnected;
	member->machine = before->machine;
}

static int check_parties(struct bridge *bridge, const struct party *parties, size_t count, size_t *bad,
			 struct error *err)
{
	size_t fresh = 0;

	for (*bad = 0; *bad < count; (*bad)++) {
		const struct party *party = &parties[*bad];

		if (check_party(bridge, party, err))
			return -err->code;
		if (!bridge_find(bridge, party->name) && check_room(bridge, fresh++, party->name, err))
			return -err->code;
	}
	return 0;
}

static void heal_attached(struct bridge *bridge, const struct party *parties, const struct place *before, size_t count)
{
	struct member **arrived = NULL;
	size_t arrived_count = 0;

	for (size_t i = 0; i < count; i++) {
		struct member *member = bridge_find(bridge, parties[i].name);

		if (member->plugged && !before[i].plugged)
			LIST_ADD(arrived, arrived_count, member);
	}
	heal_arrivals(arrived, arrived_count);
	free(arrived);
}

int bridge_attach(struct bridge *bridge, const struct party *parties, size_t count, size_t *bad, struct error *err)
{
	size_t place_count = bridge->member_count, done;
	struct place *before;
	int code;

	if (check_parties(bridge, parties, count, bad, err))
		return -err->code;
	before = memory_new((count + 1) * sizeof(*before));
	for (done = 0; done < count; done++)
		if (attach_one(bridge, &parties[done], &before[done], err))
			break;
	code = done < count ? err->code : 0;
	*bad = done;
	while (code && done--)
		undo_attach(bridge, &parties[done], &before[done]);
	if (code)
		bridge_drop_places(bridge, place_count);
	else
		heal_attached(bridge, parties, before, count);
	free(before);
	lab_refresh(bridge->home);
	return -code;
}

/* A machine that stands for a device, and that no script has in hand. */
static struct machine *make_door(struct bridge *bridge, const char *device, const char *name, struct error *err)
{
	struct machine *door = memory_new(sizeof(*door));

	door->refs = 1;
	door->kind = &node_kind_device;
	door->state = MACHINE_BOOTED;
	door->run = bridge->run;
	snprintf(door->name, sizeof(door->name), "%s", name);
	if (!device_open(device, bridge->run->host, bridge->run->nl, &door->node, err))
		return door;
	machine_unref(door);
	return NULL;
}

static void close_door(struct machine *door)
{
	door->kind->close(door->node);
	machine_unref(door);
}

int bridge_attach_device(struct bridge *bridge, const char *device, const char *name, struct error *err)
{
	struct party party = { .name = name };
	size_t place_count = bridge->member_count;
	struct member *member = bridge_find(bridge, name);
	struct machine *door;

	if (lab_find_machine(bridge->home, name))
		return error_set(err, EEXIST, "name `%s` is already used by a node; give another `name`", name);
	if (member && member->attached)
		return error_set(err, EEXIST, "`%s` is already attached to bridge `%s`; give another `name`", name,
				 bridge->name);
	if (check_party(bridge, &party, err))
		return -err->code;
	door = make_door(bridge, device, name, err);
	if (!door)
		return -err->code;
	member = bridge_place(bridge, name, err);
	if (member) {
		member->machine = door;
		member->disconnected = !member->was_meant && member->disconnected;
	}
	if (!member || member_plug(member, err)) {
		close_door(door);
		if (member)
			member->machine = NULL;
		bridge_drop_places(bridge, place_count);
		return -err->code;
	}
	member->attached = member->was_meant = true;
	heal_arrivals(&member, 1);
	lab_refresh(bridge->home);
	return 0;
}

bool member_is_device(const struct member *member)
{
	return member->machine && member->machine->kind == &node_kind_device;
}

void member_detach(struct member *member)
{
	member_unplug(member);
	if (member_is_device(member))
		close_door(member->machine);
	member->attached = false;
	member->machine = NULL;
	rules_forget_member(member);
}

int bridge_detach(struct bridge *bridge, const char *name, struct error *err)
{
	struct member *member = bridge_find(bridge, name);

	if (!member || (!member->attached && !member->router))
		return 0;
	if (!bridge_attached(bridge, name, err))
		return -err->code;
	if (member->router)
		return error_set(
			err, EINVAL,
			"the router leaves with bridge:disable_uplink() and bridge:unroute(other); partition(a, "
			"\"router\") cuts it off");
	member_detach(member);
	return 0;
}

void bridge_adopt(struct bridge *bridge, struct machine *machine)
{
	struct member *member = bridge_find(bridge, machine->name);

	if (member && member->attached && !member->machine)
		member->machine = machine;
}
