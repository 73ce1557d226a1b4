/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the wire program. Their values are described in provium/wire.h. */
#ifndef PROVIUM_BPF_MAPS_H
#define PROVIUM_BPF_MAPS_H

#include <provium/wire.h>

#include <bpf/bpf_helpers.h>

/* None is preallocated: a lab of two nodes should not pay for the largest lab that there can be. */
#define WIRE_HASH(NAME, KEY, VALUE, ENTRIES)                                                                           \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                                                  \
		__uint(max_entries, ENTRIES);                                                                          \
		__type(key, KEY);                                                                                      \
		__type(value, VALUE);                                                                                  \
	} NAME SEC(".maps")

WIRE_HASH(ports, __u32, struct wire_port, WIRE_MAX_PORTS);
WIRE_HASH(links, struct wire_key, struct wire_rule, WIRE_MAX_LINKS);
WIRE_HASH(states, struct wire_key, struct wire_state, WIRE_MAX_LINKS);
WIRE_HASH(counters, struct wire_key, struct wire_counters, WIRE_MAX_PAIRS);

/* Mapped into the control plane's memory, where raising the epoch is one store. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wire_control);
} control SEC(".maps");

#endif
