// SPDX-License-Identifier: GPL-2.0-only
/* The bytes of a stream, in memory and in a file: every byte comes back from its place, and room is given back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "capture/spool.h"
#include "util/error.h"

#define NO_LIMIT UINT64_MAX
#define CHUNK	 (512U << 10)

/* The byte at a place. */
static char byte_at(uint64_t place)
{
	return (char)(place * 2654435761U >> 13);
}

/* The next bytes of the stream, as the hub adds them. */
static int grow(struct spool *spool, size_t size, struct error *err)
{
	uint64_t place = spool_end(spool);
	char *bytes = malloc(size);
	int status;

	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(place + i);
	buffer_add(&spool->fresh, bytes, size);
	free(bytes);
	status = spool_settle(spool, err);
	assert_int_equal(spool_end(spool), place + size);
	return status;
}

static void must_grow(struct spool *spool, size_t size)
{
	struct error err;

	while (size) {
		size_t part = size < CHUNK ? size : CHUNK;

		assert_int_equal(grow(spool, part, &err), 0);
		size -= part;
	}
}

/* Reads from there to the end, in pieces. */
static void assert_reads(const struct spool *spool, uint64_t place)
{
	static char piece[100000];
	struct error err;
	long got;

	while ((got = spool_read(spool, place, piece, sizeof(piece), &err)) > 0)
		for (long i = 0; i < got; i++)
			if (piece[i] != byte_at(place++))
				fail_msg("a wrong byte at place %llu", (unsigned long long)place - 1);
	assert_int_equal(got, 0);
	assert_int_equal(place, spool_end(spool));
}

static void test_in_memory(void **state)
{
	struct spool spool;

	(void)state;
	spool_open(&spool, NO_LIMIT);
	assert_reads(&spool, 0);
	must_grow(&spool, 1000);
	must_grow(&spool, 1);
	assert_reads(&spool, 0);
	assert_reads(&spool, 999);
	assert_int_equal(spool.file, -1);
	spool_close(&spool);
}

static void test_much_goes_to_a_file(void **state)
{
	struct spool spool;

	(void)state;
	spool_open(&spool, NO_LIMIT);
	must_grow(&spool, SPOOL_MEMORY);
	assert_int_equal(spool.file, -1);
	must_grow(&spool, 3 * SPOOL_MEMORY + 12345);
	assert_true(spool.file >= 0);
	assert_true(spool.fresh.size <= SPOOL_BATCH);
	assert_reads(&spool, 0);
	assert_reads(&spool, SPOOL_MEMORY - 5);
	assert_reads(&spool, spool.filed);
	assert_reads(&spool, spool.moved - 1);
	spool_close(&spool);
}

/* A file without a name, of root alone. */
static void test_the_file_has_no_name(void **state)
{
	struct spool spool;
	struct stat file;

	(void)state;
	spool_open(&spool, NO_LIMIT);
	must_grow(&spool, 2 * SPOOL_MEMORY);
	assert_int_equal(fstat(spool.file, &file), 0);
	assert_int_equal(file.st_nlink, 0);
	assert_int_equal(file.st_mode & 0777, 0600);
	spool_close(&spool);
}

static void test_the_limit_counts_what_is_unread(void **state)
{
	struct spool spool;
	struct error err;

	(void)state;
	spool_open(&spool, 1000);
	must_grow(&spool, 1000);
	spool_forget(&spool, 600);
	must_grow(&spool, 600);
	assert_int_equal(grow(&spool, 1, &err), -EFBIG);
	assert_non_null(strstr(err.text, "was captured and not read"));
	/* What did fit can still be read. */
	assert_reads(&spool, 600);
	spool_forget(&spool, spool_end(&spool));
	must_grow(&spool, 1000);
	spool_close(&spool);
}

static void test_what_is_read_gives_its_room_back(void **state)
{
	struct spool spool;
	struct stat before, after;

	(void)state;
	spool_open(&spool, NO_LIMIT);
	must_grow(&spool, 16 << 20);
	assert_int_equal(fstat(spool.file, &before), 0);
	spool_forget(&spool, spool.filed + (8 << 20));
	assert_int_equal(spool.first.size, 0);
	assert_int_equal(fstat(spool.file, &after), 0);
	assert_true(after.st_blocks < before.st_blocks);
	assert_reads(&spool, spool.start);
	must_grow(&spool, 2 << 20);
	assert_reads(&spool, spool.start);
	/* All of it: there is no file any more, and places go on. */
	spool_forget(&spool, spool_end(&spool));
	assert_int_equal(spool.file, -1);
	must_grow(&spool, 1000);
	assert_reads(&spool, spool_end(&spool) - 1000);
	spool_close(&spool);
}

static void test_takes_without_a_copy(void **state)
{
	struct buffer bytes = { 0 };
	struct spool spool;

	(void)state;
	spool_open(&spool, NO_LIMIT);
	must_grow(&spool, 1000);
	assert_true(spool_take(&spool, &bytes));
	assert_int_equal(bytes.size, 1000);
	for (size_t i = 0; i < bytes.size; i++)
		assert_int_equal(bytes.data[i], byte_at(i));
	assert_true(spool_take(&spool, &bytes));
	assert_int_equal(bytes.size, 0);
	must_grow(&spool, 2 * SPOOL_MEMORY);
	assert_false(spool_take(&spool, &bytes));
	assert_reads(&spool, 1000);
	buffer_free(&bytes);
	spool_close(&spool);
}

static void test_no_place_for_the_file(void **state)
{
	struct spool spool;
	struct error err;
	int status = 0;

	(void)state;
	setenv("TMPDIR", "/nowhere", 1);
	spool_open(&spool, NO_LIMIT);
	while (!status && spool_end(&spool) < 2 * SPOOL_MEMORY)
		status = grow(&spool, CHUNK, &err);
	unsetenv("TMPDIR");
	assert_int_equal(status, -ENOENT);
	assert_non_null(strstr(err.text, "make a temporary file in /nowhere (TMPDIR names another folder)"));
	assert_reads(&spool, 0);
	spool_close(&spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_memory),
		cmocka_unit_test(test_much_goes_to_a_file),
		cmocka_unit_test(test_the_file_has_no_name),
		cmocka_unit_test(test_the_limit_counts_what_is_unread),
		cmocka_unit_test(test_what_is_read_gives_its_room_back),
		cmocka_unit_test(test_takes_without_a_copy),
		cmocka_unit_test(test_no_place_for_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
