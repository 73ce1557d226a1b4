// SPDX-License-Identifier: GPL-2.0-only
#include "net/neighbour.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "net/netlink.h"
#include "util/error.h"
#include "util/memory.h"

struct failed_list {
	int ifindex;
	struct address *list;
	size_t count;
};

static int take_neighbour(const struct nlmsghdr *answer, void *context)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(answer);
	struct failed_list *failed = context;
	const struct nlattr *attr;

	/* Kernels before 4.4 do not filter by device. */
	if (header->ndm_ifindex != failed->ifindex || !(header->ndm_state & (NUD_INCOMPLETE | NUD_FAILED)))
		return MNL_CB_OK;
	mnl_attr_for_each (attr, answer, sizeof(*header)) {
		struct address address = { .family = header->ndm_family };
		size_t size = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != NDA_DST || size != address_size(address.family))
			continue;
		memcpy(address.bytes, mnl_attr_get_payload(attr), size);
		failed->list = memory_resize(failed->list, (failed->count + 1) * sizeof(*failed->list));
		failed->list[failed->count++] = address;
	}
	return MNL_CB_OK;
}

static int forget(struct netlink *nl, int ifindex, const struct address *address, struct error *err)
{
	struct ndmsg header = { .ndm_family = (__u8)address->family, .ndm_ifindex = ifindex };
	char text[ADDRESS_TEXT_SIZE];

	netlink_begin(nl, RTM_DELNEIGH, 0, &header, sizeof(header));
	netlink_put(nl, NDA_DST, address->bytes, address_size(address->family));
	/* It may have gone by itself in between. */
	if (!netlink_ack(nl, err) || err->code == ENOENT)
		return err->code = 0;
	return error_wrap(err, "forget neighbour %s of device %d", address_text(address, text), ifindex);
}

int neighbours_forget_failed(struct netlink *nl, int ifindex, const struct neighbour_choice *choice, struct error *err)
{
	/* Any family: one look at both tables. */
	struct ndmsg header = { .ndm_family = AF_UNSPEC, .ndm_ifindex = ifindex };
	struct failed_list failed = { .ifindex = ifindex };

	netlink_begin(nl, RTM_GETNEIGH, NLM_F_DUMP, &header, sizeof(header));
	netlink_put_u32(nl, NDA_IFINDEX, (uint32_t)ifindex);
	if (netlink_answers(nl, take_neighbour, &failed, err))
		error_wrap(err, "list the neighbours of device %d", ifindex);
	for (size_t i = 0; i < failed.count && !err->code; i++)
		if (!choice->spares || !choice->spares(&failed.list[i], choice->context))
			forget(nl, ifindex, &failed.list[i], err);
	free(failed.list);
	return -err->code;
}
