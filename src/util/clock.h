/* SPDX-License-Identifier: GPL-2.0-only */
/* One clock for all waiting: CLOCK_MONOTONIC in nanoseconds. */
#ifndef PROVIUM_UTIL_CLOCK_H
#define PROVIUM_UTIL_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

#define CLOCK_NEVER UINT64_MAX /* a deadline that does not come; callers of it are bounded by interrupt_pending() */

uint64_t clock_now(void);

/* now + wait, or CLOCK_NEVER where that would not fit. */
uint64_t clock_after(uint64_t wait_ns);

/* What is left until the deadline, for poll(2): whole milliseconds, rounded up, 0 if it has passed, -1 for never. */
int clock_poll_ms(uint64_t deadline_ns);

#endif
