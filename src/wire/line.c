// SPDX-License-Identifier: GPL-2.0-only
/* The line, on which frames are held: see bpf/line.h. */
#include <unistd.h>

#include <bpf/libbpf.h>

#include "net/link.h"
#include "net/netlink.h"
#include "net/qdisc.h"
#include "net/rps.h"
#include "util/error.h"
#include "wire.skel.h"
#include "wire/internal.h"

#define LOOPBACK_IFINDEX 1
/* An offload frame is longer than any device's MTU, and is let through by all. */
#define LINE_MTU 65535U

void wire_probe_fq(struct wire *wire, struct netlink *nl)
{
	struct error ignored;

	wire->can_hold = !qdisc_add_fq(nl, LOOPBACK_IFINDEX, &ignored);
}

bool wire_can_hold(const struct wire *wire)
{
	return wire->can_hold;
}

static int program_fd(const struct bpf_program *program)
{
	return bpf_program__fd(program);
}

static int dress(struct wire *wire, struct netlink *nl, int line, int end, struct error *err)
{
	if (qdisc_add_clsact(nl, line, err) || qdisc_add_clsact(nl, end, err) ||
	    qdisc_attach_program(nl, line, true, program_fd(wire->skeleton->progs.wire_line), "wire_line", err) ||
	    qdisc_attach_program(nl, end, false, program_fd(wire->skeleton->progs.wire_due), "wire_due", err) ||
	    (wire->can_hold && qdisc_add_fq(nl, line, err)) || link_set_up(nl, end, true, err) ||
	    link_set_up(nl, line, true, err))
		return -err->code;
	return 0;
}

int wire_open_line(struct wire *wire, struct netlink *nl, const char *name, const char *end, struct error *err)
{
	struct veth veth = { .name = name,
			     .peer_pid = getpid(),
			     .peer_name = end,
			     .peer_mac = { 2 },
			     .mtu = LINE_MTU,
			     .peer_mtu = LINE_MTU };
	int index, end_index;
	struct error ignored;

	if (wire->global->line)
		return 0;
	if (link_create_veth(nl, &veth, err))
		return -err->code;
	if (link_index(nl, name, &index, err))
		return -err->code;
	/*
	 * The queue on the line is emptied by any processor, and each puts what comes out behind what it has to do itself: frames
	 * would overtake each other. A kernel without RPS is one without several processors, or rare.
	 */
	rps_enable(end, &ignored);
	/* A frame that was put on the line comes off as one, so that it is counted once. Older kernels know none that are larger. */
	link_carry_big(nl, index, &ignored);
	if (link_index(nl, end, &end_index, err) || dress(wire, nl, index, end_index, err)) {
		link_delete(nl, index, &ignored);
		return -err->code;
	}
	wire->global->line_end = (uint32_t)end_index;
	wire->global->line = (uint32_t)index;
	wire_raise_epoch(wire);
	return 0;
}

int wire_line(const struct wire *wire)
{
	return (int)wire->global->line;
}
