/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control plane of the wire program: loads it, attaches it to ports, writes links, reads counters. The maps are the
 * only store of rules; what is asked for here is read from there.
 */
#ifndef PROVIUM_WIRE_WIRE_H
#define PROVIUM_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <provium/wire.h>

struct error;
struct netlink;
struct wire;

/* Loads program and maps. Needs CAP_BPF and CAP_NET_ADMIN, Linux 5.15 or later. */
int wire_load(struct wire **result, struct error *err);
void wire_close(struct wire *wire); /* NULL is fine */

/* Makes the device a port: clsact with both programs. Cheapest, by several milliseconds, while the device is down. */
int wire_add_port(struct wire *wire, struct netlink *nl, int ifindex, const struct wire_port *port, struct error *err);
/* The device itself is the caller's to delete. What is held for it is lost when it is due, and counted as WIRE_DISCONNECTED. */
void wire_remove_port(struct wire *wire, int ifindex);
/* Its cable is pulled, or plugged in again: what is due meanwhile is lost. */
void wire_set_out(struct wire *wire, int ifindex, bool out);
/*
 * What is held for the ports of the bridge, or on its way there, is not delivered any more, and counted as WIRE_FLUSHED. `flush`
 * differs from the last one, and new ports are made with it.
 */
void wire_flush(struct wire *wire, uint32_t bridge, uint32_t flush);

/* Whether the kernel has fq, without which nothing can be delayed or paced. */
bool wire_can_hold(const struct wire *wire);
/* Finds that out, once, on the loopback device of the namespace. */
void wire_probe_fq(struct wire *wire, struct netlink *nl);

/*
 * Makes the line of the run, on which frames are held (bpf/line.h): a veth pair of these names. Nothing if there is one already.
 * Needed before a link delays or has a rate.
 */
int wire_open_line(struct wire *wire, struct netlink *nl, const char *name, const char *end, struct error *err);
/* The device on which frames are held, 0 if there is none. What it has dropped is held by the counters for ever. */
int wire_line(const struct wire *wire);

/* Whether the kernel has perf events, without which nothing can be captured. */
bool wire_can_capture(const struct wire *wire);

/* Whether the link does nothing: a salt, a clock and the like do not make one. */
bool wire_is_nothing(const struct wire_link *link);
/* The link as it is in force; all zero if there is none. */
struct wire_link wire_link(const struct wire *wire, struct wire_key key);

/* Changes to links, collected and then put in force at one instant. */
struct wire_change {
	struct wire_key key;
	struct wire_link link;
};
struct wire_changes {
	struct wire_change *list;
	size_t count;
	uint32_t *slots; /* of changes.c: which of them is about a key */
	size_t slot_count;
	struct wire_link *before; /* of changes.c: what is in force, for those of the list of which it is known */
	bool *known;
	uint64_t epoch; /* of what is known */
};

/* Adds a change, or replaces the one of the same link. */
void wire_change(struct wire_changes *changes, const struct wire_change *change);
/* The link as it will be once the changes so far are in force. */
struct wire_link wire_changed_link(const struct wire *wire, const struct wire_changes *changes, struct wire_key key);
/* The same, to be changed in place; good until the next change. It is one of the list then. */
struct wire_link *wire_edit_link(const struct wire *wire, struct wire_changes *changes, struct wire_key key);
/* What is in force and was read by the caller, who is about to change it: spares reading it again. */
void wire_note_link(const struct wire *wire, struct wire_changes *changes, const struct wire_key *key,
		    const struct wire_link *link);
/* Whether one of the changes is about the link. */
bool wire_has_change(const struct wire_changes *changes, struct wire_key key);
/* What is in force, a link for each of the list. Good until the next change. */
const struct wire_link *wire_before(const struct wire *wire, struct wire_changes *changes);
/* Puts all in force, or none and an error. Frees the list either way. Rules that stay as they are cost next to nothing. */
int wire_commit(struct wire *wire, struct wire_changes *changes, struct error *err);
void wire_forget_changes(struct wire_changes *changes);

/* A number that no link of this run had as its generation or its clock yet. */
uint32_t wire_next_generation(struct wire *wire);

/* Calls each() for every link of the bridge; it must not change links. */
void wire_each_link(const struct wire *wire, uint32_t bridge,
		    void (*each)(const struct wire_key *key, const struct wire_link *link, void *context),
		    void *context);

/* Removes all that is known about a bridge: links, states, dice, counters. */
void wire_forget_bridge(struct wire *wire, uint32_t bridge);
/* The dice of the bridge start over. */
void wire_forget_dice(struct wire *wire, uint32_t bridge);

/* Fixes all dice of the run, and starts them over. */
void wire_set_seed(struct wire *wire, uint64_t seed);

/* As counters, captures and error texts say it. */
const char *wire_verdict_name(enum wire_verdict verdict);
extern const char *const wire_hops[WIRE_HOPS];

/* Of so many frames it became that. */
uint64_t wire_frames(const struct wire_counters *counters, enum wire_verdict verdict);
/* All zero if the pair never spoke. `dropped_flushed` is whole, and `held` is what is still going to be delivered. */
struct wire_counters wire_counters(const struct wire *wire, struct wire_key key);
/* Those of pairs that spoke. */
void wire_each_counters(const struct wire *wire, uint32_t bridge,
			void (*each)(const struct wire_key *key, const struct wire_counters *counters, void *context),
			void *context);
/* On all bridges of the run. */
uint64_t wire_held(const struct wire *wire);
/* Frames that were shaped as they should be, but for whose pair the counters had no room. */
uint64_t wire_uncounted(const struct wire *wire);
/* Frames that rolled dice that no seed repeats, for there was no room for their class. */
uint64_t wire_unnumbered(const struct wire *wire);

/* Program and map ids, for the registry that `provium inspect` and `provium top` read. */
struct wire_ids {
	uint32_t ingress, egress;
	uint32_t ports, links, states, ordinals, counters, control, captures;
	uint32_t counters_more;
	uint32_t links_more; /* 0 if the kernel can have none */
	uint32_t events;     /* 0 if the kernel has no perf events */
};
int wire_ids(const struct wire *wire, struct wire_ids *ids, struct error *err);

/* What each of these ids stands for. */
struct wire_object {
	const char *name; /* in bpf/ */
	size_t offset;	  /* in struct wire_ids */
	bool is_program;
	bool is_optional; /* 0 is allowed */
	uint32_t map_type, key_size, value_size;
	uint32_t entries; /* at least */
};
#define WIRE_OBJECTS 12
extern const struct wire_object wire_objects[WIRE_OBJECTS];
uint32_t *wire_id(struct wire_ids *ids, const struct wire_object *object);

/*
 * Whether all of them are what they should be: programs and maps of these names, types and sizes, which can be mapped and read as
 * this program knows them. Whose they are is not asked. Needs CAP_SYS_ADMIN.
 */
int wire_check_ids(struct wire_ids *ids, struct error *err);

/* The descriptors of the programs, for tests that run them without a device. */
int wire_ingress_fd(const struct wire *wire);
int wire_egress_fd(const struct wire *wire);
int wire_set_port(struct wire *wire, int ifindex, const struct wire_port *port, struct error *err);

#endif
