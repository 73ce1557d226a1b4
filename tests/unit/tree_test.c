// SPDX-License-Identifier: GPL-2.0-only
/* Removing what a stranger has left. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/tree.h"

#define DEPTH 5000 /* more than a path has room for, and more than files may be open */

static int make_top(void **state)
{
	char path[] = "/tmp/provium-tree-XXXXXX";
	int *top = malloc(sizeof(*top));

	*top = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1;
	/* By its descriptor alone from now on. */
	*state = top;
	return *top < 0 ? -1 : 0;
}

static int remove_top(void **state)
{
	char link[32], path[64];
	ssize_t size;
	int *top = *state;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", *top);
	size = readlink(link, path, sizeof(path) - 1);
	path[size > 0 ? size : 0] = '\0';
	close(*top);
	free(top);
	return rmdir(path);
}

static void make_file(int folder, const char *name)
{
	close(openat(folder, name, O_CREAT | O_EXCL | O_WRONLY, 0));
}

static void test_deep_folders(void **state)
{
	int top = *(int *)*state, folder = dup(top), next;

	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdirat(folder, "d", 0700), 0);
		/* As names that are given to what is moved up. */
		assert_int_equal(mkdirat(folder, "1", 0700), 0);
		make_file(folder, "f");
		next = openat(folder, "d", O_PATH | O_DIRECTORY);
		assert_true(next >= 0);
		close(folder);
		folder = next;
	}
	close(folder);
	assert_int_equal(tree_remove(top, "d"), 0);
	tree_empty(top);
}

static void test_links_are_not_followed(void **state)
{
	int top = *(int *)*state;

	assert_int_equal(mkdirat(top, "kept", 0700), 0);
	assert_int_equal(mkdirat(top, "kept/below", 0700), 0);
	assert_int_equal(mkdirat(top, "gone", 0700), 0);
	assert_int_equal(symlinkat("../kept", top, "gone/link"), 0);
	assert_int_equal(symlinkat("kept", top, "link"), 0);
	assert_int_equal(tree_remove(top, "gone"), 0);
	assert_int_equal(tree_remove(top, "link"), 0);
	assert_int_equal(faccessat(top, "kept/below", F_OK, 0), 0);
	tree_empty(top);
}

static void test_all_kinds(void **state)
{
	int top = *(int *)*state;

	assert_int_equal(mkdirat(top, "a", 0), 0);
	assert_int_equal(mkfifoat(top, "a/fifo", 0), 0);
	make_file(top, "a/file");
	assert_int_equal(tree_remove(top, "a"), 0);
	make_file(top, "file");
	assert_int_equal(tree_remove(top, "file"), 0);
	assert_int_equal(tree_remove(top, "file"), -1);
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_deep_folders, make_top, remove_top),
		cmocka_unit_test_setup_teardown(test_links_are_not_followed, make_top, remove_top),
		cmocka_unit_test_setup_teardown(test_all_kinds, make_top, remove_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
