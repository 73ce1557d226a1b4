// SPDX-License-Identifier: GPL-2.0-only
/* The program of a node's init, of which a node may get hold. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/netns/program.h"
#include "util/error.h"

static int open_program(void)
{
	struct error err;
	int program = program_open(&err);

	assert_true(program >= 0);
	return program;
}

static mode_t mode_of(int program)
{
	struct stat status;

	assert_int_equal(fstat(program, &status), 0);
	assert_int_equal(status.st_uid, 0);
	return status.st_mode & 07777;
}

static void test_nobody_writes_it(void **state)
{
	char path[32];
	int anew;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", open_program());
	anew = open(path, O_RDWR);
	assert_true(anew >= 0);
	assert_int_equal(write(anew, "x", 1), -1);
	assert_int_equal(ftruncate(anew, 0), -1);
	close(anew);
}

static void test_its_mode_is_set_again(void **state)
{
	int program = open_program();

	(void)state;
	assert_int_equal(fchmod(program, 06777 & ~0077), 0);
	assert_int_equal(fchown(program, 12345, 12345), 0);
	assert_int_equal(mode_of(open_program()), 0500);
}

/* Else no other node could boot as long as one does that over and over. */
static void test_it_stays_executable(void **state)
{
	int program = open_program(), probe = memfd_create("probe", MFD_ALLOW_SEALING);
	const int seal_exec = 0x0020;
	int is_known = fcntl(probe, F_ADD_SEALS, seal_exec) == 0;

	(void)state;
	close(probe);
	if (!is_known)
		skip();
	assert_int_equal(fchmod(program, 0), -1);
	assert_int_equal(mode_of(program), 0500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_writes_it),
		cmocka_unit_test(test_its_mode_is_set_again),
		cmocka_unit_test(test_it_stays_executable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
