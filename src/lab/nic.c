// SPDX-License-Identifier: GPL-2.0-only
/* A NIC is the member's own view of its place: counters and cable. */
#include "lab/heal.h"
#include "lab/lab.h"
#include "lab/losses.h"
#include "lab/run.h"
#include "net/link.h"
#include "util/error.h"
#include "wire/wire.h"

struct drops {
	const struct member *member;
	struct nic_counters *counters;
};

static void add_drops(const struct wire_key *key, const struct wire_counters *pair, void *context)
{
	struct drops *drops = context;

	if (key->from != drops->member->port && key->to != drops->member->port)
		return;
	for (enum wire_verdict verdict = WIRE_DELIVERED + 1; verdict < WIRE_VERDICTS; verdict++)
		drops->counters->dropped[verdict] += wire_frames(pair, verdict);
}

int nic_counters(struct member *member, struct nic_counters *counters, struct error *err)
{
	struct drops drops = { .member = member, .counters = counters };
	struct run *run = member->bridge->run;
	struct link_counters port;

	*counters = (struct nic_counters){ 0 };
	if (!member->plugged)
		return 0;
	if (losses_check_counted(run, err) || link_counters(run->nl, member->nic.ifindex, &port, err))
		return -err->code;
	/* The port's other side: what it transmits, the guest receives. */
	counters->rx_bytes = port.tx_bytes;
	counters->rx_packets = port.tx_packets;
	counters->tx_bytes = port.rx_bytes;
	counters->tx_packets = port.rx_packets;
	counters->errors = port.errors;
	wire_each_counters(run->wire, member->bridge->number, add_drops, &drops);
	return 0;
}

int nic_set_link(struct member *member, bool up, struct error *err)
{
	struct wire *wire = member->bridge->run->wire;

	/* What is held for it gets lost from before the cable is pulled until it is in its place again. */
	if (member->plugged && !up)
		wire_set_out(wire, member->nic.ifindex, true);
	if (member->plugged && member->machine->kind->set_link(member->machine->node, &member->nic, up, err)) {
		wire_set_out(wire, member->nic.ifindex, member->disconnected);
		return -err->code;
	}
	if (member->plugged && up)
		wire_set_out(wire, member->nic.ifindex, false);
	member->disconnected = !up;
	if (up)
		heal_member(member);
	return 0;
}
