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

/*
 * Makes the device a port: clsact with both programs, and fq below them where the kernel has it. Cheapest, by several
 * milliseconds, while the device is down.
 */
int wire_add_port(struct wire *wire, struct netlink *nl, int ifindex, const struct wire_port *port, struct error *err);
/* The device itself is the caller's to delete. */
void wire_remove_port(struct wire *wire, int ifindex);

/* Whether the kernel has fq, without which nothing can be delayed or paced. */
bool wire_can_hold(const struct wire *wire);
/* Finds that out, once, on the loopback device of the namespace. */
void wire_probe_fq(struct wire *wire, struct netlink *nl);

/* Whether the kernel has perf events, without which nothing can be captured. */
bool wire_can_capture(const struct wire *wire);

/* The link as it is in force; all zero if there is none. */
struct wire_link wire_link(const struct wire *wire, struct wire_key key);

/* Changes to links, collected and then put in force at one instant. */
struct wire_change {
	struct wire_key key;
	struct wire_link link;
	uint64_t salt; /* for the dice of the link, see wire_state */
};
struct wire_changes {
	struct wire_change *list;
	size_t count;
	uint32_t *slots; /* of changes.c: which of them is about a key */
	size_t slot_count;
};

/* Adds a change, or replaces the one of the same link. */
void wire_change(struct wire_changes *changes, const struct wire_change *change);
/* The link as it will be once the changes so far are in force. */
struct wire_link wire_changed_link(const struct wire *wire, const struct wire_changes *changes, struct wire_key key);
/* Whether one of the changes is about the link. */
bool wire_has_change(const struct wire_changes *changes, struct wire_key key);
/* Puts all in force, or none and an error. Frees the list either way. */
int wire_commit(struct wire *wire, struct wire_changes *changes, struct error *err);
void wire_forget_changes(struct wire_changes *changes);

/* A number that no link of this run had as its generation yet. */
uint32_t wire_next_generation(struct wire *wire);

/* Calls each() for every link of the bridge; it must not change links. */
void wire_each_link(const struct wire *wire, uint32_t bridge,
		    void (*each)(const struct wire_key *key, const struct wire_link *link, void *context),
		    void *context);

/* Removes all that is known about a bridge: links, states, counters. */
void wire_forget_bridge(struct wire *wire, uint32_t bridge);

/* Fixes all dice of the run, and starts them over. */
void wire_set_seed(struct wire *wire, uint64_t seed);

/* All zero if the pair never spoke. */
struct wire_counters wire_counters(const struct wire *wire, struct wire_key key);
void wire_each_counters(const struct wire *wire, uint32_t bridge,
			void (*each)(const struct wire_key *key, const struct wire_counters *counters, void *context),
			void *context);
/* Frames that were shaped as they should be, but for whose pair the counters had no room. */
uint64_t wire_uncounted(const struct wire *wire);

/* Program and map ids, for the registry that `provium inspect` and `provium top` read. */
struct wire_ids {
	uint32_t ingress, egress;
	uint32_t ports, links, states, counters, control, captures;
	uint32_t events; /* 0 if the kernel has no perf events */
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
#define WIRE_OBJECTS 9
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
