// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/memory.h"
#include "util/wait.h"

#define READ_SIZE 65536

void channel_open(struct channel *channel, int fd, size_t limit)
{
	*channel = (struct channel){ .fd = fd, .limit = limit };
}

void channel_close(struct channel *channel)
{
	fd_close(&channel->fd);
	buffer_free(&channel->in);
	channel->taken = 0;
}

static int gone(struct error *err)
{
	return error_set(err, ENOTCONN, "the connection to QEMU is closed");
}

static int wait_for(struct channel *channel, short events, uint64_t deadline_ns, struct error *err)
{
	struct pollfd poll_fd = { .fd = channel->fd, .events = events };
	int ready;

	if (channel->fd < 0)
		return gone(err);
	ready = wait_poll(&poll_fd, 1, deadline_ns, err);
	if (ready == 0)
		return error_set(err, ETIMEDOUT, "no answer in time");
	return ready < 0 ? ready : 0;
}

static ssize_t send_some(struct channel *channel, const char *data, size_t size, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = (char *)data, .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int channel_send(struct channel *channel, const char *data, size_t size, int fd, uint64_t deadline_ns,
		 struct error *err)
{
	while (size) {
		ssize_t sent = channel->fd < 0 ? 0 : send_some(channel, data, size, fd);

		if (channel->fd < 0 || (sent < 0 && (errno == EPIPE || errno == ECONNRESET)))
			return gone(err);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return error_errno(err, errno, "send to QEMU");
		if (sent > 0) {
			data += sent;
			size -= (size_t)sent;
			fd = -1;
		} else if (wait_for(channel, POLLOUT, deadline_ns, err)) {
			return -err->code;
		}
	}
	return 0;
}

int channel_send_json(struct channel *channel, const json_t *message, int fd, uint64_t deadline_ns, struct error *err)
{
	struct buffer line = { 0 };
	char *text = json_dumps(message, JSON_COMPACT);
	int status;

	if (!text)
		return error_set(err, EILSEQ, "a text for QEMU or the guest agent is not UTF-8");
	buffer_add(&line, text, strlen(text));
	buffer_add(&line, "\n", 1);
	free(text);
	status = channel_send(channel, line.data, line.size, fd, deadline_ns, err);
	buffer_free(&line);
	return status;
}

/* What lines have used up goes, so that the buffer holds no more than one line and what came behind it. */
static void drop_taken(struct channel *channel)
{
	if (!channel->taken)
		return;
	memmove(channel->in.data, channel->in.data + channel->taken, channel->in.size - channel->taken);
	channel->in.size -= channel->taken;
	channel->taken = 0;
}

/* Reads once, when there is something. The deadline counts for a flood as well as for silence. */
static int receive(struct channel *channel, uint64_t deadline_ns, struct error *err)
{
	char bytes[READ_SIZE];
	ssize_t size;

	drop_taken(channel);
	if (wait_for(channel, POLLIN, deadline_ns, err))
		return -err->code;
	if (clock_now() >= deadline_ns)
		return error_set(err, ETIMEDOUT, "no end in time");
	size = recv(channel->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (size == 0 || (size < 0 && errno == ECONNRESET))
		return gone(err);
	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : error_errno(err, errno, "read from QEMU");
	buffer_add(&channel->in, bytes, (size_t)size);
	return 0;
}

static char *find(const struct channel *channel, size_t from, char byte)
{
	return channel->in.size > from ? memchr(channel->in.data + from, byte, channel->in.size - from) : NULL;
}

static int too_long(const struct channel *channel, struct error *err)
{
	return error_set(err, EMSGSIZE, "a line of more than %zu bytes", channel->limit);
}

/* One that has come as a whole. */
static int take_line(struct channel *channel, char *end, const char **line, size_t *size, struct error *err)
{
	*end = '\0';
	*line = channel->in.data + channel->taken;
	*size = (size_t)(end - *line);
	channel->taken += *size + 1;
	return *size > channel->limit ? too_long(channel, err) : 0;
}

int channel_line(struct channel *channel, const char **line, size_t *size, uint64_t deadline_ns, struct error *err)
{
	size_t searched = 0; /* behind what is taken */

	if (channel->is_amid && channel_skip(channel, '\n', deadline_ns, err))
		return -err->code;
	for (;;) {
		char *end = find(channel, channel->taken + searched, '\n');

		if (end)
			return take_line(channel, end, line, size, err);
		searched = channel->in.size - channel->taken;
		if (searched > channel->limit) {
			channel->taken = channel->in.size;
			channel->is_amid = true;
			return too_long(channel, err);
		}
		if (receive(channel, deadline_ns, err))
			return -err->code;
	}
}

int channel_skip(struct channel *channel, char byte, uint64_t deadline_ns, struct error *err)
{
	for (;;) {
		char *found = find(channel, channel->taken, byte);

		channel->taken = found ? (size_t)(found - channel->in.data) + 1 : channel->in.size;
		if (found) {
			channel->is_amid = false;
			return 0;
		}
		if (receive(channel, deadline_ns, err))
			return -err->code;
	}
}
