// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines out of a stream: those that it has, in whatever pieces it comes. The first byte is the limit of a line, the second
 * the size of the pieces, the third the byte that is skipped to first, unless it is a newline.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "node/qemu/channel.h"
#include "util/clock.h"
#include "util/error.h"

#define HEAD	   3U
#define MOST	   32768U /* fits into a socket at once */
#define PATIENT_NS (100000 * NS_PER_S)

/* A packet is what one recv() gets. */
static bool send_pieces(int fd, const uint8_t *data, size_t size, size_t piece)
{
	for (size_t i = 0; i < size; i += piece)
		if (send(fd, data + i, size - i < piece ? size - i : piece, MSG_DONTWAIT) < 0)
			return false;
	return shutdown(fd, SHUT_WR) == 0;
}

/* Each line up to the limit, and each one over it once as an error, whatever the pieces. */
static void read_lines(struct channel *channel, const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data, *end = rest + size, *newline, *line;
	size_t length;
	struct error err;

	while (rest < end && (newline = memchr(rest, '\n', (size_t)(end - rest)))) {
		size_t expected = (size_t)(newline - rest);
		int status = channel_line(channel, &line, &length, clock_after(PATIENT_NS), &err);

		require(status == (expected > channel->limit ? -EMSGSIZE : 0));
		require(status || (length == expected && memcmp(line, rest, length) == 0 && line[length] == '\0'));
		rest = newline + 1;
	}
	if ((size_t)(end - rest) > channel->limit)
		require(channel_line(channel, &line, &length, clock_after(PATIENT_NS), &err) == -EMSGSIZE);
	require(channel_line(channel, &line, &length, clock_after(PATIENT_NS), &err) == -ENOTCONN);
}

static void skip_and_read(struct channel *channel, const uint8_t *data, size_t size, uint8_t byte)
{
	const uint8_t *found = memchr(data, byte, size);
	struct error err;
	int status;

	if (byte == '\n') {
		read_lines(channel, data, size);
		return;
	}
	status = channel_skip(channel, (char)byte, clock_after(PATIENT_NS), &err);
	require(status == (found ? 0 : -ENOTCONN));
	if (found)
		read_lines(channel, found + 1, size - (size_t)(found + 1 - data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct channel channel;
	int ends[2];

	if (size < HEAD || size > MOST || !data[1] || size / data[1] > 200)
		return 0;
	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	channel_open(&channel, ends[0], data[0]);
	if (send_pieces(ends[1], data + HEAD, size - HEAD, data[1]))
		skip_and_read(&channel, data + HEAD, size - HEAD, data[2]);
	channel_close(&channel);
	close(ends[1]);
	return 0;
}
