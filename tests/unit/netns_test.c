// SPDX-License-Identifier: GPL-2.0-only
/* A namespace node whose init is late: what is asked next has its own answer. Needs root. */
#include "namespace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "node/netns/netns.h"
#include "util/clock.h"
#include "util/interrupt.h"

/* For all that is quickly done. */
#define LIMIT_NS (60 * NS_PER_S)

static struct node *boot(void)
{
	struct node_config config = { .name = "a" };
	struct node *node;
	struct error err;

	must(node_kind_netns.boot(&config, nl, &node, &err), &err);
	must(node_kind_netns.wait_ready(node, clock_after(LIMIT_NS), &err), &err);
	return node;
}

static int start(struct node *node, const char *line, struct process **process, struct error *err)
{
	const char *argv[] = { "sh", "-c", line, NULL };
	struct command command = { .argv = argv };

	return node_kind_netns.start(node, &command, process, err);
}

static void expect_code(struct node *node, const char *line, int code)
{
	struct process *process;
	struct error err;

	must(start(node, line, &process, &err), &err);
	must(process->ops->wait(process, clock_after(LIMIT_NS), PROCESS_UNTIL_END, &err), &err);
	assert_int_equal(process->status, PROCESS_EXITED);
	assert_int_equal(process->code, code);
	process->ops->close(process);
}

/* How long the run waits for an answer of init. */
static void set_patience(struct node *node, uint64_t patience_ns)
{
	((struct netns_node *)node)->patience_ns = patience_ns;
}

/* A request that changes nothing: the process runs. */
static int ask(struct process *process, struct error *err)
{
	return process->ops->kill(process, SIGCONT, err);
}

static void test_late_answers_are_nobody_elses(void **state)
{
	struct node *node = boot();
	struct process *process, *other;
	struct error err;

	(void)state;
	must(start(node, "exec tail -f /dev/null", &other, &err), &err);
	for (int i = 0; i < 3; i++) {
		set_patience(node, 20 * NS_PER_MS);
		assert_int_equal(kill(node_kind_netns.pid(node), SIGSTOP), 0);
		assert_int_equal(start(node, "exec sleep 1000", &process, &err), -ETIMEDOUT);
		assert_string_equal(err.text, "init of node `a` does not answer");
		if (i)
			assert_int_equal(ask(other, &err), -ETIMEDOUT);
		set_patience(node, 60 * NS_PER_S);
		assert_int_equal(kill(node_kind_netns.pid(node), SIGCONT), 0);
		expect_code(node, "exit 7", 7);
		expect_code(node, "exit 8", 8);
	}
	other->ops->close(other);
	node_kind_netns.close(node);
}

static void test_what_was_started_too_late_is_ended(void **state)
{
	struct node *node = boot();
	struct process *process;
	struct error err;

	(void)state;
	set_patience(node, 20 * NS_PER_MS);
	assert_int_equal(kill(node_kind_netns.pid(node), SIGSTOP), 0);
	assert_int_equal(start(node, "exec sleep 1000", &process, &err), -ETIMEDOUT);
	set_patience(node, 60 * NS_PER_S);
	assert_int_equal(kill(node_kind_netns.pid(node), SIGCONT), 0);
	expect_code(node, "while pidof sleep; do :; done", 0);
	node_kind_netns.close(node);
}

/* Ten seconds behind its end a limit that nobody looks at ends the process. */
static void test_an_interruption_ends_the_wait_for_init(void **state)
{
	struct node *node = boot();
	struct process *process, *other;
	struct error err;

	(void)state;
	must(start(node, "exec tail -f /dev/null", &other, &err), &err);
	interrupt_install(NULL);
	set_patience(node, 60 * NS_PER_S);
	assert_int_equal(kill(node_kind_netns.pid(node), SIGSTOP), 0);
	interrupt_swap_limit((struct interrupt_limit){ .left_ns = NS_PER_MS, .whole_ns = NS_PER_MS });
	assert_int_equal(start(node, "exec sleep 1000", &process, &err), -EINTR);
	assert_ptr_equal(strstr(err.text, "the time limit of 0.001 s has passed"), err.text);
	assert_int_equal(kill(node_kind_netns.pid(node), SIGCONT), 0);
	/* What cleans up behind it is answered. */
	must(ask(other, &err), &err);
	interrupt_swap_limit((struct interrupt_limit){ 0 });
	expect_code(node, "while pidof sleep; do :; done", 0);
	other->ops->close(other);
	node_kind_netns.close(node);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void expect_file(const char *path, const char *text)
{
	char found[256] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(found, text);
}

static int set_both(struct node *node, const char *text, struct error *err)
{
	return node_kind_netns.set_hosts(node, text, err) || node_kind_netns.set_resolver(node, text, err) ? -err->code
													   : 0;
}

/*
 * Somebody puts other files in the place of the machine's, as DHCP clients and editors do: a mount on what was there goes with
 * that. And the node takes its own away.
 */
static void test_files_of_the_machine(void **state)
{
	static const char *const roots[] = { NULL, NODE_ROOT_SHARED };
	struct error err;

	(void)state;
	/* The test's own mount namespace: nobody else sees this. */
	assert_int_equal(mount("etc", "/etc", "tmpfs", 0, NULL), 0);
	write_text("/etc/passwd", "root:x:0:0::/:/bin/sh\n");
	for (size_t i = 0; i < 2; i++) {
		struct node_config config = { .name = "a", .root = roots[i] };
		struct node *node;

		write_text("/etc/hosts", "old\n");
		write_text("/etc/resolv.conf", "old\n");
		must(node_kind_netns.boot(&config, nl, &node, &err), &err);
		must(node_kind_netns.wait_ready(node, clock_after(LIMIT_NS), &err), &err);
		must(set_both(node, "of the node\n", &err), &err);
		expect_code(node, "grep -qx 'of the node' /etc/hosts && grep -qx 'of the node' /etc/resolv.conf", 0);
		write_text("/etc/new", "new\n");
		assert_int_equal(rename("/etc/new", "/etc/hosts"), 0);
		write_text("/etc/new", "new\n");
		assert_int_equal(rename("/etc/new", "/etc/resolv.conf"), 0);
		must(set_both(node, "later\n", &err), &err);
		expect_code(node, "umount /etc/hosts /etc/resolv.conf 2>/dev/null; :", 0);
		must(set_both(node, "later\n", &err), &err);
		expect_file("/etc/hosts", "new\n");
		expect_file("/etc/resolv.conf", "new\n");
		node_kind_netns.close(node);
		expect_file("/etc/hosts", "new\n");
	}
	assert_int_equal(umount("/etc"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_answers_are_nobody_elses),
		cmocka_unit_test(test_what_was_started_too_late_is_ended),
		cmocka_unit_test(test_an_interruption_ends_the_wait_for_init),
		cmocka_unit_test(test_files_of_the_machine),
	};

	return cmocka_run_group_tests(tests, open_namespace, close_namespace);
}
