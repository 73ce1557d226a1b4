/* SPDX-License-Identifier: GPL-2.0-only */
/* The program of src/init, and what it is executed with. */
#ifndef PROVIUM_NODE_NETNS_PROGRAM_H
#define PROVIUM_NODE_NETNS_PROGRAM_H

struct error;

/* A descriptor to be executed, which stays this process's, or -errno. */
int program_open(struct error *err);
/* What of this process's environment commands in nodes get. The array alone is the caller's to free. */
char **program_environment(void);

#endif
