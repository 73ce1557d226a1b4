/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first messages of a node's init: one when its root is made, with the descriptors that the run goes on using, and one without when
 * it serves; or one with an error. The descriptors go while it is still root on the machine: who is not can have no more of them
 * under way, all of root's together, than RLIMIT_NOFILE says.
 */
#ifndef PROVIUM_NODE_NETNS_REPORT_H
#define PROVIUM_NODE_NETNS_REPORT_H

#include "node/netns/view.h"
#include "util/error.h"

struct boot_report {
	struct error error;
	/* Received, they are the receiver's to close. The store is there even if the boot failed: it may hold what was written before. */
	struct view_files files;
};

/* Returns -1 if nobody is there to read it. Allocates nothing. */
int report_send(int control, const struct boot_report *report);
/* Without waiting. Returns -1 if there is none, and never will be. */
int report_take(int control, struct boot_report *report);

#endif
