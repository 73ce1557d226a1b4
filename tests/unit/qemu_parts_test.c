// SPDX-License-Identifier: GPL-2.0-only
/* Parts of virtual machines that need none: base64, the console's tail, disk images, the header of snapshots. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/qemu/base64.h"
#include "node/qemu/console.h"
#include "node/qemu/image.h"
#include "node/qemu/qcow2.h"
#include "node/qemu/qemu.h"
#include "node/qemu/snapshot.h"
#include "util/error.h"
#include "util/wait.h"

static void test_base64_there_and_back(void **state)
{
	static const char *const vectors[][2] = {
		/* RFC 4648, section 10 */
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xfe", "+//+" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct buffer text = { 0 }, bytes = { 0 };

		base64_encode(&text, vectors[i][0], strlen(vectors[i][0]));
		assert_string_equal(buffer_string(&text), vectors[i][1]);
		assert_true(base64_decode(&bytes, buffer_string(&text), text.size));
		assert_string_equal(buffer_string(&bytes), vectors[i][0]);
		buffer_free(&text);
		buffer_free(&bytes);
	}
}

static void test_base64_refuses_what_is_none(void **state)
{
	static const char *const bad[] = { "Z",	       "Zg",	    "Zg=",   "Z===", "====",
					   "Zg==Zg==", "Zm9v Zm9v", "Zm9\n", "Zm9*", "=m9v" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buffer bytes = { 0 };

		buffer_add(&bytes, "x", 1);
		assert_false(base64_decode(&bytes, bad[i], strlen(bad[i])));
		assert_string_equal(buffer_string(&bytes), "x");
		buffer_free(&bytes);
	}
}

struct streams {
	struct console *console;
	int guest, qemu;
};

static struct streams open_streams(void)
{
	struct streams streams;
	struct error err;
	int guest[2], qemu[2];

	assert_int_equal(pipe2(guest, O_CLOEXEC) || pipe2(qemu, O_CLOEXEC), 0);
	assert_int_equal(console_open(&streams.console, guest[0], qemu[0], &err), 0);
	streams.guest = guest[1];
	streams.qemu = qemu[1];
	return streams;
}

static void await_text(struct console *console, const char *text)
{
	struct error err;

	for (int i = 0; i < 500 && !console_has(console, text); i++)
		wait_sleep(10 * NS_PER_MS, &err);
	assert_true(console_has(console, text));
}

static void test_console_keeps_the_last(void **state)
{
	static char line[1024];
	struct streams streams = open_streams();
	const char *text;

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_int_equal(write(streams.guest, "the first\n", 10), 10);
	await_text(streams.console, "the first");
	/* Nobody waits for a reader. */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(streams.guest, line, sizeof(line)), sizeof(line));
	assert_int_equal(write(streams.guest, "the\0last\n", 9), 9);
	await_text(streams.console, "the last\n");
	text = console_text(streams.console);
	assert_int_equal(strlen(text), CONSOLE_LIMIT);
	assert_null(strstr(text, "first"));
	close(streams.guest);
	close(streams.qemu);
	console_close(streams.console);
}

static void test_console_for_errors(void **state)
{
	static const char printed[] = "one\ntwo\nthree\r\n\033[31mfour\007\n\xff"
				      "five\n";
	struct streams streams = open_streams();
	char text[64];

	(void)state;
	console_last_lines(streams.console, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(write(streams.guest, printed, sizeof(printed) - 1), sizeof(printed) - 1);
	await_text(streams.console, "five\n");
	console_last_lines(streams.console, text, sizeof(text));
	assert_string_equal(text, "two | three | [31mfour | five");
	assert_int_equal(write(streams.qemu, "qemu: no such disk\n", 19), 19);
	close(streams.qemu);
	console_complaint(streams.console, text, sizeof(text));
	assert_string_equal(text, "qemu: no such disk");
	close(streams.guest);
	console_close(streams.console);
}

static int disk_with(const void *bytes, size_t size, off_t whole)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	assert_int_equal(pwrite(fd, bytes, size, 0), size);
	assert_int_equal(ftruncate(fd, whole), 0);
	return fd;
}

/* The header of an image of 1 GiB that is fit for use, in big-endian numbers as in the file. */
struct image_header {
	uint8_t bytes[QCOW2_HEAD_SIZE];
};

static void put32(struct image_header *header, size_t at, uint32_t number)
{
	number = htobe32(number);
	memcpy(header->bytes + at, &number, sizeof(number));
}

static struct image_header *good_header(uint32_t version)
{
	static struct image_header header;

	memset(&header, 0, sizeof(header));
	put32(&header, 0, 0x514649fb);
	put32(&header, 4, version);
	put32(&header, 20, 16);
	put32(&header, 28, 1 << 30);
	if (version == 3) {
		put32(&header, 96, 4);
		put32(&header, 100, 104);
	}
	return &header;
}

static int judge(const struct image_header *header, size_t size, struct qcow2_head *head, struct error *err)
{
	/* Of its size to the byte, so that the sanitizers see what is read behind it. */
	uint8_t *copy = malloc(size ? size : 1);
	int status;

	memcpy(copy, header->bytes, size);
	status = qcow2_judge(copy, size, head, err);
	free(copy);
	return status;
}

static void test_disk_images_are_told_apart(void **state)
{
	struct qcow2_head head;
	struct error err;

	(void)state;
	for (uint32_t version = 2; version <= 3; version++) {
		assert_int_equal(judge(good_header(version), QCOW2_HEAD_SIZE, &head, &err), 0);
		assert_true(head.is_qcow2);
		assert_int_equal(head.size, 1 << 30);
	}
	put32(good_header(3), 0, 0xeb3c0000);
	assert_int_equal(judge(good_header(3), 3, &head, &err), 0);
	assert_false(head.is_qcow2);
	assert_int_equal(judge(good_header(3), 0, &head, &err), 0);
	assert_false(head.is_qcow2);
}

static void test_harmless_features_pass(void **state)
{
	static const uint32_t features[] = { 1 << 0, 1 << 3, 1 << 4 };
	struct qcow2_head head;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		struct image_header *header = good_header(3);

		put32(header, 76, features[i]);
		/* A table of features' names, bitmaps, and one that nobody knows. */
		put32(header, 104, 0x6803f857);
		put32(header, 108, 48);
		put32(header, 160, 0x23852875);
		put32(header, 164, 24);
		put32(header, 192, 0x12345678);
		put32(header, 196, 1);
		assert_int_equal(judge(header, QCOW2_HEAD_SIZE, &head, &err), 0);
	}
}

/* A number at a place, and another where one is needed. */
struct bad_image {
	const char *text;
	size_t at;
	uint32_t number;
	size_t at_2;
	uint32_t number_2;
};

static void test_dangerous_disk_images_are_refused(void **state)
{
	static const struct bad_image bad[] = {
		{ "has its data in another file", 76, 1 << 2 },
		{ "has its data in another file", 104, 0x44415441, 108, 8 },
		/* Behind another one. */
		{ "has its data in another file", 104, 0x6803f857, 112, 0x44415441 },
		{ "stands on another image", 12, 200 },
		{ "stands on another image", 8, 1 },
		{ "marked as corrupt", 76, 1 << 1 },
		{ "uses feature 5 of qcow2", 76, 1 << 5 },
		{ "uses feature 63 of qcow2", 72, 1U << 31 },
		{ "it is encrypted", 32, 1 },
		{ "it is encrypted", 32, 2 },
		{ "it is encrypted", 104, 0x0537be77 },
		{ "version 4", 4, 4 },
		{ "version 1", 4, 1 },
		{ "clusters of 2^8 bytes", 20, 8 },
		{ "clusters of 2^22 bytes", 20, 22 },
		{ "clusters of 2^4294967295 bytes", 20, ~0U },
		{ "larger than 2048 TiB", 24, 1U << 31 },
		{ "of 72 bytes, which is too few", 100, 72 },
		{ "longer than a cluster", 100, 65537 },
		{ "longer than a cluster", 100, ~0U },
		{ "cut short, or of more than", 100, 65532 },
		{ "does not end in its first cluster", 104, 1, 108, ~0U },
		/* Beyond what is read. */
		{ "cut short, or of more than", 20, 21, 100, 70000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct image_header *header = good_header(3);
		struct qcow2_head head;
		struct error err = { 0 };

		put32(header, bad[i].at, bad[i].number);
		if (bad[i].at_2)
			put32(header, bad[i].at_2, bad[i].number_2);
		assert_true(judge(header, QCOW2_HEAD_SIZE, &head, &err) < 0);
		if (!strstr(err.text, bad[i].text))
			fail_msg("`%s` instead of `%s`", err.text, bad[i].text);
	}
	/* Version 2 has no features, but the same extensions. */
	for (size_t i = 0; i < 2; i++) {
		struct image_header *header = good_header(2);
		struct qcow2_head head;
		struct error err = { 0 };

		put32(header, i ? 72 : 12, i ? 0x44415441 : 1);
		assert_int_equal(judge(header, QCOW2_HEAD_SIZE, &head, &err), -EINVAL);
	}
}

static void test_disk_images_that_are_cut_short(void **state)
{
	struct qcow2_head head;
	struct error err;

	(void)state;
	for (size_t size = 4; size < 112; size++)
		for (uint32_t version = 2; version <= 3; version++)
			if (version == 3 || size < 80)
				assert_int_equal(judge(good_header(version), size, &head, &err), -EINVAL);
	assert_int_equal(judge(good_header(3), 112, &head, &err), 0);
}

static void test_a_disk_image_is_judged_in_its_place(void **state)
{
	struct image_header *header = good_header(3);
	int disk;
	struct qcow2_head head;
	struct error err;

	(void)state;
	disk = disk_with("", 0, 3 * QCOW2_HEAD_SIZE);
	assert_int_equal(pwrite(disk, header->bytes, 200, QCOW2_HEAD_SIZE), 200);
	assert_int_equal(qcow2_look(disk, 0, &head, &err), 0);
	assert_false(head.is_qcow2);
	assert_int_equal(qcow2_look(disk, QCOW2_HEAD_SIZE, &head, &err), 0);
	assert_true(head.is_qcow2);
	put32(header, 76, 1 << 2);
	assert_int_equal(pwrite(disk, header->bytes, 200, QCOW2_HEAD_SIZE), 200);
	assert_int_equal(qcow2_look(disk, QCOW2_HEAD_SIZE, &head, &err), -EINVAL);
	close(disk);
}

static void test_files_are_copied_with_their_holes(void **state)
{
	static char bytes[1 << 20];
	struct error err;
	int from, to = memfd_create("copy", MFD_CLOEXEC);

	(void)state;
	strcpy(bytes + 300000, "in the middle");
	from = disk_with(bytes, sizeof(bytes), sizeof(bytes) + 12345);
	lseek(from, 0, SEEK_SET);
	assert_int_equal(copy_file(to, from, &err), 0);
	assert_int_equal(lseek(to, 0, SEEK_END), sizeof(bytes) + 12345);
	assert_int_equal(pread(to, bytes, 14, 300000), 14);
	assert_string_equal(bytes, "in the middle");
	assert_true(lseek(to, 0, SEEK_DATA) >= 196608);
	close(from);
	close(to);
}

/* A file that says that it is of a million gigabytes is no reason to read them. */
static void test_holes_are_passed_over(void **state)
{
	struct error err;
	int from = disk_with("begins", 6, 1LL << 50), to = memfd_create("copy", MFD_CLOEXEC);
	char bytes[6];

	(void)state;
	assert_int_equal(pwrite(from, "middle", 6, 1LL << 40), 6);
	lseek(from, 0, SEEK_SET);
	assert_int_equal(copy_file(to, from, &err), 0);
	assert_int_equal(lseek(to, 0, SEEK_END), 1LL << 50);
	assert_int_equal(pread(to, bytes, 6, 1LL << 40), 6);
	assert_memory_equal(bytes, "middle", 6);
	close(from);
	close(to);
}

static struct qemu_node *make_node(struct qemu_nic *nic)
{
	static char machine[] = "q35", cmdline[] = "quiet", name[] = "a";
	static struct qemu_node node;
	static struct qemu_nic *nics[1];

	node = (struct qemu_node){
		.name = name, .machine = machine, .cmdline = cmdline, .cpus = 1, .memory_bytes = 1 << 28
	};
	node.image.disk = -1;
	nics[0] = nic;
	node.nics = nics;
	node.nic_count = nic ? 1 : 0;
	return &node;
}

static void test_snapshot_header_there_and_back(void **state)
{
	struct qemu_nic nic = { .id = "nic3-slot9",
				.slot = 9,
				.configured = true,
				.wanted = { .mac = { 2, 0xab, 3, 4, 5, 6 }, .mtu = 9000, .offload = true } };
	struct qemu_node *node = make_node(&nic);
	int fd = disk_with("", 0, 2 * SNAPSHOT_HEADER_SIZE);
	struct snapshot snapshot = { 0 };
	struct error err;

	(void)state;
	assert_int_equal(snapshot_write_header(node, fd, 123456, &err), 0);
	assert_int_equal(snapshot_read_header(node, fd, &snapshot, &err), 0);
	assert_int_equal(snapshot.disk, 123456);
	assert_int_equal(snapshot.nic_count, 1);
	assert_string_equal(snapshot.nics[0].id, nic.id);
	assert_int_equal(snapshot.nics[0].slot, 9);
	assert_int_equal(snapshot.nics[0].wanted.mtu, 9000);
	assert_true(snapshot.nics[0].configured && snapshot.nics[0].wanted.offload);
	assert_memory_equal(snapshot.nics[0].wanted.mac, nic.wanted.mac, MAC_SIZE);
	snapshot_free(&snapshot);
	node->cpus = 2;
	assert_int_equal(snapshot_read_header(node, fd, &snapshot, &err), -EINVAL);
	assert_non_null(strstr(err.text, "its `cpus` is another"));
	snapshot_free(&snapshot);
	close(fd);
}

static void test_snapshot_headers_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"format\": 1}",
		"{\"format\": \"provium snapshot 0\"}",
		"{\"format\": \"provium snapshot 1\", \"nics\": [{}]}",
		"{\"format\": \"provium snapshot 1\", \"nics\": [{\"id\": \"nic1-slot40\", \"slot\": 40, \"mac\": "
		"\"02:0:0:0:0:0\"}]}",
		"{\"format\": \"provium snapshot 1\", \"nics\": [{\"id\": \"nic1-slot9\", \"slot\": 9, \"mac\": "
		"\"02:0\"}]}",
		"{\"format\": \"provium snapshot 1\", \"nics\": [{\"id\": \"an identifier of far too many "
		"characters\", \"slot\": 9}]}",
		"{\"format\": \"provium snapshot 1\", \"nics\": []}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = disk_with(bad[i], strlen(bad[i]), 2 * SNAPSHOT_HEADER_SIZE);
		struct snapshot snapshot = { 0 };
		struct error err;

		assert_int_equal(snapshot_read_header(make_node(NULL), fd, &snapshot, &err), -EINVAL);
		snapshot_free(&snapshot);
		assert_int_equal(ftruncate(fd, 100), 0);
		assert_int_equal(snapshot_read_header(make_node(NULL), fd, &snapshot, &err), -EINVAL);
		snapshot_free(&snapshot);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_there_and_back),
		cmocka_unit_test(test_base64_refuses_what_is_none),
		cmocka_unit_test(test_console_keeps_the_last),
		cmocka_unit_test(test_console_for_errors),
		cmocka_unit_test(test_disk_images_are_told_apart),
		cmocka_unit_test(test_harmless_features_pass),
		cmocka_unit_test(test_dangerous_disk_images_are_refused),
		cmocka_unit_test(test_disk_images_that_are_cut_short),
		cmocka_unit_test(test_a_disk_image_is_judged_in_its_place),
		cmocka_unit_test(test_files_are_copied_with_their_holes),
		cmocka_unit_test(test_holes_are_passed_over),
		cmocka_unit_test(test_snapshot_header_there_and_back),
		cmocka_unit_test(test_snapshot_headers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
