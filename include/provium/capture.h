/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the wire program (bpf/capture.h) and the readers of captures (src/wire/tap.c, src/capture) share.
 *
 * A reader is a process with a set of rings, one a CPU, in the map "events". It has some captures, which are elements of
 * the map "captures": each says which frames it wants. A frame that captures of a reader want becomes one event in that
 * reader's ring, however many they are. Everything here is written by the readers but for `lost` and, where a
 * reader is found to be gone, the bits of its captures in wire_control: so nothing is left of a reader that was killed.
 */
#ifndef PROVIUM_CAPTURE_H
#define PROVIUM_CAPTURE_H

#include <linux/types.h>

#include <provium/wire.h>

#ifdef __bpf__
#define bool _Bool
#endif

enum wire_event_kind {
	WIRE_EVENT_SENT = 1, /* the sender has put the frame on the bridge; who gets it is not known yet */
	WIRE_EVENT_BOUND, /* it is about to get to one receiver; what becomes of it there is not known yet if it is held */
	WIRE_EVENT_OUTCOME, /* what became of it on its way to one receiver: it has left, or is lost */
	WIRE_EVENT_TAIL,    /* the rest of the frame of the event before */
};

/* An event holds at most this much of a frame: the kernel's records have a 16-bit size. A tail holds the rest. */
#define WIRE_EVENT_BYTES 61440U
#define WIRE_TAIL_BYTES	 8192U /* together more than the largest offload frame */

/* captures: what one capture wants. Every condition that is not 0 must hold. */
struct wire_capture {
	__u32 owner; /* the process; 0: this element is free */
	__u32 bridge;
	__u32 snaplen;	/* bytes of each frame */
	__u16 nic;	/* sent by this port, or on its way to it */
	__u16 from, to; /* ports; what has only been sent has no `to` yet */
	__u16 verdicts; /* 1 << verdict: the outcomes that are wanted */
	__u16 ethertype;
	__u16 port;    /* TCP, UDP, SCTP, DCCP, UDP-Lite; either side */
	__u8 protocol; /* of IPv4, or the last header of IPv6 */
	__u8 kinds;    /* 1 << kind */
	__u8 reader;
	bool looks_inside; /* one of ethertype, port, protocol is not 0 */
	__u32 reserved;
	__u64 lost; /* frames for which the ring had no room */
	__u64 reserved2[3];
};
_Static_assert(sizeof(struct wire_capture) == 64, "wire_capture is one cache line");

/* What stands before the frame in a ring. */
struct wire_event {
	__u8 kind;
	__u8 verdict;	/* of an outcome */
	__u8 hop;	/* enum wire_hop: the link that lost it */
	bool tagged;	/* vlan_tci and vlan_proto are a tag that is not in the bytes */
	__u32 captures; /* 1 << number of each that wants it */
	__u64 time_ns;	/* of the event: those of a ring are in its order */
	__u64 sent_ns;
	__u32 bridge;
	__u16 from, to;
	__u32 length;	/* of the whole frame, without a tag beside it */
	__u32 captured; /* how much of it is here, the tail counted */
	__u16 vlan_tci;
	__u16 vlan_proto;
	__u32 reserved;
};
_Static_assert(sizeof(struct wire_event) == 48, "wire_event has no padding");

#ifdef __bpf__
#undef bool
#endif

#endif
