/* SPDX-License-Identifier: GPL-2.0-only */
/* What ends a script from outside: Ctrl-C or SIGTERM, and the time limit of a test. */
#ifndef PROVIUM_UTIL_INTERRUPT_H
#define PROVIUM_UTIL_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

struct error;

/*
 * From now on SIGINT, SIGTERM and the time limit are noticed instead of ending the process. notify() is called inside
 * the signal handler each time, so it may only do what is safe there.
 */
void interrupt_install(void (*notify)(void));

/* The time limit, from now; 0 takes it away, and forgets one that has passed. */
void interrupt_set_limit(uint64_t limit_ns);

/* True, and an error with EINTR, if the run is to end here. Stays true, but for interrupt_set_limit(0). */
bool interrupt_pending(struct error *err);

/* Whether it was a signal, which ends the whole run, and not the time limit of a test. */
bool interrupt_by_signal(void);

#endif
