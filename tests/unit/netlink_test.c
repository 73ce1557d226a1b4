// SPDX-License-Identifier: GPL-2.0-only
/* rtnetlink itself: answers, dumps, what the kernel says when it refuses; and namespaces. Needs root. */
#include "namespace.h"

#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/rtnetlink.h>

#include "net/address.h"
#include "util/clock.h"

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

static bool has_joined(unsigned int last_byte)
{
	FILE *groups = fopen("/proc/thread-self/net/igmp6", "r");
	char line[256], group[33];
	bool found = false;

	snprintf(group, sizeof(group), "ff0200000000000000000001ff0000%02x", last_byte);
	assert_non_null(groups);
	while (fgets(line, sizeof(line), groups))
		found |= strstr(line, group) != NULL;
	fclose(groups);
	return found;
}

/* The kernel says yes before that is so. */
static void test_an_address_can_be_asked_for_at_once(void **state)
{
	struct error err;
	int ifindex;

	(void)state;
	must(namespace_write_sysctl("net/ipv6/conf/default/disable_ipv6", "0", &err), &err);
	ifindex = make_veth("one", "other");
	for (uint8_t i = 1; i < 100; i++) {
		struct address address = { .family = AF_INET6, .prefix = 64, .bytes = { 0xfd, [15] = i } };

		must(address_add(nl, ifindex, &address, &err), &err);
		assert_true(has_joined(i));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_NAMESPACE(test_the_switch_is_empty_and_silent),
		IN_A_NAMESPACE(test_no_such_device),
		IN_A_NAMESPACE(test_the_kernel_explains_itself),
		IN_A_NAMESPACE(test_a_request_that_is_too_long),
		IN_A_NAMESPACE(test_a_dump_ends),
		IN_A_NAMESPACE(test_an_answer_that_was_left_unread),
		IN_A_NAMESPACE(test_a_dump_while_devices_come_and_go),
		IN_A_NAMESPACE(test_visits),
		IN_A_NAMESPACE(test_sysctls),
		IN_A_NAMESPACE(test_an_address_can_be_asked_for_at_once),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
