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

/* A time limit. None: all zero. */
struct interrupt_limit {
	uint64_t left_ns;  /* from now */
	uint64_t whole_ns; /* for people */
	/* The same of --max-timeout, beside it: whatever passes first. */
	uint64_t hard_left_ns, hard_whole_ns;
};
/* Sets the limit, forgetting one that has passed, and returns the one before. So limits can be nested. */
struct interrupt_limit interrupt_swap_limit(struct interrupt_limit limit);

/*
 * What the script waits for, in its words, for the text of an interruption; "" for nothing. Copied, and cut to what an
 * error has room for.
 */
void interrupt_set_waiting(const char *text);
const char *interrupt_waiting(void);

/*
 * The whole text of the error that an interruption was raised as, where it was noticed first: from here on it is that of
 * interrupt_pending(), so that a script that caught the error cannot lose what it told. Until the next limit is set.
 */
void interrupt_keep(const char *text);

/* True, and an error with EINTR, if the run is to end here. Stays true, but for interrupt_swap_limit(). */
bool interrupt_pending(struct error *err);

/* A signal that came is forgotten: what a person interrupted is over, and the next thing begins. Returns it, 0 for none. */
int interrupt_forget(void);
/* It came after all. */
void interrupt_remember(int signal);

/* Whether it was a signal, which ends the whole run, and not the time limit of a test. */
bool interrupt_by_signal(void);

#endif
