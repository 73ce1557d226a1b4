/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All waiting goes through here, so that every wait ends: at its deadline, or when the run is interrupted (Ctrl-C, or
 * the time limit of the test).
 */
#ifndef PROVIUM_UTIL_WAIT_H
#define PROVIUM_UTIL_WAIT_H

#include <poll.h>
#include <stdint.h>

struct error;

/*
 * poll(2) until the deadline (see util/clock.h). Returns how many descriptors are ready, 0 when the deadline passed, or
 * -EINTR and an error that says what interrupted.
 */
int wait_poll(struct pollfd *fds, nfds_t count, uint64_t deadline_ns, struct error *err);

/* A part of a wait for those who look for interruptions themselves: poll(2), for 50 ms at most. Returns what it does. */
int wait_slice(struct pollfd *fds, nfds_t count, uint64_t deadline_ns);

/* What goes on beside the thing that is waited for. Its owner's, between the two calls. */
struct wait_idler {
	void (*call)(void *context); /* must not wait itself, and neither add nor remove any */
	void *context;
	struct wait_idler *next;
};

/* From now on it is called about every 50 ms of waiting, and not from within any other. */
void wait_add_idler(struct wait_idler *idler);
void wait_remove_idler(struct wait_idler *idler); /* safe twice */

/* Sleeps. Returns 0, or -EINTR as above. */
int wait_sleep(uint64_t duration_ns, struct error *err);

#endif
