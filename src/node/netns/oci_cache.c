// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images in the cache: a folder for each, named by its digest, of which umoci(1) has checked every byte. Nobody but root can look
 * in there, for images have programs that run as their owner (setuid). What is unpacked is made beside, under a lock, and
 * renamed when it is whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/netns/oci.h"
#include "node/qemu/image.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fork.h"
#include "util/tree.h"
#include "util/wait.h"

#define FOLDER	     "images"
#define NEW	     "new." /* in front of what is not whole */
#define TAG	     "image"
#define ERROR_SIZE   512
#define LOCK_WAIT_NS (20 * NS_PER_MS)

static int open_cache(char folder[static PATH_MAX], struct error *err)
{
	struct stat status;

	mkdir(image_cache(), 0755);
	if (snprintf(folder, PATH_MAX, "%s/" FOLDER, image_cache()) >= PATH_MAX - 256)
		return error_set(err, ENAMETOOLONG, "the cache's name is too long: %s", image_cache());
	if (mkdir(folder, 0700) && errno != EEXIST)
		return error_errno(err, errno, "make %s", folder);
	if (lstat(folder, &status))
		return error_errno(err, errno, "look at %s", folder);
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || status.st_mode & 077)
		return error_set(err, EPERM, "%s is not a folder of root alone; remove it", folder);
	return 0;
}

/* Another run may unpack the same image at this moment. */
static int lock_cache(const char *folder, struct error *err)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, PATH_MAX, "%.4000s/lock", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			error_errno(err, errno, "lock %s", path);
		else if (!wait_sleep(LOCK_WAIT_NS, err))
			continue;
		close(fd);
		return -err->code;
	}
	return fd;
}

/* Under the lock: of runs that were killed. */
static void remove_left(const char *folder)
{
	DIR *list = opendir(folder);
	struct dirent *entry;

	while (list && (entry = readdir(list)))
		if (strncmp(entry->d_name, NEW, strlen(NEW)) == 0)
			tree_remove(dirfd(list), entry->d_name);
	if (list)
		closedir(list);
}

/* A layout of the one image, under a tag that umoci understands whatever it was called; its blobs are the other's. */
static int make_view(const struct oci_image *image, const char *folder, struct error *err)
{
	char path[PATH_MAX], blobs[PATH_MAX + 8];
	json_t *index = json_pack("{si s[O]}", "schemaVersion", 2, "manifests", image->descriptor);
	FILE *file;
	int status = -1;

	json_object_set_new(json_array_get(json_object_get(index, "manifests"), 0), "annotations",
			    json_pack("{ss}", "org.opencontainers.image.ref.name", TAG));
	snprintf(blobs, sizeof(blobs), "%s/blobs", image->layout);
	snprintf(path, PATH_MAX, "%.4000s/blobs", folder);
	if (!symlink(blobs, path)) {
		snprintf(path, PATH_MAX, "%.4000s/index.json", folder);
		status = json_dump_file(index, path, JSON_COMPACT);
	}
	json_decref(index);
	snprintf(path, PATH_MAX, "%.4000s/oci-layout", folder);
	file = status ? NULL : fopen(path, "we");
	if (!file)
		return error_errno(err, errno, "write %s", folder);
	fputs("{\"imageLayoutVersion\": \"1.0.0\"}", file);
	return fclose(file) ? error_errno(err, errno, "write %s", path) : 0;
}

/* Between fork and exec: nothing may be allocated, for the run has other threads. */
__attribute__((noreturn)) static void umoci_main(char *const *argv, int output, pid_t parent)
{
	static char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					     "HOME=/", NULL };
	int nothing = open("/dev/null", O_RDWR);
	sigset_t none;

	if (!fork_follow(parent))
		_exit(1);
	/* Ctrl-C is for the run. */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(nothing, 0);
	dup2(nothing, 1);
	dup2(output, 2);
	fork_keep_fds(NULL, 0);
	execvpe(argv[0], argv, environment);
	_exit(127);
}

static int explain(int status, int output, struct error *err)
{
	char text[ERROR_SIZE];
	ssize_t size;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return error_set(err, ENOENT,
				 "there is no umoci to unpack the image; install it (Debian: umoci), or name a folder");
	size = pread(output, text, sizeof(text) - 1, 0);
	text[size > 0 ? size : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return error_set(err, EIO, "umoci could not unpack it: %s", *text ? text : "it was killed");
}

static int await_umoci(pid_t pid, int output, struct error *err)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status, ready;

	if (ended.fd < 0)
		error_errno(err, errno, "open a pidfd of umoci");
	ready = ended.fd < 0 ? -1 : wait_poll(&ended, 1, CLOCK_NEVER, err);
	if (ready <= 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ended.fd >= 0)
		close(ended.fd);
	if (ready <= 0)
		return -err->code;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : explain(status, output, err);
}

static int run_umoci(const char *view, const char *bundle, struct error *err)
{
	char image[PATH_MAX + sizeof(TAG)];
	char *argv[] = { "umoci", "unpack", "--image", image, (char *)bundle, NULL };
	int output = memfd_create("umoci", MFD_CLOEXEC), status;
	pid_t parent = getpid(), pid;

	snprintf(image, sizeof(image), "%s:" TAG, view);
	if (output < 0)
		return error_errno(err, errno, "make a memory file");
	pid = fork();
	if (pid == 0)
		umoci_main(argv, output, parent);
	status = pid < 0 ? error_errno(err, errno, "fork") : await_umoci(pid, output, err);
	close(output);
	return status;
}

/* With the lock held. */
static int unpack(const struct oci_image *image, const char *folder, const char *bundle, struct error *err)
{
	char view[PATH_MAX], fresh[PATH_MAX];

	remove_left(folder);
	snprintf(view, PATH_MAX, "%.4000s/" NEW "XXXXXX", folder);
	if (!mkdtemp(view))
		return error_errno(err, errno, "make a folder in %s", folder);
	snprintf(fresh, PATH_MAX, "%.4000s/bundle", view);
	if (!make_view(image, view, err) && !run_umoci(view, fresh, err) && rename(fresh, bundle))
		error_errno(err, errno, "rename %s to %s", fresh, bundle);
	remove_left(folder);
	return -err->code;
}

int oci_unpack(const struct oci_image *image, char bundle[static PATH_MAX], struct error *err)
{
	char folder[PATH_MAX];
	int lock;

	if (open_cache(folder, err))
		return -err->code;
	snprintf(bundle, PATH_MAX, "%.4000s/%s", folder, image->digest);
	if (access(bundle, F_OK) == 0)
		return 0;
	lock = lock_cache(folder, err);
	if (lock < 0)
		return -err->code;
	err->code = 0;
	if (access(bundle, F_OK))
		unpack(image, folder, bundle, err);
	close(lock);
	return -err->code;
}
