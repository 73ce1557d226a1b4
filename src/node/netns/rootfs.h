/* SPDX-License-Identifier: GPL-2.0-only */
/* What a namespace node's `root` names: a folder as it is, or an OCI layout, whose image umoci(1) unpacks. */
#ifndef PROVIUM_NODE_NETNS_ROOTFS_H
#define PROVIUM_NODE_NETNS_ROOTFS_H

#include <stddef.h>

#include "node/process.h"

struct error;

struct rootfs {
	char *folder; /* absolute; never to be written to, for others use it too */

	/* Of an image alone, else NULL and 0: */
	char **argv; /* its entrypoint and command; none if it has neither, or a shell alone, which would end at once */
	char **env;  /* "NAME=value" */
	char *cwd;
	struct command_user user; /* whom argv runs as */
	gid_t *groups;		  /* which these are */
};

/*
 * path: see `root` of struct node_config. An image is unpacked when it is first asked for, into the cache (PROVIUM_CACHE), and
 * found there by its digest from then on. That may take a while, and is interrupted as every wait is.
 */
int rootfs_open(const char *path, struct rootfs *rootfs, struct error *err);
/* Safe twice, and for one of zeros. */
void rootfs_close(struct rootfs *rootfs);

#endif
