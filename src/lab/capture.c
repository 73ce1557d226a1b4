// SPDX-License-Identifier: GPL-2.0-only
#include "lab/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lab/lab.h"
#include "lab/run.h"
#include "util/error.h"
#include "util/memory.h"
#include "wire/wire.h"

#define WAIT_RING_SIZE (1U << 20) /* nothing of the frames is kept */

struct lab_capture {
	struct capture *stream;
	const struct bridge *bridge; /* NULL once that is closed */
	struct run *run;
	char *site;
	struct lab_capture *next;
};

static int find_port(struct bridge *bridge, const char *name, uint16_t *port, struct error *err)
{
	struct member *member = name ? bridge_expect(bridge, name, err) : NULL;

	if (name && !member)
		return -err->code;
	*port = member ? member->port : 0;
	return 0;
}

static int translate(struct bridge *bridge, const struct member *nic, const struct lab_capture_options *options,
		     struct capture_options *stream, struct error *err)
{
	struct wire_capture *wanted = &stream->wanted;

	*stream = (struct capture_options){
		.format = options->format,
		.keep = true,
		.strict = options->strict,
		.limit = options->limit,
		.title = options->site,
	};
	wanted->bridge = bridge->number;
	wanted->snaplen = options->snaplen;
	wanted->ethertype = options->filter.ethertype;
	wanted->protocol = options->filter.protocol;
	wanted->port = options->filter.port;
	if (find_port(bridge, options->filter.from, &wanted->from, err) ||
	    find_port(bridge, options->filter.to, &wanted->to, err))
		return -err->code;
	capture_choose_events(stream, nic ? nic->port : 0, options->verdicts);
	return 0;
}

static int open_hub(struct run *run, uint64_t ring, struct error *err)
{
	struct wire_ids ids = { 0 };

	if (run->captures && ring > capture_hub_ring_size(run->captures))
		return error_set(
			err, EBUSY,
			"the ring is open already, with %llu KiB, for another capture; close that first, or give "
			"it the larger `ring`",
			(unsigned long long)(capture_hub_ring_size(run->captures) >> 10));
	if (run->captures)
		return 0;
	if (wire_ids(run->wire, &ids, err))
		return -err->code;
	return capture_hub_open(&run->captures, &ids, ring, err);
}

static void close_hub(struct run *run)
{
	if (!run->captures || !capture_hub_is_idle(run->captures))
		return;
	capture_hub_close(run->captures);
	run->captures = NULL;
}

int lab_capture_open(struct lab_capture **result, struct bridge *bridge, const struct member *nic,
		     const struct lab_capture_options *options, struct error *err)
{
	struct run *run = bridge->run;
	struct lab_capture *capture;
	size_t place_count = bridge->member_count;
	struct capture_options wanted;
	struct capture *stream;

	if (nic && !nic->plugged)
		return error_set(err, ENODEV,
				 "vm `%s` has no TAP on bridge `%s` (not booted?). Call lab:boot() / vm:boot() first.",
				 nic->name, bridge->name);
	if (translate(bridge, nic, options, &wanted, err) || open_hub(run, options->ring, err) ||
	    capture_open(&stream, run->captures, &wanted, err)) {
		close_hub(run);
		bridge_drop_places(bridge, place_count);
		return -err->code;
	}
	capture = memory_new(sizeof(*capture));
	capture->stream = stream;
	capture->bridge = bridge;
	capture->run = run;
	capture->site = memory_string(options->site);
	capture->next = run->open_captures;
	run->open_captures = capture;
	*result = capture;
	return 0;
}

void lab_capture_close(struct lab_capture *capture)
{
	struct run *run = capture->run;
	struct lab_capture **place = &run->open_captures;

	while (*place != capture)
		place = &(*place)->next;
	*place = capture->next;
	capture_close(capture->stream);
	close_hub(run);
	free(capture->site);
	free(capture);
}

struct capture *lab_capture_stream(const struct lab_capture *capture)
{
	return capture->stream;
}

const char *lab_capture_site(const struct bridge *bridge)
{
	for (const struct lab_capture *capture = bridge->run->open_captures; capture; capture = capture->next)
		if (capture->bridge == bridge)
			return capture->site;
	return NULL;
}

void lab_capture_end(const struct bridge *bridge)
{
	for (struct lab_capture *capture = bridge->run->open_captures; capture; capture = capture->next) {
		if (capture->bridge != bridge)
			continue;
		capture_end(capture->stream);
		capture->bridge = NULL;
	}
}

int lab_wait_for(struct bridge *bridge, const struct lab_filter *filter, uint64_t count, uint64_t deadline_ns,
		 uint64_t *seen, struct error *err)
{
	const struct lab_capture_options options = {
		.filter = *filter,
		.format = CAPTURE_COUNT,
		.verdicts = CAPTURE_DELIVERED,
		.ring = bridge->run->captures ? 0 : WAIT_RING_SIZE,
		.strict = true,
		.site = "",
	};
	struct lab_capture *capture;
	int status;

	if (lab_capture_open(&capture, bridge, NULL, &options, err))
		return -err->code;
	status = capture_await(capture->stream, count, deadline_ns, err);
	*seen = capture_state(capture->stream).frames;
	if (status == -EINTR)
		error_wrap(err, "on bridge `%s`, where %llu of %llu such frames have arrived", bridge->name,
			   (unsigned long long)*seen, (unsigned long long)count);
	lab_capture_close(capture);
	return status;
}
