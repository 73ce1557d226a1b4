// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/memory.h"
#include "util/wait.h"

#define READ_SIZE	16384
#define COMPLAINT_LIMIT 4096U
#define COMPLAINT_NS	NS_PER_S
#define WRITE_NS	(5 * NS_PER_MS)
#define STACK_SIZE	(128U << 10)
#define LAST_LINES	4

/* The last bytes of a stream. */
struct tail {
	char *bytes;
	size_t limit, start, size;
	uint64_t total; /* bytes that ever came */
};

struct console {
	pthread_t thread;
	bool running;
	int stop;	      /* an eventfd: the thread is to end */
	pthread_mutex_t lock; /* of what follows */
	struct tail streams[2];
	int fds[2]; /* -1 when ended */
	struct buffer text;
	uint64_t text_end; /* of all that came, when it was made */
};

static void tail_add(struct tail *tail, const char *bytes, size_t size)
{
	tail->total += size;
	for (size_t i = 0; i < size; i++) {
		/* The text is handed out as a string. */
		tail->bytes[(tail->start + tail->size) % tail->limit] = bytes[i] ? bytes[i] : ' ';
		if (tail->size < tail->limit)
			tail->size++;
		else
			tail->start = (tail->start + 1) % tail->limit;
	}
}

static void tail_text(const struct tail *tail, struct buffer *text)
{
	size_t until_wrap = tail->limit - tail->start;
	size_t first = tail->size < until_wrap ? tail->size : until_wrap;

	buffer_add(text, tail->bytes + tail->start, first);
	buffer_add(text, tail->bytes, tail->size - first);
}

static void take(struct console *console, int which)
{
	char bytes[READ_SIZE];
	ssize_t size = read(console->fds[which], bytes, sizeof(bytes));

	pthread_mutex_lock(&console->lock);
	if (size > 0) {
		tail_add(&console->streams[which], bytes, (size_t)size);
	} else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(console->fds[which]);
		console->fds[which] = -1;
	}
	pthread_mutex_unlock(&console->lock);
}

static void *read_all(void *context)
{
	struct console *console = context;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = console->fds[0], .events = POLLIN },
			{ .fd = console->fds[1], .events = POLLIN },
			{ .fd = console->stop, .events = POLLIN },
		};

		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[2].revents)
			return NULL;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				take(console, i);
	}
}

/* Signals are for the main thread. */
static int start_thread(struct console *console, struct error *err)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int code;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&console->thread, &attributes, read_all, console);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	console->running = code == 0;
	return code ? error_errno(err, code, "start the thread that reads a console") : 0;
}

static void stop_thread(struct console *console)
{
	uint64_t one = 1;

	if (!console->running)
		return;
	if (write(console->stop, &one, sizeof(one)) != sizeof(one))
		abort();
	pthread_join(console->thread, NULL);
	console->running = false;
	for (int i = 0; i < 2; i++)
		fd_close(&console->fds[i]);
	if (read(console->stop, &one, sizeof(one)) != sizeof(one))
		abort();
}

int console_open(struct console **result, int console_fd, int stderr_fd, struct error *err)
{
	struct console *console = memory_new(sizeof(*console));

	console->streams[0] = (struct tail){ .bytes = memory_new(CONSOLE_LIMIT), .limit = CONSOLE_LIMIT };
	console->streams[1] = (struct tail){ .bytes = memory_new(COMPLAINT_LIMIT), .limit = COMPLAINT_LIMIT };
	console->fds[0] = console->fds[1] = -1;
	pthread_mutex_init(&console->lock, NULL);
	console->stop = eventfd(0, EFD_CLOEXEC);
	*result = console;
	if (console->stop >= 0)
		return console_replace(console, console_fd, stderr_fd, err);
	close(console_fd);
	close(stderr_fd);
	return error_errno(err, errno, "make an eventfd");
}

int console_replace(struct console *console, int console_fd, int stderr_fd, struct error *err)
{
	stop_thread(console);
	console->fds[0] = console_fd;
	console->fds[1] = stderr_fd;
	fcntl(console_fd, F_SETFL, O_NONBLOCK);
	fcntl(stderr_fd, F_SETFL, O_NONBLOCK);
	console->streams[1].size = 0;
	return start_thread(console, err);
}

void console_close(struct console *console)
{
	if (!console)
		return;
	stop_thread(console);
	if (console->stop >= 0)
		close(console->stop);
	pthread_mutex_destroy(&console->lock);
	free(console->streams[0].bytes);
	free(console->streams[1].bytes);
	buffer_free(&console->text);
	free(console);
}

static void refresh(struct console *console, int which)
{
	buffer_free(&console->text);
	pthread_mutex_lock(&console->lock);
	tail_text(&console->streams[which], &console->text);
	console->text_end = console->streams[which].total;
	pthread_mutex_unlock(&console->lock);
}

const char *console_text(struct console *console)
{
	refresh(console, 0);
	return buffer_string(&console->text);
}

uint64_t console_printed(const struct console *console)
{
	return console->text_end;
}

/* The thread closes the descriptor when QEMU has ended. */
static ssize_t send_some(struct console *console, const void *data, size_t size, int *code)
{
	ssize_t sent;

	pthread_mutex_lock(&console->lock);
	sent = console->fds[0] < 0 ? -1 : send(console->fds[0], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	*code = console->fds[0] < 0 ? EPIPE : errno;
	pthread_mutex_unlock(&console->lock);
	return sent;
}

int console_write(struct console *console, const void *data, size_t size, uint64_t deadline_ns, struct error *err)
{
	const char *bytes = data;

	while (size) {
		int code;
		ssize_t sent = send_some(console, bytes, size, &code);

		if (sent > 0) {
			bytes += sent;
			size -= (size_t)sent;
		} else if (sent < 0 && code != EAGAIN && code != EINTR) {
			return error_errno(err, code, "write to the console");
		} else if (clock_now() >= deadline_ns) {
			return error_set(err, ETIMEDOUT, "write to the console: the guest has not read %zu bytes of it",
					 size);
		} else if (wait_sleep(WRITE_NS, err)) {
			return -err->code;
		}
	}
	return 0;
}

bool console_has(struct console *console, const char *text)
{
	refresh(console, 0);
	return console->text.size && memmem(console->text.data, console->text.size, text, strlen(text));
}

/* A line's end becomes " | "; what could drive a terminal goes. */
static void one_line(const char *from, size_t length, char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used + 4 < size; i++) {
		unsigned char byte = (unsigned char)from[i];

		if (byte == '\n' && used && i + 1 < length) {
			memcpy(text + used, " | ", 3);
			used += 3;
		} else if (byte >= ' ' && byte < 0x7f) {
			text[used++] = from[i];
		}
	}
	text[used] = '\0';
}

/* Where the last lines start, no more than `size` bytes from the end. */
static size_t last_lines_start(const struct buffer *text, size_t size)
{
	size_t start = text->size;
	int lines = 0;

	while (start > 0 && text->size - start < size) {
		if (text->data[start - 1] == '\n' && start < text->size && ++lines == LAST_LINES)
			break;
		start--;
	}
	return start;
}

void console_last_lines(struct console *console, char *text, size_t size)
{
	size_t start;

	refresh(console, 0);
	start = last_lines_start(&console->text, size - 4 * LAST_LINES);
	one_line(buffer_string(&console->text) + start, console->text.size - start, text, size);
}

static bool has_ended(struct console *console, int which)
{
	bool ended;

	pthread_mutex_lock(&console->lock);
	ended = console->fds[which] < 0;
	pthread_mutex_unlock(&console->lock);
	return ended;
}

void console_complaint(struct console *console, char *text, size_t size)
{
	uint64_t deadline = clock_after(COMPLAINT_NS);
	struct error ignored;

	while (!has_ended(console, 1) && clock_now() < deadline && wait_sleep(5 * NS_PER_MS, &ignored) == 0)
		;
	refresh(console, 1);
	one_line(buffer_string(&console->text), console->text.size, text, size);
}
