// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/rootfs.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "node/netns/oci.h"
#include "util/error.h"
#include "util/memory.h"

static char **copy_strings(const json_t *list)
{
	char **strings = memory_new((json_array_size(list) + 1) * sizeof(*strings));

	for (size_t i = 0, count = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text)
			strings[count++] = memory_string(text);
	}
	return strings;
}

static void free_strings(char **strings)
{
	for (char **next = strings; next && *next; next++)
		free(*next);
	free(strings);
}

static int read_user(const json_t *user, struct rootfs *rootfs, struct error *err)
{
	const json_t *groups = json_object_get(user, "additionalGids");
	size_t count = json_array_size(groups);

	if (count > COMMAND_GROUPS)
		return error_set(err, E2BIG, "the image's user is of %zu groups; %d at most can be", count,
				 COMMAND_GROUPS);
	rootfs->groups = memory_new((count + 1) * sizeof(*rootfs->groups));
	for (size_t i = 0; i < count; i++)
		rootfs->groups[i] = (gid_t)json_integer_value(json_array_get(groups, i));
	rootfs->user = (struct command_user){
		.uid = (uid_t)json_integer_value(json_object_get(user, "uid")),
		.gid = (gid_t)json_integer_value(json_object_get(user, "gid")),
		.groups = rootfs->groups,
		.group_count = count,
	};
	return 0;
}

/* What umoci says of an image that says nothing. */
static bool is_nothing(char **argv)
{
	return !argv[0] || (strcmp(argv[0], "sh") == 0 && !argv[1]);
}

/* config.json as umoci has made it of the image's own. */
static int read_bundle(const char *bundle, struct rootfs *rootfs, struct error *err)
{
	char path[PATH_MAX + 16];
	const json_t *process;
	const char *cwd;
	json_t *config;
	int status;

	snprintf(path, sizeof(path), "%s/config.json", bundle);
	config = oci_read_json(path, err);
	if (!config)
		return error_append(err, " (remove %s, and it is unpacked again)", bundle);
	process = json_object_get(config, "process");
	snprintf(path, sizeof(path), "%s/rootfs", bundle);
	rootfs->folder = memory_string(path);
	rootfs->argv = copy_strings(json_object_get(process, "args"));
	if (is_nothing(rootfs->argv)) {
		free_strings(rootfs->argv);
		rootfs->argv = NULL;
	}
	rootfs->env = copy_strings(json_object_get(process, "env"));
	cwd = json_string_value(json_object_get(process, "cwd"));
	rootfs->cwd = memory_string(cwd ? cwd : "/");
	status = read_user(json_object_get(process, "user"), rootfs, err);
	json_decref(config);
	return status;
}

int rootfs_open(const char *path, struct rootfs *rootfs, struct error *err)
{
	char layout[PATH_MAX], bundle[PATH_MAX];
	struct oci_image image;
	const char *tag;
	int status;

	*rootfs = (struct rootfs){ 0 };
	if (!oci_is_layout(path, layout, &tag)) {
		rootfs->folder = memory_string(path);
		return 0;
	}
	if (oci_find_image(layout, tag, &image, err))
		return -err->code;
	status = oci_unpack(&image, bundle, err);
	json_decref(image.descriptor);
	if (status)
		return error_wrap(err, "root %s", path);
	return read_bundle(bundle, rootfs, err);
}

void rootfs_close(struct rootfs *rootfs)
{
	free(rootfs->folder);
	free_strings(rootfs->argv);
	free_strings(rootfs->env);
	free(rootfs->cwd);
	free(rootfs->groups);
	*rootfs = (struct rootfs){ 0 };
}
