// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/rootfs.h"

#include <errno.h>
#include <limits.h>
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

static void read_user(const json_t *user, struct rootfs *rootfs)
{
	const json_t *groups = json_object_get(user, "additionalGids");

	rootfs->uid = (uid_t)json_integer_value(json_object_get(user, "uid"));
	rootfs->gid = (gid_t)json_integer_value(json_object_get(user, "gid"));
	rootfs->groups = memory_new((json_array_size(groups) + 1) * sizeof(*rootfs->groups));
	rootfs->group_count = json_array_size(groups);
	for (size_t i = 0; i < rootfs->group_count; i++)
		rootfs->groups[i] = (gid_t)json_integer_value(json_array_get(groups, i));
}

/* config.json as umoci has made it of the image's own. */
static int read_bundle(const char *bundle, struct rootfs *rootfs, struct error *err)
{
	char path[PATH_MAX + 16];
	const json_t *process;
	const char *cwd;
	json_t *config;

	snprintf(path, sizeof(path), "%s/config.json", bundle);
	config = oci_read_json(path, err);
	if (!config)
		return error_append(err, " (remove %s, and it is unpacked again)", bundle);
	process = json_object_get(config, "process");
	snprintf(path, sizeof(path), "%s/rootfs", bundle);
	rootfs->folder = memory_string(path);
	rootfs->argv = copy_strings(json_object_get(process, "args"));
	rootfs->env = copy_strings(json_object_get(process, "env"));
	cwd = json_string_value(json_object_get(process, "cwd"));
	rootfs->cwd = memory_string(cwd ? cwd : "/");
	read_user(json_object_get(process, "user"), rootfs);
	json_decref(config);
	return 0;
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
