// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock of fuzzers, in place of util/clock.c: time passes at once, and only where somebody looks at it or waits. So each
 * wait comes to its deadline, as with a peer that says nothing, and none takes long.
 */
#include "util/clock.h"

#define LOOK_NS NS_PER_US
#define WAIT_MS 50 /* the longest part of a wait, see util/wait.c */

static uint64_t now_ns = NS_PER_S;

uint64_t clock_now(void)
{
	return now_ns += LOOK_NS;
}

uint64_t clock_after(uint64_t wait_ns)
{
	uint64_t now = clock_now();

	return wait_ns < CLOCK_NEVER - now ? now + wait_ns : CLOCK_NEVER;
}

int clock_poll_ms(uint64_t deadline_ns)
{
	uint64_t most = now_ns + WAIT_MS * NS_PER_MS;

	if (deadline_ns > now_ns)
		now_ns = deadline_ns < most ? deadline_ns : most;
	return 0;
}
