/* SPDX-License-Identifier: GPL-2.0-only */
/* What a bridge knows of addresses: behind which of its ports each is. */
#ifndef PROVIUM_NET_FDB_H
#define PROVIUM_NET_FDB_H

#include <stdint.h>

#include "net/link.h"

/*
 * The bridge of this port knows that the address is behind it, and does not forget that. But where it takes it to be behind another
 * port, or learns later that it has moved, that stands.
 */
int fdb_keep(struct netlink *nl, int port, const uint8_t mac[static MAC_SIZE], struct error *err);

#endif
