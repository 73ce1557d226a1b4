// SPDX-License-Identifier: GPL-2.0-only
/* Time: the clock, waits that end, and what ends them early. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/wait.h"

#define LONG (20 * NS_PER_S)
/* More than a busy machine takes to come back, and less than any wait that is cut short here. */
#define SOON (5 * NS_PER_S)

static volatile sig_atomic_t notified;

static void notify(void)
{
	notified++;
}

static int begin(void **state)
{
	(void)state;
	notified = 0;
	interrupt_install(notify);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	interrupt_swap_limit((struct interrupt_limit){ 0 });
	interrupt_forget();
	return 0;
}

static void test_clock_is_that_of_fq(void **state)
{
	struct timespec now;
	uint64_t before = clock_now();

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_in_range((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec, before, clock_now());
}

static void test_deadlines_do_not_wrap(void **state)
{
	uint64_t before = clock_now(), deadline = clock_after(NS_PER_S);

	(void)state;
	assert_in_range(deadline, before + NS_PER_S, clock_now() + NS_PER_S);
	assert_true(clock_after(UINT64_MAX) == CLOCK_NEVER);
	assert_true(clock_after(UINT64_MAX - 1) == CLOCK_NEVER);
}

static void test_poll_time(void **state)
{
	uint64_t deadline;

	(void)state;
	assert_int_equal(clock_poll_ms(CLOCK_NEVER), -1);
	assert_int_equal(clock_poll_ms(0), 0);
	assert_int_equal(clock_poll_ms(clock_now()), 0);
	/* Rounded up, so that a wait is never too short. */
	for (uint64_t wait_us = 1; wait_us < 5000; wait_us += 7) {
		int ms;

		deadline = clock_now() + NS_PER_S + wait_us * NS_PER_US;
		ms = clock_poll_ms(deadline);
		assert_true(clock_now() + (uint64_t)ms * NS_PER_MS >= deadline);
		assert_in_range(ms, 1, 1005);
	}
	assert_int_equal(clock_poll_ms(clock_now() + 3000000 * NS_PER_S), INT_MAX);
}

static void test_wait_ends_at_its_deadline(void **state)
{
	uint64_t start = clock_now();
	struct error err;

	(void)state;
	assert_int_equal(wait_sleep(150 * NS_PER_MS, &err), 0); /* more than one slice */
	assert_in_range(clock_now() - start, 150 * NS_PER_MS, SOON);
	assert_int_equal(wait_poll(NULL, 0, 0, &err), 0);
}

static void test_wait_ends_when_something_is_ready(void **state)
{
	uint64_t start = clock_now();
	struct pollfd ready = { .events = POLLIN };
	struct error err;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	ready.fd = ends[0];
	assert_int_equal(wait_poll(&ready, 1, clock_now(), &err), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(wait_poll(&ready, 1, CLOCK_NEVER, &err), 1);
	assert_int_equal(ready.revents, POLLIN);
	assert_true(clock_now() - start < SOON);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_signal_ends_a_wait(void **state)
{
	uint64_t start = clock_now();
	struct error err = { 0 };

	(void)state;
	assert_false(interrupt_pending(&err));
	assert_false(interrupt_by_signal());
	raise(SIGINT);
	assert_int_equal(wait_sleep(LONG, &err), -EINTR);
	assert_string_equal(err.text, "interrupted (Interrupt)");
	assert_true(clock_now() - start < SOON);
	assert_true(interrupt_by_signal());
	assert_int_equal(notified, 1);
	/* It stays so. */
	assert_int_equal(wait_sleep(LONG, &err), -EINTR);
	interrupt_forget();
	assert_false(interrupt_pending(&err));
}

static void *interrupt_main(void *context)
{
	usleep(300000);
	pthread_kill(*(pthread_t *)context, SIGTERM);
	return NULL;
}

static void test_a_signal_amidst_a_wait(void **state)
{
	pthread_t self = pthread_self(), other;
	uint64_t start = clock_now();
	struct error err;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, interrupt_main, &self), 0);
	assert_int_equal(wait_poll(NULL, 0, CLOCK_NEVER, &err), -EINTR);
	assert_in_range(clock_now() - start, 300 * NS_PER_MS, SOON);
	assert_string_equal(err.text, "interrupted (Terminated)");
	pthread_join(other, NULL);
}

static void test_a_time_limit_ends_a_wait(void **state)
{
	uint64_t start = clock_now();
	struct error err;

	(void)state;
	interrupt_swap_limit((struct interrupt_limit){ .left_ns = 50 * NS_PER_MS, .whole_ns = 1500 * NS_PER_MS });
	assert_int_equal(wait_sleep(LONG, &err), -EINTR);
	assert_in_range(clock_now() - start, 50 * NS_PER_MS, SOON);
	assert_memory_equal(err.text, "the time limit of 1.5 s has passed", 34);
	assert_false(interrupt_by_signal());
	assert_int_equal(notified, 1);
	interrupt_swap_limit((struct interrupt_limit){ 0 });
	assert_false(interrupt_pending(&err));
}

/* The timer counts in microseconds, and 0 of them would be no limit at all. */
static void test_the_shortest_limit(void **state)
{
	struct error err;

	(void)state;
	interrupt_swap_limit((struct interrupt_limit){ .left_ns = 1, .whole_ns = 1 });
	assert_int_equal(wait_sleep(LONG, &err), -EINTR);
}

static void test_limits_nest(void **state)
{
	struct interrupt_limit outer = { .left_ns = LONG, .whole_ns = 2 * LONG },
			       inner = { .left_ns = 1, .whole_ns = 1 };
	struct interrupt_limit none = { 0 }, was;
	struct error err;

	(void)state;
	was = interrupt_swap_limit(outer);
	assert_int_equal(was.left_ns, 0);
	was = interrupt_swap_limit(inner);
	assert_in_range(was.left_ns, LONG - SOON, LONG);
	assert_int_equal(was.whole_ns, 2 * LONG);
	assert_int_equal(wait_sleep(LONG, &err), -EINTR);
	was = interrupt_swap_limit(was);
	assert_false(interrupt_pending(&err));
	/* The one that has passed passes again when it is put back. */
	interrupt_swap_limit(was);
	assert_int_equal(wait_sleep(LONG, &err), -EINTR);
	interrupt_swap_limit(none);
	assert_false(interrupt_pending(&err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_is_that_of_fq),
		cmocka_unit_test(test_deadlines_do_not_wrap),
		cmocka_unit_test(test_poll_time),
		cmocka_unit_test_setup_teardown(test_wait_ends_at_its_deadline, begin, forget),
		cmocka_unit_test_setup_teardown(test_wait_ends_when_something_is_ready, begin, forget),
		cmocka_unit_test_setup_teardown(test_a_signal_ends_a_wait, begin, forget),
		cmocka_unit_test_setup_teardown(test_a_signal_amidst_a_wait, begin, forget),
		cmocka_unit_test_setup_teardown(test_a_time_limit_ends_a_wait, begin, forget),
		cmocka_unit_test_setup_teardown(test_the_shortest_limit, begin, forget),
		cmocka_unit_test_setup_teardown(test_limits_nest, begin, forget),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
