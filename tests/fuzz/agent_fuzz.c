// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest's agent answers, to all that asks it. The first byte says what is asked; a capital letter, that the guest falls
 * silent behind its answers, rather than that its end is closed. Everything behind that is what the guest says.
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

#define MOST	   65536U /* fits into a socket at once */
#define TIMEOUT_NS (60 * NS_PER_S)
#define LIMIT_NS   (300 * NS_PER_S) /* of all that is asked */
#define CHUNKS	   4

static void check_status(int status, const struct error *err)
{
	require(status <= 0);
	if (!status)
		return;
	require(err->code == -status);
	require(*err->text && memchr(err->text, '\0', sizeof(err->text)));
}

static void call(struct qemu_node *node)
{
	json_t *answer = NULL;
	struct error err;
	int status = agent_call(&node->agent, "guest-info", json_pack("{si}", "a", 1), &answer, clock_after(TIMEOUT_NS),
				&err);

	check_status(status, &err);
	require(!status == (answer != NULL));
	json_decref(answer);
}

static void call_many(struct qemu_node *node)
{
	struct agent_call calls[3] = { { .name = "a" }, { .name = "b", .arguments = json_object() }, { .name = "c" } };
	struct error err;
	int status = agent_batch(&node->agent, calls, 3, clock_after(TIMEOUT_NS), &err);

	check_status(status, &err);
	for (size_t i = 0; i < 3; i++) {
		require(!calls[i].arguments);
		require(status ? !calls[i].answer : calls[i].answer || calls[i].error.code);
		json_decref(calls[i].answer);
	}
}

static void write_file(struct qemu_node *node)
{
	struct error err;

	check_status(agent_write_file(&node->agent, "/tmp/x", "content", 7, clock_after(TIMEOUT_NS), &err), &err);
}

static void prepare(struct qemu_node *node)
{
	struct error err;
	int status;

	node->ready = false;
	status = guest_prepare(node, clock_after(TIMEOUT_NS), &err);
	check_status(status, &err);
	require(node->ready == !status);
	require(memchr(node->folder, '\0', sizeof(node->folder)));
}

static void run(struct qemu_node *node)
{
	const char *const arguments[] = { "one", NULL };
	struct buffer out = { 0 };
	struct error err;
	int status = qemu_run_script(node, "echo $1", arguments, &out, clock_after(TIMEOUT_NS), &err);

	check_status(status, &err);
	require(!status || !out.data);
	require(out.size <= PROCESS_OUTPUT_LIMIT + AGENT_CHUNK);
	buffer_free(&out);
}

/* Bit by bit, as a script reads it. */
static void run_stream(struct qemu_node *node)
{
	const char *const argv[] = { "cat", NULL };
	const struct command command = { .argv = argv, .stdin_data = "in", .stdin_size = 2, .timeout_ns = TIMEOUT_NS };
	struct process *process;
	struct error err;
	int status = qemu_start(&node->node, &command, &process, &err);

	check_status(status, &err);
	if (status)
		return;
	for (int i = 0; i < CHUNKS && !status && process->status == PROCESS_RUNNING; i++) {
		size_t seen = process_output_size(process);

		status = process->ops->wait(process, clock_after(NS_PER_S), seen, &err);
		check_status(status, &err);
		require(process_output_size(process) >= seen || status);
	}
	process->ops->close(process);
	require(!node->processes);
}

static bool spare(const struct address *address, void *context)
{
	(void)context;
	return address->bytes[0] == 10;
}

static void configure(struct qemu_node *node)
{
	struct qemu_nic nic = { .tap = -1, .bridge_name = (char *)"lan", .link_up = true };
	const struct neighbour_choice choice = { .spares = spare };
	const char *byte;
	struct error err;

	check_status(guest_configure_nic(node, &nic, clock_after(TIMEOUT_NS), &err), &err);
	require(memchr(nic.guest_name, '\0', sizeof(nic.guest_name)));
	for (byte = nic.guest_name; *byte; byte++)
		require(isgraph((unsigned char)*byte));
	guest_await_carrier(node, &nic);
	check_status(guest_forget_neighbours(node, &nic, &choice, &err), &err);
}

static void ask(struct qemu_node *node, uint8_t what)
{
	switch (tolower(what)) {
	case 'b':
		return call_many(node);
	case 'c':
		return call(node);
	case 'n':
		return configure(node);
	case 'p':
		return prepare(node);
	case 'r':
		return run(node);
	case 's':
		return run_stream(node);
	case 'w':
		return write_file(node);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qemu_node node = { .name = (char *)"a", .has_agent = true, .ready = true, .folder = "/run" };
	uint64_t begin_ns;
	int ends[2];

	if (size < 1 || size > MOST)
		return 0;
	node.console = silent_console();
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	qmp_open(&node.qmp, -1);
	agent_open(&node.agent, ends[0]);
	node.child.pidfd = -1;
	require(send(ends[1], data + 1, size - 1, MSG_DONTWAIT) == (ssize_t)size - 1);
	if (!isupper(data[0]))
		shutdown(ends[1], SHUT_WR);
	begin_ns = clock_now();
	ask(&node, data[0]);
	require(clock_now() - begin_ns < LIMIT_NS);
	agent_close(&node.agent);
	close(ends[1]);
	return 0;
}
