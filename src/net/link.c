// SPDX-License-Identifier: GPL-2.0-only
#include "net/link.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "net/netlink.h"
#include "util/error.h"

/*
 * Bits of group_fwd_mask: 01:80:c2:00:00:0x is forwarded if bit x is set. The kernel refuses bits 0 to 2 (STP, pause
 * frames, LACP) for the whole bridge: BR_GROUPFWD_RESTRICTED in net/bridge/br_private.h.
 */
#define GROUP_FORWARD_ALL_ALLOWED 0xfff8

/* GSO_MAX_SIZE of kernels from 5.19 on, 8 * 65535, and the number of an attribute of 6.3 that their headers alone have. */
#define SEGMENTS_MAX_SIZE 524280U
#define GSO_IPV4_MAX_SIZE 63

/* The number of a group of devices that nobody else uses in the switch. */
#define DOOMED_GROUP 0x70726f76U

const char *mac_text(const uint8_t mac[static MAC_SIZE], char text[static MAC_TEXT_SIZE])
{
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}

static void begin_link(struct netlink *nl, uint16_t type, uint16_t flags, int ifindex)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };

	netlink_begin(nl, type, flags, &header, sizeof(header));
}

int link_create_bridge(struct netlink *nl, const char *name, uint32_t mtu, struct error *err)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nlattr *info, *data;

	netlink_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_put_string(nl, IFLA_IFNAME, name);
	netlink_put_u32(nl, IFLA_MTU, mtu);
	info = netlink_nest(nl, IFLA_LINKINFO);
	netlink_put_string(nl, IFLA_INFO_KIND, "bridge");
	data = netlink_nest(nl, IFLA_INFO_DATA);
	netlink_put_u32(nl, IFLA_BR_STP_STATE, 0);
	netlink_put_u32(nl, IFLA_BR_FORWARD_DELAY, 0);
	netlink_put_u8(nl, IFLA_BR_MCAST_SNOOPING, 0);
	netlink_put_u16(nl, IFLA_BR_GROUP_FWD_MASK, GROUP_FORWARD_ALL_ALLOWED);
	netlink_nest_end(nl, data);
	netlink_nest_end(nl, info);
	return netlink_ack(nl, err) ? error_wrap(err, "create bridge device %s", name) : 0;
}

int link_create_veth(struct netlink *nl, const struct veth *veth, struct error *err)
{
	struct ifinfomsg peer_header = { .ifi_family = AF_UNSPEC };
	struct nlattr *info, *data, *peer;

	begin_link(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	netlink_put_string(nl, IFLA_IFNAME, veth->name);
	netlink_put_u32(nl, IFLA_MTU, veth->mtu);
	info = netlink_nest(nl, IFLA_LINKINFO);
	netlink_put_string(nl, IFLA_INFO_KIND, "veth");
	data = netlink_nest(nl, IFLA_INFO_DATA);
	peer = netlink_nest(nl, VETH_INFO_PEER);
	netlink_put_raw(nl, &peer_header, sizeof(peer_header));
	netlink_put_string(nl, IFLA_IFNAME, veth->peer_name);
	netlink_put_u32(nl, IFLA_MTU, veth->peer_mtu);
	netlink_put(nl, IFLA_ADDRESS, veth->peer_mac, MAC_SIZE);
	netlink_put_u32(nl, IFLA_NET_NS_PID, (uint32_t)veth->peer_pid);
	netlink_nest_end(nl, peer);
	netlink_nest_end(nl, data);
	netlink_nest_end(nl, info);
	return netlink_ack(nl, err) ? error_wrap(err, "create veth pair %s", veth->name) : 0;
}

int link_delete(struct netlink *nl, int ifindex, struct error *err)
{
	begin_link(nl, RTM_DELLINK, 0, ifindex);
	return netlink_ack(nl, err) ? error_wrap(err, "delete device %d", ifindex) : 0;
}

/* The kernel deletes a group of devices in one go, and waits once for those who still look at them. */
int link_delete_many(struct netlink *nl, const int *ifindexes, size_t count, struct error *err)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		begin_link(nl, RTM_NEWLINK, 0, ifindexes[i]);
		netlink_put_u32(nl, IFLA_GROUP, DOOMED_GROUP);
		if (!netlink_ack(nl, err))
			any = true;
		else if (err->code != ENODEV)
			return error_wrap(err, "choose device %d for deletion", ifindexes[i]);
	}
	if (!any)
		return 0;
	begin_link(nl, RTM_DELLINK, 0, 0);
	netlink_put_u32(nl, IFLA_GROUP, DOOMED_GROUP);
	return netlink_ack(nl, err) ? error_wrap(err, "delete %zu devices", count) : 0;
}

static int take_state(const struct nlmsghdr *answer, void *context)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(answer);
	struct link_state *state = context;
	const struct nlattr *attr;

	*state = (struct link_state){
		.ifindex = header->ifi_index,
		.up = header->ifi_flags & IFF_UP,
		.loopback = header->ifi_flags & IFF_LOOPBACK,
	};
	mnl_attr_for_each (attr, answer, sizeof(*header)) {
		if (mnl_attr_get_type(attr) == IFLA_MASTER && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			state->master = (int)mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(state->name, sizeof(state->name), "%s", mnl_attr_get_str(attr));
		if (mnl_attr_get_type(attr) == IFLA_MTU && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			state->mtu = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

int link_look(struct netlink *nl, const char *name, struct link_state *state, struct error *err)
{
	begin_link(nl, RTM_GETLINK, 0, 0);
	netlink_put_string(nl, IFLA_IFNAME, name);
	return netlink_answers(nl, take_state, state, err) ? error_wrap(err, "look up device %s", name) : 0;
}

int link_index(struct netlink *nl, const char *name, int *ifindex, struct error *err)
{
	struct link_state state;

	if (link_look(nl, name, &state, err))
		return -err->code;
	*ifindex = state.ifindex;
	return 0;
}

struct upper_search {
	uint32_t lower;
	char *name;
};

/* The other end of a veth pair is its link, too, but stands on its own. */
static bool is_veth(const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, info)
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND && mnl_attr_validate(attr, MNL_TYPE_STRING) >= 0)
			return strcmp(mnl_attr_get_str(attr), "veth") == 0;
	return false;
}

static int take_upper(const struct nlmsghdr *answer, void *context)
{
	const struct upper_search *search = context;
	const struct nlattr *attr;
	const char *name = "";
	bool is_upper = false, is_elsewhere = false, veth = false;

	mnl_attr_for_each (attr, answer, sizeof(struct ifinfomsg)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			name = mnl_attr_get_str(attr);
			break;
		case IFLA_LINK:
			is_upper = mnl_attr_get_u32(attr) == search->lower;
			break;
		case IFLA_LINK_NETNSID:
			is_elsewhere = true;
			break;
		case IFLA_LINKINFO:
			veth = is_veth(attr);
			break;
		}
	}
	if (is_upper && !is_elsewhere && !veth)
		snprintf(search->name, IFNAMSIZ, "%s", name);
	return MNL_CB_OK;
}

int link_find_upper(struct netlink *nl, int ifindex, char name[static 16], struct error *err)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct upper_search search = { .lower = (uint32_t)ifindex, .name = name };

	*name = '\0';
	netlink_begin(nl, RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));
	return netlink_answers(nl, take_upper, &search, err) ? error_wrap(err, "list the devices on device %d", ifindex)
							     : 0;
}

int link_move(struct netlink *nl, int ifindex, int net_fd, const char *name, int wanted, struct error *err)
{
	/* The kernel moves it before it names it (do_setlink() in net/core/rtnetlink.c): a name that is taken comes too late. */
	begin_link(nl, RTM_NEWLINK, 0, ifindex);
	netlink_put_u32(nl, IFLA_NET_NS_FD, (uint32_t)net_fd);
	netlink_put_string(nl, IFLA_IFNAME, name);
	if (wanted)
		netlink_put_u32(nl, IFLA_NEW_IFINDEX, (uint32_t)wanted);
	return netlink_ack(nl, err)
		       ? error_wrap(err, "move device %d to another network namespace, as %s", ifindex, name)
		       : 0;
}

int link_rename(struct netlink *nl, int ifindex, const char *name, struct error *err)
{
	begin_link(nl, RTM_NEWLINK, 0, ifindex);
	netlink_put_string(nl, IFLA_IFNAME, name);
	return netlink_ack(nl, err) ? error_wrap(err, "name device %d %s", ifindex, name) : 0;
}

static int take_name(const struct nlmsghdr *answer, void *context)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, answer, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(attr) == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(context, IFNAMSIZ, "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

int link_name(struct netlink *nl, int ifindex, char name[static 16], struct error *err)
{
	name[0] = '\0';
	begin_link(nl, RTM_GETLINK, 0, ifindex);
	return netlink_answers(nl, take_name, name, err) ? error_wrap(err, "look up device %d", ifindex) : 0;
}

int link_set_up(struct netlink *nl, int ifindex, bool up, struct error *err)
{
	struct ifinfomsg header = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = ifindex,
		.ifi_flags = up ? IFF_UP : 0,
		.ifi_change = IFF_UP,
	};

	netlink_begin(nl, RTM_NEWLINK, 0, &header, sizeof(header));
	return netlink_ack(nl, err) ? error_wrap(err, "set device %d %s", ifindex, up ? "up" : "down") : 0;
}

int link_set_master(struct netlink *nl, int ifindex, int bridge, struct error *err)
{
	begin_link(nl, RTM_NEWLINK, 0, ifindex);
	netlink_put_u32(nl, IFLA_MASTER, (uint32_t)bridge);
	return netlink_ack(nl, err) ? error_wrap(err, "put device %d on bridge device %d", ifindex, bridge) : 0;
}

int link_set_learning(struct netlink *nl, int ifindex, bool learning, struct error *err)
{
	struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = ifindex };
	struct nlattr *port;

	netlink_begin(nl, RTM_SETLINK, 0, &header, sizeof(header));
	port = netlink_nest(nl, IFLA_PROTINFO);
	netlink_put_u8(nl, IFLA_BRPORT_LEARNING, learning);
	netlink_nest_end(nl, port);
	return netlink_ack(nl, err) ? error_wrap(err, "switch learning of device %d", ifindex) : 0;
}

int link_carry_big(struct netlink *nl, int ifindex, struct error *err)
{
	begin_link(nl, RTM_NEWLINK, 0, ifindex);
	netlink_put_u32(nl, IFLA_GSO_MAX_SIZE, SEGMENTS_MAX_SIZE);
	netlink_put_u32(nl, GSO_IPV4_MAX_SIZE, SEGMENTS_MAX_SIZE);
	return netlink_ack(nl, err) ? error_wrap(err, "let device %d send large frames", ifindex) : 0;
}

int link_set_alias(struct netlink *nl, int ifindex, const char *alias, struct error *err)
{
	begin_link(nl, RTM_NEWLINK, 0, ifindex);
	netlink_put(nl, IFLA_IFALIAS, alias, strlen(alias));
	return netlink_ack(nl, err) ? error_wrap(err, "set the alias of device %d", ifindex) : 0;
}

int link_add_altname(struct netlink *nl, int ifindex, const char *name, struct error *err)
{
	struct nlattr *list;

	begin_link(nl, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_APPEND | NLM_F_EXCL, ifindex);
	list = netlink_nest(nl, NLA_F_NESTED | IFLA_PROP_LIST);
	netlink_put_string(nl, IFLA_ALT_IFNAME, name);
	netlink_nest_end(nl, list);
	return netlink_ack(nl, err) ? error_wrap(err, "name device %d also %s", ifindex, name) : 0;
}

static int take_counters(const struct nlmsghdr *answer, void *context)
{
	struct link_counters *counters = context;
	struct rtnl_link_stats64 stats = { 0 };
	const struct nlattr *attr;

	mnl_attr_for_each (attr, answer, sizeof(struct ifinfomsg)) {
		size_t size = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != IFLA_STATS64)
			continue;
		/* An older kernel knows fewer of them, a newer one more. */
		memcpy(&stats, mnl_attr_get_payload(attr), size < sizeof(stats) ? size : sizeof(stats));
		*counters = (struct link_counters){
			.rx_bytes = stats.rx_bytes,
			.tx_bytes = stats.tx_bytes,
			.rx_packets = stats.rx_packets,
			.tx_packets = stats.tx_packets,
			.errors = stats.rx_errors + stats.tx_errors,
			.dropped = stats.rx_dropped + stats.tx_dropped,
		};
	}
	return MNL_CB_OK;
}

int link_counters(struct netlink *nl, int ifindex, struct link_counters *counters, struct error *err)
{
	*counters = (struct link_counters){ 0 };
	begin_link(nl, RTM_GETLINK, 0, ifindex);
	return netlink_answers(nl, take_counters, counters, err)
		       ? error_wrap(err, "read the counters of device %d", ifindex)
		       : 0;
}
