// SPDX-License-Identifier: GPL-2.0-only
/* How guests come up, from what, with which rights; and that nothing is left of a run that is killed. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "node/qemu/accel.h"
#include "node/qemu/confine.h"
#include "node/qemu/image.h"

#define TOGETHER 4

static char kernel[PATH_MAX], initrd[PATH_MAX];

static void test_boots_side_by_side(void **state)
{
	static const char *const names[TOGETHER] = { "n1", "n2", "n3", "n4" };
	struct node *nodes[TOGETHER];
	uint64_t start = clock_now();

	(void)state;
	for (int i = 0; i < TOGETHER; i++)
		nodes[i] = boot(&(struct node_config){ .name = names[i] });
	/* None of them is waited for here. */
	assert_true(clock_now() - start < 20 * NS_PER_S);
	for (int i = 0; i < TOGETHER; i++)
		wait_ready(nodes[i]);
	print_message("# %d guests ready after %.2f s\n", TOGETHER, MS(clock_now() - start) / 1000);
	for (int i = 0; i < TOGETHER; i++) {
		assert_int_equal(strncmp(output(nodes[i], "hostname"), names[i], 2), 0);
		nodes[i]->kind->close(nodes[i]);
	}
}

static void test_takes_memory_cpus_and_words_for_the_kernel(void **state)
{
	struct node_config config = {
		.name = "a", .memory_bytes = 160 << 20, .cpus = 2, .kernel_cmdline = "lab.word=yes"
	};
	struct node *node = boot(&config);
	long kilobytes;

	(void)state;
	wait_ready(node);
	assert_string_equal(output(node, "nproc"), "2\n");
	kilobytes = atol(output(node, "grep MemTotal /proc/meminfo | tr -dc 0-9"));
	assert_true(kilobytes > 110 << 10 && kilobytes < 160 << 10);
	output(node, "grep -q lab.word=yes /proc/cmdline");
	/* An emulated kernel does not try out its timer. */
	output(node, "dmesg | grep -q 'Hypervisor detected: KVM' || grep -q no_timer_check /proc/cmdline");
	node->kind->close(node);
}

static long status_of(int pid, const char *key)
{
	char path[64], line[256];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key), NULL, 0);
	if (file)
		fclose(file);
	return value;
}

static bool has_open(int pid, const char *path)
{
	char link[64], target[PATH_MAX];
	bool found = false;

	for (int fd = 0; fd < 1024 && !found; fd++) {
		ssize_t size;

		snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, fd);
		size = readlink(link, target, sizeof(target) - 1);
		target[size < 0 ? 0 : size] = '\0';
		found = strcmp(target, path) == 0;
	}
	return found;
}

/* What else it has not is in tests/unit/spawn_test.c. */
static void test_is_nobody(void **state)
{
	struct node_config config = { .accel = "tcg", .memory_bytes = 160 << 20 };
	struct node *nodes[2];
	/* As io.open() of a script does it. */
	FILE *secret = fopen("/etc/shadow", "r");

	(void)state;
	assert_non_null(secret);
	for (int i = 0; i < 2; i++) {
		int pid;

		config.name = i ? "b" : "a";
		nodes[i] = boot(&config);
		pid = nodes[i]->kind->pid(nodes[i]);
		assert_in_range(status_of(pid, "Uid:"), CONFINE_FIRST_UID, CONFINE_FIRST_UID + CONFINE_UIDS - 1);
		assert_int_equal(status_of(pid, "Gid:"), status_of(pid, "Uid:"));
		assert_int_equal(status_of(pid, "CapPrm:"), 0);
		assert_int_equal(status_of(pid, "NoNewPrivs:"), 1);
		assert_false(has_open(pid, "/etc/shadow"));
		assert_true(has_open(getpid(), "/etc/shadow"));
	}
	assert_int_not_equal(status_of(nodes[0]->kind->pid(nodes[0]), "Uid:"),
			     status_of(nodes[1]->kind->pid(nodes[1]), "Uid:"));
	wait_ready(nodes[0]);
	assert_int_equal(status_of(nodes[0]->kind->pid(nodes[0]), "Seccomp:"), 2);
	for (int i = 0; i < 2; i++)
		nodes[i]->kind->close(nodes[i]);
	fclose(secret);
}

static void test_takes_little_memory(void **state)
{
	struct node_config config = { .name = "a", .accel = "tcg", .memory_bytes = 160 << 20 };
	struct node *node = boot(&config);
	struct outcome stat;
	long anonymous;

	(void)state;
	wait_ready(node);
	/* All of its memory, and much translated code. */
	stat = run(node,
		   "dd if=/dev/zero of=/tmp/fill bs=1M count=100; rm /tmp/fill; for i in 1 2 3 4 5; do curl --version; "
		   "tcpdump --version; dig -h; done >/dev/null 2>&1");
	anonymous = status_of(node->kind->pid(node), "RssAnon:");
	print_message("# memory of a 160 MiB guest: %ld MiB\n", anonymous >> 10);
	assert_true(anonymous < (160 + 100) << 10);
	assert_true(stat.code >= 0);
	node->kind->close(node);
}

static void test_a_kernel_that_only_root_may_read(void **state)
{
	char copy[] = "/tmp/provium-kernel-XXXXXX";
	struct node_config config = { .name = "a", .kernel = copy, .initrd = initrd, .memory_bytes = 256 << 20 };
	int to = mkstemp(copy), from = open(kernel, O_RDONLY);
	struct node *node;
	struct error err;

	(void)state;
	must(copy_file(to, from, &err), &err);
	node = boot(&config);
	unlink(copy);
	wait_ready(node);
	output(node, "true");
	node->kind->close(node);
	close(to);
	close(from);
}

static void test_a_guest_without_an_agent(void **state)
{
	struct node_config config = { .name = "mute", .no_agent = true };
	struct node_nic nic = make_nic("mute-lan", "lan", 1, 1);
	const char *argv[] = { "true", NULL };
	struct command command = { .argv = argv };
	struct process *process;
	struct node *node = boot(&config);
	uint64_t deadline = clock_after(BOOT_NS);
	struct error err;

	(void)state;
	wait_ready(node);
	attach(node, &nic, make_bridge("lan"));
	must(node->kind->set_hosts(node, "10.1.0.2 b\n", &err), &err);
	assert_true(node->kind->start(node, &command, &process, &err) < 0);
	assert_non_null(strstr(err.text, "has no guest agent; a node without one has a console and network cards"));
	while (!strstr(node->kind->console(node), "guest starts") && clock_now() < deadline)
		wait_sleep(50 * NS_PER_MS, &err);
	assert_non_null(strstr(node->kind->console(node), "provium: guest starts"));
	must(node->kind->unplug(node, &nic, &err), &err);
	node->kind->close(node);
}

static const char *refused(const struct node_config *config)
{
	static struct error err;
	struct node *node;

	if (node_kind_qemu.boot(config, switch_nl, &node, &err) == 0) {
		assert_true(node->kind->wait_ready(node, clock_after(RUN_NS), &err) < 0);
		node->kind->close(node);
	}
	return err.text;
}

static void assert_refused(struct node_config config, const char *why)
{
	const char *text;

	config.name = "a";
	text = refused(&config);
	if (!strstr(text, why))
		fail_msg("`%s` does not say `%s`", text, why);
}

static void test_says_what_is_wrong(void **state)
{
	(void)state;
	assert_refused((struct node_config){ .kernel = "/nowhere" },
		       "boot node `a`: open the guest's kernel /nowhere: No such file or directory");
	assert_refused((struct node_config){ .initrd = initrd }, "an initrd needs a kernel");
	assert_refused((struct node_config){ .disk = "/nowhere" }, "disk image /nowhere: No such file");
	assert_refused((struct node_config){ .disk = "/etc/passwd", .kernel_cmdline = "x" }, "needs a kernel");
	assert_refused((struct node_config){ .accel = "warp" }, "accel is `warp`; it is kvm or tcg");
	assert_refused((struct node_config){ .cpus = 1000 }, "1000 CPUs are more than");
	assert_refused((struct node_config){ .machine = "tractor" }, "unsupported machine type");
	assert_refused((struct node_config){ .kernel = "/etc/passwd" }, "node `a` has ended: QEMU ended: ");
	setenv("PROVIUM_ACCEL", "steam", 1);
	assert_refused((struct node_config){ 0 }, "PROVIUM_ACCEL is `steam`; it is kvm or tcg");
	setenv("PROVIUM_ACCEL", "tcg", 1);
	setenv("PROVIUM_CACHE", "/nowhere", 1);
	assert_refused((struct node_config){ 0 }, "there is no built-in guest in /nowhere; tools/setup guest makes it");
	unsetenv("PROVIUM_ACCEL");
	unsetenv("PROVIUM_CACHE");
}

static void test_time_is_up(void **state)
{
	struct node *node = boot(&(struct node_config){ .name = "slow" });
	struct error err;

	(void)state;
	assert_true(node->kind->wait_ready(node, clock_after(200 * NS_PER_MS), &err) == -ETIMEDOUT);
	assert_non_null(strstr(err.text, "node `slow` was not ready in time"));
	/* It was only early. */
	wait_ready(node);
	node->kind->close(node);
}

static void test_the_result_of_a_trial_is_kept(void **state)
{
	char folder[] = "/tmp/provium-cache-XXXXXX", path[64], id[64];
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
	struct error err;
	bool kvm = false;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(fscanf(file, "%63s", id), 1);
	fclose(file);
	snprintf(path, sizeof(path), "%s/accel", folder);
	setenv("PROVIUM_CACHE", folder, 1);
	file = fopen(path, "w");
	fprintf(file, "%s kvm\n", id);
	fclose(file);
	must(accel_choose(NULL, &kvm, &err), &err);
	assert_true(kvm);
	must(accel_choose("tcg", &kvm, &err), &err);
	assert_false(kvm);
	/* Of another life of the host, and there is no guest to try it with: TCG, which is written down. */
	file = fopen(path, "w");
	fprintf(file, "%036d kvm\n", 0);
	fclose(file);
	must(accel_choose(NULL, &kvm, &err), &err);
	assert_false(kvm);
	file = fopen(path, "r");
	assert_int_equal(fread(path, 1, 42, file), 41);
	fclose(file);
	assert_memory_equal(path, id, 36);
	assert_memory_equal(path + 36, " tcg\n", 5);
	unsetenv("PROVIUM_CACHE");
	snprintf(path, sizeof(path), "%s/accel", folder);
	unlink(path);
	rmdir(folder);
}

static void test_a_trial_ends(void **state)
{
	uint64_t start = clock_now();
	const char *why;
	bool kvm = accel_try_kvm(2, &why);

	(void)state;
	print_message("# KVM %s\n", kvm ? "works" : why);
	assert_true(clock_now() - start < RUN_NS);
}

/* The part of a run that is killed: it tells the number of its QEMU, and waits for its end. */
static void be_killed(int report)
{
	struct node_nic nic = make_nic("k-lan", "lan2", 1, 1);
	struct node *node;
	struct error err;
	int pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(netlink_open(&switch_nl, &err), &err);
	node = boot(&(struct node_config){ .name = "k" });
	must(node->kind->plug(node, &nic, &err), &err);
	pid = node->kind->pid(node);
	if (write(report, &pid, sizeof(pid)) == sizeof(pid))
		pause();
	_exit(1);
}

/* Whose parent is gone, and which has become a child of process 1, is that one's to bury. */
static bool runs(int pid)
{
	char path[64], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file && fscanf(file, "%*d %*s %c", &state) != 1)
		state = 'Z';
	if (file)
		fclose(file);
	return state != 'Z';
}

static bool port_exists(void)
{
	struct error err;
	int ifindex;

	return link_index(switch_nl, "k-lan", &ifindex, &err) == 0;
}

static void test_nothing_is_left_of_a_run_that_is_killed(void **state)
{
	int report[2], qemu = 0;
	pid_t child;
	uint64_t start;
	struct error err;

	(void)state;
	assert_int_equal(pipe(report), 0);
	child = fork();
	if (child == 0)
		be_killed(report[1]);
	assert_int_equal(read(report[0], &qemu, sizeof(qemu)), sizeof(qemu));
	assert_true(port_exists() && runs(qemu));
	kill(child, SIGKILL);
	start = clock_now();
	waitpid(child, NULL, 0);
	while ((port_exists() || runs(qemu)) && clock_now() - start < RUN_NS)
		wait_sleep(5 * NS_PER_MS, &err);
	print_message("# gone after %.0f ms\n", MS(clock_now() - start));
	assert_false(port_exists() || runs(qemu));
	close(report[0]);
	close(report[1]);
}

static int prepare(void **state)
{
	image_built_in(kernel, "kernel");
	image_built_in(initrd, "initrd");
	return open_switch(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boots_side_by_side),
		cmocka_unit_test(test_takes_memory_cpus_and_words_for_the_kernel),
		cmocka_unit_test(test_is_nobody),
		cmocka_unit_test(test_takes_little_memory),
		cmocka_unit_test(test_a_kernel_that_only_root_may_read),
		cmocka_unit_test(test_a_guest_without_an_agent),
		cmocka_unit_test(test_says_what_is_wrong),
		cmocka_unit_test(test_time_is_up),
		cmocka_unit_test(test_the_result_of_a_trial_is_kept),
		cmocka_unit_test(test_a_trial_ends),
		cmocka_unit_test(test_nothing_is_left_of_a_run_that_is_killed),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
