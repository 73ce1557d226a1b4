/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model that the wire program is checked against: links in series, as plainly as they can be written down. It knows frames by
 * what they are and not by their bytes, keeps numbers where the program hashes, and has nothing that makes anything faster.
 *
 *     the sender's access link → the medium → the pair link → the receiver's access link
 *     '------ once a frame ---------------'   '--------- once a copy ------------------'
 */
#ifndef PROVIUM_TESTS_WIRE_REFERENCE_H
#define PROVIUM_TESTS_WIRE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <provium/wire.h>

#define REFERENCE_PORTS	  8 /* from 1 on; 0: the switch itself, or any */
#define REFERENCE_CLASSES 2048
#define REFERENCE_HELD	  512

/* What is said about a link. */
struct reference_rule {
	enum wire_partition partition;
	bool isolated;
	uint32_t loss_ppb;
	uint64_t delay_ns;
	uint64_t rate_bps; /* 0: not limited */
	uint64_t queue_ns;
	uint64_t name;
};

struct reference_link {
	struct reference_rule rule;
	uint64_t free_ns;   /* when it has sent all that it took */
	uint64_t sent_bps;  /* at which rate that is */
	uint64_t passed_ns; /* when the last frame has passed, which went at the rate of its time */
};

struct reference_totals {
	uint64_t packets, bytes, delayed;
	uint64_t dropped[WIRE_VERDICTS];
	uint64_t held, held_flushed;
};

/* For the dice: frames of different classes do not disturb each other. */
struct reference_class {
	uint16_t ethertype;
	uint8_t protocol;
	uint16_t port; /* the lower one, or the type */
};

/* A frame that is on the bridge. */
struct reference_frame {
	uint16_t from;
	struct reference_class class;
	uint64_t bytes;	    /* on the wire */
	uint32_t length;    /* of the data: what the MTU is about */
	bool is_segmented;  /* later, into frames that fit */
	bool is_for_bridge; /* the bridge forwards no such frame */
	/* What became of it at its sender's side. */
	bool is_timed; /* somebody may ask for the time */
	uint64_t sent_ns;
	uint64_t free_ns; /* when the last link so far has sent its last bit */
	enum wire_verdict verdict;
	enum wire_hop hop; /* the last link that it came to */
	bool used_medium;
};

struct reference_held {
	struct reference_frame frame;
	uint16_t to;
	uint64_t due_ns;
	bool flushed, unplugged;
};

struct reference {
	uint64_t seed;
	uint32_t mtu;
	bool stamping;	 /* frames note the time */
	bool no_line;	 /* frames cannot be held */
	uint16_t router; /* 0: none */
	struct {
		uint64_t name;
		bool out; /* its cable */
	} ports[REFERENCE_PORTS];
	struct reference_link links[REFERENCE_PORTS][REFERENCE_PORTS]; /* from, to; 0: any */
	struct reference_totals totals[REFERENCE_PORTS][REFERENCE_PORTS];
	struct reference_number {
		uint16_t from, to; /* the link */
		uint16_t sender;
		struct reference_class class;
		uint64_t next;
	} numbers[REFERENCE_CLASSES];
	size_t number_count;
	struct reference_held held[REFERENCE_HELD];
	size_t held_count;
};

struct reference_outcome {
	enum wire_verdict verdict;
	uint64_t due_ns; /* 0: it leaves at once */
	uint64_t sent_ns;
};

/* Changes. */
void reference_set_rule(struct reference *reference, uint16_t from, uint16_t to, const struct reference_rule *rule);
void reference_set_seed(struct reference *reference, uint64_t seed);
void reference_reset(struct reference *reference);		   /* links as new */
void reference_flush(struct reference *reference);		   /* what is held is dropped, and no link is busy */
void reference_unplug(struct reference *reference, uint16_t port); /* the port that frames are held for is gone */

/* Whether the bridge takes the frame, and in the frame what became of it. */
bool reference_enter(struct reference *reference, struct reference_frame *frame, uint64_t now_ns);
/* A copy of it leaves for one receiver, or is held. */
struct reference_outcome reference_leave(struct reference *reference, const struct reference_frame *frame, uint16_t to,
					 uint64_t now_ns);
/* One of those that are held has come to its time; it is taken out of the list. */
enum wire_verdict reference_due(struct reference *reference, size_t held);

/* How exactly a frame knows, on the bridge, how long it had to wait: 21 bits. */
uint64_t reference_wait(const struct reference_frame *frame);

#endif
