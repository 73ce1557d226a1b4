/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The `disk` of a namespace node: a folder of the machine in which what the node writes is kept while it lives. Each node has a folder
 * of its own in there, provium-XXXXXX, which is locked as long as it is used; one that is not is removed, whoever left it.
 */
#ifndef PROVIUM_NODE_NETNS_DISK_H
#define PROVIUM_NODE_NETNS_DISK_H

struct error;

/* Makes one. Returns its path, the caller's to free, or NULL. */
char *disk_open(const char *folder, struct error *err);
/* The descriptor is one more of what may be a folder that disk_open() made. */
void disk_hold(int fd);
/* Closes it. With the last that was held, the folder is unlocked and removed. */
void disk_drop(int fd);
/* Below it, whatever is there, and it itself. What cannot be removed stays. */
void disk_remove_tree(const char *path);

#endif
