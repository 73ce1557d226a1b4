// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread that empties the rings. It looks at them at fixed times, so that frames cost no wake-up each: more often when
 * somebody waits. Signals are for the main thread: this one has all of them blocked.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "capture/internal.h"
#include "util/clock.h"
#include "util/memory.h"
#include "wire/tap.h"
#include "wire/wire.h"

#define IDLE_MS	 50
#define EAGER_MS 1 /* while somebody waits */
#define PRIORITY (-10)

/* The program notes the time of a frame this long before it is in the ring, at most, unless its CPU is taken away. */
#define SLACK_NS (EAGER_MS * NS_PER_MS)

void hub_wake(struct capture_hub *hub)
{
	const uint64_t one = 1;

	/* It cannot be full. */
	if (write(hub->wake, &one, sizeof(one)) < 0)
		return;
}

bool hub_is_ready(const struct capture *capture)
{
	return capture->number == WIRE_MAX_CAPTURES || capture->frames >= capture->awaited_frames ||
	       capture->hub->settled_ns >= capture->awaited_ns;
}

static void tell(struct capture *capture)
{
	const uint64_t one = 1;

	if (!capture->is_awaited || !hub_is_ready(capture))
		return;
	capture->is_awaited = false;
	if (write(capture->news, &one, sizeof(one)) < 0)
		return;
}

void hub_stop_capture(struct capture *capture, const struct error *why)
{
	struct capture_hub *hub = capture->hub;

	if (capture->number == WIRE_MAX_CAPTURES)
		return;
	if (why)
		capture->failure = *why;
	capture->lost = wire_tap_lost(hub->tap, capture->number);
	wire_tap_remove(hub->tap, capture->number);
	hub->captures[capture->number] = NULL;
	capture->number = WIRE_MAX_CAPTURES;
	tell(capture);
}

static struct capture *capture_of(const struct capture_hub *hub, const struct wire_event *event, unsigned int number)
{
	struct capture *capture = hub->captures[number];

	/* An older event was for the one that had the number before. */
	return capture && event->time_ns >= capture->opened_ns ? capture : NULL;
}

#define EACH_NUMBER(NUMBER, BITS)                                                                                      \
	for (uint32_t bits_ = (BITS), NUMBER; bits_ && (NUMBER = (uint32_t)__builtin_ctz(bits_), true);                \
	     bits_ &= bits_ - 1)

static void take(struct capture_hub *hub, const struct ring_event *event)
{
	if (event->event.kind == WIRE_EVENT_TAIL)
		return;
	EACH_NUMBER(number, event->event.captures)
	{
		struct capture *capture = capture_of(hub, &event->event, number);

		if (capture)
			stream_add(capture, event);
	}
}

static void check_loss(struct capture *capture)
{
	uint64_t lost = capture->options.strict ? wire_tap_lost(capture->hub->tap, capture->number) : 0;
	struct error err;

	if (!lost)
		return;
	error_set(&err, ENOBUFS,
		  "%llu frames were lost: the ring of %llu KiB was full; give a filter, a snaplen or a larger ring",
		  (unsigned long long)lost, (unsigned long long)(rings_size(capture->hub->rings) >> 10));
	hub_stop_capture(capture, &err);
}

/* Returns whether somebody cannot wait for more. */
static bool tell_all(struct capture_hub *hub)
{
	bool eager = false;

	for (size_t i = 0; i < WIRE_MAX_CAPTURES; i++) {
		if (hub->captures[i])
			check_loss(hub->captures[i]);
		if (hub->captures[i])
			tell(hub->captures[i]);
		if (hub->captures[i])
			eager |= hub->captures[i]->is_awaited && !hub->captures[i]->options.patient;
	}
	return eager;
}

/*
 * What is too young for a round gets one of its own, as soon as all of it is old enough. What comes until then does not, so there
 * are two rounds in IDLE_MS however many frames there are, and one where there are none.
 */
static bool is_owed(struct capture_hub *hub, uint64_t now_ns, uint64_t until_ns)
{
	if (!hub->owed_ns)
		hub->owed_ns = rings_are_empty(hub->rings) ? 0 : now_ns;
	else if (hub->owed_ns <= until_ns)
		hub->owed_ns = 0;
	return hub->owed_ns;
}

/* Takes everything that happened until shortly before now. Returns for how many ms to wait, at most, before the next round. */
static int empty_rings(struct capture_hub *hub, uint64_t now_ns)
{
	uint64_t until_ns = now_ns - SLACK_NS;
	struct ring_event event;
	bool soon;

	rings_look(hub->rings);
	while (rings_next(hub->rings, until_ns, &event))
		take(hub, &event);
	soon = is_owed(hub, now_ns, until_ns);
	rings_done(hub->rings);
	hub->settled_ns = until_ns;
	wire_tap_assert(hub->tap);
	return tell_all(hub) || soon ? EAGER_MS : IDLE_MS;
}

static void *hub_main(void *context)
{
	struct capture_hub *hub = context;
	size_t count = rings_poll(hub->rings, NULL) + 1;
	struct pollfd *fds = memory_new(count * sizeof(*fds));
	int wait_ms = IDLE_MS;
	uint64_t woken;
	bool stop = false;

	/* A ring that nobody empties in time loses frames, and it takes little to empty one. No matter if it is refused. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), PRIORITY);
	rings_poll(hub->rings, fds + 1);
	fds[0] = (struct pollfd){ .fd = hub->wake, .events = POLLIN };
	while (!stop) {
		if (poll(fds, count, wait_ms) > 0 && fds[0].revents && read(hub->wake, &woken, sizeof(woken)) < 0)
			break;
		pthread_mutex_lock(&hub->lock);
		wait_ms = empty_rings(hub, clock_now());
		stop = hub->stop;
		pthread_mutex_unlock(&hub->lock);
	}
	free(fds);
	return NULL;
}

static int start_thread(struct capture_hub *hub, struct error *err)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&hub->thread, NULL, hub_main, hub);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code)
		return error_errno(err, code, "start the thread of captures");
	hub->has_thread = true;
	pthread_setname_np(hub->thread, "capture");
	return 0;
}

static uint64_t clock_epoch(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec - clock_now();
}

int capture_hub_open(struct capture_hub **result, const struct wire_ids *ids, uint64_t ring_size, struct error *err)
{
	struct capture_hub *hub = memory_new(sizeof(*hub));

	pthread_mutex_init(&hub->lock, NULL);
	hub->epoch_ns = clock_epoch();
	hub->wake = eventfd(0, EFD_CLOEXEC);
	if (hub->wake < 0)
		error_errno(err, errno, "make an eventfd");
	if (hub->wake < 0 || wire_tap_open(&hub->tap, ids, err) || rings_open(&hub->rings, hub->tap, ring_size, err) ||
	    start_thread(hub, err)) {
		capture_hub_close(hub);
		return -err->code;
	}
	*result = hub;
	return 0;
}

void capture_hub_close(struct capture_hub *hub)
{
	if (!hub)
		return;
	if (hub->has_thread) {
		pthread_mutex_lock(&hub->lock);
		hub->stop = true;
		pthread_mutex_unlock(&hub->lock);
		hub_wake(hub);
		pthread_join(hub->thread, NULL);
	}
	rings_close(hub->rings);
	wire_tap_close(hub->tap);
	if (hub->wake >= 0)
		close(hub->wake);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

bool capture_hub_is_idle(struct capture_hub *hub)
{
	return hub->open == 0;
}

uint64_t capture_hub_ring_size(const struct capture_hub *hub)
{
	return rings_size(hub->rings);
}
