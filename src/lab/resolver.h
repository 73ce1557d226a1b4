/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's name servers, as nodes with an uplink have them. */
#ifndef PROVIUM_LAB_RESOLVER_H
#define PROVIUM_LAB_RESOLVER_H

#include "util/buffer.h"

struct bridge;
struct error;

struct resolver {
	struct buffer text; /* /etc/resolv.conf, without servers on loopback */
	struct buffer own;  /* of its servers those that are addresses of the host itself, for people */
};

/* In the host's network namespace; context is the resolver, all zero. */
int resolver_find(void *context, struct error *err);
/* Says on standard error which of them nodes of the bridge do not reach. */
void resolver_tell(const struct resolver *resolver, const struct bridge *bridge);
void resolver_free(struct resolver *resolver);

#endif
