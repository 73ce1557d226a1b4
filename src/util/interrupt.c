// SPDX-License-Identifier: GPL-2.0-only
#include "util/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "util/clock.h"
#include "util/error.h"

static volatile sig_atomic_t signalled; /* the signal's number */
static volatile sig_atomic_t limit_passed;
static void (*notify_script)(void);
static uint64_t current_limit_ns;

static void on_signal(int number)
{
	if (number == SIGALRM)
		limit_passed = 1;
	else
		signalled = number;
	if (notify_script)
		notify_script();
}

void interrupt_install(void (*notify)(void))
{
	/* No SA_RESTART: a system call that waits is to come back. */
	struct sigaction action = { .sa_handler = on_signal };

	notify_script = notify;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
}

void interrupt_set_limit(uint64_t limit_ns)
{
	struct itimerval timer = {
		.it_value = { .tv_sec = (time_t)(limit_ns / NS_PER_S),
			      .tv_usec = (suseconds_t)(limit_ns % NS_PER_S / NS_PER_US) },
	};

	if (!limit_ns)
		limit_passed = 0;
	current_limit_ns = limit_ns;
	setitimer(ITIMER_REAL, &timer, NULL);
}

bool interrupt_pending(struct error *err)
{
	if (signalled)
		error_set(err, EINTR, "interrupted (%s)", strsignal(signalled));
	else if (limit_passed)
		error_set(err, EINTR, "the time limit of %g s has passed", (double)current_limit_ns / (double)NS_PER_S);
	return signalled || limit_passed;
}

bool interrupt_by_signal(void)
{
	return signalled;
}
