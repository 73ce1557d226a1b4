/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a namespace node has as its file system. By default a root of its own: an overlay for every mount of the machine, which is
 * only read, with what the node writes in a tmpfs above; its own /dev, /proc and /sys.
 */
#ifndef PROVIUM_NODE_NETNS_VIEW_H
#define PROVIUM_NODE_NETNS_VIEW_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct node_config;

/* Where a machine does not have what a root of the node's own needs. */
#define VIEW_HINT "; root=\"shared\" takes the machine's own file system"

struct view_layer {
	char *path;	 /* below which it is */
	char *guest;	 /* where it is in the node */
	bool is_overlay; /* what is below is one itself */
	bool is_folder;
	char upper[32], work[32]; /* in the store */
};

struct view {
	const struct node_config *config;
	bool shared;		   /* the machine's own files */
	const char *disk;	   /* the folder in which what it writes is kept; NULL: in memory */
	struct view_layer *layers; /* the root first */
	size_t layer_count;
	int *binds; /* descriptors of what the node is to see of the machine, one for each of the configuration */
};

/* What init made, and the run goes on using. */
struct view_files {
	int etc; /* the folder in which hosts and resolv.conf of the node are. No mount below it can be seen through it */
	int store; /* a detached mount of what the node writes; -1 with a shared root */
};

/*
 * Reads what the machine has now. Called by the run. The view has nothing to be freed if it fails, and keeps a reference to the
 * configuration, in which memory_bytes is what is really kept of that, and to disk.
 */
int view_prepare(struct view *view, const struct node_config *config, const char *disk, struct error *err);
void view_free(struct view *view);

/*
 * Makes that the root. Called by the node's init, in a mount namespace of its own with /proc mounted; allocates nothing. The
 * mounts are the machine's root's.
 */
int view_make(const struct view *view, struct view_files *files, struct error *err);

#endif
