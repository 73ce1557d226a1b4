/* SPDX-License-Identifier: GPL-2.0-only */
/* Stage "cut": partitions and isolation. */
#ifndef PROVIUM_BPF_CUT_H
#define PROVIUM_BPF_CUT_H

#include "frame.h"

/* What was said about the pair itself goes before what was said about all pairs. */
static __always_inline bool partitioned(const struct frame *frame, const struct path *path)
{
	if (path->pair.partition != WIRE_OPEN)
		return path->pair.partition != WIRE_LIFTED;
	return path->medium.partition != WIRE_OPEN && frame->pair.from && !frame->router;
}

static __always_inline bool isolated(const struct frame *frame, const struct path *path)
{
	return frame->pair.from && !frame->router && (path->access_out.isolated || path->access_in.isolated);
}

static __always_inline enum wire_verdict stage_cut(const struct frame *frame, const struct path *path)
{
	if (partitioned(frame, path))
		return WIRE_PARTITION;
	if (isolated(frame, path))
		return WIRE_ISOLATION;
	return WIRE_DELIVERED;
}

#endif
