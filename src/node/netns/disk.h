/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The `disk` of a namespace node: a folder of the machine in which what the node writes is kept while it lives. Each node has a folder
 * of its own in there, provium-XXXXXX, which is locked as long as it is used; one that is not is removed, whoever left it.
 */
#ifndef PROVIUM_NODE_NETNS_DISK_H
#define PROVIUM_NODE_NETNS_DISK_H

struct error;

/*
 * Makes one. Returns its path, the caller's to free, or NULL. The folder is one that the caller trusts (util/trust.h), for what is
 * in there is mounted, and removed, by root.
 */
char *disk_open(const char *path, struct error *err);
/* The descriptor is one more of what may be a folder that disk_open() made. */
void disk_hold(int fd);
/* Closes it. With the last that was held, the folder is unlocked and removed. */
void disk_drop(int fd);

#endif
