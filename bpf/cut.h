/* SPDX-License-Identifier: GPL-2.0-only */
/* Stage "cut": partitions and isolation. */
#ifndef PROVIUM_BPF_CUT_H
#define PROVIUM_BPF_CUT_H

#include "maps.h"

/* What was said about the pair itself goes before what was said about all pairs. */
static __always_inline bool partitioned(struct wire_link *const link[WIRE_HOPS], bool of_nodes)
{
	if (link[WIRE_PAIR]->partition != WIRE_OPEN)
		return link[WIRE_PAIR]->partition != WIRE_LIFTED;
	return link[WIRE_MEDIUM]->partition != WIRE_OPEN && of_nodes;
}

/* `of_nodes`: the frame is neither of the switch nor from or to the router. */
static __always_inline enum wire_verdict cut_by(struct wire_link *const link[WIRE_HOPS], bool of_nodes)
{
	if (partitioned(link, of_nodes))
		return WIRE_PARTITION;
	if (of_nodes && (link[WIRE_ACCESS_OUT]->isolated || link[WIRE_ACCESS_IN]->isolated))
		return WIRE_ISOLATION;
	return WIRE_DELIVERED;
}

/*
 * Whether a frame that enters uses the medium: not if all nodes are cut from its sender. (A copy for the router, which is not cut,
 * crosses the medium where it leaves.) A partition of pairs leaves the medium in use: whom the frame is for is not known yet.
 */
static __always_inline bool uses_medium(struct wire_link *const link[WIRE_HOPS], bool of_router)
{
	if (of_router)
		return true;
	return !link[WIRE_ACCESS_OUT]->isolated &&
	       (link[WIRE_MEDIUM]->partition == WIRE_OPEN || link[WIRE_ACCESS_OUT]->lifted);
}

#endif
