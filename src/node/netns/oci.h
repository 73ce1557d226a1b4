/* SPDX-License-Identifier: GPL-2.0-only */
/* OCI image layouts (image-layout.md of the image specification): which image is meant, and its files in the cache. */
#ifndef PROVIUM_NODE_NETNS_OCI_H
#define PROVIUM_NODE_NETNS_OCI_H

#include <limits.h>
#include <stdbool.h>

#include <jansson.h>

struct error;

#define OCI_DIGEST_SIZE 65 /* of SHA-256, in hexadecimal, and NUL */

struct oci_image {
	char layout[PATH_MAX];
	char digest[OCI_DIGEST_SIZE];
	json_t *descriptor; /* its entry in index.json */
};

/* Whether there is a layout at the path, or at what stands before its last colon, which tag is then set to what stands behind. */
bool oci_is_layout(const char *path, char layout[static PATH_MAX], const char **tag);
/* tag: NULL: the only image, or the one with the tag "latest". The descriptor is the caller's. */
int oci_find_image(const char *layout, const char *tag, struct oci_image *image, struct error *err);

/* oci_cache.c: the folder of the image in the cache, with "rootfs" and "config.json" (runtime specification) in it. */
int oci_unpack(const struct oci_image *image, char bundle[static PATH_MAX], struct error *err);

/* Reads a file of JSON, which may be anybody's. NULL and an error. */
json_t *oci_read_json(const char *path, struct error *err);

#endif
