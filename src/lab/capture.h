/* SPDX-License-Identifier: GPL-2.0-only */
/* Captures of bridges and NICs, in the words of the lab: names instead of ports. */
#ifndef PROVIUM_LAB_CAPTURE_H
#define PROVIUM_LAB_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"

struct bridge;
struct error;
struct lab_capture;
struct member;

struct lab_filter {
	const char *from, *to; /* names, or NULL for any */
	uint16_t ethertype, port;
	uint8_t protocol;
};

struct lab_capture_options {
	struct lab_filter filter;
	enum capture_format format;
	enum capture_verdicts verdicts;
	uint32_t snaplen;     /* 0: whole frames */
	uint64_t limit, ring; /* 0: the defaults */
	bool strict;
	const char *site; /* where the script has asked for it: "file:line" */
};

/* Of the NIC, which must be up, or of the whole bridge if nic is NULL. */
int lab_capture_open(struct lab_capture **result, struct bridge *bridge, const struct member *nic,
		     const struct lab_capture_options *options, struct error *err);
void lab_capture_close(struct lab_capture *capture);
struct capture *lab_capture_stream(const struct lab_capture *capture);

/* Where the script has opened a capture of the bridge that is still open; NULL if there is none. */
const char *lab_capture_site(const struct bridge *bridge);

/* The bridge is closed: its captures take no more frames. */
void lab_capture_end(const struct bridge *bridge);

/* Waits until so many such frames have arrived at whoever they were for. *seen is how many have, also after the deadline. */
int lab_wait_for(struct bridge *bridge, const struct lab_filter *filter, uint64_t count, uint64_t deadline_ns,
		 uint64_t *seen, struct error *err);

#endif
