// SPDX-License-Identifier: GPL-2.0-only
/* Devices: bridges, veth pairs, their counters, offloads, addresses and qdiscs. Needs root. */
#include "namespace.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "net/address.h"
#include "net/ethtool.h"
#include "net/qdisc.h"
#include "util/clock.h"

/* The settings of a bridge, by the numbers of their attributes. */
static int take_settings(const struct nlmsghdr *answer, void *context)
{
	const struct nlattr *attr, *info, *data;
	uint32_t *settings = context;

	mnl_attr_for_each (attr, answer, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) != IFLA_LINKINFO)
			continue;
		mnl_attr_for_each_nested (info, attr) {
			if (mnl_attr_get_type(info) != IFLA_INFO_DATA)
				continue;
			mnl_attr_for_each_nested (data, info) {
				if (mnl_attr_get_type(data) <= IFLA_BR_MAX && mnl_attr_get_payload_len(data) <= 4)
					memcpy(&settings[mnl_attr_get_type(data)], mnl_attr_get_payload(data),
					       mnl_attr_get_payload_len(data));
			}
		}
	}
	return MNL_CB_OK;
}

static void test_a_bridge_is_a_cable(void **state)
{
	struct ifinfomsg header = { .ifi_index = make_bridge("lan") };
	struct ifreq request = { .ifr_name = "lan" };
	uint32_t settings[IFLA_BR_MAX + 1];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct error err;

	(void)state;
	for (size_t i = 0; i <= IFLA_BR_MAX; i++)
		settings[i] = i == IFLA_BR_GROUP_FWD_MASK ? 0 : 99;
	netlink_begin(nl, RTM_GETLINK, 0, &header, sizeof(header));
	must(netlink_answers(nl, take_settings, settings, &err), &err);
	assert_int_equal(settings[IFLA_BR_STP_STATE], 0);
	assert_int_equal(settings[IFLA_BR_FORWARD_DELAY], 0);
	assert_int_equal(settings[IFLA_BR_MCAST_SNOOPING], 0);
	assert_int_equal(settings[IFLA_BR_GROUP_FWD_MASK], 0xfff8);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	assert_true(request.ifr_flags & IFF_UP);
	close(fd);
}

static void test_a_veth_pair(void **state)
{
	int one = make_veth("one", "two"), bridge = make_bridge("lan");
	struct ifreq request = { .ifr_name = "two" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), found;
	char name[IFNAMSIZ];
	struct error err;

	(void)state;
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	assert_memory_equal(request.ifr_hwaddr.sa_data, ((uint8_t[]){ 2, 0, 0, 0, 0, 9 }), MAC_SIZE);
	assert_int_equal(ioctl(fd, SIOCGIFMTU, &request), 0);
	assert_int_equal(request.ifr_mtu, 1400);
	close(fd);
	must(link_name(nl, index_of("two"), name, &err), &err);
	assert_string_equal(name, "two");
	must(link_set_master(nl, one, bridge, &err), &err);
	must(link_set_master(nl, one, 0, &err), &err);
	must(link_set_alias(nl, one, "a note", &err), &err);
	must(link_add_altname(nl, one, "a-second-name-that-is-longer", &err), &err);
	must(link_index(nl, "one", &found, &err), &err);
	assert_int_equal(found, one);
	assert_int_equal(link_add_altname(nl, bridge, "a-second-name-that-is-longer", &err), -EEXIST);
	must(link_delete(nl, one, &err), &err);
	/* The other end has gone with it. */
	assert_int_equal(link_index(nl, "two", &found, &err), -ENODEV);
}

/* Some time after both of its ends are up. */
static void await_carrier(const char *name)
{
	uint64_t deadline = clock_after(10 * NS_PER_S);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	do {
		usleep(1000);
		assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	} while (!(request.ifr_flags & IFF_RUNNING) && clock_now() < deadline);
	close(fd);
}

static void test_counters(void **state)
{
	int one = make_veth("one", "two"), two = index_of("two");
	static const uint8_t frame[100] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, [12] = 0x88, [13] = 0xb5 };
	struct link_counters counters;
	struct error err;
	int fd;

	(void)state;
	must(link_set_up(nl, one, true, &err), &err);
	must(link_set_up(nl, two, true, &err), &err);
	await_carrier("one");
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	for (int i = 0; i < 3; i++) {
		struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = one };

		assert_int_equal(sendto(fd, frame, 100, 0, (struct sockaddr *)&to, sizeof(to)), 100);
	}
	close(fd);
	must(link_counters(nl, one, &counters, &err), &err);
	assert_int_equal(counters.tx_packets, 3);
	assert_int_equal(counters.tx_bytes, 300);
	must(link_counters(nl, two, &counters, &err), &err);
	assert_int_equal(counters.rx_packets, 3);
	assert_int_equal(counters.rx_bytes, 300);
	assert_int_equal(counters.errors, 0);
	assert_int_equal(link_counters(nl, 12345, &counters, &err), -ENODEV);
}

/* Asks for an offload, or sets one. */
static uint32_t offload(const char *name, uint32_t command, uint32_t on)
{
	struct ethtool_value value = { .cmd = command, .data = on };
	struct ifreq request = { .ifr_data = (char *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	assert_int_equal(ioctl(fd, SIOCETHTOOL, &request), 0);
	close(fd);
	return value.data;
}

static void test_offloads(void **state)
{
	static const uint32_t all[] = { ETHTOOL_GTSO, ETHTOOL_GGSO, ETHTOOL_GGRO };
	struct error err;

	(void)state;
	make_veth("one", "two");
	offload("one", ETHTOOL_SGRO, 1);
	assert_true(offload("one", ETHTOOL_GGRO, 0));
	assert_true(offload("one", ETHTOOL_GTSO, 0));
	must(ethtool_single_frames("one", &err), &err);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_false(offload("one", all[i], 0));
	/* Without it kernels before 6.11 have no UDP_SEGMENT. */
	assert_true(offload("one", ETHTOOL_GTXCSUM, 0));
	assert_true(offload("two", ETHTOOL_GTXCSUM, 0));
	must(ethtool_fill_checksums("two", &err), &err);
	assert_false(offload("two", ETHTOOL_GTXCSUM, 0));
	assert_int_equal(ethtool_single_frames("nobody", &err), -ENODEV);
	expect_text(&err, "turn off the offloads of device nobody: No such device");
	assert_int_equal(ethtool_fill_checksums("nobody", &err), -ENODEV);
	expect_text(&err, "turn off the checksum offload of device nobody: No such device");
}

static void test_addresses(void **state)
{
	struct address address, address6;
	int bridge = make_bridge("lan");
	struct error err;

	(void)state;
	assert_true(subnet_parse("10.9.0.0/16", AF_INET, &address));
	address = subnet_host(&address, 7);
	must(address_add(nl, bridge, &address, &err), &err);
	assert_int_equal(address_add(nl, bridge, &address, &err), -EEXIST);
	expect_text(&err, "put address 10.9.0.7 on device ");
	must(namespace_write_sysctl("net/ipv6/conf/lan/disable_ipv6", "0", &err), &err);
	assert_true(subnet_parse("fd00::/64", AF_INET6, &address6));
	address6 = subnet_host(&address6, 7);
	must(address_add(nl, bridge, &address6, &err), &err);
}

static void test_qdiscs(void **state)
{
	int one = make_veth("one", "two");
	struct fq_stats stats = { .dropped = 7, .held = 7 };
	struct error err;

	(void)state;
	must(qdisc_fq_stats(nl, one, &stats, &err), &err);
	assert_int_equal(stats.dropped, 0);
	assert_int_equal(stats.held, 0);
	assert_int_equal(qdisc_fq_stats(nl, 12345, &stats, &err), -ENODEV);
	must(qdisc_add_clsact(nl, one, &err), &err);
	assert_int_equal(qdisc_add_clsact(nl, one, &err), -EEXIST);
	expect_text(&err, "put a clsact qdisc on device ");
	/* A descriptor that is no program. */
	assert_int_not_equal(qdisc_attach_program(nl, one, true, 0, "wire_egress", &err), 0);
	expect_text(&err, "attach wire_egress to egress of device ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_NAMESPACE(test_a_bridge_is_a_cable),
		IN_A_NAMESPACE(test_a_veth_pair),
		IN_A_NAMESPACE(test_counters),
		IN_A_NAMESPACE(test_offloads),
		IN_A_NAMESPACE(test_addresses),
		IN_A_NAMESPACE(test_qdiscs),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
