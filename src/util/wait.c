// SPDX-License-Identifier: GPL-2.0-only
#include "util/wait.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/interrupt.h"

#define IDLE_NS (50 * NS_PER_MS)

static struct wait_idler *idlers;

void wait_add_idler(struct wait_idler *idler)
{
	idler->next = idlers;
	idlers = idler;
}

void wait_remove_idler(struct wait_idler *idler)
{
	for (struct wait_idler **place = &idlers; *place; place = &(*place)->next) {
		if (*place != idler)
			continue;
		*place = idler->next;
		return;
	}
}

static void be_idle(void)
{
	static uint64_t next_ns;
	static bool is_idle;

	if (is_idle || clock_now() < next_ns)
		return;
	is_idle = true;
	for (struct wait_idler *idler = idlers; idler; idler = idler->next)
		idler->call(idler->context);
	is_idle = false;
	next_ns = clock_after(IDLE_NS);
}

/* A signal that comes between the test of the flag and poll() is seen after this long. */
#define SLICE_NS (50 * NS_PER_MS)

int wait_slice(struct pollfd *fds, nfds_t count, uint64_t deadline_ns)
{
	uint64_t slice_end = clock_after(SLICE_NS);

	return poll(fds, count, clock_poll_ms(deadline_ns < slice_end ? deadline_ns : slice_end));
}

int wait_poll(struct pollfd *fds, nfds_t count, uint64_t deadline_ns, struct error *err)
{
	for (;;) {
		int ready;

		if (interrupt_pending(err))
			return -err->code;
		be_idle();
		ready = wait_slice(fds, count, deadline_ns);
		if (ready > 0)
			return ready;
		if (ready < 0 && errno != EINTR)
			return error_errno(err, errno, "poll");
		if (clock_now() >= deadline_ns)
			return 0;
	}
}

int wait_sleep(uint64_t duration_ns, struct error *err)
{
	return wait_poll(NULL, 0, clock_after(duration_ns), err);
}
