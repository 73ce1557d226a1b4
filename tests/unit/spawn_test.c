// SPDX-License-Identifier: GPL-2.0-only
/* What a program has that is started as QEMU is: a shell in its place says. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/qemu/confine.h"
#include "node/qemu/spawn.h"
#include "util/error.h"

/*
 * The worst moment for the parent to be killed: right before the child asks to be killed with it. This stands in for
 * the C library's, which cannot wait for that.
 */
static int tell_killer = -1;

int prctl(int option, ...)
{
	unsigned long argument;
	va_list args;

	va_start(args, option);
	argument = va_arg(args, unsigned long);
	va_end(args);
	if (option == PR_SET_PDEATHSIG && tell_killer >= 0) {
		pid_t parent = getppid();

		if (write(tell_killer, "", 1) != 1)
			abort();
		while (getppid() == parent)
			usleep(1000);
	}
	return (int)syscall(SYS_prctl, option, argument, 0, 0, 0);
}

static int start(const char *script, bool kvm, int fd, struct child *child, struct error *err)
{
	struct arguments arguments = { 0 };
	int status;

	arguments_add(&arguments, "sh");
	arguments_add(&arguments, "-c");
	arguments_add(&arguments, "%s", script);
	if (fd >= 0)
		arguments_add_fd(&arguments, fd);
	status = spawn(&arguments, kvm, child, err);
	arguments_free(&arguments);
	return status;
}

/* What the script wrote to stderr, until the next call. */
static const char *said_with(const char *script, bool kvm, int fd)
{
	static char text[4096];
	struct child child;
	struct error err = { 0 };
	size_t size = 0;
	ssize_t got;

	if (start(script, kvm, fd, &child, &err))
		fail_msg("%s", err.text);
	while ((got = read(child.stderr_fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)got;
	text[size] = '\0';
	close(child.stderr_fd);
	child_end(&child);
	return text;
}

static const char *said(const char *script)
{
	return said_with(script, false, -1);
}

static void test_has_a_user_of_its_own(void **state)
{
	const gid_t groups[] = { 5, 7 };
	unsigned long first, second;

	(void)state;
	assert_int_equal(setgroups(2, groups), 0);
	first = strtoul(said("id -u >&2"), NULL, 10);
	second = strtoul(said("id -g >&2"), NULL, 10);
	assert_in_range(first, CONFINE_FIRST_UID, CONFINE_FIRST_UID + CONFINE_UIDS - 1);
	assert_in_range(second, CONFINE_FIRST_UID, CONFINE_FIRST_UID + CONFINE_UIDS - 1);
	assert_int_not_equal(first, second);
	/* Real, effective, saved and of the file system, and no group besides. */
	assert_string_equal(
		said("u=$(id -u); for key in Uid Gid; do grep -cE \"^$key:(\t$u){4}$\" /proc/self/status >&2; "
		     "done; grep -x 'Groups:[ \t]*' /proc/self/status | tr -d ' \t' >&2"),
		"1\n1\nGroups:\n");
}

static void test_has_no_rights(void **state)
{
	(void)state;
	assert_string_equal(said("grep -E '^(CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs)' /proc/self/status | "
				 "tr -d '\t' >&2"),
			    "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n"
			    "CapAmb:0000000000000000\nNoNewPrivs:1\n");
	assert_string_equal(said("ulimit -c >&2; ulimit -Hc >&2; umask >&2; pwd >&2"), "0\n0\n0077\n/\n");
}

static void test_is_in_a_session_and_a_network_of_its_own(void **state)
{
	(void)state;
	assert_string_equal(said("set -- $(cat /proc/$$/stat); [ \"$6\" = $$ ] && echo yes >&2"), "yes\n");
	assert_string_equal(said("tail -n +3 /proc/self/net/dev | sed 's/:.*//; s/ *//' >&2"), "lo\n");
}

static void test_environment_is_empty(void **state)
{
	(void)state;
	setenv("PROVIUM_TEST_SECRET", "xyzzy", 1);
	assert_string_equal(said("tr '\\0' '\\n' </proc/$$/environ | sed 's/=.*//' >&2"), "PATH\n");
	unsetenv("PROVIUM_TEST_SECRET");
}

/* A script may open files as it likes: those have no close-on-exec. */
static void test_inherits_what_is_named_alone(void **state)
{
	int shadow = open("/etc/shadow", O_RDONLY), named = open("/dev/zero", O_RDONLY | O_CLOEXEC), high;
	char list[64];

	(void)state;
	assert_true(shadow >= 0 && named >= 0);
	high = fcntl(shadow, F_DUPFD, 900);
	assert_int_equal(high, 900);
	snprintf(list, sizeof(list), "%d\n", named);
	assert_string_equal(said_with("for fd in 3 4 5 6 7 8 9 900; do [ ! -e /proc/$$/fd/$fd ] || echo $fd >&2; done",
				      false, named),
			    list);
	close(shadow);
	close(named);
	close(high);
}

static void test_may_read_what_everybody_may(void **state)
{
	(void)state;
	assert_string_equal(
		said("cat /etc/shadow >/dev/null 2>&1 || echo no >&2; cat /etc/passwd >/dev/null && echo yes >&2"),
		"no\nyes\n");
}

/* In a mount namespace of the test's, which has another device in the place of KVM's. */
static void make_false_kvm(void)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", "/dev", "tmpfs", 0, "mode=755"), 0);
	assert_int_equal(mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(chmod("/dev/null", 0666), 0);
	assert_int_equal(mknod("/dev/kvm", S_IFCHR | 0600, makedev(1, 5)), 0);
}

static void test_kvm_is_handed_over(void **state)
{
	struct stat device;

	(void)state;
	make_false_kvm();
	assert_string_equal(said("ls /dev | tr '\\n' ' ' >&2; (exec 3<>/dev/kvm) 2>/dev/null || echo no >&2"),
			    "null random urandom zero no\n");
	assert_string_equal(
		said_with("ls /dev | tr '\\n' ' ' >&2; u=$(id -u); [ \"$(stat -c '%u %g %a %t:%T' /dev/kvm)\" = "
			  "\"$u $u 600 1:5\" ] && exec 3<>/dev/kvm && echo yes >&2",
			  true, -1),
		"kvm null random urandom zero yes\n");
	/* The machine's own is as before. */
	assert_int_equal(stat("/dev/kvm", &device), 0);
	assert_int_equal(device.st_uid, 0);
	assert_int_equal(device.st_mode & 0777, 0600);
}

static pid_t live_as(uid_t uid)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (setresuid(uid, uid, uid) || prctl(PR_SET_PDEATHSIG, SIGKILL) || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void test_a_user_that_lives_is_not_taken(void **state)
{
	uid_t uid = (uid_t)strtoul(said("id -u >&2"), NULL, 10);
	pid_t pids[3];

	(void)state;
	for (uid_t i = 0; i < 3; i++)
		pids[i] = live_as(uid + 1 + i);
	assert_int_equal(strtoul(said("id -u >&2"), NULL, 10), uid + 4);
	for (int i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

static void test_a_user_with_an_account_is_not_taken(void **state)
{
	uid_t uid = (uid_t)strtoul(said("id -u >&2"), NULL, 10);
	FILE *from = fopen("/etc/passwd", "re"), *to = fopen("/dev/passwd", "we");
	char line[1024];

	(void)state;
	while (fgets(line, sizeof(line), from))
		fputs(line, to);
	fprintf(to, "somebody:x:%u:100::/:/bin/sh\n", uid + 1);
	fclose(from);
	fclose(to);
	assert_int_equal(mount("/dev/passwd", "/etc/passwd", NULL, MS_BIND, NULL), 0);
	assert_int_equal(strtoul(said("id -u >&2"), NULL, 10), uid + 2);
	assert_int_equal(umount("/etc/passwd"), 0);
}

static void test_dies_with_a_parent_that_is_killed_early(void **state)
{
	int end[2], killer[2];
	char script[64], byte;
	struct child child;
	struct error err;
	pid_t run;

	(void)state;
	assert_int_equal(pipe2(end, O_CLOEXEC) || pipe2(killer, O_CLOEXEC), 0);
	snprintf(script, sizeof(script), "echo >&%d", end[1]);
	run = fork();
	if (run == 0) {
		tell_killer = killer[1];
		start(script, false, end[1], &child, &err);
		_exit(1);
	}
	close(end[1]);
	assert_int_equal(read(killer[0], &byte, 1), 1);
	kill(run, SIGKILL);
	waitpid(run, NULL, 0);
	/* Nobody has it, and nothing was ever written. */
	assert_int_equal(read(end[0], &byte, 1), 0);
	close(end[0]);
	close(killer[0]);
	close(killer[1]);
}

static void test_what_cannot_be_started(void **state)
{
	struct arguments arguments = { 0 };
	struct child child;
	struct error err;

	(void)state;
	arguments_add(&arguments, "no-such-program");
	assert_true(spawn(&arguments, false, &child, &err) < 0);
	assert_non_null(strstr(err.text, "start no-such-program: "));
	assert_non_null(strstr(err.text, "tools/setup installs it"));
	arguments_free(&arguments);
	assert_int_equal(unlink("/dev/kvm"), 0);
	assert_int_equal(start("true", true, -1, &child, &err), -ENOENT);
	assert_non_null(strstr(err.text, "start sh: make its /dev: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has_a_user_of_its_own),
		cmocka_unit_test(test_has_no_rights),
		cmocka_unit_test(test_is_in_a_session_and_a_network_of_its_own),
		cmocka_unit_test(test_environment_is_empty),
		cmocka_unit_test(test_inherits_what_is_named_alone),
		cmocka_unit_test(test_may_read_what_everybody_may),
		cmocka_unit_test(test_dies_with_a_parent_that_is_killed_early),
		/* From here on in a mount namespace of the test's own. */
		cmocka_unit_test(test_kvm_is_handed_over),
		cmocka_unit_test(test_a_user_that_lives_is_not_taken),
		cmocka_unit_test(test_a_user_with_an_account_is_not_taken),
		cmocka_unit_test(test_what_cannot_be_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
