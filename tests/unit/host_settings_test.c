// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settings of the host: raised for the sum of all runs, put back by the last. Runs are processes, for locks belong to them.
 * In a network namespace and a /run of its own; net.core.somaxconn is one of each namespace. Needs root.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab/host_settings.h"
#include "util/error.h"

#define SETTING "net/core/somaxconn"
#define ITSELF	4000U

static void write_setting(unsigned int value)
{
	FILE *file = fopen("/proc/sys/" SETTING, "w");

	assert_non_null(file);
	fprintf(file, "%u", value);
	assert_int_equal(fclose(file), 0);
}

static int open_host(void **state)
{
	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	write_setting(ITSELF);
	return 0;
}

static void assert_value(uint64_t wanted)
{
	struct error err;
	uint64_t value;

	assert_int_equal(host_setting_read(SETTING, &value, &err), 0);
	assert_int_equal(value, wanted);
}

static void assert_no_trace(void)
{
	assert_int_not_equal(access(HOST_SETTINGS_FOLDER "/settings", F_OK), 0);
	/* Empty. */
	assert_int_equal(rmdir(HOST_SETTINGS_FOLDER), 0);
}

static int need(struct host_settings **settings, uint64_t amount)
{
	struct host_setting setting = { .path = SETTING, .amount = amount, .most = 50000 };
	struct error err;

	return host_settings_need(settings, &setting, 1, &err);
}

static void test_half_is_there_for_use(void **state)
{
	struct host_settings *settings = NULL;

	(void)state;
	assert_int_equal(need(&settings, ITSELF / 2), 0);
	assert_value(ITSELF);
	assert_int_equal(need(&settings, ITSELF / 2 + 1), 0);
	assert_value(ITSELF + ITSELF / 2 + 1);
	assert_int_equal(need(&settings, 90000), 0);
	assert_value(50000);
	host_settings_close(settings);
	assert_value(ITSELF);
	assert_no_trace();
	host_settings_close(NULL);
}

static void test_nothing_any_more(void **state)
{
	struct host_settings *settings = NULL;

	(void)state;
	assert_int_equal(need(&settings, 9000), 0);
	assert_int_equal(need(&settings, 0), 0);
	assert_value(ITSELF);
	host_settings_close(settings);
	assert_no_trace();
}

/* A run of its own, which says when it has what it needs, and ends cleanly when it may. */
struct other {
	pid_t pid;
	int go, ready;
};

static struct other start_run(uint64_t amount)
{
	int go[2], ready[2];
	struct other other;
	char byte = 0;

	assert_int_equal(pipe(go) | pipe(ready), 0);
	other.pid = fork();
	if (other.pid == 0) {
		struct host_settings *settings = NULL;

		close(go[1]);
		byte = (char)need(&settings, amount);
		if (write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1)
			host_settings_close(settings);
		_exit(0);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 0);
	other.go = go[1];
	other.ready = ready[0];
	return other;
}

static void end_run(struct other *other, bool kill_it)
{
	if (kill_it)
		kill(other->pid, SIGKILL);
	else
		assert_int_equal(write(other->go, "", 1), 1);
	close(other->go);
	close(other->ready);
	waitpid(other->pid, NULL, 0);
}

static void test_side_by_side(void **state)
{
	struct other one = start_run(3000), two = start_run(1500), three;

	(void)state;
	assert_value(ITSELF + 4500);
	end_run(&one, false);
	/* Not less as long as there is one. */
	assert_value(ITSELF + 4500);
	three = start_run(2500);
	end_run(&two, false);
	assert_value(ITSELF + 4500);
	end_run(&three, false);
	assert_value(ITSELF);
	assert_no_trace();
}

static void count_left(const char *path, uint64_t original, void *context)
{
	assert_string_equal(path, SETTING);
	assert_int_equal(original, ITSELF);
	++*(int *)context;
}

static int left(void)
{
	int count = 0;

	host_settings_each_left(count_left, &count);
	return count;
}

static void test_killed(void **state)
{
	struct other one = start_run(3000), two;

	(void)state;
	assert_int_equal(left(), 0);
	end_run(&one, true);
	assert_value(ITSELF + 3000);
	assert_int_equal(left(), 1);
	/* The next one mends, though it needs little itself. */
	two = start_run(1);
	assert_int_equal(left(), 0);
	end_run(&two, false);
	assert_value(ITSELF);
	assert_int_equal(left(), 0);
	assert_no_trace();
}

static void test_killed_beside_another(void **state)
{
	struct other one = start_run(3000), two = start_run(2500);

	(void)state;
	end_run(&one, true);
	assert_int_equal(left(), 0);
	end_run(&two, false);
	assert_value(ITSELF);
	assert_no_trace();
}

/* What somebody else sets meanwhile is his, and what is added to. */
static void test_set_by_somebody_else(void **state)
{
	struct host_settings *settings = NULL;

	(void)state;
	assert_int_equal(need(&settings, 3000), 0);
	write_setting(8000);
	assert_int_equal(need(&settings, 5000), 0);
	assert_value(13000);
	write_setting(9000);
	host_settings_close(settings);
	assert_value(9000);
	assert_no_trace();
}

static void test_what_is_not_there(void **state)
{
	struct host_setting two[] = {
		{ .path = "net/core/nonsense", .amount = 1, .most = 1 },
		{ .path = SETTING, .amount = 3000, .most = 50000 },
	};
	struct host_settings *settings = NULL;
	struct error err;

	(void)state;
	assert_int_equal(host_settings_need(&settings, two, 2, &err), -ENOENT);
	assert_string_equal(err.text, "open /proc/sys/net/core/nonsense: No such file or directory");
	/* The other one was raised all the same. */
	assert_value(ITSELF + 3000);
	host_settings_close(settings);
	assert_value(ITSELF);
	assert_no_trace();
}

/* Another network namespace's setting is not touched from here. */
static void test_namespaces(void **state)
{
	struct other one = start_run(3000);
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct host_settings *settings = NULL;
		uint64_t before, after;
		struct error err;

		if (unshare(CLONE_NEWNET) || host_setting_read(SETTING, &before, &err))
			_exit(1);
		need(&settings, 20000);
		host_settings_close(settings);
		_exit(host_setting_read(SETTING, &after, &err) || after != before);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_value(ITSELF + 3000);
	end_run(&one, false);
	assert_value(ITSELF);
	assert_no_trace();
}

/* As a lab that runs out of descriptors: with so few left, whatever can be done or not, nothing is forgotten. */
static void test_few_descriptors(void **state)
{
	struct rlimit before, few;
	int taken[64];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 60;
	for (size_t spare = 0; spare < 5; spare++) {
		struct host_settings *settings = NULL, *next = NULL;
		size_t count = 0;

		assert_int_equal(need(&settings, 3000), 0);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		while ((taken[count] = dup(STDOUT_FILENO)) >= 0)
			count++;
		for (size_t i = 0; i < spare; i++)
			close(taken[--count]);
		need(&settings, 6000);
		host_settings_close(settings);
		while (count)
			close(taken[--count]);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		/* If the run could not put it back, the next one does. */
		assert_int_equal(need(&next, 1), 0);
		host_settings_close(next);
		assert_value(ITSELF);
		assert_no_trace();
	}
}

static int reset_host(void **state)
{
	(void)state;
	write_setting(ITSELF);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_half_is_there_for_use, reset_host),
		cmocka_unit_test_setup(test_nothing_any_more, reset_host),
		cmocka_unit_test_setup(test_side_by_side, reset_host),
		cmocka_unit_test_setup(test_killed, reset_host),
		cmocka_unit_test_setup(test_killed_beside_another, reset_host),
		cmocka_unit_test_setup(test_set_by_somebody_else, reset_host),
		cmocka_unit_test_setup(test_what_is_not_there, reset_host),
		cmocka_unit_test_setup(test_namespaces, reset_host),
		cmocka_unit_test_setup(test_few_descriptors, reset_host),
	};

	return cmocka_run_group_tests_name("host_settings", tests, open_host, NULL);
}
