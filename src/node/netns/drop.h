/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PROVIUM_NODE_NETNS_DROP_H
#define PROVIUM_NODE_NETNS_DROP_H

/*
 * A process that enters a node gives up what it has of the machine's, before it becomes one of the node's, which can look into those.
 * First, while /proc is nothing that the node has made: core dumps, where these would leave the node.
 */
void drop_cores(void);
/* Then, in the node's user namespace: keys, and capabilities that say nothing in there, but which programs ask for. */
void drop_rights(void);

#endif
