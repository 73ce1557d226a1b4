// SPDX-License-Identifier: GPL-2.0-only
/* A NIC is the member's own view of its place: counters and cable. */
#include "lab/heal.h"
#include "lab/lab.h"
#include "lab/run.h"
#include "net/link.h"
#include "net/qdisc.h"
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
	drops->counters->partition += pair->dropped_partition;
	drops->counters->isolation += pair->dropped_isolation;
	drops->counters->loss += pair->dropped_loss;
	drops->counters->queue += pair->dropped_queue;
	drops->counters->error += pair->dropped_error;
}

int nic_counters(struct member *member, struct nic_counters *counters, struct error *err)
{
	struct drops drops = { .member = member, .counters = counters };
	struct run *run = member->bridge->run;
	struct link_counters port;
	struct fq_stats queue;

	*counters = (struct nic_counters){ 0 };
	if (!member->plugged)
		return 0;
	if (link_counters(run->nl, member->nic.ifindex, &port, err) ||
	    qdisc_fq_stats(run->nl, member->nic.ifindex, &queue, err))
		return -err->code;
	/* The port's other side: what it transmits, the guest receives. */
	counters->rx_bytes = port.tx_bytes;
	counters->rx_packets = port.tx_packets;
	counters->tx_bytes = port.rx_bytes;
	counters->tx_packets = port.rx_packets;
	counters->errors = port.errors;
	if (wire_can_hold(run->wire))
		counters->overflow = queue.dropped;
	wire_each_counters(run->wire, member->bridge->number, add_drops, &drops);
	return 0;
}

int nic_set_link(struct member *member, bool up, struct error *err)
{
	if (member->plugged && member->machine->kind->set_link(member->machine->node, &member->nic, up, err))
		return -err->code;
	member->disconnected = !up;
	if (up)
		heal_member(member);
	return 0;
}
