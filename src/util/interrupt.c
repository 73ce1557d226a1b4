// SPDX-License-Identifier: GPL-2.0-only
#include "util/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/error.h"

/* After that long a limit that nobody looks at ends the process. */
#define PATIENCE_S 10
#define US_PER_S   (NS_PER_S / NS_PER_US)

static volatile sig_atomic_t signalled; /* the signal's number */
static volatile sig_atomic_t limit_passed;
static void (*notify_script)(void);
static struct interrupt_limit current; /* as it was set */
static uint64_t armed_ns;	       /* what of it the timer was set to */
static char waiting[512], kept[sizeof(((struct error *)0)->text)];

/* Nothing has looked at interrupt_pending() since the limit passed: the script waits in a library that we do not know. */
static void end_the_process(void)
{
	static const char text[] =
		"provium: the script does not end, long after its time limit has passed; it is ended\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	signal(SIGALRM, SIG_DFL);
	raise(SIGALRM);
}

static void on_signal(int number)
{
	if (number == SIGALRM && limit_passed)
		end_the_process();
	else if (number == SIGALRM)
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

static bool hard_is_first(const struct interrupt_limit *limit)
{
	return limit->hard_left_ns && (!limit->left_ns || limit->hard_left_ns <= limit->left_ns);
}

/* One that has passed, unseen, is to pass again at once. */
static uint64_t what_is_left(uint64_t ns, uint64_t elapsed_ns)
{
	return ns > elapsed_ns ? ns - elapsed_ns : ns ? NS_PER_US : 0;
}

/* Returns for how long it was on. */
static uint64_t stop_timer(void)
{
	struct itimerval none = { 0 }, left;
	uint64_t left_ns;

	setitimer(ITIMER_REAL, &none, &left);
	left_ns = (uint64_t)left.it_value.tv_sec * NS_PER_S + (uint64_t)left.it_value.tv_usec * NS_PER_US;
	return limit_passed ? armed_ns : left_ns < armed_ns ? armed_ns - left_ns : 0;
}

static void start_timer(uint64_t after_ns)
{
	/* Rounded up: a timer of 0 us never goes off. */
	uint64_t after_us = after_ns / NS_PER_US + (after_ns % NS_PER_US > 0);
	struct itimerval timer = {
		.it_value = { .tv_sec = (time_t)(after_us / US_PER_S), .tv_usec = (suseconds_t)(after_us % US_PER_S) },
		.it_interval = { .tv_sec = PATIENCE_S },
	};

	armed_ns = after_ns;
	setitimer(ITIMER_REAL, &timer, NULL);
}

struct interrupt_limit interrupt_swap_limit(struct interrupt_limit limit)
{
	struct interrupt_limit before = current;
	/* Off first, so that what is found to have passed is the old limit and not already the new one. */
	uint64_t elapsed_ns = stop_timer();

	before.left_ns = what_is_left(before.left_ns, elapsed_ns);
	before.hard_left_ns = what_is_left(before.hard_left_ns, elapsed_ns);
	limit_passed = 0;
	kept[0] = '\0';
	current = limit;
	start_timer(hard_is_first(&limit) ? limit.hard_left_ns : limit.left_ns);
	return before;
}

void interrupt_set_waiting(const char *text)
{
	snprintf(waiting, sizeof(waiting), "%s", text);
}

const char *interrupt_waiting(void)
{
	return waiting;
}

void interrupt_keep(const char *text)
{
	if (!kept[0])
		snprintf(kept, sizeof(kept), "%s", text);
}

bool interrupt_pending(struct error *err)
{
	const char *in = waiting[0] ? " while waiting in " : "";

	if (!signalled && !limit_passed)
		return false;
	if (kept[0])
		error_set(err, EINTR, "%s", kept);
	else if (signalled)
		error_set(err, EINTR, "interrupted (%s)%s%s", strsignal(signalled), in, waiting);
	else if (hard_is_first(&current))
		error_set(err, EINTR, "the time limit of %g s has passed, which is that of --max-timeout%s%s",
			  (double)current.hard_whole_ns / (double)NS_PER_S, in, waiting);
	else
		error_set(err, EINTR,
			  "the time limit of %g s has passed%s%s; provium.timeout or --timeout sets another",
			  (double)current.whole_ns / (double)NS_PER_S, in, waiting);
	return true;
}

int interrupt_forget(void)
{
	int number = signalled;

	signalled = 0;
	kept[0] = '\0';
	return number;
}

void interrupt_remember(int number)
{
	if (!signalled)
		signalled = number;
}

bool interrupt_by_signal(void)
{
	return signalled;
}
