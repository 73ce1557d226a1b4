/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a lab needs of this machine's kernel. Namespace nodes are machines of their own in all but the kernel, and some of its
 * tables and limits are one for all of them: made for one machine, they are too small for many. A run raises them as its
 * lab grows (host_settings.h). Where it may not, it goes on, and what is lost by it is told at the end (losses.h).
 */
#ifndef PROVIUM_LAB_HOST_NEEDS_H
#define PROVIUM_LAB_HOST_NEEDS_H

struct error;
struct run;

/* So many nodes more, or fewer. */
void host_needs_nodes(struct run *run, int change);
/* So many pairs of ports that may speak, each direction counted, more or fewer. */
void host_needs_pairs(struct run *run, int change);
/* It holds frames from now on. */
void host_needs_line(struct run *run);
/* Of a run that ends. */
void host_needs_close(struct run *run);

/* Which of them are too small for so many nodes on one bridge and cannot be raised by the caller, in err; 0 if none. */
int host_needs_check(unsigned int nodes, struct error *err);

#endif
