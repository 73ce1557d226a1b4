// SPDX-License-Identifier: GPL-2.0-only
/* QMP: answers among events, refusals, and a QEMU that is broken or gone. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/qemu/qmp.h"
#include "util/clock.h"
#include "util/error.h"

#define SOON	 clock_after(300 * NS_PER_MS)
#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n"

struct fixture {
	struct qmp qmp;
	int qemu; /* the other end */
	char events[256];
};

static void note(void *context, const char *name, const json_t *data)
{
	struct fixture *f = context;

	sprintf(f->events + strlen(f->events), "%s%s ", name, data ? "+" : "");
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	qmp_open(&f->qmp, ends[0]);
	f->qmp.on_event = note;
	f->qmp.context = f;
	f->qemu = ends[1];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	qmp_close(&f->qmp);
	if (f->qemu >= 0)
		close(f->qemu);
	free(f);
	return 0;
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->qemu, text, strlen(text)), strlen(text));
}

/* What has been sent to QEMU, and the descriptor beside it, or -1. */
static const char *heard(struct fixture *f, int *fd)
{
	static char text[4096];
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	ssize_t size = recvmsg(f->qemu, &message, 0);

	assert_true(size > 0);
	text[size] = '\0';
	*fd = -1;
	if (CMSG_FIRSTHDR(&message))
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(*fd));
	return text;
}

static void test_greets(void **state)
{
	struct fixture *f = *state;
	struct error err;
	int fd;

	say(f, GREETING "{\"return\": {}, \"id\": 1}\n");
	assert_int_equal(qmp_greet(&f->qmp, SOON, &err), 0);
	assert_string_equal(heard(f, &fd), "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
	/* Once is enough. */
	assert_int_equal(qmp_greet(&f->qmp, SOON, &err), 0);
}

static void test_passes_events_on_and_old_answers_by(void **state)
{
	struct fixture *f = *state;
	json_t *answer = NULL;
	struct error err;
	int fd;

	f->qmp.last_id = 4;
	say(f, "{\"event\": \"STOP\"}\n{\"return\": 4, \"id\": 4}\n{\"event\": \"DEVICE_DELETED\", \"data\": {}}\n"
	       "{\"return\": 5, \"id\": 5}\n{\"event\": \"LATER\"}\n");
	assert_int_equal(qmp_command_fd(&f->qmp, "x", json_pack("{ss}", "a", "b"), STDIN_FILENO, &answer, &err), 0);
	assert_int_equal(json_integer_value(answer), 5);
	json_decref(answer);
	assert_string_equal(f->events, "STOP DEVICE_DELETED+ ");
	assert_string_equal(heard(f, &fd), "{\"execute\":\"x\",\"id\":5,\"arguments\":{\"a\":\"b\"}}\n");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(qmp_listen(&f->qmp, SOON, &err), 0);
	assert_string_equal(f->events, "STOP DEVICE_DELETED+ LATER ");
	/* Nothing to hear is no error. */
	assert_int_equal(qmp_listen(&f->qmp, SOON, &err), 0);
}

static void test_says_why_something_is_refused(void **state)
{
	struct fixture *f = *state;
	struct error err;

	say(f, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Device 'x' not found\"}, \"id\": 1}\n");
	assert_int_equal(qmp_command(&f->qmp, "device_del", NULL, &err), -EIO);
	assert_string_equal(err.text, "QEMU refuses device_del: Device 'x' not found");
}

static void test_notices_what_is_no_qemu(void **state)
{
	struct fixture *f = *state;
	struct error err;

	say(f, "hello\n{\"hello\": 1}\n");
	assert_int_equal(qmp_greet(&f->qmp, SOON, &err), -EBADMSG);
	assert_int_equal(qmp_greet(&f->qmp, SOON, &err), -EBADMSG);
}

static void test_does_not_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	uint64_t start = clock_now();
	struct error err;

	assert_int_equal(qmp_greet(&f->qmp, SOON, &err), -ETIMEDOUT);
	assert_true(clock_now() - start < 2 * NS_PER_S);
}

static void test_notices_that_qemu_is_gone(void **state)
{
	struct fixture *f = *state;
	struct error err;

	say(f, GREETING);
	close(f->qemu);
	f->qemu = -1;
	assert_int_equal(qmp_greet(&f->qmp, SOON, &err), -ENOTCONN);
	assert_int_equal(qmp_command(&f->qmp, "stop", NULL, &err), -ENOTCONN);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_greets),
		TEST(test_passes_events_on_and_old_answers_by),
		TEST(test_says_why_something_is_refused),
		TEST(test_notices_what_is_no_qemu),
		TEST(test_does_not_wait_for_ever),
		TEST(test_notices_that_qemu_is_gone),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
