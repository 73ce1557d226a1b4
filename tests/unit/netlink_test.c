// SPDX-License-Identifier: GPL-2.0-only
/* rtnetlink, in a network namespace of its own: devices, and what the kernel says when it refuses. Needs root. */
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "net/address.h"
#include "net/link.h"
#include "net/namespace.h"
#include "net/netlink.h"
#include "net/qdisc.h"
#include "util/clock.h"
#include "util/error.h"

static struct netlink *nl;

static void must(int status, const struct error *err)
{
	if (status)
		fail_msg("%s", err->text);
}

static void expect_text(const struct error *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("\"%s\" is not in: %s", part, err->text);
}

/* Another one for each test. */
static int open_namespace(void **state)
{
	struct error err;

	(void)state;
	must(namespace_make_switch(&err), &err);
	must(netlink_open(&nl, &err), &err);
	return 0;
}

static int close_namespace(void **state)
{
	(void)state;
	netlink_close(nl);
	netlink_close(NULL);
	return 0;
}

static int index_of(const char *name)
{
	struct error err;
	int ifindex;

	must(link_index(nl, name, &ifindex, &err), &err);
	return ifindex;
}

static int make_bridge(const char *name)
{
	struct error err;

	must(link_create_bridge(nl, name, 1500, &err), &err);
	return index_of(name);
}

/* Both ends here. Returns the first. */
static int make_veth(const char *name, const char *peer)
{
	struct veth veth = { .name = name, .peer_pid = getpid(), .peer_name = peer, .mtu = 1400 };
	struct error err;

	memcpy(veth.peer_mac, (uint8_t[]){ 2, 0, 0, 0, 0, 9 }, MAC_SIZE);
	must(link_create_veth(nl, &veth, &err), &err);
	return index_of(name);
}

static bool sysctl_is(const char *path, const char *expected)
{
	char file[128], value[64] = "";
	FILE *stream;

	snprintf(file, sizeof(file), "/proc/sys/%s", path);
	stream = fopen(file, "r");
	assert_non_null(stream);
	assert_non_null(fgets(value, sizeof(value), stream));
	fclose(stream);
	value[strcspn(value, "\n")] = '\0';
	return strcmp(value, expected) == 0;
}

static void test_the_switch_is_empty_and_silent(void **state)
{
	struct if_nameindex *devices = if_nameindex();

	(void)state;
	assert_string_equal(devices[0].if_name, "lo");
	assert_int_equal(devices[1].if_index, 0);
	if_freenameindex(devices);
	assert_true(sysctl_is("net/ipv6/conf/default/disable_ipv6", "1"));
}

static void test_no_such_device(void **state)
{
	struct error err;
	int ifindex;

	(void)state;
	assert_int_equal(link_index(nl, "nobody", &ifindex, &err), -ENODEV);
	assert_int_equal(err.code, ENODEV);
	assert_string_equal(err.text, "look up device nobody: No such device");
	assert_int_equal(link_set_up(nl, 12345, true, &err), -ENODEV);
	expect_text(&err, "set device 12345 up: No such device");
	assert_int_equal(link_delete(nl, 12345, &err), -ENODEV);
}

static void test_the_kernel_explains_itself(void **state)
{
	int bridge = make_bridge("lan"), other = make_bridge("wan");
	struct error err;

	(void)state;
	assert_int_equal(link_set_master(nl, other, bridge, &err), -ELOOP);
	expect_text(&err, "put device 3 on bridge device 2: Too many levels of symbolic links (the kernel says: ");
	expect_text(&err, "enslave a bridge to a bridge)");
	assert_int_equal(link_create_bridge(nl, "lan", 1500, &err), -EEXIST);
	expect_text(&err, "create bridge device lan: File exists");
}

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
	static const uint32_t all[] = { ETHTOOL_GTSO, ETHTOOL_GGSO, ETHTOOL_GGRO, ETHTOOL_GTXCSUM };
	struct error err;

	(void)state;
	make_veth("one", "two");
	offload("one", ETHTOOL_SGRO, 1);
	assert_true(offload("one", ETHTOOL_GGRO, 0));
	assert_true(offload("one", ETHTOOL_GTSO, 0));
	must(link_disable_offloads("one", &err), &err);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_false(offload("one", all[i], 0));
	assert_int_equal(link_disable_offloads("nobody", &err), -ENODEV);
	expect_text(&err, "turn the offloads of device nobody off: No such device");
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

static void test_a_request_that_is_too_long(void **state)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	static const char long_text[5000] = { [0 ... 4998] = 'x' };
	struct nlattr *nest;
	struct error err;

	(void)state;
	netlink_begin(nl, RTM_NEWLINK, NLM_F_CREATE, &header, sizeof(header));
	netlink_put_string(nl, IFLA_IFALIAS, long_text);
	netlink_put_string(nl, IFLA_IFALIAS, long_text);
	netlink_put_raw(nl, long_text, sizeof(long_text));
	nest = netlink_nest(nl, IFLA_LINKINFO);
	netlink_put_u8(nl, IFLA_INFO_KIND, 1);
	netlink_nest_end(nl, nest);
	assert_int_equal(netlink_ack(nl, &err), -EMSGSIZE);
	/* The next one is sound. */
	assert_int_equal(index_of("lo"), 1);
}

static int count_answer(const struct nlmsghdr *answer, void *context)
{
	(void)answer;
	++*(int *)context;
	return MNL_CB_OK;
}

static int refuse_answer(const struct nlmsghdr *answer, void *context)
{
	(void)answer;
	(void)context;
	return MNL_CB_ERROR;
}

static int list_links(mnl_cb_t each, void *context, struct error *err)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC };

	netlink_begin(nl, RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));
	return netlink_answers(nl, each, context, err);
}

static void test_a_dump_ends(void **state)
{
	uint64_t start = clock_now();
	struct error err;
	int count = 0;

	(void)state;
	must(list_links(count_answer, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_true(clock_now() - start < 5 * NS_PER_S);
}

/* What is left of a dump that was given up is not taken for the answer to the next request. */
static void test_an_answer_that_was_left_unread(void **state)
{
	int bridge = make_bridge("lan");
	struct error err;

	(void)state;
	assert_int_equal(list_links(refuse_answer, NULL, &err), -EBADMSG);
	assert_int_equal(index_of("lan"), bridge);
	assert_int_equal(index_of("lo"), 1);
}

#define PAIRS 60 /* more than one datagram */

static atomic_bool stop;

static void *come_and_go(void *failed)
{
	struct netlink *own;
	struct error err;

	*(bool *)failed = netlink_open(&own, &err);
	while (!stop && !*(bool *)failed) {
		int ifindex;

		*(bool *)failed = link_create_bridge(own, "restless", 1500, &err) ||
				  link_index(own, "restless", &ifindex, &err) || link_delete(own, ifindex, &err);
	}
	netlink_close(own);
	return NULL;
}

/* The kernel says when a list is not consistent. */
static void test_a_dump_while_devices_come_and_go(void **state)
{
	bool failed = false;
	pthread_t other;
	struct error err;

	(void)state;
	for (int i = 0; i < PAIRS; i++) {
		char one[IFNAMSIZ], two[IFNAMSIZ];

		snprintf(one, sizeof(one), "one%d", i);
		snprintf(two, sizeof(two), "two%d", i);
		make_veth(one, two);
	}
	/* One that is given up halfway does not stand in the way of the next. */
	assert_int_equal(list_links(refuse_answer, NULL, &err), -EBADMSG);
	assert_int_equal(pthread_create(&other, NULL, come_and_go, &failed), 0);
	for (int i = 0; i < 100; i++) {
		int count = 0;

		must(list_links(count_answer, &count, &err), &err);
		assert_true(count >= 2 * PAIRS + 1);
	}
	stop = true;
	pthread_join(other, NULL);
	assert_false(failed);
}

static int make_inner_bridge(void *context, struct error *err)
{
	struct netlink *inner;

	(void)context;
	if (netlink_open(&inner, err))
		return -err->code;
	err->code = 0;
	link_create_bridge(inner, "inner", 1500, err);
	netlink_close(inner);
	return -err->code;
}

static int fail_inside(void *context, struct error *err)
{
	(void)context;
	return error_set(err, EDOM, "failed inside");
}

static void test_visits(void **state)
{
	int ready[2], end[2], pidfd, found;
	struct error err;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready) | pipe(end), 0);
	pid = fork();
	if (!pid) {
		close(end[1]);
		_exit(unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1 || read(end[0], &byte, 1) != 0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	must(namespace_visit(pidfd, make_inner_bridge, NULL, &err), &err);
	/* It is there, and not here, and so are we. */
	assert_int_equal(namespace_visit(pidfd, make_inner_bridge, NULL, &err), -EEXIST);
	assert_int_equal(link_index(nl, "inner", &found, &err), -ENODEV);
	assert_int_equal(if_nametoindex("inner"), 0);
	assert_int_equal(namespace_visit(pidfd, fail_inside, NULL, &err), -EDOM);
	assert_string_equal(err.text, "failed inside");
	assert_int_not_equal(namespace_visit(-1, fail_inside, NULL, &err), 0);
	expect_text(&err, "enter the network namespace of the node: ");
	close(pidfd);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(end[i]);
	}
}

static void test_sysctls(void **state)
{
	struct error err;

	(void)state;
	must(namespace_write_sysctl("net/ipv4/ip_forward", "1", &err), &err);
	assert_true(sysctl_is("net/ipv4/ip_forward", "1"));
	assert_int_equal(namespace_write_sysctl("net/ipv4/no_such_thing", "1", &err), -ENOENT);
	expect_text(&err, "open /proc/sys/net/ipv4/no_such_thing: ");
	assert_int_equal(namespace_write_sysctl("net/ipv4/ip_forward", "x", &err), -EINVAL);
	expect_text(&err, "write x to /proc/sys/net/ipv4/ip_forward: ");
}

#define ROOT_TEST(TEST) cmocka_unit_test_setup_teardown(TEST, open_namespace, close_namespace)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(test_the_switch_is_empty_and_silent),
		ROOT_TEST(test_no_such_device),
		ROOT_TEST(test_the_kernel_explains_itself),
		ROOT_TEST(test_a_bridge_is_a_cable),
		ROOT_TEST(test_a_veth_pair),
		ROOT_TEST(test_counters),
		ROOT_TEST(test_offloads),
		ROOT_TEST(test_addresses),
		ROOT_TEST(test_qdiscs),
		ROOT_TEST(test_a_request_that_is_too_long),
		ROOT_TEST(test_a_dump_ends),
		ROOT_TEST(test_an_answer_that_was_left_unread),
		ROOT_TEST(test_a_dump_while_devices_come_and_go),
		ROOT_TEST(test_visits),
		ROOT_TEST(test_sysctls),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
