/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folders with whatever a stranger has left in them: links, names that change meanwhile, folders so deep that they have no path.
 * Each step goes by a descriptor of the folder that it is in, and no link is followed.
 */
#ifndef PROVIUM_UTIL_TREE_H
#define PROVIUM_UTIL_TREE_H

/*
 * Removes all that is in the folder, but what is mounted there and what the kernel keeps. Folders in it are moved up into it
 * first, so that neither depth nor the limit of open files matters.
 */
void tree_empty(int folder);
/* What has that name in the folder, whatever it is. Returns 0, or -1 and errno if it is still there. */
int tree_remove(int folder, const char *name);

#endif
