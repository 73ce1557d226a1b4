// SPDX-License-Identifier: GPL-2.0-only
/* Devices become ports of a bridge, and stop being some. */
#include <errno.h>

#include <bpf/bpf.h>

#include "net/netlink.h"
#include "net/qdisc.h"
#include "util/error.h"
#include "util/list.h"
#include "wire/internal.h"

/* So many ports that are gone are remembered for the sake of what may be held for them. */
#define GONE_LIMIT 1024U

/* A bridge of so many has 1,000 pairs, which are made in a millisecond. */
#define READY_PORTS 32

struct gone {
	uint32_t ifindex;
	uint32_t bridge;
	uint16_t port;
	bool is_needed;
};

/* It is there, or it is gone and nobody has to remember it. */
static void forget_gone(struct wire *wire, uint32_t ifindex)
{
	for (size_t i = wire->gone_count; i--;)
		if (wire->gone[i].ifindex == ifindex)
			LIST_REMOVE(wire->gone, wire->gone_count, i);
}

/*
 * The program cannot wait for memory, and when all nodes of a lab begin to speak, each with all others, user-mode-linux has none for so
 * many new pairs until the next tick. So the pairs of the first ports are there before they speak.
 */
static void make_pairs(const struct wire *wire, uint32_t bridge, uint16_t port)
{
	static const struct wire_counters none;

	for (uint16_t other = 0; other < port && port <= READY_PORTS; other++) {
		const struct wire_key pairs[] = { { .bridge = bridge, .from = port, .to = other },
						  { .bridge = bridge, .from = other, .to = port } };

		for (int i = 0; i < 2; i++)
			wire_make_element(wire_map(wire, WIRE_COUNTERS, &pairs[i]), &pairs[i], &none);
	}
}

int wire_set_port(struct wire *wire, int ifindex, const struct wire_port *port, struct error *err)
{
	uint32_t index = (uint32_t)ifindex;
	struct wire_key own = { .bridge = port->bridge, .from = port->port };

	/* Of a pair at least one port is there that needs the second map, if the pair does. */
	if (wire_make_map(wire, WIRE_COUNTERS, &own, err))
		return error_wrap(err, "make a port of %s", port->name);
	if (bpf_map_update_elem(wire->ports, &index, port, BPF_ANY))
		return error_errno(err, errno, "make device %d the port %s (at most %d ports a run)", ifindex,
				   port->name, WIRE_MAX_PORTS);
	forget_gone(wire, index);
	make_pairs(wire, port->bridge, port->port);
	wire_raise_epoch(wire);
	return 0;
}

static void forget_port(struct wire *wire, int ifindex)
{
	uint32_t index = (uint32_t)ifindex;

	bpf_map_delete_elem(wire->ports, &index);
	wire_raise_epoch(wire);
}

int wire_add_port(struct wire *wire, struct netlink *nl, int ifindex, const struct wire_port *port, struct error *err)
{
	if (wire_set_port(wire, ifindex, port, err))
		return -err->code;
	if (qdisc_add_clsact(nl, ifindex, err) ||
	    qdisc_attach_program(nl, ifindex, false, wire_ingress_fd(wire), "wire_ingress", err) ||
	    qdisc_attach_program(nl, ifindex, true, wire_egress_fd(wire), "wire_egress", err)) {
		forget_port(wire, ifindex);
		return error_wrap(err, "make a port of %s", port->name);
	}
	return 0;
}

void wire_set_out(struct wire *wire, int ifindex, bool out)
{
	uint32_t index = (uint32_t)ifindex;
	struct wire_port port;

	if (bpf_map_lookup_elem(wire->ports, &index, &port) || port.out == out)
		return;
	port.out = out;
	/* In the place of one that is there: that needs no room. */
	bpf_map_update_elem(wire->ports, &index, &port, BPF_EXIST);
	wire_raise_epoch(wire);
}

static void note_awaited(const struct wire_key *key, const void *value, void *context)
{
	struct wire *wire = context;
	const struct wire_counters *totals = value;

	/* Those that were flushed are on the line, too. */
	if (!totals->held)
		return;
	for (size_t i = 0; i < wire->gone_count; i++)
		if (wire->gone[i].bridge == key->bridge && wire->gone[i].port == key->to)
			wire->gone[i].is_needed = true;
}

static void drop_needless(struct wire *wire)
{
	size_t kept = 0;

	for (size_t i = 0; i < wire->gone_count; i++) {
		if (wire->gone[i].is_needed)
			wire->gone[kept++] = wire->gone[i];
		else
			bpf_map_delete_elem(wire->ports, &wire->gone[i].ifindex);
	}
	wire->gone_count = kept;
}

/* Those for which nothing is held any more. */
static void sweep_gone(struct wire *wire)
{
	for (size_t i = 0; i < wire->gone_count; i++)
		wire->gone[i].is_needed = false;
	wire_each_key(wire, WIRE_COUNTERS, WIRE_ANY_BRIDGE, note_awaited, wire);
	drop_needless(wire);
}

void wire_remove_port(struct wire *wire, int ifindex)
{
	uint32_t index = (uint32_t)ifindex;
	struct wire_port port;

	if (bpf_map_lookup_elem(wire->ports, &index, &port))
		return;
	if (wire->global->line) {
		struct gone gone = { .ifindex = index, .bridge = port.bridge, .port = port.port };

		wire_set_out(wire, ifindex, true);
		forget_gone(wire, index);
		LIST_ADD(wire->gone, wire->gone_count, gone);
		if (wire->gone_count > GONE_LIMIT)
			sweep_gone(wire);
	} else {
		forget_port(wire, ifindex);
	}
}

static struct flushed *find_flushed(const struct wire *wire, uint32_t bridge)
{
	for (size_t i = 0; i < wire->flushed_count; i++)
		if (wire->flushed[i].bridge == bridge)
			return &wire->flushed[i];
	return NULL;
}

uint32_t wire_last_flush(const struct wire *wire, uint32_t bridge)
{
	const struct flushed *flushed = find_flushed(wire, bridge);

	return flushed ? flushed->flush : 0;
}

void wire_forget_gone(struct wire *wire, uint32_t bridge)
{
	struct flushed *flushed = find_flushed(wire, bridge);

	for (size_t i = 0; i < wire->gone_count; i++)
		wire->gone[i].is_needed = wire->gone[i].bridge != bridge;
	drop_needless(wire);
	if (flushed)
		LIST_REMOVE(wire->flushed, wire->flushed_count, (size_t)(flushed - wire->flushed));
}

static void note_flush(struct wire *wire, uint32_t bridge, uint32_t flush)
{
	struct flushed *known = find_flushed(wire, bridge), new = { .bridge = bridge, .flush = flush };

	if (known)
		*known = new;
	else
		LIST_ADD(wire->flushed, wire->flushed_count, new);
}

static void flush_port(struct wire *wire, uint32_t index, uint32_t bridge, uint32_t flush)
{
	struct wire_port port;

	if (bpf_map_lookup_elem(wire->ports, &index, &port) || port.bridge != bridge)
		return;
	port.flush = flush;
	bpf_map_update_elem(wire->ports, &index, &port, BPF_EXIST);
}

void wire_flush(struct wire *wire, uint32_t bridge, uint32_t flush)
{
	uint32_t index, next;
	bool more = !bpf_map_get_next_key(wire->ports, NULL, &index);

	while (more) {
		/* Before the change, which puts the port in front of those that share its place: they would come again, for ever. */
		more = !bpf_map_get_next_key(wire->ports, &index, &next);
		flush_port(wire, index, bridge, flush);
		index = next;
	}
	note_flush(wire, bridge, flush);
	wire_raise_epoch(wire);
}
