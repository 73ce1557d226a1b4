// SPDX-License-Identifier: GPL-2.0-only
#include "node/netns/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/error.h"

#define MAX_JSON  (4 << 20) /* as clients of registries have it for manifests */
#define READ_SIZE 65536
#define REF_NAME  "org.opencontainers.image.ref.name"
#define ALGORITHM "sha256:"
#define LATEST	  "latest"

static bool has_layout(const char *folder)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/oci-layout", folder);
	return access(path, F_OK) == 0;
}

bool oci_is_layout(const char *path, char layout[static PATH_MAX], const char **tag)
{
	const char *colon = strrchr(path, ':');

	*tag = NULL;
	snprintf(layout, PATH_MAX, "%s", path);
	if (access(path, F_OK) == 0 || !colon)
		return has_layout(layout);
	layout[colon - path] = '\0';
	*tag = colon + 1;
	return has_layout(layout);
}

static int read_all(int fd, const char *path, struct buffer *text, struct error *err)
{
	struct stat status;
	char part[READ_SIZE];
	ssize_t size;

	if (fstat(fd, &status))
		return error_errno(err, errno, "look at %s", path);
	if (!S_ISREG(status.st_mode) || status.st_size > MAX_JSON)
		return error_set(err, EFBIG, "%s is no file of at most %d MiB", path, MAX_JSON >> 20);
	while ((size = read(fd, part, sizeof(part))) > 0 && text->size <= MAX_JSON)
		buffer_add(text, part, (size_t)size);
	return size < 0 ? error_errno(err, errno, "read %s", path) : 0;
}

json_t *oci_read_json(const char *path, struct error *err)
{
	/* Not to wait for a writer if it is a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct buffer text = { 0 };
	json_error_t reason;
	json_t *value = NULL;

	if (fd < 0) {
		error_errno(err, errno, "open %s", path);
		return NULL;
	}
	if (!read_all(fd, path, &text, err)) {
		value = json_loadb(buffer_string(&text), text.size, 0, &reason);
		if (!value)
			error_set(err, EINVAL, "%s is no JSON: %s", path, reason.text);
	}
	buffer_free(&text);
	close(fd);
	return value;
}

static const char *name_of(const json_t *descriptor)
{
	const char *name = json_string_value(json_object_get(json_object_get(descriptor, "annotations"), REF_NAME));

	return name ? name : "";
}

static json_t *find_tag(const json_t *manifests, const char *tag)
{
	json_t *descriptor;
	size_t i;

	json_array_foreach (manifests, i, descriptor)
		if (strcmp(name_of(descriptor), tag) == 0)
			return descriptor;
	return NULL;
}

static int unknown_tag(const char *layout, const json_t *manifests, const char *tag, struct error *err)
{
	json_t *descriptor;
	size_t i;

	error_set(err, ENOENT, "%s has no image \"%s\"; name one of its images, as in %.200s:TAG:", layout,
		  tag ? tag : LATEST, layout);
	json_array_foreach (manifests, i, descriptor)
		error_append(err, " %.100s", name_of(descriptor));
	return -err->code;
}

/* It becomes the name of a folder. */
static bool is_digest(const char *text)
{
	return text && strncmp(text, ALGORITHM, strlen(ALGORITHM)) == 0 &&
	       strlen(text) == strlen(ALGORITHM) + OCI_DIGEST_SIZE - 1 &&
	       strspn(text + strlen(ALGORITHM), "0123456789abcdef") == OCI_DIGEST_SIZE - 1;
}

int oci_find_image(const char *layout, const char *tag, struct oci_image *image, struct error *err)
{
	char path[PATH_MAX + 16];
	json_t *index, *manifests, *found;
	const char *digest;

	snprintf(path, sizeof(path), "%s/index.json", layout);
	index = oci_read_json(path, err);
	if (!index)
		return -err->code;
	err->code = 0;
	manifests = json_object_get(index, "manifests");
	found = find_tag(manifests, tag ? tag : LATEST);
	if (!found && !tag && json_array_size(manifests) == 1)
		found = json_array_get(manifests, 0);
	digest = json_string_value(json_object_get(found, "digest"));
	if (!found) {
		unknown_tag(layout, manifests, tag, err);
	} else if (!is_digest(digest)) {
		error_set(err, EINVAL, "%s: the digest of the image is none of SHA-256", path);
	} else {
		snprintf(image->layout, PATH_MAX, "%s", layout);
		snprintf(image->digest, sizeof(image->digest), "%s", digest + strlen(ALGORITHM));
		image->descriptor = json_deep_copy(found);
	}
	json_decref(index);
	return -err->code;
}
