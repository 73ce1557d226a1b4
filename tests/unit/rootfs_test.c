// SPDX-License-Identifier: GPL-2.0-only
/* A root for a namespace node: folders as they are, and images, which umoci(1) makes here. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/netns/rootfs.h"
#include "util/error.h"

static char folder[] = "/tmp/rootfs-test-XXXXXX";

/* In the folder of the test. */
static void shell(const char *line)
{
	char command[2048];

	snprintf(command, sizeof(command), "cd %s && exec >/dev/null 2>&1 && %s", folder, line);
	if (system(command))
		fail_msg("failed: %s", line);
}

/* An image with the tag "plain" that has nothing but busybox, and "full", which says how it is to be started. */
static int make_images(void **state)
{
	char cache[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	shell("mkdir -p tree/bin tree/etc && cp /bin/busybox tree/bin/ && ln -s busybox tree/bin/sh && "
	      "echo app:x:7:8::/:/bin/sh >tree/etc/passwd && umoci init --layout images && "
	      "umoci new --image images:plain && umoci insert --image images:plain tree /");
	shell("umoci config --image images:plain --tag full --config.entrypoint /bin/sh --config.entrypoint=-c "
	      "--config.cmd 'echo hi' --config.env A=b --config.workingdir /etc --config.user app");
	snprintf(cache, sizeof(cache), "%s/cache", folder);
	setenv("PROVIUM_CACHE", cache, 1);
	return 0;
}

static int remove_images(void **state)
{
	(void)state;
	shell("cd / && rm -rf \"$OLDPWD\"");
	return 0;
}

static int empty_cache(void **state)
{
	(void)state;
	shell("rm -rf cache");
	return 0;
}

static int open_root(const char *name, struct rootfs *rootfs, struct error *err)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return rootfs_open(path, rootfs, err);
}

static void expect(const char *name)
{
	struct rootfs rootfs;
	struct error err;
	char path[512];

	if (open_root(name, &rootfs, &err))
		fail_msg("%s: %s", name, err.text);
	snprintf(path, sizeof(path), "%s/bin/busybox", rootfs.folder);
	assert_int_equal(access(path, X_OK), 0);
	rootfs_close(&rootfs);
}

static void refuse(const char *name, int code, const char *text)
{
	struct rootfs rootfs;
	struct error err;

	assert_int_equal(open_root(name, &rootfs, &err), -code);
	if (!strstr(err.text, text))
		fail_msg("it says: %s", err.text);
	rootfs_close(&rootfs);
}

/* How many images are in the cache, with what is not whole. */
static int cached(void)
{
	char command[128];
	FILE *pipe;
	int count;

	snprintf(command, sizeof(command), "ls %s/cache/images 2>/dev/null | grep -vc lock", folder);
	pipe = popen(command, "r");
	assert_int_equal(fscanf(pipe, "%d", &count), 1);
	pclose(pipe);
	return count;
}

static void test_a_folder_is_what_it_is(void **state)
{
	struct rootfs rootfs;
	struct error err;

	(void)state;
	assert_int_equal(open_root("tree", &rootfs, &err), 0);
	assert_non_null(strstr(rootfs.folder, "/tree"));
	assert_null(rootfs.argv);
	assert_null(rootfs.env);
	rootfs_close(&rootfs);
	rootfs_close(&rootfs);
	assert_int_equal(cached(), 0);
}

static void test_an_image_says_how_it_is_started(void **state)
{
	struct rootfs rootfs;
	struct error err;
	char **variable;

	(void)state;
	if (open_root("images:full", &rootfs, &err))
		fail_msg("%s", err.text);
	assert_string_equal(rootfs.argv[0], "/bin/sh");
	assert_string_equal(rootfs.argv[1], "-c");
	assert_string_equal(rootfs.argv[2], "echo hi");
	assert_null(rootfs.argv[3]);
	for (variable = rootfs.env; *variable && strcmp(*variable, "A=b") != 0; variable++)
		;
	assert_non_null(*variable);
	assert_string_equal(rootfs.cwd, "/etc");
	assert_int_equal(rootfs.user.uid, 7);
	assert_int_equal(rootfs.user.gid, 8);
	rootfs_close(&rootfs);
	expect("images:plain");
	assert_int_equal(cached(), 2);
}

static void test_an_image_is_unpacked_once(void **state)
{
	char *path = strdup(getenv("PATH"));

	(void)state;
	expect("images:plain");
	setenv("PATH", "/nowhere", 1);
	expect("images:plain");
	refuse("images:full", ENOENT, "there is no umoci to unpack the image; install it");
	setenv("PATH", path, 1);
	free(path);
	assert_int_equal(cached(), 1);
}

static void test_tags(void **state)
{
	(void)state;
	refuse("images", ENOENT, "has no image \"latest\"; name one of its images, as in ");
	refuse("images:none", ENOENT, ":TAG: plain full");
	shell("rm -rf one a:b && cp -r images one && umoci rm --image one:full && cp -r one a:b");
	expect("one");
	expect("a:b");
	expect("a:b:plain");
	/* As skopeo copies one without a tag. */
	shell("sed -i 's/,\"annotations\":{[^}]*}//' one/index.json");
	expect("one");
	shell("umoci tag --image images:full latest");
	expect("images");
	shell("umoci rm --image images:latest");
}

static void test_what_is_broken_is_not_kept(void **state)
{
	(void)state;
	shell("rm -rf bad && cp -r images bad && for f in bad/blobs/sha256/*; do echo >>$f; done");
	refuse("bad:plain", EIO, "umoci could not unpack it: ");
	assert_int_equal(cached(), 0);
	shell("sed -i 's/sha256:[0-9a-f]*/sha256:..\\/..\\/..\\/x/g' bad/index.json");
	refuse("bad:plain", EINVAL, "the digest of the image is none of SHA-256");
	shell("echo '{' >bad/index.json");
	refuse("bad:plain", EINVAL, "is no JSON");
	shell("echo '[1]' >bad/index.json");
	refuse("bad:plain", ENOENT, "has no image \"plain\"");
	shell("rm bad/index.json && mkfifo bad/index.json");
	refuse("bad:plain", EFBIG, "is no file of at most 4 MiB");
	shell("rm bad/index.json && truncate -s 5M bad/index.json");
	refuse("bad:plain", EFBIG, "is no file of at most 4 MiB");
	shell("rm bad/index.json");
	refuse("bad:plain", ENOENT, "open ");
}

static void test_the_cache_is_roots_alone(void **state)
{
	(void)state;
	expect("images:plain");
	shell("test $(stat -c %a cache/images) = 700");
	shell("chmod 755 cache/images");
	refuse("images:plain", EPERM, "is not a folder of root alone; remove it");
	shell("rm -rf cache/images && ln -s /tmp cache/images");
	refuse("images:plain", EPERM, "is not a folder of root alone; remove it");
}

static void test_what_was_not_finished_goes(void **state)
{
	(void)state;
	shell("mkdir -p -m 700 cache/images/new.dead/bundle/rootfs/x && chmod 700 cache/images");
	expect("images:plain");
	assert_int_equal(cached(), 1);
}

static void test_several_at_once(void **state)
{
	enum { PROCESSES = 4 };
	int status;

	(void)state;
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			struct rootfs rootfs;
			struct error err;

			_exit(open_root("images:plain", &rootfs, &err) ? 1 : 0);
		}
	for (int i = 0; i < PROCESSES; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(cached(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_folder_is_what_it_is, empty_cache),
		cmocka_unit_test_setup(test_an_image_says_how_it_is_started, empty_cache),
		cmocka_unit_test_setup(test_an_image_is_unpacked_once, empty_cache),
		cmocka_unit_test_setup(test_tags, empty_cache),
		cmocka_unit_test_setup(test_what_is_broken_is_not_kept, empty_cache),
		cmocka_unit_test_setup(test_the_cache_is_roots_alone, empty_cache),
		cmocka_unit_test_setup(test_what_was_not_finished_goes, empty_cache),
		cmocka_unit_test_setup(test_several_at_once, empty_cache),
	};

	return cmocka_run_group_tests_name("roots", tests, make_images, remove_images);
}
