// SPDX-License-Identifier: GPL-2.0-only
/* Parts of virtual machines that need none: base64, the console's tail, disk images, the header of snapshots. */
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

static void test_disk_images_are_told_apart(void **state)
{
	static const char qcow2[32] = "QFI\xfb\0\0\0\3", on_another[32] = "QFI\xfb\0\0\0\3\0\0\0\0\0\0\2",
			  raw[32] = "\xeb\x3c";
	int disks[] = { disk_with(qcow2, 32, 512), disk_with(on_another, 32, 512), disk_with(raw, 32, 512),
			disk_with(raw, 0, 0) };
	bool is_qcow2;
	struct error err;

	(void)state;
	assert_int_equal(qcow2_recognise(disks[0], &is_qcow2, &err), 0);
	assert_true(is_qcow2);
	assert_int_equal(qcow2_recognise(disks[1], &is_qcow2, &err), -EINVAL);
	assert_int_equal(qcow2_recognise(disks[2], &is_qcow2, &err), 0);
	assert_false(is_qcow2);
	assert_int_equal(qcow2_recognise(disks[3], &is_qcow2, &err), 0);
	for (size_t i = 0; i < 4; i++)
		close(disks[i]);
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
		cmocka_unit_test(test_files_are_copied_with_their_holes),
		cmocka_unit_test(test_snapshot_header_there_and_back),
		cmocka_unit_test(test_snapshot_headers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
