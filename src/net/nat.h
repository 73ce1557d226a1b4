/* SPDX-License-Identifier: GPL-2.0-only */
/* Masquerading (source NAT to the address of the outgoing device), by an nft table through libnftables. */
#ifndef PROVIUM_NET_NAT_H
#define PROVIUM_NET_NAT_H

#include <stddef.h>

#include "net/address.h"

struct error;
struct nat;

/* What is masqueraded. Both conditions must hold; unset ones always do. */
struct nat_rule {
	const char *out_device;
	struct address source; /* family 0: any, IPv4 and IPv6 */
};

/*
 * Makes the table in the network namespace of the calling thread. The kernel removes it when the nat is closed or the
 * process ends, however that ends (`flags owner`, Linux 5.12). The name must be free. EOPNOTSUPP if the kernel has no nft.
 */
int nat_open(struct nat **result, const char *table, const struct nat_rule *rules, size_t count, struct error *err);
void nat_close(struct nat *nat); /* NULL is fine */

#endif
