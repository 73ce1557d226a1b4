// SPDX-License-Identifier: GPL-2.0-only
/*
 * What QEMU says on its control socket. The first byte says what is asked; a capital letter, that QEMU falls silent behind its
 * answers, rather than that its end is closed. Everything behind that is what QEMU says.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "guest.h"
#include "node/qemu/qemu.h"
#include "util/error.h"
#include "util/memory.h"

#define MOST	   65536U /* fits into a socket at once */
#define TIMEOUT_NS (60 * NS_PER_S)
#define LIMIT_NS   (150 * NS_PER_S) /* of all that is asked */
#define LOW_SLOTS  ((1U << QEMU_FIRST_SLOT) - 1)

static void check_status(int status, const struct error *err)
{
	require(status <= 0);
	if (!status)
		return;
	require(err->code == -status);
	require(*err->text && memchr(err->text, '\0', sizeof(err->text)));
}

static void greet(struct qemu_node *node)
{
	struct error err;
	int status = qmp_greet(&node->qmp, clock_after(TIMEOUT_NS), &err);

	check_status(status, &err);
	require(status || node->qmp.greeted);
}

/* The next message that QEMU says, NULL behind the last, or for what is no JSON. */
static json_t *next_message(const uint8_t **said, size_t *size)
{
	const uint8_t *end = *size ? memchr(*said, '\n', *size) : NULL;
	json_t *message = end ? json_loadb((const char *)*said, (size_t)(end - *said), 0, NULL) : NULL;

	if (message) {
		*size -= (size_t)(end + 1 - *said);
		*said = end + 1;
	}
	return message;
}

static bool is_event(const json_t *message)
{
	return json_is_string(json_object_get(message, "event"));
}

/* The first answer with that id. */
static json_t *find_answer(const uint8_t *said, size_t size, json_int_t id)
{
	json_t *message;

	while ((message = next_message(&said, &size))) {
		if (!is_event(message) && json_integer_value(json_object_get(message, "id")) == id)
			return message;
		json_decref(message);
	}
	return NULL;
}

/* Why it was shut down, as the last of the events says. */
static char *find_reason(const uint8_t *said, size_t size)
{
	char *reason = NULL;
	json_t *message;

	while ((message = next_message(&said, &size))) {
		const char *name = json_string_value(json_object_get(message, "event"));
		const char *text = json_string_value(json_object_get(json_object_get(message, "data"), "reason"));

		if (name && text && strcmp(name, "SHUTDOWN") == 0) {
			free(reason);
			reason = memory_string(text);
		}
		json_decref(message);
	}
	return reason;
}

static void command(struct qemu_node *node, const uint8_t *said, size_t size)
{
	json_t *answer = NULL, *message;
	struct error err;
	int status = qmp_command_fd(&node->qmp, "getfd", json_pack("{ss}", "fdname", "x"), STDIN_FILENO, &answer, &err);

	check_status(status, &err);
	require(!status || !answer);
	message = find_answer(said, size, node->qmp.last_id);
	require(status || (message && answer == json_object_get(message, "return")) ||
		json_equal(answer, json_object_get(message, "return")));
	json_decref(message);
	json_decref(answer);
	/* What an old answer says is not the answer to the next. */
	check_status(qmp_command(&node->qmp, "query-status", NULL, &err), &err);
}

static void listen_on(struct qemu_node *node, const uint8_t *said, size_t size)
{
	char *reason = find_reason(said, size);
	struct error err;
	uint64_t deadline = clock_after(TIMEOUT_NS);

	while (clock_now() < deadline && qmp_listen(&node->qmp, deadline, &err) == 0)
		;
	require(!reason == !node->shutdown_reason);
	require(!reason || strcmp(reason, node->shutdown_reason) == 0);
	free(reason);
}

static void remove_device(struct qemu_node *node)
{
	struct error err;

	check_status(qemu_remove_device(node, "nic1-slot7", &err), &err);
}

static void stop_and_go(struct qemu_node *node)
{
	struct error err;
	int status = qemu_stop(node, &err);

	check_status(status, &err);
	require(node->paused == !status);
	status = qemu_continue(node, &err);
	check_status(status, &err);
	require(status || !node->paused);
}

static void ask(struct qemu_node *node, const uint8_t *data, size_t size)
{
	switch (tolower(*data)) {
	case 'c':
		return command(node, data + 1, size - 1);
	case 'd':
		return remove_device(node);
	case 'g':
		return greet(node);
	case 'l':
		return listen_on(node, data + 1, size - 1);
	case 's':
		return stop_and_go(node);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qemu_node node = { .name = (char *)"a", .ready = true, .slots = UINT32_MAX };
	uint64_t begin_ns;
	int ends[2];

	if (size < 1 || size > MOST)
		return 0;
	node.console = silent_console();
	node.child.pidfd = -1;
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	qmp_open(&node.qmp, ends[0]);
	node.qmp.on_event = qemu_on_event;
	node.qmp.context = &node;
	require(send(ends[1], data + 1, size - 1, MSG_DONTWAIT) == (ssize_t)size - 1);
	if (!isupper(data[0]))
		shutdown(ends[1], SHUT_WR);
	begin_ns = clock_now();
	ask(&node, data, size);
	require(clock_now() - begin_ns < LIMIT_NS);
	/* No event gives a place away that no card is ever in. */
	require((node.slots & LOW_SLOTS) == LOW_SLOTS);
	qmp_close(&node.qmp);
	free(node.shutdown_reason);
	close(ends[1]);
	return 0;
}
