/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the wire program. Their values are described in provium/wire.h. */
#ifndef PROVIUM_BPF_MAPS_H
#define PROVIUM_BPF_MAPS_H

#include <provium/wire.h>
#include <provium/capture.h>

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

/* Mapped too: a reader opens a capture by stores. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WIRE_MAX_CAPTURES);
	__type(key, __u32);
	__type(value, struct wire_capture);
} captures SEC(".maps");

/* The ring of reader r on CPU c is element r * cpu_count + c. Not made where there are no perf events. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} events SEC(".maps");

/* Where an event is put together: too large for the stack. Nothing else runs here on this CPU meanwhile. */
struct event_room {
	struct wire_event event;
	__u8 tail[WIRE_TAIL_BYTES]; /* right behind it */
	struct headers {
		__u16 ethertype; /* behind all tags */
		__u16 tag_type;	 /* of the outermost tag, 0 if there is none */
		__u16 ports[2];	 /* 0, 0 if there are none */
		__u8 protocol;
	} headers;
	__u32 open;	 /* captures */
	__u32 wanted_by; /* captures */
	__u32 snaplen;	 /* of the greediest of those that want it */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_room);
} event_rooms SEC(".maps");

#endif
