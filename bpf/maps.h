/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the wire program. Their values are described in provium/wire.h. */
#ifndef PROVIUM_BPF_MAPS_H
#define PROVIUM_BPF_MAPS_H

#include <provium/wire.h>
#include <provium/capture.h>

#include <stdbool.h>

#include <bpf/bpf_helpers.h>

/* None is preallocated: a lab of two nodes should not pay for the largest lab that there can be. */
#define WIRE_HASH(KEY, VALUE, ENTRIES)                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                                                  \
		__uint(max_entries, ENTRIES);                                                                          \
		__type(key, KEY);                                                                                      \
		__type(value, VALUE);                                                                                  \
	}

/* A place for a second map, whose size is not that of the one which stands for its type here: see wire_needs_more(). */
#define WIRE_MORE(VALUE)                                                                                               \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                              \
		__uint(max_entries, 1);                                                                                \
		__type(key, __u32);                                                                                    \
		__array(values, WIRE_HASH(struct wire_key, VALUE, 1));                                                 \
	}

WIRE_HASH(__u32, struct wire_port, WIRE_MAX_PORTS) ports SEC(".maps");
WIRE_HASH(struct wire_key, struct wire_rule, WIRE_FIRST_ENTRIES) links SEC(".maps");
WIRE_HASH(struct wire_key, struct wire_state, WIRE_FIRST_ENTRIES) states SEC(".maps");
WIRE_HASH(struct wire_key, struct wire_counters, WIRE_FIRST_ENTRIES) counters SEC(".maps");
WIRE_HASH(struct wire_class, __u64, WIRE_MAX_CLASSES) ordinals SEC(".maps");

/*
 * Fixed for a run. Without it all rules are in the first map, and there is no other: before Linux 6.2 no map with a lock in its
 * values can be in another map.
 */
const volatile bool more_rules;
WIRE_MORE(struct wire_rule) links_more SEC(".maps");
WIRE_MORE(struct wire_counters) counters_more SEC(".maps");

/* Global, so that the verifier looks at it once, by itself, and knows no more of the key afterwards: see capture.h. */
__noinline int needs_more(__u32 bridge, __u16 from, __u16 to)
{
	struct wire_key key = { .bridge = bridge, .from = from, .to = to };

	return wire_needs_more(&key);
}

/* NULL if it is not made: then nothing is in it. */
static __always_inline void *find_more(void *place)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(place, &zero);
}

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

/*
 * What a CPU knows of the path from one device to another. Nothing else runs here on this CPU meanwhile. Of paths that
 * have the same place the last one is there; no two among 32 devices that were made one after another have.
 */
struct path {
	__u64 epoch;
	__u32 to_index, from_index; /* to_index = 0: where the frame enters the bridge */
	struct wire_key pair;	    /* bridge = 0: one of the two is no port, and nothing below counts */
	__u64 flow;		    /* of fq */
	__u64 delay_ns;		    /* the sum of the links */
	__u32 mtu;
	__u32 flush;
	__u8 cut; /* enum wire_verdict */
	__u8 seeding;
	bool uses_medium; /* where the frame enters */
	bool holds;	  /* a link delays or has a rate */
	__u8 rolls;	  /* one bit a hop: a link that rolls dice */
	__u8 reserved[3];
	struct crossing {
		__u64 rate_bps;
		__u64 queue_ns;
		__u64 dice; /* the seed, the names of the link, and the sender's in one number */
		__u32 loss_ppb;
		__u32 clock;
		__u32 generation;
		__u32 reserved;
	} crossings[WIRE_HOPS];
};
#define PATHS_A_PORT 32
#define PATHS	     (PATHS_A_PORT * PATHS_A_PORT)
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PATHS);
	__type(key, __u32);
	__type(value, struct path);
} paths SEC(".maps");

/* The links of a path while it is read. Nothing else runs here on this CPU meanwhile. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WIRE_HOPS);
	__type(key, __u32);
	__type(value, struct wire_link);
} link_rooms SEC(".maps");

/* Where an event is put together: too large for the stack. Nothing else runs here on this CPU meanwhile. */
struct event_room {
	struct wire_event event;
	__u8 tail[WIRE_TAIL_BYTES]; /* right behind it */
	struct headers {
		__u16 ethertype; /* behind all tags */
		__u16 tag_type;	 /* of the outermost tag, 0 if there is none */
		__u16 ports[2];	 /* 0, 0 if there are none */
		__u8 protocol;
		__u8 icmp_type; /* 0 if it is no such protocol, which is a type, too */
	} headers;
	__u32 open;	 /* captures */
	__u32 wanted_by; /* captures */
	__u32 snaplen;	 /* of the greediest of those that want it */
	__u64 ring;
	__u64 bytes;	  /* that go along with the event */
	__u32 tail_bytes; /* and with its tail, if there are any */
	__u32 kinds;	  /* 1 << kind of each event that this is: `event.kind` is one of them */
	int action;	  /* what the program returns */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_room);
} event_rooms SEC(".maps");

#endif
