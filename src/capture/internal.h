/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of src/capture alone. */
#ifndef PROVIUM_CAPTURE_INTERNAL_H
#define PROVIUM_CAPTURE_INTERNAL_H

#include <pthread.h>

#include "capture/capture.h"
#include "capture/rings.h"
#include "capture/spool.h"
#include "util/error.h"

#define PORT_NAME_SIZE 68 /* as in struct wire_port */

/* A port as a pcapng stream knows it. */
struct known_port {
	bool is_known;
	char name[PORT_NAME_SIZE]; /* "a@lan" */
	uint32_t interface;	   /* counted from 1, 0: none yet */
};

/* Everything in here is the hub's thread's as well, under the hub's lock. */
struct capture {
	struct capture_hub *hub;
	struct capture_options options;
	char *title;
	uint32_t number; /* of the tap, WIRE_MAX_CAPTURES once it has ended */
	uint64_t opened_ns;
	struct spool spool;
	uint64_t read; /* place in the spool */
	uint64_t frames;
	uint64_t lost;		  /* as it was when the capture ended */
	struct error failure;	  /* code 0: none */
	struct known_port *ports; /* pcapng: by number */
	size_t port_count;
	uint32_t interface_count;
	/* For a caller that waits: until so many frames have come, or all that happened until then is in the stream. */
	int news; /* an eventfd */
	bool is_awaited;
	uint64_t awaited_frames, awaited_ns;
};

struct capture_hub {
	pthread_mutex_t lock;
	pthread_t thread;
	bool has_thread;
	struct wire_tap *tap;
	struct rings *rings;
	struct capture *captures[WIRE_MAX_CAPTURES]; /* by number */
	size_t open;				     /* those that have ended and are not closed are counted */
	uint64_t settled_ns;			     /* all that happened until then is in the streams */
	uint64_t owed_ns;			     /* all until then is to be there soon; 0: nothing is */
	uint64_t epoch_ns; /* CLOCK_REALTIME of CLOCK_MONOTONIC 0, the same for all, so that captures can be compared */
	int wake;	   /* an eventfd: the thread is to look at once */
	bool stop;
};

/* All of these with the lock held. */

/* stream.c: what a stream begins with, and one more frame. */
void stream_begin(struct capture *capture);
void stream_add(struct capture *capture, const struct ring_event *event);

/* hub.c: the capture takes no more frames, because of what the error says, or because nobody wants them (NULL). */
void hub_stop_capture(struct capture *capture, const struct error *why);
/* Whether a caller that waits has what it waits for. */
bool hub_is_ready(const struct capture *capture);
/* The thread looks at the rings now, and more often from here on if somebody waits. */
void hub_wake(struct capture_hub *hub);

#endif
