/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be done to a bridge's traffic: partitions, isolation, impairments. Every call either puts all of it in force at
 * one instant, or changes nothing. Where names are given they need not be attached, unless it says so.
 */
#ifndef PROVIUM_LAB_RULES_H
#define PROVIUM_LAB_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <provium/wire.h>

struct bridge;
struct error;
struct member;

/* Longest delay and queue of one link: with four of them in series fq's horizon of 71 minutes is kept. */
#define RULES_MAX_NS   (600ULL * 1000000000ULL)
#define RULES_MIN_RATE 1000ULL		/* bit/s: a full frame takes 12 s */
#define RULES_MAX_RATE 1000000000000ULL /* 1 Tbit/s: a minimal frame takes half a nanosecond */

struct name_list {
	const char *const *names;
	size_t count;
};

/* Both ways between each of the one group and each of the other. */
int rules_partition(struct bridge *bridge, const struct name_list *group, const struct name_list *others,
		    struct error *err);
/* One way. Both must be attached. */
int rules_partition_one_way(struct bridge *bridge, const char *from, const char *to, struct error *err);
/* However they were cut. Names that the bridge does not know are fine. */
int rules_unpartition(struct bridge *bridge, const struct name_list *group, const struct name_list *others,
		      struct error *err);
int rules_unpartition_one_way(struct bridge *bridge, const char *from, const char *to, struct error *err);
int rules_partition_all(struct bridge *bridge, struct error *err);
int rules_restore_all(struct bridge *bridge, struct error *err);
/* Whether a frame from one to the other would be dropped for a partition. */
bool rules_is_partitioned(const struct bridge *bridge, const char *from, const char *to);

int rules_isolate(struct bridge *bridge, const char *name, struct error *err);
int rules_unisolate(struct bridge *bridge, const char *name, struct error *err);
bool rules_is_isolated(const struct bridge *bridge, const char *name);

/* Which link a script means: from and to are names of attached nodes, or NULL for any. */
struct link_choice {
	const char *from, *to;
};

/* 0 takes the impairment away. The others of the link stay. */
int rules_set_delay(struct bridge *bridge, struct link_choice choice, uint64_t delay_ns, struct error *err);
int rules_set_loss(struct bridge *bridge, struct link_choice choice, uint32_t loss_ppb, struct error *err);

enum queue_kind {
	QUEUE_DEFAULT, /* 200 ms, but at least 32 full frames */
	QUEUE_TIME,    /* ns */
	QUEUE_BYTES,
};
struct rate {
	uint64_t bps;
	enum queue_kind queue_kind;
	uint64_t queue;
};
int rules_set_rate(struct bridge *bridge, struct link_choice choice, const struct rate *rate, struct error *err);

/* Takes every impairment and partition away; isolation stays. */
int rules_reset(struct bridge *bridge, struct error *err);

/* A link by the names of its ends; NULL stands for any. */
struct named_link {
	const char *from, *to;
	struct wire_link link;
};
/* rules_state.c: each() for every link of the bridge; and these in the place of all that there are, at one instant. */
void rules_each(const struct bridge *bridge, void (*each)(const struct named_link *link, void *context), void *context);
int rules_replace(struct bridge *bridge, const struct named_link *links, size_t count, struct error *err);

/* A number from the names of the bridge and of both ends, for the dice of that link, or of the frames that one sends. */
uint64_t rules_salt(const struct bridge *bridge, const struct member *from, const struct member *to);

/* The whole-bridge link as it is in force. */
struct wire_link rules_medium(const struct bridge *bridge);

/* The links that a frame meets, in order; fewer than four if some are not there. Cuts are those that hold for this frame. */
struct path_link {
	const char *kind; /* of wire_hops[] */
	struct wire_link link;
};
size_t rules_path(const struct bridge *bridge, const char *from, const char *to,
		  struct path_link links[static WIRE_HOPS]);

/* medium.c: a port has come onto its bridge, and is still down. */
void rules_begin_port(struct member *member);

/* What goes when a node is detached: one-way partitions, impairments that name it, its isolation. */
void rules_forget_member(struct member *member);

#endif
