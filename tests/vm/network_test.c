// SPDX-License-Identifier: GPL-2.0-only
/* Network cards of guests: two guests and a namespace node on bridges. */
#include <unistd.h>

#include "fixture.h"

static struct node *a, *b, *c;
static int lan, wan;
static struct node_nic a_lan, b_lan, c_lan;

static void test_guests_reach_each_other(void **state)
{
	(void)state;
	output(a, "ping -c 1 -W 30 10.1.0.2");
	output(a, "ping -c 1 -W 30 fd00:1::2");
	output(b, "ping -c 1 -W 30 fd00:1::1");
}

static void test_guests_and_namespace_nodes_reach_each_other(void **state)
{
	(void)state;
	output(a, "ping -c 1 -W 30 10.1.0.3");
	output(a, "ping -c 1 -W 30 fd00:1::3");
	output(c, "ping -c 1 -W 30 10.1.0.1");
	output(c, "ping -c 1 -W 30 fd00:1::2");
}

static void test_the_card_is_as_the_lab_wants_it(void **state)
{
	(void)state;
	assert_string_equal(a_lan.guest_name, "eth0");
	assert_string_equal(output(a, "cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu"),
			    "02:70:76:01:00:01\n1500\n");
	output(a, "ip link show lan");
	/* No router is looked for, and no address comes from one. */
	assert_string_equal(output(a, "cat /proc/sys/net/ipv6/conf/eth0/accept_ra"), "0\n");
}

/* TCP of more than a frame leaves the guest in frames, and with checksums: nobody could complete them on a TAP. */
static void test_frames_are_whole(void **state)
{
	const char *watch[] = { "timeout", "60", "tcpdump", "-c",   "40",
				"-nn",	   "-v", "-i",	    "eth0", "tcp and dst 10.1.0.3 and greater 1500",
				NULL };
	const char *serve[] = { "iperf3", "-s", "-1", NULL };
	struct process *watcher, *server;
	struct outcome seen;
	struct error err;

	(void)state;
	must(c->kind->start(c, &(struct command){ .argv = watch }, &watcher, &err), &err);
	must(c->kind->start(c, &(struct command){ .argv = serve }, &server, &err), &err);
	/* "listening on eth0" */
	must(watcher->ops->wait(watcher, clock_after(RUN_NS), process_output_size(watcher), &err), &err);
	until_succeeds(c, "ss -ltn | grep -q :5201", RUN_NS);
	output(a, "iperf3 -c 10.1.0.3 -n 1M");
	seen = finish(watcher, RUN_NS);
	finish(server, RUN_NS);
	assert_int_equal(seen.code, 0);
	assert_non_null(strstr(seen.out, "length 1448"));
	assert_null(strstr(seen.out, "incorrect"));
	assert_null(strstr(seen.out, "length 2896"));
}

static void test_a_cable_that_is_pulled_shows(void **state)
{
	struct error err;

	(void)state;
	assert_string_equal(output(a, "cat /sys/class/net/eth0/carrier"), "1\n");
	must(a->kind->set_link(a, &a_lan, false, &err), &err);
	assert_string_equal(output(a, "cat /sys/class/net/eth0/carrier"), "0\n");
	assert_false(succeeds(c, "ping -c 1 -W 1 10.1.0.1"));
	must(a->kind->set_link(a, &a_lan, true, &err), &err);
	assert_string_equal(output(a, "cat /sys/class/net/eth0/carrier"), "1\n");
	until_succeeds(c, "ping -c 1 -W 1 10.1.0.1", RUN_NS);
}

static bool port_exists(const char *name)
{
	struct error err;
	int ifindex;

	return link_index(switch_nl, name, &ifindex, &err) == 0;
}

static void test_a_card_plugged_while_running_works_soon(void **state)
{
	struct node_nic a_wan = make_nic("a-wan", "wan", 2, 1), b_wan = make_nic("b-wan", "wan", 2, 2);
	uint64_t start;
	struct error err;

	(void)state;
	start = clock_now();
	attach(b, &b_wan, wan);
	print_message("# plug: %.0f ms\n", MS(clock_now() - start));
	start = clock_now();
	attach(a, &a_wan, wan);
	until_succeeds(a, "ping -c 1 -W 1 10.2.0.2", RUN_NS);
	until_succeeds(a, "ping -c 1 -W 1 fd00:2::2", RUN_NS);
	assert_true(clock_now() - start < RUN_NS);
	assert_string_equal(a_wan.guest_name, "eth1");

	start = clock_now();
	must(a->kind->unplug(a, &a_wan, &err), &err);
	print_message("# unplug: %.0f ms\n", MS(clock_now() - start));
	assert_false(port_exists("a-wan"));
	assert_false(succeeds(a, "ls /sys/class/net/eth1"));
	must(b->kind->unplug(b, &b_wan, &err), &err);
	output(a, "ping -c 1 -W 30 10.1.0.2");
}

static void test_plugs_again_and_again(void **state)
{
	struct error err;

	(void)state;
	for (uint8_t i = 0; i < 5; i++) {
		struct node_nic nic = make_nic("a-wan", "wan", 2, (uint8_t)(10 + i));

		attach(a, &nic, wan);
		must(a->kind->unplug(a, &nic, &err), &err);
	}
	assert_string_equal(output(a, "ls /sys/class/net"), "eth0\nlo\n");
}

static void test_routes_replace_those_of_before(void **state)
{
	struct node_route routes[] = {
		{ .destination = { .family = AF_INET, .prefix = 16, .bytes = { 10, 9 } },
		  .gateway = { .family = AF_INET, .bytes = { 10, 1, 0, 3 } } },
		{ .destination = { .family = AF_INET6 },
		  .gateway = { .family = AF_INET6, .bytes = { 0xfd, 0, 0, 1, [15] = 3 } } },
		{ .destination = { .family = AF_INET }, .gateway = { .family = AF_INET, .bytes = { 10, 1, 0, 3 } } },
	};
	struct error err;

	(void)state;
	output(a, "ip route add 10.77.0.0/16 via 10.1.0.2");
	must(a->kind->set_routes(a, &a_lan, routes, 3, &err), &err);
	assert_non_null(strstr(output(a, "ip route get 10.9.1.1; ip -6 route get fd99::1; ip route get 192.0.2.1"),
			       "10.9.1.1 via 10.1.0.3 dev eth0"));
	assert_non_null(strstr(output(a, "ip -6 route"), "default via fd00:1::3 dev eth0"));
	must(a->kind->set_routes(a, &a_lan, routes, 1, &err), &err);
	assert_string_equal(output(a, "ip -6 route show default; ip route show default"), "");
	must(a->kind->set_routes(a, &a_lan, NULL, 0, &err), &err);
	assert_string_equal(output(a, "ip route | grep -c via"), "1\n");
	output(a, "ip route del 10.77.0.0/16");
}

static void test_a_setting_that_is_refused_does_not_stop_the_next(void **state)
{
	struct node_route nowhere = { .destination = { .family = AF_INET, .prefix = 16, .bytes = { 10, 9 } },
				      .gateway = { .family = AF_INET, .bytes = { 192, 0, 2, 1 } } };
	struct error err;

	(void)state;
	assert_true(a->kind->set_routes(a, &a_lan, &nowhere, 1, &err) < 0);
	assert_non_null(strstr(err.text, "set the routes of eth0"));
	output(a, "rm /etc/resolv.conf; mkdir /etc/resolv.conf");
	assert_true(a->kind->set_resolver(a, "nameserver 10.1.0.3\n", &err) < 0);
	output(a, "rmdir /etc/resolv.conf");
	must(a->kind->set_hosts(a, "10.1.0.2 b\n", &err), &err);
	must(a->kind->set_routes(a, &a_lan, NULL, 0, &err), &err);
}

static void test_names_and_resolver_are_written(void **state)
{
	struct error err;

	(void)state;
	must(a->kind->set_hosts(a, "127.0.0.1 localhost\n10.1.0.2 b.lan b\n", &err), &err);
	output(a, "ping -c 1 -W 30 b.lan");
	must(a->kind->set_hosts(a, "10.1.0.2 c\n", &err), &err);
	assert_string_equal(output(a, "cat /etc/hosts"), "10.1.0.2 c\n");
	must(a->kind->set_resolver(a, "nameserver 10.1.0.3\n", &err), &err);
	assert_string_equal(output(a, "cat /etc/resolv.conf"), "nameserver 10.1.0.3\n");
}

static void test_a_paused_guest_stands_still_and_catches_up(void **state)
{
	struct node_nic nic = make_nic("a-wan", "wan", 2, 1);
	const char *argv[] = { "true", NULL };
	struct command command = { .argv = argv };
	struct process *process;
	struct error err;
	uint64_t start = clock_now();

	(void)state;
	must(a->kind->pause(a, &err), &err);
	assert_false(succeeds(c, "ping -c 1 -W 1 10.1.0.1"));
	assert_true(a->kind->start(a, &command, &process, &err) < 0);
	assert_non_null(strstr(err.text, "it is paused"));
	start = clock_now();
	must(a->kind->set_hosts(a, "10.1.0.2 late\n", &err), &err);
	attach(a, &nic, wan);
	assert_true(clock_now() - start < RUN_NS);
	must(a->kind->resume(a, &err), &err);
	assert_string_equal(output(a, "cat /etc/hosts"), "10.1.0.2 late\n");
	assert_string_equal(output(a, "cat /sys/class/net/eth1/carrier"), "1\n");
	output(c, "ping -c 1 -W 30 10.1.0.1");
	must(a->kind->pause(a, &err), &err);
	start = clock_now();
	must(a->kind->unplug(a, &nic, &err), &err);
	assert_true(clock_now() - start < RUN_NS);
	must(a->kind->resume(a, &err), &err);
	until_succeeds(a, "! ls /sys/class/net/eth1", 5 * NS_PER_S);
}

static int start_nodes(void **state)
{
	struct node_config config_a = { .name = "a" }, config_b = { .name = "b" };

	open_switch(state);
	lan = make_bridge("lan");
	wan = make_bridge("wan");
	a = boot(&config_a);
	b = boot(&config_b);
	c = boot_netns("c");
	a_lan = make_nic("a-lan", "lan", 1, 1);
	b_lan = make_nic("b-lan", "lan", 1, 2);
	c_lan = make_nic("c-lan", "lan", 1, 3);
	attach(c, &c_lan, lan);
	/* Before it is ready, and after. */
	attach(a, &a_lan, lan);
	wait_ready(a);
	wait_ready(b);
	attach(b, &b_lan, lan);
	/* Known only once the guest is up. */
	snprintf(a_lan.guest_name, sizeof(a_lan.guest_name), "%s", "eth0");
	return 0;
}

static int end_nodes(void **state)
{
	(void)state;
	a->kind->close(a);
	b->kind->close(b);
	c->kind->close(c);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guests_reach_each_other),
		cmocka_unit_test(test_guests_and_namespace_nodes_reach_each_other),
		cmocka_unit_test(test_the_card_is_as_the_lab_wants_it),
		cmocka_unit_test(test_frames_are_whole),
		cmocka_unit_test(test_a_cable_that_is_pulled_shows),
		cmocka_unit_test(test_a_card_plugged_while_running_works_soon),
		cmocka_unit_test(test_plugs_again_and_again),
		cmocka_unit_test(test_routes_replace_those_of_before),
		cmocka_unit_test(test_a_setting_that_is_refused_does_not_stop_the_next),
		cmocka_unit_test(test_names_and_resolver_are_written),
		cmocka_unit_test(test_a_paused_guest_stands_still_and_catches_up),
	};

	return cmocka_run_group_tests(tests, start_nodes, end_nodes);
}
