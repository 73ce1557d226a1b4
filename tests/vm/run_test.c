// SPDX-License-Identifier: GPL-2.0-only
/* Commands in a guest. */
#include <signal.h>

#include "fixture.h"
#include "util/buffer.h"

static struct node *node;

static void test_returns_output_and_exit_code(void **state)
{
	struct outcome outcome = run(node, "echo out; echo err >&2; exit 7");

	(void)state;
	assert_int_equal(outcome.status, PROCESS_EXITED);
	assert_int_equal(outcome.code, 7);
	assert_string_equal(outcome.out, "out\n");
	assert_string_equal(outcome.err, "err\n");
}

static void test_reports_a_signal(void **state)
{
	struct outcome outcome = run(node, "kill -TERM $$");

	(void)state;
	assert_int_equal(outcome.status, PROCESS_SIGNALLED);
	assert_int_equal(outcome.code, SIGTERM);
}

static void test_has_the_name_of_the_node(void **state)
{
	(void)state;
	assert_string_equal(output(node, "hostname"), "alpha\n");
}

static void test_takes_environment_folder_and_input(void **state)
{
	const char *argv[] = { "sh", "-c", "echo \"$GREETING|$SECOND\"; pwd; cat", NULL };
	const char *env[] = { "GREETING=hello  'there' $HOME", "SECOND=2", NULL };
	struct command command = {
		.argv = argv,
		.env = env,
		.cwd = "/var/log",
		.stdin_data = "from stdin",
		.stdin_size = 10,
	};
	struct outcome outcome = run_command(node, &command);

	(void)state;
	assert_string_equal(outcome.out, "hello  'there' $HOME|2\n/var/log\nfrom stdin");
}

static void test_arguments_arrive_as_they_are(void **state)
{
	const char *argv[] = { "printf", "%s|", "", "a b", "$HOME", "*", "--", "ä\"\\\n", NULL };
	struct command command = { .argv = argv };

	(void)state;
	assert_string_equal(run_command(node, &command).out, "|a b|$HOME|*|--|ä\"\\\n|");
}

static void expect_failure(const struct command *command, const char *text)
{
	struct process *process;
	struct error err;

	must(node->kind->start(node, command, &process, &err), &err);
	assert_true(process->ops->wait(process, clock_after(RUN_NS), PROCESS_UNTIL_END, &err) < 0);
	process->ops->close(process);
	assert_string_equal(err.text, text);
}

static void test_a_command_that_cannot_start_is_an_error(void **state)
{
	const char *missing[] = { "no-such-program", NULL }, *denied[] = { "/etc/passwd", NULL },
		   *fine[] = { "true", NULL };

	(void)state;
	expect_failure(&(struct command){ .argv = missing },
		       "run `no-such-program` in node `alpha`: No such file or directory");
	expect_failure(&(struct command){ .argv = denied }, "run `/etc/passwd` in node `alpha`: Permission denied");
	expect_failure(&(struct command){ .argv = fine, .cwd = "/nowhere" },
		       "run `true` in node `alpha` (with cwd /nowhere): No such file or directory");
	assert_int_equal(run(node, "exit 127").code, 127);
	assert_int_equal(run(node, "exit 126").code, 126);
}

static void test_refuses_what_is_no_text(void **state)
{
	const char *argv[] = { "echo", "\xff\xfe", NULL };
	struct command command = { .argv = argv };
	struct process *process;
	struct error err;

	(void)state;
	assert_true(node->kind->start(node, &command, &process, &err) < 0);
	assert_non_null(strstr(err.text, "takes only UTF-8 text"));
	assert_true(succeeds(node, "true"));
}

static void test_output_comes_while_it_runs(void **state)
{
	const char *argv[] = { "sh", "-c",
			       "echo first; until test -e /tmp/go; do sleep 0.1; done; echo second; sleep 600", NULL };
	struct command command = { .argv = argv };
	struct process *process;
	struct error err;

	(void)state;
	must(node->kind->start(node, &command, &process, &err), &err);
	must(process->ops->wait(process, clock_after(RUN_NS), process_output_size(process), &err), &err);
	assert_string_equal(buffer_string(&process->out), "first\n");
	output(node, "touch /tmp/go");
	must(process->ops->wait(process, clock_after(RUN_NS), process_output_size(process), &err), &err);
	assert_string_equal(buffer_string(&process->out), "first\nsecond\n");
	assert_int_equal(process->status, PROCESS_RUNNING);
	process->ops->close(process);
	until_succeeds(node, "! pidof sleep", RUN_NS);
}

static void test_a_kill_takes_the_whole_group(void **state)
{
	const char *argv[] = { "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do yes >/dev/null & done; wait", NULL };
	struct command command = { .argv = argv };
	struct process *process;
	struct error err;

	(void)state;
	must(node->kind->start(node, &command, &process, &err), &err);
	must(process->ops->wait(process, clock_after(300 * NS_PER_MS), PROCESS_UNTIL_END, &err), &err);
	assert_int_equal(process->status, PROCESS_RUNNING);
	must(process->ops->kill(process, SIGKILL, &err), &err);
	assert_string_equal(output(node, "pidof yes || echo none"), "none\n");
	must(process->ops->wait(process, clock_after(RUN_NS), PROCESS_UNTIL_END, &err), &err);
	assert_int_equal(process->status, PROCESS_SIGNALLED);
	assert_int_equal(process->code, SIGKILL);
	process->ops->close(process);
}

static void test_what_is_left_behind_is_not_waited_for(void **state)
{
	struct outcome outcome = run(node, "sleep 600 & echo started");

	(void)state;
	assert_string_equal(outcome.out, "started\n");
	run(node, "killall sleep");
}

static void test_ten_megabytes_there_and_back(void **state)
{
	const size_t size = 10 << 20;
	const char *argv[] = { "sh", "-c", "cat >/tmp/big && sha256sum </tmp/big && cat /tmp/big >&2; rm /tmp/big",
			       NULL };
	char *data = malloc(size);
	struct command command = { .argv = argv, .stdin_data = data, .stdin_size = size };
	struct process *process;
	struct error err;
	uint64_t start = clock_now();

	(void)state;
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * i >> 7 ^ i);
	must(node->kind->start(node, &command, &process, &err), &err);
	must(process->ops->wait(process, clock_after(3 * RUN_NS), PROCESS_UNTIL_END, &err), &err);
	assert_int_equal(process->status, PROCESS_EXITED);
	assert_int_equal(process->err.size, size);
	assert_memory_equal(process->err.data, data, size);
	process->ops->close(process);
	free(data);
	print_message("# 10 MB in and out: %.1f s\n", MS(clock_now() - start) / 1000);
}

/* The agent would keep them for ever. */
static void test_leaves_no_files_handles_and_processes(void **state)
{
	/* Threads of the kernel, in brackets, come and go as they like. */
	static const char line[] =
		"ls -A /run | grep provium-; ls /proc/$(pidof qemu-ga)/fd | wc -l; ps | grep -vc '\\['";
	struct outcome before = run(node, line);

	(void)state;
	for (int i = 0; i < 5; i++)
		succeeds(node, "true");
	assert_string_equal(output(node, line), before.out);
}

static int start_node(void **state)
{
	struct node_config config = { .name = "alpha" };
	uint64_t start = clock_now();

	open_switch(state);
	node = boot(&config);
	wait_ready(node);
	print_message("# ready after %.2f s\n", MS(clock_now() - start) / 1000);
	return 0;
}

static int end_node(void **state)
{
	(void)state;
	node->kind->close(node);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_returns_output_and_exit_code),
		cmocka_unit_test(test_reports_a_signal),
		cmocka_unit_test(test_has_the_name_of_the_node),
		cmocka_unit_test(test_takes_environment_folder_and_input),
		cmocka_unit_test(test_arguments_arrive_as_they_are),
		cmocka_unit_test(test_a_command_that_cannot_start_is_an_error),
		cmocka_unit_test(test_refuses_what_is_no_text),
		cmocka_unit_test(test_output_comes_while_it_runs),
		cmocka_unit_test(test_a_kill_takes_the_whole_group),
		cmocka_unit_test(test_what_is_left_behind_is_not_waited_for),
		cmocka_unit_test(test_ten_megabytes_there_and_back),
		cmocka_unit_test(test_leaves_no_files_handles_and_processes),
	};

	return cmocka_run_group_tests(tests, start_node, end_node);
}
