/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Captures: what crosses a bridge or a NIC, as a stream of pcap or pcapng bytes. All captures of a process share a hub, with
 * one thread that empties the rings into the spools of the captures. Frames appear in the order of their time; one that is
 * held appears when it has arrived, with that time.
 *
 * Everything here is for one thread of the caller's, but for what is in hub.c.
 */
#ifndef PROVIUM_CAPTURE_CAPTURE_H
#define PROVIUM_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <provium/capture.h>

#include "util/buffer.h"

struct capture;
struct capture_hub;
struct error;
struct wire_ids;

#define CAPTURE_SNAPLEN 262144U /* as tcpdump has it */
#define CAPTURE_LIMIT	(1ULL << 30)

enum capture_format {
	CAPTURE_PCAP,
	CAPTURE_PCAPNG,
	CAPTURE_COUNT, /* frames are counted, and that is all */
};

struct capture_options {
	struct wire_capture wanted; /* see wire_tap_add() */
	enum capture_format format;
	bool keep;	   /* what was read stays, for capture_save() */
	uint64_t count;	   /* it ends after so many frames; 0: it does not */
	bool patient;	   /* who waits for frames may get them some 50 ms later, which costs less */
	bool strict;	   /* the stream ends with an error if anything was lost */
	uint64_t limit;	   /* in bytes, of what was not read, and with `keep` of all; 0: the default */
	const char *title; /* pcapng: of the section */
};

enum capture_verdicts {
	CAPTURE_AS_USUAL, /* of a bridge: frames as they were sent, for pcap; all, for pcapng. Of a NIC: what it got */
	CAPTURE_ALL,
	CAPTURE_DELIVERED,
	CAPTURE_DROPPED,
};

/*
 * Which events are the frames that a person means: of a whole bridge (nic 0), or sent by that port and on their way to it.
 * Everything else in the options, `from` and `to` too, must be set. Changes `wanted`.
 */
void capture_choose_events(struct capture_options *options, uint16_t nic, enum capture_verdicts verdicts);

/* The rings are those of the wire with these ids. A ring_size of 0: the default. */
int capture_hub_open(struct capture_hub **result, const struct wire_ids *ids, uint64_t ring_size, struct error *err);
/* All captures must be closed. */
void capture_hub_close(struct capture_hub *hub); /* NULL is fine */
bool capture_hub_is_idle(struct capture_hub *hub);
uint64_t capture_hub_ring_size(const struct capture_hub *hub);

/* Frames from now on. */
int capture_open(struct capture **result, struct capture_hub *hub, const struct capture_options *options,
		 struct error *err);
void capture_close(struct capture *capture);
/* No more frames. What has come until now can still be read. Safe twice. */
void capture_end(struct capture *capture);

/*
 * Puts bytes that were not read yet in the place of what the buffer had; waits for the first of them. Returns how many, 0 if
 * there were none in time or if that was all (capture_has_ended()), or -errno and an error: what made the capture end, told
 * after the last byte.
 */
long capture_read(struct capture *capture, struct buffer *bytes, uint64_t deadline_ns, struct error *err);
bool capture_has_ended(struct capture *capture);

/* Waits until all that happened before this call is in the stream. Returns 0, also if the deadline passed. */
int capture_settle(struct capture *capture, uint64_t deadline_ns, struct error *err);
/* Waits until that many frames have come. Returns 0, also if the deadline passed. */
int capture_await(struct capture *capture, uint64_t count, uint64_t deadline_ns, struct error *err);

struct capture_state {
	uint64_t frames; /* that came */
	uint64_t lost;	 /* for which the rings had no room */
};
struct capture_state capture_state(struct capture *capture);

/* Writes all that came since it was opened to a file. Needs `keep`. */
int capture_save(struct capture *capture, const char *path, struct error *err);

#endif
