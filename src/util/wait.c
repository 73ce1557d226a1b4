// SPDX-License-Identifier: GPL-2.0-only
#include "util/wait.h"

#include <errno.h>
#include <stddef.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/interrupt.h"

/* A signal that comes between the test of the flag and poll() is seen after this long. */
#define SLICE_NS (100 * NS_PER_MS)

int wait_poll(struct pollfd *fds, nfds_t count, uint64_t deadline_ns, struct error *err)
{
	for (;;) {
		uint64_t slice_end = clock_after(SLICE_NS);
		int ready;

		if (interrupt_pending(err))
			return -err->code;
		ready = poll(fds, count, clock_poll_ms(deadline_ns < slice_end ? deadline_ns : slice_end));
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
