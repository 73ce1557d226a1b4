/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of a node's view alone. What is called by the node's init allocates nothing. */
#ifndef PROVIUM_NODE_NETNS_VIEW_PARTS_H
#define PROVIUM_NODE_NETNS_VIEW_PARTS_H

#include <sys/types.h>

#include "node/netns/view.h"

/*
 * The store is mounted here while the root is made, for this is the one folder that every machine has and that no node takes
 * over. The root is put together in a folder of it.
 */
#define STORE "/proc"
#define ROOT  STORE "/root"

/* view_layers.c. Called by the run: */
int layers_list(struct view *view, struct error *err);
int layers_empty_kept(const struct view *view, int store, struct error *err);
/* Called by the node's init, in this order: */
int layers_mount_store(const struct view *view, struct view_files *files, struct error *err);
int layers_mount(const struct view *view, struct error *err);
/*
 * A tmpfs for a part of the node's memory: a half for what it writes, as any machine has for a tmpfs, a quarter for /dev/shm. A node
 * that has used up all by what it writes could not even remove it. Returns -1 and errno.
 */
int layers_mount_memory(const struct view *view, const char *path, mode_t mode, unsigned int part);

/* view_kernel.c. Called by the run: */
int kernel_view_prepare(struct error *err);
/* Called by the node's init, with its root as the working folder. */
int kernel_view_mount(const struct view *view, struct error *err);

/* view_binds.c. Before any place is taken over, and when the node's root is the root. */
int binds_open(const struct view *view, struct error *err);
int binds_attach(const struct view *view, struct error *err);

/* view.c */

/* A folder in the working folder to mount on; what else has its name makes place for it. Returns -1 and errno. */
int view_make_place(const char *name);
/* In the root, without the kernel's links that lead anywhere (see proc_pid_fd(5)). Returns -1 and errno. */
int view_open_inside(const char *path);

#endif
