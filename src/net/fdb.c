// SPDX-License-Identifier: GPL-2.0-only
#include "net/fdb.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "net/netlink.h"
#include "util/error.h"

static int add(struct netlink *nl, int port, const uint8_t mac[static MAC_SIZE], uint16_t flags, struct error *err)
{
	/* Static is what does not age; it is overruled by what is learned all the same. */
	struct ndmsg header = {
		.ndm_family = AF_BRIDGE,
		.ndm_state = NUD_NOARP,
		.ndm_flags = NTF_MASTER,
		.ndm_ifindex = port,
	};

	netlink_begin(nl, RTM_NEWNEIGH, (uint16_t)(NLM_F_CREATE | flags), &header, sizeof(header));
	netlink_put(nl, NDA_LLADDR, mac, MAC_SIZE);
	return netlink_ack(nl, err);
}

static int take_port(const struct nlmsghdr *answer, void *context)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(answer);

	*(int *)context = header->ndm_ifindex;
	return MNL_CB_OK;
}

/* 0 if the bridge of that port does not know the address. */
static int find(struct netlink *nl, int port, const uint8_t mac[static MAC_SIZE])
{
	struct ndmsg header = { .ndm_family = AF_BRIDGE, .ndm_flags = NTF_MASTER, .ndm_ifindex = port };
	struct error ignored;
	int found = 0;

	netlink_begin(nl, RTM_GETNEIGH, 0, &header, sizeof(header));
	netlink_put(nl, NDA_LLADDR, mac, MAC_SIZE);
	return netlink_answers(nl, take_port, &found, &ignored) ? 0 : found;
}

int fdb_keep(struct netlink *nl, int port, const uint8_t mac[static MAC_SIZE], struct error *err)
{
	int status = add(nl, port, mac, NLM_F_EXCL, err);

	if (status == -EEXIST)
		status = find(nl, port, mac) == port ? add(nl, port, mac, NLM_F_REPLACE, err) : 0;
	if (status)
		return error_wrap(err, "note an address behind device %d", port);
	return err->code = 0;
}
