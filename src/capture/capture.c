// SPDX-License-Identifier: GPL-2.0-only
/* The caller's side of a capture. */
#include "capture/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "capture/internal.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/replace.h"
#include "util/wait.h"
#include "wire/tap.h"

#define COPY_SIZE (1U << 20)
#define END_NS	  NS_PER_S

static void free_capture(struct capture *capture)
{
	if (capture->news >= 0)
		close(capture->news);
	spool_close(&capture->spool);
	free(capture->ports);
	free(capture->title);
	free(capture);
}

static struct capture *new_capture(struct capture_hub *hub, const struct capture_options *options)
{
	struct capture *capture = memory_new(sizeof(*capture));

	capture->hub = hub;
	capture->options = *options;
	if (!capture->options.limit)
		capture->options.limit = CAPTURE_LIMIT;
	if (!options->wanted.snaplen && options->format != CAPTURE_COUNT)
		capture->options.wanted.snaplen = CAPTURE_SNAPLEN;
	capture->title = memory_string(options->title ? options->title : "");
	capture->number = WIRE_MAX_CAPTURES;
	capture->news = eventfd(0, EFD_CLOEXEC);
	spool_open(&capture->spool, capture->options.limit);
	stream_begin(capture);
	return capture;
}

int capture_open(struct capture **result, struct capture_hub *hub, const struct capture_options *options,
		 struct error *err)
{
	struct capture *capture = new_capture(hub, options);
	int status;

	pthread_mutex_lock(&hub->lock);
	if (capture->news < 0)
		status = error_errno(err, errno, "make an eventfd");
	else
		status = wire_tap_add(hub->tap, &capture->options.wanted, &capture->number, err);
	if (!status) {
		/* Whatever the number's last capture was for is older than this. */
		capture->opened_ns = clock_now();
		hub->captures[capture->number] = capture;
		hub->open++;
	}
	pthread_mutex_unlock(&hub->lock);
	if (status)
		free_capture(capture);
	else
		*result = capture;
	return status;
}

/*
 * Waits until so many frames have come, or all that happened until then is in the stream, or it ends. Returns 1, 0 when the
 * deadline has passed, or -errno.
 */
static int await(struct capture *capture, uint64_t frames, uint64_t settle_ns, uint64_t deadline_ns, struct error *err)
{
	struct pollfd news = { .fd = capture->news, .events = POLLIN };
	struct capture_hub *hub = capture->hub;
	uint64_t count;
	int ready = 1;

	pthread_mutex_lock(&hub->lock);
	capture->awaited_frames = frames;
	capture->awaited_ns = settle_ns;
	if (!hub_is_ready(capture)) {
		capture->is_awaited = true;
		pthread_mutex_unlock(&hub->lock);
		if (!capture->options.patient)
			hub_wake(hub);
		ready = wait_poll(&news, 1, deadline_ns, err);
		pthread_mutex_lock(&hub->lock);
		if (!capture->is_awaited && read(capture->news, &count, sizeof(count)) < 0)
			ready = error_errno(err, errno, "read an eventfd");
		capture->is_awaited = false;
	}
	pthread_mutex_unlock(&hub->lock);
	return ready;
}

int capture_settle(struct capture *capture, uint64_t deadline_ns, struct error *err)
{
	int status = await(capture, UINT64_MAX, clock_now(), deadline_ns, err);

	return status < 0 ? status : 0;
}

void capture_close(struct capture *capture)
{
	struct capture_hub *hub = capture->hub;

	pthread_mutex_lock(&hub->lock);
	hub_stop_capture(capture, NULL);
	hub->open--;
	pthread_mutex_unlock(&hub->lock);
	free_capture(capture);
}

void capture_end(struct capture *capture)
{
	struct error ignored;

	/* Which takes some milliseconds. */
	capture_settle(capture, clock_after(END_NS), &ignored);
	pthread_mutex_lock(&capture->hub->lock);
	hub_stop_capture(capture, NULL);
	pthread_mutex_unlock(&capture->hub->lock);
}

int capture_await(struct capture *capture, uint64_t count, uint64_t deadline_ns, struct error *err)
{
	int status = await(capture, count, UINT64_MAX, deadline_ns, err);

	if (status < 0)
		return status;
	pthread_mutex_lock(&capture->hub->lock);
	*err = capture->failure;
	pthread_mutex_unlock(&capture->hub->lock);
	return -err->code;
}

/* A piece of it, or what there is. */
static long copy_out(struct capture *capture, struct buffer *bytes, struct error *err)
{
	long got;

	if (bytes->room <= COPY_SIZE) {
		bytes->room = COPY_SIZE + 1;
		bytes->data = memory_resize(bytes->data, bytes->room);
	}
	got = spool_read(&capture->spool, capture->read, bytes->data, COPY_SIZE, err);
	bytes->size = got > 0 ? (size_t)got : 0;
	bytes->data[bytes->size] = '\0';
	return got;
}

/* Sets *frames to how many have come until now. */
static long read_now(struct capture *capture, struct buffer *bytes, uint64_t *frames, struct error *err)
{
	long got;

	pthread_mutex_lock(&capture->hub->lock);
	if (!capture->options.keep && spool_take(&capture->spool, bytes))
		got = (long)bytes->size;
	else
		got = copy_out(capture, bytes, err);
	if (got > 0)
		capture->read += (uint64_t)got;
	if (got > 0 && !capture->options.keep)
		spool_forget(&capture->spool, capture->read);
	*frames = capture->frames;
	if (got == 0 && capture->failure.code) {
		*err = capture->failure;
		got = -err->code;
	}
	pthread_mutex_unlock(&capture->hub->lock);
	return got;
}

long capture_read(struct capture *capture, struct buffer *bytes, uint64_t deadline_ns, struct error *err)
{
	uint64_t frames;
	long got = read_now(capture, bytes, &frames, err);
	int ready;

	while (got == 0 && !capture_has_ended(capture)) {
		ready = await(capture, frames + 1, UINT64_MAX, deadline_ns, err);
		if (ready < 0)
			return ready;
		got = read_now(capture, bytes, &frames, err);
		if (!ready)
			break;
	}
	return got;
}

bool capture_has_ended(struct capture *capture)
{
	bool ended;

	pthread_mutex_lock(&capture->hub->lock);
	ended = capture->number == WIRE_MAX_CAPTURES && !capture->failure.code &&
		capture->read == spool_end(&capture->spool);
	pthread_mutex_unlock(&capture->hub->lock);
	return ended;
}

struct capture_state capture_state(struct capture *capture)
{
	struct capture_hub *hub = capture->hub;
	struct capture_state state;

	pthread_mutex_lock(&hub->lock);
	state.frames = capture->frames;
	state.lost = capture->number < WIRE_MAX_CAPTURES ? wire_tap_lost(hub->tap, capture->number) : capture->lost;
	pthread_mutex_unlock(&hub->lock);
	return state;
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t written = write(fd, bytes, size);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		}
	}
	return 0;
}

/* Up to where the stream is now: it may grow meanwhile. */
static int copy_to(struct capture *capture, int fd, const char *path, struct error *err)
{
	char *bytes = memory_new(COPY_SIZE);
	uint64_t place = 0, end = UINT64_MAX;
	int status = 0;

	err->code = 0;

	while (!status && place < end) {
		long got;

		pthread_mutex_lock(&capture->hub->lock);
		if (end == UINT64_MAX)
			end = spool_end(&capture->spool);
		got = spool_read(&capture->spool, place, bytes, COPY_SIZE, err);
		pthread_mutex_unlock(&capture->hub->lock);
		if (got <= 0) {
			status = (int)got;
			break;
		}
		if ((uint64_t)got > end - place)
			got = (long)(end - place);
		place += (uint64_t)got;
		status = write_all(fd, bytes, (size_t)got);
		if (status)
			error_errno(err, -status, "write %s", path);
	}
	free(bytes);
	return status;
}

int capture_save(struct capture *capture, const char *path, struct error *err)
{
	struct replacement place;

	if (replace_open(&place, path, err))
		return error_wrap(err, "open %s", path);
	if (!copy_to(capture, place.fd, path, err))
		replace_commit(&place, err);
	replace_close(&place);
	return -err->code;
}
