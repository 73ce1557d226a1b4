// SPDX-License-Identifier: GPL-2.0-only
#include "node/qemu/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/node.h"
#include "node/qemu/console.h"
#include "node/qemu/image.h"
#include "node/qemu/qemu.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/trust.h"
#include "util/wait.h"

#define TRIAL_S	     10U
#define TRIAL_MIB    192
#define LOCK_NS	     (3 * TRIAL_S * NS_PER_S)
#define KVM_DEVICE   "/dev/kvm"
#define BOOT_ID	     "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE 37			     /* with its NUL */
#define STARTS	     "provium: guest starts" /* printed by the built-in guest's init: tools/mkguest */

static bool is_named(const char *text, bool *kvm)
{
	*kvm = strcmp(text, "kvm") == 0;
	return *kvm || strcmp(text, "tcg") == 0;
}

static void add_trial(struct arguments *arguments, const struct image *image, int serial)
{
	static const char *const fixed[] = {
		"-machine", "pc,dump-guest-core=off",
		"-accel",   "kvm",
		"-cpu",	    "host",
		"-append",  "console=ttyS0 quiet panic=-1",
		"-serial",  "chardev:console",
	};

	qemu_add_basics(arguments);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		arguments_add(arguments, "%s", fixed[i]);
	arguments_add(arguments, "-m");
	arguments_add(arguments, "%d", TRIAL_MIB);
	arguments_add(arguments, "-kernel");
	arguments_add(arguments, "/proc/self/fd/%d", image->kernel);
	arguments_add(arguments, "-initrd");
	arguments_add(arguments, "/proc/self/fd/%d", image->initrd);
	arguments_add(arguments, "-chardev");
	arguments_add(arguments, "socket,id=console,fd=%d", serial);
	arguments_add_fd(arguments, image->kernel);
	arguments_add_fd(arguments, image->initrd);
	arguments_add_fd(arguments, serial);
}

static bool watch_trial(struct child *child, int serial, unsigned int limit_s, const char **why)
{
	uint64_t deadline = clock_after(limit_s * NS_PER_S);
	struct console *console;
	struct error ignored;
	bool starts = false, interrupted = false;

	*why = "its guest does not boot in time";
	if (console_open(&console, serial, child->stderr_fd, &ignored) == 0) {
		while (!starts && !interrupted && clock_now() < deadline && !child_has_ended(child)) {
			interrupted = wait_sleep(20 * NS_PER_MS, &ignored) != 0;
			starts = console_has(console, STARTS);
		}
		if (!starts && child_has_ended(child))
			*why = "QEMU does not run with it";
	}
	console_close(console);
	return starts;
}

bool accel_try_kvm(unsigned int limit_s, const char **why)
{
	struct node_config config = { .name = "kvm-trial" };
	struct arguments arguments = { 0 };
	struct image image;
	struct child child;
	struct error ignored;
	int serial[2];
	bool starts = false;

	*why = "there is no " KVM_DEVICE;
	if (access(KVM_DEVICE, R_OK | W_OK))
		return false;
	*why = "there is no built-in guest to try it with (tools/setup guest)";
	if (image_open(&config, &image, &ignored) == 0 &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, serial) == 0) {
		*why = "QEMU does not start";
		add_trial(&arguments, &image, serial[1]);
		if (spawn(&arguments, true, &child, &ignored)) {
			close(serial[0]);
		} else {
			starts = watch_trial(&child, serial[0], limit_s, why);
			child_end(&child);
		}
		close(serial[1]);
	}
	arguments_free(&arguments);
	image_close(&image);
	return starts;
}

static bool read_boot_id(char id[static BOOT_ID_SIZE])
{
	FILE *file = fopen(BOOT_ID, "re");
	bool read = file && fscanf(file, "%36s", id) == 1;

	if (file)
		fclose(file);
	return read;
}

/* The result of a trial since the host's boot, if the file has one. */
static bool read_result(int fd, bool *kvm)
{
	char text[64] = "", id[BOOT_ID_SIZE], cached_id[BOOT_ID_SIZE], accel[8];
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

	return size > 0 && sscanf(text, "%36s %7s", cached_id, accel) == 2 && read_boot_id(id) &&
	       strcmp(id, cached_id) == 0 && is_named(accel, kvm);
}

static void write_result(int fd, bool kvm)
{
	char text[64], id[BOOT_ID_SIZE];
	int size;

	if (!read_boot_id(id))
		return;
	size = snprintf(text, sizeof(text), "%s %s\n", id, kvm ? "kvm" : "tcg");
	/* A result that could not be kept is found anew. */
	if (pwrite(fd, text, (size_t)size, 0) == size && ftruncate(fd, size))
		return;
}

/* One run tries, and the others wait for its result. */
static int lock(int fd, struct error *err)
{
	uint64_t deadline = clock_after(LOCK_NS);

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK || clock_now() >= deadline)
			return error_errno(err, errno, "lock the result of the KVM trial in %s", image_cache());
		if (wait_sleep(50 * NS_PER_MS, err))
			return -err->code;
	}
	return 0;
}

static bool try_and_tell(void)
{
	struct error ignored;
	const char *why;
	bool kvm = accel_try_kvm(TRIAL_S, &why);

	/* Once in the life of the host's kernel, and of use to whoever wonders why guests are slow. */
	if (!kvm && !interrupt_pending(&ignored))
		fprintf(stderr,
			"provium: guests run without KVM, which is slower: %s (PROVIUM_ACCEL=kvm or tcg chooses "
			"untried)\n",
			why);
	return kvm;
}

/* -1 if there is none: a cache that others can write to keeps nothing. */
static int open_result(void)
{
	struct error ignored;
	int cache = trust_open_folder(image_cache(), &ignored), fd;

	if (cache < 0)
		return -1;
	fd = openat(cache, "accel", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	close(cache);
	return fd;
}

static int choose_by_trial(bool *kvm, struct error *err)
{
	int fd = open_result();

	err->code = 0;
	if (fd < 0 || (!read_result(fd, kvm) && lock(fd, err) == 0 && !read_result(fd, kvm))) {
		*kvm = try_and_tell();
		/* A trial that was interrupted shows nothing. */
		if (!interrupt_pending(err) && fd >= 0)
			write_result(fd, *kvm);
	}
	if (fd >= 0)
		close(fd);
	return -err->code;
}

int accel_choose(const char *wanted, bool *kvm, struct error *err)
{
	const char *from_environment = getenv("PROVIUM_ACCEL");

	if (wanted)
		return is_named(wanted, kvm) ? 0 : error_set(err, EINVAL, "accel is `%s`; it is kvm or tcg", wanted);
	if (!from_environment || !*from_environment)
		return choose_by_trial(kvm, err);
	return is_named(from_environment, kvm)
		       ? 0
		       : error_set(err, EINVAL, "PROVIUM_ACCEL is `%s`; it is kvm or tcg", from_environment);
}
