// SPDX-License-Identifier: GPL-2.0-only
/*
 * `provium capture`: what crosses a bridge of a running lab, to a file or into a pipe. It reads the lab's wire by the ids of
 * its maps, as a reader of its own; the lab's process has no part in it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/names.h"
#include "cli/cli.h"
#include "cli/labs.h"
#include "lab/registry.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/replace.h"
#include "util/units.h"
#include "util/wait.h"
#include "wire/wire.h"
#include "util/terminal.h"

#define LOOK_NS	       (200 * NS_PER_MS) /* so often it looks whether the lab is still there */
#define LAST_WRITES_NS (10 * NS_PER_S)	 /* after Ctrl-C whoever reads the pipe has so long to take the rest */

enum key {
	KEY_FORMAT = 0x100,
	KEY_NODE,
	KEY_FROM,
	KEY_TO,
	KEY_PROTO,
	KEY_PORT,
	KEY_ETHERTYPE,
};

struct request {
	const char *lab, *bridge, *path;
	const char *node, *from, *to; /* names, or NULL */
	struct capture_options options;
};

static const struct argp_option options[] = {
	{ "write", 'w', "FILE", 0, "Write to FILE instead of the standard output" },
	{ "format", KEY_FORMAT, "FORMAT", 0,
	  "pcap (default), or pcapng with what became of each frame: delivered, or dropped and why" },
	{ "snaplen", 's', "N", 0, "Take only the first N bytes of each frame" },
	{ "count", 'c', "N", 0, "End after N frames" },
	{ "node", KEY_NODE, "NODE", 0, "Only what that node's NIC sends and gets, when it does" },
	{ "from", KEY_FROM, "NODE", 0, "Only frames that NODE has sent" },
	{ "to", KEY_TO, "NODE", 0, "Only frames on their way to NODE" },
	{ "proto", KEY_PROTO, "NAME", 0, "Only tcp, udp, icmp, icmp6, ...; a number will do" },
	{ "port", KEY_PORT, "N", 0, "Only TCP, UDP and the like from or to port N" },
	{ "ethertype", KEY_ETHERTYPE, "NAME", 0, "Only ip, ip6, arp, vlan, ...; a number will do" },
	{ 0 },
};

static uint64_t check_number(const struct argp_state *state, const char *option, const char *text, int64_t most)
{
	int64_t value;

	if (!units_integer(text, 1, most, &value))
		argp_error(state, "--%s=%s: a whole number from 1 to %lld is accepted", option, text, (long long)most);
	return (uint64_t)value;
}

static void check_filter(const struct argp_state *state, int key, const char *text, struct wire_capture *wanted)
{
	if (key == KEY_PROTO && !names_protocol(text, &wanted->protocol))
		argp_error(state, "--proto=%s: " NAMES_PROTOCOLS " is accepted", text);
	if (key == KEY_ETHERTYPE && !names_ethertype(text, &wanted->ethertype))
		argp_error(state, "--ethertype=%s: " NAMES_ETHERTYPES " is accepted", text);
	if (key == KEY_PORT)
		wanted->port = (uint16_t)check_number(state, "port", text, UINT16_MAX);
}

static void check_format(const struct argp_state *state, const char *text, enum capture_format *format)
{
	if (strcmp(text, "pcap") != 0 && strcmp(text, "pcapng") != 0)
		argp_error(state, "--format=%s: pcap or pcapng is accepted", text);
	*format = strcmp(text, "pcap") == 0 ? CAPTURE_PCAP : CAPTURE_PCAPNG;
}

static error_t parse_words(int key, char *text, struct argp_state *state, struct request *request)
{
	if (key == ARGP_KEY_ARG && state->arg_num < 2) {
		*(state->arg_num ? &request->bridge : &request->lab) = text;
		return 0;
	}
	if (key == ARGP_KEY_END && !request->bridge)
		argp_error(state, "give LAB and BRIDGE; provium ps shows labs and bridges");
	return key == ARGP_KEY_END ? 0 : ARGP_ERR_UNKNOWN;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'w':
		request->path = strcmp(text, "-") == 0 ? NULL : text;
		return 0;
	case 's':
		request->options.wanted.snaplen = (uint32_t)check_number(state, "snaplen", text, CAPTURE_SNAPLEN);
		return 0;
	case 'c':
		request->options.count = check_number(state, "count", text, INT64_MAX);
		return 0;
	case KEY_FORMAT:
		check_format(state, text, &request->options.format);
		return 0;
	case KEY_NODE:
		request->node = text;
		return 0;
	case KEY_FROM:
		request->from = text;
		return 0;
	case KEY_TO:
		request->to = text;
		return 0;
	case KEY_PROTO:
	case KEY_PORT:
	case KEY_ETHERTYPE:
		check_filter(state, key, text, &request->options.wanted);
		return 0;
	}
	return parse_words(key, text, state, request);
}

static int find_port(const json_t *bridge, const char *name, uint16_t *port, struct error *err)
{
	json_t *member;
	size_t i;

	json_array_foreach (json_object_get(bridge, "members"), i, member) {
		if (name && strcmp(labs_text(member, "name"), name) == 0) {
			*port = (uint16_t)labs_number(member, "port");
			return 0;
		}
	}
	return name ? error_set(err, ENOENT, "`%s` is not on bridge `%s`", name, labs_text(bridge, "name")) : 0;
}

struct source {
	struct capture_hub *hub;
	struct capture *stream;
	int lab; /* a pidfd of its process */
};

static void close_source(struct source *source)
{
	if (source->stream)
		capture_close(source->stream);
	capture_hub_close(source->hub);
	if (source->lab >= 0)
		close(source->lab);
}

static int open_stream(struct source *source, struct request *request, const json_t *run, struct error *err)
{
	struct wire_capture *wanted = &request->options.wanted;
	json_t *bridge = labs_find_bridge(run, request->bridge, err);
	struct wire_ids ids = registry_ids(run);
	uint16_t nic = 0;

	if (!bridge || find_port(bridge, request->node, &nic, err) ||
	    find_port(bridge, request->from, &wanted->from, err) || find_port(bridge, request->to, &wanted->to, err))
		return -err->code;
	wanted->bridge = (uint32_t)labs_number(bridge, "number");
	request->options.title = labs_text(run, "title");
	request->options.patient = true;
	capture_choose_events(&request->options, nic, CAPTURE_AS_USUAL);
	if (capture_hub_open(&source->hub, &ids, 0, err))
		return -err->code;
	return capture_open(&source->stream, source->hub, &request->options, err);
}

static int open_source(struct source *source, struct request *request, struct error *err)
{
	json_t *list = registry_list();
	json_t *run = labs_find(list, request->lab, err);

	*source = (struct source){ .lab = -1 };
	err->code = run ? 0 : err->code;
	if (run)
		source->lab = (int)syscall(SYS_pidfd_open, (pid_t)labs_number(run, "pid"), 0);
	if (run && source->lab < 0)
		error_errno(err, errno, "open a pidfd of lab %lld", (long long)labs_number(run, "pid"));
	else if (run)
		open_stream(source, request, run, err);
	json_decref(list);
	return -err->code;
}

struct output {
	struct replacement place; /* of -w */
	const char *name;	  /* for people */
	int fd;
	bool is_file;
	bool in_place; /* there is nothing there that is to be left alone */
	off_t size;    /* of whole pieces in the file */
	bool is_ending;
	uint64_t deadline_ns; /* for whoever reads from the pipe */
};

/* After Ctrl-C. */
static void end_soon(struct output *output)
{
	interrupt_forget();
	output->is_ending = true;
	output->deadline_ns = clock_after(LAST_WRITES_NS);
}

static int open_output(struct output *output, const struct request *request, struct error *err)
{
	*output = (struct output){ .place.fd = -1, .fd = STDOUT_FILENO, .in_place = true, .deadline_ns = CLOCK_NEVER };
	output->name = request->path ? request->path : "standard output";
	if (!request->path && isatty(STDOUT_FILENO))
		return error_set(
			err, EINVAL,
			"a capture is nothing to read: write it to a file with -w FILE, or into a pipe, such as "
			"to `wireshark -k -i -` or `tshark -r -`");
	if (!request->path)
		return 0;
	if (replace_open(&output->place, request->path, err))
		return error_wrap(err, "open %s", request->path);
	output->fd = output->place.fd;
	output->is_file = output->place.is_new;
	output->in_place = !output->is_file;
	return 0;
}

/* Without waiting. A pipe before Linux 6.4 is not asked for more than PIPE_BUF, for which there is room if it can be written to. */
static ssize_t write_what_fits(int fd, const char *bytes, size_t size)
{
	struct iovec part = { (void *)bytes, size };
	ssize_t written = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);

	if (written < 0 && errno == EOPNOTSUPP)
		written = write(fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
	return written < 0 && errno == EAGAIN ? 0 : written;
}

/*
 * As much as there is room for. Ctrl-C ends the capture, not the writing of what it has: but then a reader that does not read
 * is waited for no longer than that.
 */
static ssize_t write_to_pipe(struct output *output, const char *bytes, size_t size, struct error *err)
{
	struct pollfd fds = { .fd = output->fd, .events = POLLOUT };
	int ready = wait_poll(&fds, 1, output->deadline_ns, err);

	if (ready == -EINTR && !output->is_ending) {
		end_soon(output);
		ready = wait_poll(&fds, 1, output->deadline_ns, err);
	}
	if (ready <= 0)
		return ready ? ready : error_set(err, ETIMEDOUT, "write the capture: nobody reads");
	return write_what_fits(output->fd, bytes, size);
}

static int write_all(struct output *output, const char *bytes, size_t size, struct error *err)
{
	err->code = 0;
	while (size) {
		ssize_t written =
			output->is_file ? write(output->fd, bytes, size) : write_to_pipe(output, bytes, size, err);

		if (err->code)
			return -err->code;
		if (written < 0 && errno != EINTR)
			return error_errno(err, errno, "write the capture to %s", output->name);
		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		}
	}
	return 0;
}

/* What was there is replaced by the first piece, as a whole; a piece that does not fit leaves the file as it was before it. */
static int put(struct output *output, const struct buffer *piece, struct error *err)
{
	if (write_all(output, piece->data, piece->size, err)) {
		if (output->is_file && ftruncate(output->fd, output->size))
			error_append(err, " (and its last frame is not whole)");
		return -err->code;
	}
	output->size += (off_t)piece->size;
	output->in_place = true;
	return replace_commit(&output->place, err);
}

/* The lab, or whoever reads from the pipe that is written to. */
static bool is_over(const struct source *source, int output)
{
	struct pollfd fds[] = { { .fd = source->lab, .events = POLLIN }, { .fd = output } };

	return poll(fds, 2, 0) > 0 && (fds[0].revents || (fds[1].revents & POLLERR));
}

/* What has come but no frame, which is the head of the file, waits for one. */
static int put_if_needed(const struct source *source, struct output *output, struct buffer *waiting, struct error *err)
{
	int status = 0;

	if (waiting->size && (output->in_place || capture_state(source->stream).frames)) {
		status = put(output, waiting, err);
		waiting->size = 0;
	}
	return status;
}

/* Until the lab ends, Ctrl-C comes, whoever reads has enough, or the frames that were asked for are there. */
static int copy(const struct source *source, struct output *output, struct buffer *waiting, struct error *err)
{
	struct buffer bytes = { 0 };
	bool last = false, stopped = false;
	long size = 0;

	while (size >= 0) {
		size = capture_read(source->stream, &bytes, clock_after(LOOK_NS), err);
		if (size == -EINTR && !output->is_ending) {
			end_soon(output);
			size = 0;
		}
		/* What crossed the bridge before Ctrl-C is still written. */
		if (output->is_ending && !stopped) {
			capture_end(source->stream);
			stopped = true;
		}
		if (size < 0 || (size == 0 && (last || capture_has_ended(source->stream))))
			break;
		buffer_add(waiting, bytes.data, (size_t)size);
		if (put_if_needed(source, output, waiting, err))
			size = -err->code;
		/* What was on its way when the lab ended is still read. */
		else
			last = size == 0 && is_over(source, output->fd);
	}
	buffer_free(&bytes);
	return size == -EINTR || size == -EPIPE ? 0 : (int)size;
}

/* Without a frame there is still a file to read, unless there was one before, which is worth more. */
static int finish(const struct request *request, struct output *output, const struct buffer *waiting, struct error *err)
{
	if (!waiting->size)
		return 0;
	if (access(request->path, F_OK))
		return put(output, waiting, err);
	terminal_line(stderr, "%s is left as it was", request->path);
	return 0;
}

static int capture_to(struct request *request, struct output *output, struct error *err)
{
	struct buffer waiting = { 0 };
	struct capture_state state;
	struct source source;
	int status = open_source(&source, request, err);

	if (!status) {
		status = copy(&source, output, &waiting, err);
		if (!status)
			status = finish(request, output, &waiting, err);
		state = capture_state(source.stream);
		fprintf(stderr, "%llu frames, %llu lost\n", (unsigned long long)state.frames,
			(unsigned long long)state.lost);
	}
	buffer_free(&waiting);
	close_source(&source);
	return status;
}

int cli_capture(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"LAB BRIDGE",
		"Stream what crosses a bridge of a running lab, as pcap, to a file or into a pipe, until the lab ends."
		"\vLAB is the pid of a lab, or its script's path or the beginning of it. BRIDGE is the name of a "
		"bridge; in a "
		"sub-lab LAB.BRIDGE. To watch: provium capture LAB BRIDGE | wireshark -k -i -",
	};
	struct request request = { 0 };
	struct error err = { 0 };
	struct output output;
	int status;

	cli_parse(&argp, argc, argv, 0, &request);
	interrupt_install(NULL);
	signal(SIGPIPE, SIG_IGN);
	status = open_output(&output, &request, &err);
	if (!status)
		status = capture_to(&request, &output, &err);
	replace_close(&output.place);
	return status ? cli_fail(&err) : 0;
}
