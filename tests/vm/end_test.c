// SPDX-License-Identifier: GPL-2.0-only
/* Guests that end, hang, or misbehave: an error in time, with clear words, and nobody else is disturbed. */
#include <signal.h>
#include <unistd.h>

#include "fixture.h"

static struct node *other; /* lives through all of it */
static struct node *node;

static struct process *start_line(const char *line)
{
	const char *argv[] = { "sh", "-c", line, NULL };
	struct command command = { .argv = argv };
	struct process *process;
	struct error err;

	must(node->kind->start(node, &command, &process, &err), &err);
	return process;
}

/* A wait must fail within the limit, once the guest has come so far. Returns the error's text. */
static const char *failed_wait(struct process *process, uint64_t limit_ns)
{
	static struct error err;
	uint64_t deadline = clock_after(RUN_NS), start;
	int status;

	do {
		start = clock_now();
		status = process->ops->wait(process, clock_after(limit_ns), PROCESS_UNTIL_END, &err);
	} while (!status && process->status == PROCESS_RUNNING && clock_now() < deadline);
	assert_true(status < 0);
	assert_true(clock_now() - start < limit_ns + RUN_NS);
	process->ops->close(process);
	return err.text;
}

static const char *failed_start(uint64_t limit_ns)
{
	static struct error err;
	const char *argv[] = { "true", NULL };
	struct command command = { .argv = argv, .deadline_ns = clock_after(limit_ns) };
	struct process *process;
	uint64_t start = clock_now();

	assert_true(node->kind->start(node, &command, &process, &err) < 0);
	assert_true(clock_now() - start < limit_ns + RUN_NS);
	return err.text;
}

static void assert_says(const char *text, const char *expected)
{
	if (!strstr(text, expected))
		fail_msg("`%s` does not say `%s`", text, expected);
}

static void assert_dies(void)
{
	uint64_t deadline = clock_after(RUN_NS);
	struct error err;

	while (node->kind->is_alive(node) && clock_now() < deadline)
		wait_sleep(20 * NS_PER_MS, &err);
	assert_false(node->kind->is_alive(node));
}

static void test_powers_itself_off(void **state)
{
	struct process *process = start_line("sleep 0.3; poweroff -f; sleep 60");

	(void)state;
	assert_says(failed_wait(process, RUN_NS), "node `bad` has ended: it powered itself off");
	assert_dies();
	assert_says(failed_start(RUN_NS), "node `bad` has ended: it powered itself off");
}

static void test_reboots(void **state)
{
	struct process *process = start_line("sleep 0.3; reboot -f; sleep 60");

	(void)state;
	assert_says(failed_wait(process, RUN_NS), "node `bad` has ended: it rebooted, or its kernel panicked");
	assert_dies();
}

static void test_panics(void **state)
{
	struct process *process = start_line("sleep 0.3; echo c >/proc/sysrq-trigger; sleep 60");
	const char *text = failed_wait(process, RUN_NS);

	(void)state;
	assert_says(text, "its kernel panicked");
	assert_says(text, "the last lines of its console: ");
	assert_dies();
	assert_says(node->kind->console(node), "Kernel panic - not syncing: sysrq triggered crash");
}

static void test_qemu_is_killed(void **state)
{
	struct process *process = start_line("sleep 60");

	(void)state;
	assert_int_equal(kill(node->kind->pid(node), SIGKILL), 0);
	assert_says(failed_wait(process, RUN_NS), "node `bad` has ended: QEMU was ended by signal 9 (Killed)");
	assert_dies();
}

/* The built-in guest starts it again. */
static void test_kills_its_agent(void **state)
{
	struct process *process = start_line("sleep 0.3; killall -KILL qemu-ga; sleep 60");

	(void)state;
	assert_says(failed_wait(process, RUN_NS), "was started anew");
	assert_string_equal(output(node, "echo back"), "back\n");
}

static void test_stops_its_agent(void **state)
{
	struct process *process = start_line("sleep 0.3; killall -STOP qemu-ga; sleep 60");
	uint64_t start;

	(void)state;
	assert_says(failed_wait(process, 2 * NS_PER_S), "the guest agent does not answer");
	assert_says(failed_start(2 * NS_PER_S), "node `bad`: no answer in time");
	assert_true(node->kind->is_alive(node));
	start = clock_now();
	node->kind->close(node);
	node = NULL;
	assert_true(clock_now() - start < RUN_NS);
}

/* All of its processor, by something that outranks the agent. */
static void test_is_busy(void **state)
{
	struct process *process =
		start_line("for i in 1 2 3 4; do chrt -f 50 sh -c 'while :; do :; done' & done; sleep 600");
	struct error err;

	(void)state;
	if (process->ops->wait(process, clock_after(3 * NS_PER_S), PROCESS_UNTIL_END, &err))
		assert_says(err.text, "the guest agent does not answer");
	process->ops->close(process);
	assert_true(node->kind->is_alive(node));
}

/* The console is read all the time, and a guest that writes to it for ever fills no memory. */
static void test_floods_its_console(void **state)
{
	struct process *process = start_line("while :; do dmesg >/dev/console; done");
	uint64_t deadline = clock_after(RUN_NS);
	struct error err;

	(void)state;
	do {
		must(process->ops->wait(process, clock_after(2 * NS_PER_S), PROCESS_UNTIL_END, &err), &err);
	} while (strlen(node->kind->console(node)) <= 10000 && clock_now() < deadline);
	assert_int_equal(process->status, PROCESS_RUNNING);
	process->ops->close(process);
	assert_true(strlen(node->kind->console(node)) > 10000);
	assert_true(succeeds(node, "true"));
}

/* An answer in place of the agent's: garbage without end, with the agent out of the way. */
static void test_answers_garbage(void **state)
{
	struct process *process =
		start_line("sleep 0.3; echo '::respawn:/bin/true' >/etc/inittab; kill -HUP 1; killall qemu-ga;"
			   "while :; do cat /bin/busybox >/dev/virtio-ports/org.qemu.guest_agent.0; done");
	const char *text = failed_wait(process, RUN_NS);

	(void)state;
	assert_says(text, "node `bad`: ");
	failed_start(3 * NS_PER_S);
	assert_true(node->kind->is_alive(node));
}

static void test_more_output_than_its_memory(void **state)
{
	struct process *process = start_line("dd if=/dev/zero bs=1M count=200");

	(void)state;
	assert_says(failed_wait(process, RUN_NS), "MiB of output have filled /run in node `bad`; give it more memory");
	assert_true(succeeds(node, "true"));
}

static void test_processes_outlive_their_node(void **state)
{
	struct process *process = start_line("sleep 60");

	(void)state;
	node->kind->close(node);
	node = NULL;
	assert_says(failed_wait(process, RUN_NS), "node `bad` was shut down");
}

static int start_bad(void **state)
{
	struct node_config config = { .name = "bad" };

	(void)state;
	node = boot(&config);
	wait_ready(node);
	return 0;
}

static int end_bad(void **state)
{
	(void)state;
	if (node)
		node->kind->close(node);
	node = NULL;
	return succeeds(other, "true") ? 0 : -1;
}

static int start_other(void **state)
{
	struct node_config config = { .name = "other" };

	open_switch(state);
	other = boot(&config);
	wait_ready(other);
	return 0;
}

static int end_other(void **state)
{
	(void)state;
	other->kind->close(other);
	return 0;
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, start_bad, end_bad)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_powers_itself_off),
		TEST(test_reboots),
		TEST(test_panics),
		TEST(test_qemu_is_killed),
		TEST(test_kills_its_agent),
		TEST(test_stops_its_agent),
		TEST(test_is_busy),
		TEST(test_floods_its_console),
		TEST(test_answers_garbage),
		TEST(test_more_output_than_its_memory),
		TEST(test_processes_outlive_their_node),
	};

	return cmocka_run_group_tests(tests, start_other, end_other);
}
