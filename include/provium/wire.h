/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the wire program (bpf/) and the control plane (src/wire) share: keys, values, verdicts.
 *
 * A frame from port a to port b of a bridge crosses up to four links, each of them optional:
 *
 *     key {bridge, a, 0}   a's access link, outwards
 *     key {bridge, 0, 0}   the medium: the bridge itself
 *     key {bridge, a, b}   the pair link, of frames from a to b only
 *     key {bridge, 0, b}   b's access link, inwards
 *
 * Ports count from 1 on each bridge; 0 stands for "any". Times are CLOCK_MONOTONIC nanoseconds, rates bits per
 * second, probabilities parts per billion.
 */
#ifndef PROVIUM_WIRE_H
#define PROVIUM_WIRE_H

#include <linux/bpf.h>
#include <linux/types.h>

#ifndef __bpf__
#include <stdbool.h>
#else
#define bool _Bool
#endif

#define WIRE_CERTAIN_PPB 1000000000U

/* What became of a frame. Counters, captures and error texts use these names. */
enum wire_verdict {
	WIRE_DELIVERED = 0, /* on its way: handed to the port, or to fq until it is due */
	WIRE_PARTITION,	    /* the pair, or the medium, is cut by a partition */
	WIRE_ISOLATION,	    /* one of the two nodes is isolated */
	WIRE_LOSS,	    /* the dice of a lossy link */
	WIRE_QUEUE,	    /* it would have waited longer than a link's queue holds, or the line was full */
	WIRE_ERROR,	    /* no wire carries it (see bpf/carry.h), or the kernel had no memory for it */
	WIRE_FLUSHED,	    /* it was held when the bridge was flushed */
	WIRE_DISCONNECTED,  /* it was held, and due while its receiver's cable was out */
	WIRE_VERDICTS,
};

/* Which of the links of its path a frame is on. */
enum wire_hop {
	WIRE_ACCESS_OUT = 0,
	WIRE_MEDIUM,
	WIRE_PAIR,
	WIRE_ACCESS_IN,
	WIRE_HOPS,
};

/* ports: interface index → port. */
struct wire_port {
	__u32 bridge;
	__u16 port;
	bool router;   /* stays in reach of isolated and partitioned nodes */
	bool out;      /* its cable is out, or it is gone: what is due for it is lost */
	__u32 mtu;     /* of the bridge: longer frames are an error */
	__u32 flush;   /* of the bridge, how often it was flushed: see bpf/hold.h */
	__u64 salt;    /* from the node's name, for the dice */
	char name[68]; /* "a@lan", for people */
	__u32 reserved;
};
_Static_assert(sizeof(struct wire_port) == 96, "wire_port has no hidden padding");

struct wire_key {
	__u32 bridge;
	__u16 from; /* 0: any */
	__u16 to;   /* 0: any */
};
_Static_assert(sizeof(struct wire_key) == 8, "wire_key has no padding");

/*
 * links and counters are two maps each. Most labs need only the first one, which is small, so that it is made at once; the
 * other one, "..._more", is made when a key needs it. Where a key is depends on nothing but the key, so it is never in both:
 * the first has room for 255 ports on the first bridge, for 31 on each of the next 30, and for 7 on each of 480 more; the
 * second for every pair of a bridge with as many ports as a bridge can have.
 */
#define WIRE_FIRST_ENTRIES 131072 /* states, which only links with a rate have, have no second map */
#define WIRE_MORE_ENTRIES  1048576
_Static_assert(256 * 256 + 30 * 32 * 32 + 480 * 8 * 8 <= WIRE_FIRST_ENTRIES, "none that belongs there is left out");

static inline bool wire_needs_more(const struct wire_key *key)
{
	__u32 port_bits = key->bridge < 2 ? 8 : key->bridge < 32 ? 5 : key->bridge < 512 ? 3 : 0;

	return (key->from | key->to) >> port_bits;
}

enum wire_partition {
	WIRE_OPEN = 0,
	WIRE_CUT,	  /* partition(a, b); on the medium: partition_all() */
	WIRE_CUT_ONE_WAY, /* partition{from=a, to=b}: goes when one of them is detached */
	WIRE_LIFTED,	  /* unpartition(a, b) under partition_all(): this pair is whole again */
};

/* One link. All zero is the same as no link. */
struct wire_link {
	enum wire_partition partition;
	bool isolated; /* access links only */
	bool lifted; /* access links outwards: a pair of the node's is WIRE_LIFTED, so it does use a medium that is cut */
	__u8 reserved[2];
	__u32 loss_ppb;
	/*
	 * Differs each time the delay or the rate of the link was set, within a run. It is a part of the frame's fq flow:
	 * a frame sent under a new rule does not wait behind one that is held by the old rule. Another rate may keep it: then
	 * frames stay in their order.
	 */
	__u32 generation;
	__u64 delay_ns;
	__u64 rate_bps; /* 0: not limited */
	__u64 queue_ns; /* a frame that would wait longer for the rate is dropped */
	__u64 salt;	/* from the names of the link: the dice do not depend on numbering */
	__u32 clock;	/* another one starts the clock of the rate over; another rate alone does not */
	__u32 reserved2;
};
_Static_assert(sizeof(struct wire_link) == 56, "wire_link has no hidden padding");

/*
 * links: key → rule. Rules change at one instant, however many: each is written with `since` one epoch ahead, and then the
 * epoch is raised. It may stay so for ever: the epoch never falls again, and `before`, which is then what the link was before its
 * last change, is not looked at. Who reads or changes a rule that exists holds the lock.
 */
struct wire_rule {
	struct bpf_spin_lock lock;
	__u32 reserved;
	struct wire_link link;	 /* in force when the epoch has reached `since` */
	struct wire_link before; /* in force until then */
	__u64 since;
};
_Static_assert(sizeof(struct wire_rule) == 128, "wire_rule has no hidden padding");

/* states: key → what the kernel writes about a link with a rate. Kept apart, so that a change of the rule does not reset it. */
struct wire_state {
	struct bpf_spin_lock lock;
	__u32 clock; /* these two are what `next_ns` belongs to: others start it over */
	__u32 flush;
	__u32 generation; /* and this `last_ns` */
	__u64 rate_bps;
	__u64 next_ns; /* pacing clock: when the link is free for the next frame */
	__u64 last_ns; /* when the last frame has passed: no other of the generation overtakes it because the rate went up */
};
_Static_assert(sizeof(struct wire_state) == 40, "wire_state has no hidden padding");

/*
 * ordinals: the number of the next frame of a class on a link that rolls dice. Frames of other classes and of other senders have
 * numbers of their own, so what the kernel of a node sends by itself changes nothing for the others.
 */
struct wire_class {
	__u32 bridge;
	__u16 from, to; /* of the link: see above */
	__u16 sender;
	__u16 ethertype;
	__u16 port; /* of TCP and UDP the lower one, of ICMP the type */
	__u8 protocol;
	__u8 seeding; /* of the dice, the lowest byte */
};
_Static_assert(sizeof(struct wire_class) == 16, "wire_class has no padding");

/*
 * counters: key → totals. {bridge, a, b}: what became of the frames from a to b. {bridge, a, 0}: what of a's frames
 * the bridge did not take (dropped_error). from = 0: frames of the switch namespace itself.
 */
struct wire_counters {
	__u64 packets; /* delivered */
	__u64 bytes;   /* delivered, L2 without the frame check sequence */
	__u64 delayed; /* of those delivered, how many were held by fq first */
	__u64 dropped_partition;
	__u64 dropped_isolation;
	__u64 dropped_loss;
	__u64 dropped_queue;
	__u64 dropped_error;
	__u64 dropped_flushed;
	__u64 dropped_disconnected;
	__u64 held;	/* now, those that were flushed counted */
	__u64 held_new; /* now, since the flush whose number is the upper half: the lower one */
};

#define WIRE_CAPTURE_PLACES 64
#define WIRE_MAX_READERS    8  /* processes that capture: the run, and whoever looks on */
#define WIRE_MAX_CAPTURES   32 /* of all of them together */

/* The one value of the map "control". */
struct wire_control {
	__u64 epoch;
	__u64 seed;
	__u64 seeding;	  /* how often the seed was set: the dice start over each time */
	__u64 uncounted;  /* frames whose pair found no room in the counters maps */
	__u64 unnumbered; /* frames that rolled dice, and whose class found no room in the ordinals map */
	/*
	 * See provium/capture.h. One bit a capture. The captures that are open stand where their bridge, modulo the size, has
	 * its place: 0 there is all that its frames look at if there are none.
	 */
	__u32 captures[WIRE_CAPTURE_PLACES];
	__u32 looking_inside; /* those of them whose filter needs the headers of the frame */
	__u32 stamping;	      /* not 0 since a link first delayed or had a rate: frames note when they are sent */
	__u32 line;	      /* the device on which frames are held; 0: there is none */
	__u32 line_end;	      /* its other end, where they come out */
	struct wire_reader {
		__u32 owner; /* the process; 0: free */
		__u32 captures;
	} readers[WIRE_MAX_READERS];
	__s64 held; /* on the line: see WIRE_MAX_HELD. Apart from what every frame reads, for it changes with every frame that is held */
};

#define WIRE_MAX_PORTS 16384
/*
 * How many frames the line holds, of up to WIRE_HELD_BYTES each; a larger one counts as the next power of two of them. A link without a
 * rate has no queue of its own to bound it, so this is what keeps a sender at full speed on a long link from taking all memory:
 * 1,000,000 frames are 800 Mbit/s of full frames for 15 s.
 */
#define WIRE_MAX_HELD	 1000000
#define WIRE_HELD_BYTES	 2048U
#define WIRE_MAX_CLASSES 131072

#ifdef __bpf__
#undef bool
#endif

#endif
