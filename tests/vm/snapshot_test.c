// SPDX-License-Identifier: GPL-2.0-only
/* Snapshots of guests, with network cards and disks that change meanwhile. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "node/qemu/image.h"

#define FILE_NAME "/tmp/provium-snapshot-test"

static struct node *a, *peer;
static int lan, wan;
static struct node_nic a_lan, peer_lan, peer_wan;

static int save(struct node *node, const char *path, struct error *err)
{
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), status;

	assert_true(file >= 0);
	status = node->kind->snapshot(node, file, err);
	close(file);
	return status;
}

static int load(struct node *node, const char *path, struct error *err)
{
	int file = open(path, O_RDONLY | O_CLOEXEC), status;

	assert_true(file >= 0);
	status = node->kind->restore(node, file, err);
	close(file);
	return status;
}

static void snapshot(void)
{
	uint64_t start = clock_now();
	struct error err;
	struct stat file;

	must(save(a, FILE_NAME, &err), &err);
	assert_int_equal(stat(FILE_NAME, &file), 0);
	print_message("# snapshot: %.0f ms, %lld MB\n", MS(clock_now() - start), (long long)file.st_size >> 20);
}

static void restore(void)
{
	uint64_t start = clock_now();
	struct error err;

	must(load(a, FILE_NAME, &err), &err);
	print_message("# restore: %.0f ms\n", MS(clock_now() - start));
}

static void test_comes_back_and_talks(void **state)
{
	(void)state;
	output(a, "echo before >/tmp/state; ip addr add 10.1.9.9/16 dev eth0");
	snapshot();
	assert_string_equal(output(a, "cat /tmp/state"), "before\n");
	output(a, "echo after >/tmp/state; ip addr del 10.1.9.9/16 dev eth0; touch /tmp/new");
	restore();
	assert_string_equal(output(a, "cat /tmp/state; ls /tmp/new 2>/dev/null; hostname"), "before\na\n");
	output(a, "ping -c 1 -W 30 10.1.0.3");
	output(peer, "ping -c 1 -W 30 10.1.9.9");
	output(peer, "ping -c 1 -W 30 fd00:1::1");
	/* Once more, from the same file, and a new one of what was restored. */
	restore();
	output(a, "ping -c 1 -W 30 10.1.0.3");
	snapshot();
	restore();
	assert_string_equal(output(a, "cat /tmp/state"), "before\n");
}

static void test_cards_are_as_they_are_now(void **state)
{
	struct node_nic a_wan = make_nic("a-wan", "wan", 2, 1);
	struct error err;

	(void)state;
	snapshot();
	attach(a, &a_wan, wan);
	output(a, "ping -c 1 -W 30 10.2.0.3");
	restore();
	output(a, "ping -c 1 -W 30 10.2.0.3");
	output(a, "ping -c 1 -W 30 10.1.0.3");
	snapshot();
	must(a->kind->unplug(a, &a_wan, &err), &err);
	restore();
	assert_false(succeeds(a, "ls /sys/class/net/eth1"));
	output(a, "ping -c 1 -W 30 10.1.0.3");
	attach(a, &a_wan, wan);
	output(a, "ping -c 1 -W 30 10.2.0.3");
	must(a->kind->unplug(a, &a_wan, &err), &err);
}

static void test_the_cable_is_as_it_is_now(void **state)
{
	struct error err;

	(void)state;
	snapshot();
	must(a->kind->set_link(a, &a_lan, false, &err), &err);
	restore();
	assert_string_equal(output(a, "cat /sys/class/net/eth0/carrier"), "0\n");
	must(a->kind->set_link(a, &a_lan, true, &err), &err);
	until_succeeds(a, "ping -c 1 -W 1 10.1.0.3", RUN_NS);
}

static void test_of_a_paused_guest(void **state)
{
	const char *argv[] = { "sleep", "100", NULL };
	struct command command = { .argv = argv };
	struct process *process;
	struct error err;

	(void)state;
	must(a->kind->start(a, &command, &process, &err), &err);
	must(a->kind->pause(a, &err), &err);
	snapshot();
	assert_true(a->kind->start(a, &command, &process, &err) < 0);
	restore();
	output(a, "true");
	assert_true(process->ops->wait(process, clock_after(RUN_NS), PROCESS_UNTIL_END, &err) < 0);
	assert_non_null(strstr(err.text, "node `a` was restored"));
	process->ops->close(process);
}

static void test_refuses_what_does_not_fit(void **state)
{
	struct error err;

	(void)state;
	assert_true(load(a, "/etc/passwd", &err) < 0);
	assert_string_equal(err.text, "restore node `a`: it is no snapshot of this version of provium");
	output(a, "true");
}

static void test_a_state_that_is_cut_short_ends_the_node(void **state)
{
	struct node_config config = { .name = "cut" };
	struct node *cut = boot(&config);
	struct error err;

	(void)state;
	wait_ready(cut);
	must(save(cut, FILE_NAME, &err), &err);
	assert_int_equal(truncate(FILE_NAME, 20 << 20), 0);
	assert_true(load(cut, FILE_NAME, &err) < 0);
	print_message("# %s\n", err.text);
	assert_false(cut->kind->is_alive(cut));
	cut->kind->close(cut);
}

/* Where the disk's overlay is in the file. */
static off_t disk_in(int file)
{
	char header[4096];
	const char *found;

	assert_int_equal(pread(file, header, sizeof(header) - 1, 0), sizeof(header) - 1);
	header[sizeof(header) - 1] = '\0';
	found = strstr(header, "\"disk_at\":");
	assert_non_null(found);
	return atoll(found + strlen("\"disk_at\":"));
}

/* Before the guest of before is ended. */
static void assert_disk_refused(struct node *node, off_t at, uint8_t value, const char *why)
{
	int file = open(FILE_NAME, O_RDWR | O_CLOEXEC);
	off_t place = disk_in(file) + at;
	struct error err;
	uint8_t before;

	assert_int_equal(pread(file, &before, 1, place), 1);
	assert_int_equal(pwrite(file, &value, 1, place), 1);
	assert_true(load(node, FILE_NAME, &err) < 0);
	if (!strstr(err.text, why))
		fail_msg("`%s` does not say `%s`", err.text, why);
	assert_true(node->kind->is_alive(node));
	assert_int_equal(pwrite(file, &before, 1, place), 1);
	close(file);
}

static void test_the_disk_comes_back_too(void **state)
{
	char kernel[PATH_MAX], initrd[PATH_MAX], disk[] = "/tmp/provium-disk-XXXXXX", content[64] = "untouched";
	struct node_config config = {
		.name = "disk", .kernel = kernel, .initrd = initrd, .disk = disk, .memory_bytes = 256 << 20
	};
	int fd = mkstemp(disk);
	struct node *node;
	struct error err;

	(void)state;
	image_built_in(kernel, "kernel");
	image_built_in(initrd, "initrd");
	assert_int_equal(pwrite(fd, content, sizeof(content), 1 << 20), sizeof(content));
	assert_int_equal(ftruncate(fd, 8 << 20), 0);
	node = boot(&config);
	wait_ready(node);
	output(node, "modprobe virtio_blk && sleep 0.3 && ls /dev/vda");
	assert_string_equal(output(node, "dd if=/dev/vda bs=1M skip=1 count=1 2>/dev/null | head -c 9"), "untouched");
	output(node, "echo first | dd of=/dev/vda bs=1M seek=1 conv=fsync 2>/dev/null");
	must(save(node, FILE_NAME, &err), &err);
	output(node, "echo again | dd of=/dev/vda bs=1M seek=1 conv=fsync 2>/dev/null");
	assert_disk_refused(node, 79, 1 << 2, "the guest's disk in it: it has its data in another file");
	assert_disk_refused(node, 15, 1, "the guest's disk in it: it stands on another image");
	assert_disk_refused(node, 0, 0, "none that goes with the node's disk image");
	assert_disk_refused(node, 29, 1, "none that goes with the node's disk image");
	must(load(node, FILE_NAME, &err), &err);
	assert_string_equal(
		output(node,
		       "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M skip=1 count=1 2>/dev/null | head -c 6"),
		"first\n");
	node->kind->close(node);
	assert_int_equal(pread(fd, content, sizeof(content), 1 << 20), sizeof(content));
	assert_string_equal(content, "untouched");
	close(fd);
	unlink(disk);
}

#define SHOW "dd if=/dev/vda bs=1M skip=1 count=1 2>/dev/null | head -c 6"

/* Another life of the node, with the disk of the one before. */
static struct node *boot_again(struct node *node, struct node_config *config, bool orderly)
{
	int before = config->kept_disk;

	config->kept_disk = node->kind->keep_disk(node, orderly);
	assert_true(config->kept_disk > 0);
	node->kind->close(node);
	if (before)
		close(before);
	node = boot(config);
	wait_ready(node);
	output(node, "modprobe virtio_blk && sleep 0.3 && ls /dev/vda");
	return node;
}

static void test_a_disk_outlives_its_guest(void **state)
{
	char kernel[PATH_MAX], initrd[PATH_MAX], disk[] = "/tmp/provium-disk-XXXXXX", byte = 1;
	struct node_config config = {
		.name = "disk", .kernel = kernel, .initrd = initrd, .disk = disk, .memory_bytes = 256 << 20
	};
	int fd = mkstemp(disk);
	struct node *node;

	(void)state;
	image_built_in(kernel, "kernel");
	image_built_in(initrd, "initrd");
	assert_int_equal(ftruncate(fd, 8 << 20), 0);
	node = boot(&config);
	wait_ready(node);
	output(node, "modprobe virtio_blk && sleep 0.3 && ls /dev/vda");
	/* Left to the guest's kernel, which writes it back in half a minute. */
	output(node, "echo first | dd of=/dev/vda bs=1M seek=1 2>/dev/null");
	node = boot_again(node, &config, true);
	assert_string_equal(output(node, SHOW), "first\n");
	output(node, "echo again | dd of=/dev/vda bs=1M seek=1 conv=fsync 2>/dev/null");
	node = boot_again(node, &config, false);
	assert_string_equal(output(node, SHOW), "again\n");
	node->kind->close(node);
	close(config.kept_disk);
	assert_int_equal(pread(fd, &byte, 1, 1 << 20), 1);
	assert_int_equal(byte, 0);
	close(fd);
	unlink(disk);
}

static int start_nodes(void **state)
{
	struct node_config config = { .name = "a" };

	open_switch(state);
	lan = make_bridge("lan");
	wan = make_bridge("wan");
	a = boot(&config);
	peer = boot_netns("peer");
	a_lan = make_nic("a-lan", "lan", 1, 1);
	peer_lan = make_nic("p-lan", "lan", 1, 3);
	peer_wan = make_nic("p-wan", "wan", 2, 3);
	attach(peer, &peer_lan, lan);
	attach(peer, &peer_wan, wan);
	wait_ready(a);
	attach(a, &a_lan, lan);
	return 0;
}

static int end_nodes(void **state)
{
	(void)state;
	a->kind->close(a);
	peer->kind->close(peer);
	unlink(FILE_NAME);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_back_and_talks),
		cmocka_unit_test(test_cards_are_as_they_are_now),
		cmocka_unit_test(test_the_cable_is_as_it_is_now),
		cmocka_unit_test(test_of_a_paused_guest),
		cmocka_unit_test(test_refuses_what_does_not_fit),
		cmocka_unit_test(test_a_state_that_is_cut_short_ends_the_node),
		cmocka_unit_test(test_the_disk_comes_back_too),
		cmocka_unit_test(test_a_disk_outlives_its_guest),
	};

	return cmocka_run_group_tests(tests, start_nodes, end_nodes);
}
