/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one owner of a netlink socket: builds a request, sends it, waits for the answer, and turns a refusal into
 * an error with the kernel's own explanation (extended ACK). Everything else in src/net is made of these calls.
 *
 *     netlink_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
 *     netlink_put_string(nl, IFLA_IFNAME, "lan");
 *     return netlink_ack(nl, err);
 */
#ifndef PROVIUM_NET_NETLINK_H
#define PROVIUM_NET_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

struct error;
struct netlink;

/* Opens a rtnetlink socket in the network namespace of the calling thread; it stays bound to that namespace. */
int netlink_open(struct netlink **result, struct error *err);
void netlink_close(struct netlink *nl); /* NULL is fine */

/* Starts a request: type, flags beside NLM_F_REQUEST, and the fixed header of the family. */
void netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags, const void *header, size_t size);

/* Attributes. One that does not fit makes the request fail with EMSGSIZE when it is sent. */
void netlink_put(struct netlink *nl, uint16_t type, const void *data, size_t size);
void netlink_put_u8(struct netlink *nl, uint16_t type, uint8_t value);
void netlink_put_u16(struct netlink *nl, uint16_t type, uint16_t value);
void netlink_put_u32(struct netlink *nl, uint16_t type, uint32_t value);
void netlink_put_string(struct netlink *nl, uint16_t type, const char *text); /* with its NUL */
struct nlattr *netlink_nest(struct netlink *nl, uint16_t type);
void netlink_nest_end(struct netlink *nl, struct nlattr *nest);
/* Room for a fixed header inside a nest (VETH_INFO_PEER has one). */
void netlink_put_raw(struct netlink *nl, const void *data, size_t size);

/* Sends the request and waits for the kernel's acknowledgement. */
int netlink_ack(struct netlink *nl, struct error *err);

/*
 * Sends the request and calls each() for every answer (MNL_CB_OK goes on, MNL_CB_ERROR ends it), whether one or a dump. A
 * dump starts over if what it lists changes meanwhile, so each() may see the same thing twice.
 */
int netlink_answers(struct netlink *nl, mnl_cb_t each, void *context, struct error *err);

#endif
