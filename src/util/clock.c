// SPDX-License-Identifier: GPL-2.0-only
#include "util/clock.h"

#include <limits.h>
#include <time.h>

uint64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_after(uint64_t wait_ns)
{
	uint64_t now = clock_now();

	return wait_ns < CLOCK_NEVER - now ? now + wait_ns : CLOCK_NEVER;
}

int clock_poll_ms(uint64_t deadline_ns)
{
	uint64_t now, ms;

	if (deadline_ns == CLOCK_NEVER)
		return -1;
	now = clock_now();
	if (deadline_ns <= now)
		return 0;
	ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}
