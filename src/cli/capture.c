// SPDX-License-Identifier: GPL-2.0-only
/*
 * `provium capture`: what crosses a bridge of a running lab, to a file or into a pipe. It reads the lab's wire by the ids of
 * its maps, as a reader of its own; the lab's process has no part in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/names.h"
#include "cli/cli.h"
#include "cli/labs.h"
#include "lab/registry.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/units.h"
#include "wire/wire.h"

#define LOOK_NS (200 * NS_PER_MS) /* so often it looks whether the lab is still there */

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
	{ "format", KEY_FORMAT, "FORMAT", 0, "pcap (default), or pcapng with what became of each frame" },
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

static struct wire_ids read_ids(const json_t *run)
{
	const json_t *ids = json_object_get(run, "bpf");

	return (struct wire_ids){
		.ports = (uint32_t)labs_number(ids, "ports"),
		.control = (uint32_t)labs_number(ids, "control"),
		.captures = (uint32_t)labs_number(ids, "captures"),
		.events = (uint32_t)labs_number(ids, "events"),
	};
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
	struct wire_ids ids = read_ids(run);
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

static int open_output(const struct request *request, struct error *err)
{
	int fd;

	if (!request->path && isatty(STDOUT_FILENO))
		return error_set(
			err, EINVAL,
			"a capture is nothing to read: write it to a file with -w FILE, or into a pipe, such as "
			"to `wireshark -k -i -` or `tshark -r -`");
	if (!request->path)
		return STDOUT_FILENO;
	fd = open(request->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd < 0 ? error_errno(err, errno, "open %s", request->path) : fd;
}

static int write_all(int fd, const char *bytes, size_t size, struct error *err)
{
	while (size) {
		ssize_t written = write(fd, bytes, size);

		if (written < 0)
			return error_errno(err, errno, "write the capture");
		bytes += written;
		size -= (size_t)written;
	}
	return 0;
}

/* The lab, or whoever reads from the pipe that is written to. */
static bool is_over(const struct source *source, int output)
{
	struct pollfd fds[] = { { .fd = source->lab, .events = POLLIN }, { .fd = output } };

	return poll(fds, 2, 0) > 0 && (fds[0].revents || (fds[1].revents & POLLERR));
}

/* Until the lab ends, Ctrl-C comes, whoever reads has enough, or the frames that were asked for are there. */
static int copy(const struct source *source, int output, struct error *err)
{
	struct buffer bytes = { 0 };
	bool last = false;
	long size;

	for (;;) {
		size = capture_read(source->stream, &bytes, clock_after(LOOK_NS), err);
		if (size < 0 || (size == 0 && (last || capture_has_ended(source->stream))))
			break;
		if (size && write_all(output, bytes.data, bytes.size, err)) {
			size = -err->code;
			break;
		}
		/* What was on its way when the lab ended is still read. */
		last = size == 0 && is_over(source, output);
	}
	buffer_free(&bytes);
	return size == -EINTR || size == -EPIPE ? 0 : (int)size;
}

static int capture_to(struct request *request, int output, struct error *err)
{
	struct capture_state state;
	struct source source;
	int status = open_source(&source, request, err);

	if (!status) {
		status = copy(&source, output, err);
		state = capture_state(source.stream);
		fprintf(stderr, "%llu frames, %llu lost\n", (unsigned long long)state.frames,
			(unsigned long long)state.lost);
	}
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
	int output, status;

	cli_parse(&argp, argc, argv, 0, &request);
	interrupt_install(NULL);
	signal(SIGPIPE, SIG_IGN);
	output = open_output(&request, &err);
	status = output < 0 ? output : capture_to(&request, output, &err);
	if (output >= 0 && close(output) && !status)
		status = error_errno(&err, errno, "write the capture");
	return status ? cli_fail(&err) : 0;
}
