/* SPDX-License-Identifier: GPL-2.0-only */
/* Neighbour tables: which address a kernel has found, or tried in vain to find, behind a device (ARP, neighbour discovery). */
#ifndef PROVIUM_NET_NEIGHBOUR_H
#define PROVIUM_NET_NEIGHBOUR_H

#include <stdbool.h>

#include "net/address.h"

struct error;
struct netlink;

/* Which addresses are to be left alone; NULL for `spares`: none. */
struct neighbour_choice {
	bool (*spares)(const struct address *address, void *context);
	void *context;
};

/*
 * Deletes the entries of the device that wait for an answer or have got none. Packets that wait for them are lost; the next
 * packet asks anew, at once, where it would have waited for the kernel's next question, up to a second.
 */
int neighbours_forget_failed(struct netlink *nl, int ifindex, const struct neighbour_choice *choice, struct error *err);

#endif
