// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole of it: two nodes on a bridge, fq on the line, and frames that come when they are due. Needs a kernel with
 * fq; elsewhere there is nothing to test, and the tests say so.
 */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "net/address.h"

#define PORT 7000

/* A and B; C is not there. */
static struct node {
	pid_t pid;
	int pidfd;
	int udp;
	struct sockaddr_in address;
} nodes[PLACES];

static bool no_fq;

static void sit_in_a_namespace(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!unshare(CLONE_NEWNET) && write(ready, "", 1) == 1)
		pause();
	_exit(1);
}

static void start_node(struct node *node)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	node->pid = fork();
	assert_true(node->pid >= 0);
	if (!node->pid)
		sit_in_a_namespace(ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	node->pidfd = (int)syscall(SYS_pidfd_open, node->pid, 0);
	assert_true(node->pidfd >= 0);
}

static int bind_udp(void *context, struct error *err)
{
	struct node *node = context;

	node->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(node->udp, (struct sockaddr *)&node->address, sizeof(node->address)))
		return error_errno(err, errno, "bind");
	return 0;
}

/* Inside: address, device up, a socket. */
static int settle_in(void *context, struct error *err)
{
	struct node *node = context;
	struct address address = { .family = AF_INET, .prefix = 24 };
	struct netlink *nl;
	int ifindex;

	memcpy(address.bytes, &node->address.sin_addr, 4);
	/* Nothing is said here but what a test says. */
	if (namespace_write_sysctl("net/ipv6/conf/all/disable_ipv6", "1", err) && err->code != ENOENT)
		return -err->code;
	if (netlink_open(&nl, err))
		return -err->code;
	err->code = 0;
	if (!link_index(nl, "eth0", &ifindex, err) && !address_add(nl, ifindex, &address, err) &&
	    !link_set_up(nl, ifindex, true, err))
		bind_udp(node, err);
	netlink_close(nl);
	return -err->code;
}

static void add_node(enum place place, int bridge)
{
	struct wire_port port = { .bridge = BRIDGE, .port = (uint16_t)place, .mtu = 1500 };
	struct node *node = &nodes[place];
	struct veth veth = { .name = port.name,
			     .peer_name = "eth0",
			     .peer_mac = { 2, [5] = (uint8_t)place },
			     .mtu = 1500,
			     .peer_mtu = 1500 };
	struct error err;

	start_node(node);
	node->address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT) };
	node->address.sin_addr.s_addr = htonl(0x0a090000U + place);
	veth.peer_pid = node->pid;
	snprintf(port.name, sizeof(port.name), "port%d", place);
	must(link_create_veth(lab.nl, &veth, &err), &err);
	must(link_index(lab.nl, port.name, &lab.device[place], &err), &err);
	must(wire_add_port(lab.wire, lab.nl, lab.device[place], &port, &err), &err);
	must(link_set_master(lab.nl, lab.device[place], bridge, &err), &err);
	must(link_set_up(lab.nl, lab.device[place], true, &err), &err);
	must(namespace_visit(node->pidfd, settle_in, node, &err), &err);
}

static void send_datagram(enum place from, enum place to, char mark)
{
	const struct sockaddr_in *address = &nodes[to].address;

	assert_int_equal(sendto(nodes[from].udp, &mark, 1, 0, (const struct sockaddr *)address, sizeof(*address)), 1);
}

/* The mark of the next datagram, and when it came; '\0' if none comes for a while. */
static char receive(enum place at, uint64_t *when)
{
	struct pollfd readable = { .fd = nodes[at].udp, .events = POLLIN };
	char mark = '\0';

	if (poll(&readable, 1, 1000) == 1)
		assert_int_equal(recv(nodes[at].udp, &mark, 1, 0), 1);
	*when = clock_now();
	return mark;
}

/* Until a frame has come through: carriers come up one after the other, and then the MAC address is known. */
static void get_in_touch(enum place from, enum place to)
{
	uint64_t deadline = clock_after(10 * NS_PER_S), when;

	do {
		send_datagram(from, to, 'x');
	} while (receive(to, &when) != 'x' && when < deadline);
	assert_true(when < deadline);
	while (receive(to, &when))
		;
}

static int open_nodes(void **state)
{
	struct error err;
	int bridge;

	(void)state;
	must(namespace_make_switch(&err), &err);
	must(netlink_open(&lab.nl, &err), &err);
	must(wire_load(&lab.wire, &err), &err);
	wire_probe_fq(lab.wire, lab.nl);
	no_fq = !wire_can_hold(lab.wire);
	if (no_fq)
		return 0;
	must(wire_open_line(lab.wire, lab.nl, "line", "line-end", &err), &err);
	must(link_create_bridge(lab.nl, "lan", 1500, &err), &err);
	must(link_index(lab.nl, "lan", &bridge, &err), &err);
	for (enum place place = A; place <= C; place++)
		add_node(place, bridge);
	get_in_touch(A, B);
	get_in_touch(C, B);
	return 0;
}

static int close_nodes(void **state)
{
	(void)state;
	for (enum place place = A; place <= C && !no_fq; place++) {
		kill(nodes[place].pid, SIGKILL);
		waitpid(nodes[place].pid, NULL, 0);
	}
	wire_close(lab.wire);
	netlink_close(lab.nl);
	return 0;
}

static int clear_rules(void **state)
{
	(void)state;
	if (!no_fq)
		wire_forget_bridge(lab.wire, BRIDGE);
	return 0;
}

static void need_fq(void)
{
	if (no_fq)
		skip();
}

static void delay(enum place from, enum place to, double ms)
{
	set_link(from, to, (struct wire_link){ .delay_ns = NS(ms), .generation = wire_next_generation(lab.wire) });
}

static void arrives(char mark, uint64_t sent, double ms)
{
	uint64_t when;

	assert_int_equal(receive(B, &when), mark);
	/* What comes early is wrong; a busy machine may see it late. */
	assert_true(when - sent >= NS(ms));
}

static void test_a_frame_is_held(void **state)
{
	uint64_t sent;

	(void)state;
	need_fq();
	delay(A, B, 150);
	for (char mark = 'a'; mark < 'f'; mark++) {
		sent = clock_now();
		send_datagram(A, B, mark);
		arrives(mark, sent, 150);
	}
	assert_int_equal(counted(A, B).delayed, 5);
	assert_int_equal(counted(A, B).dropped_error, 0);
}

static void test_in_order(void **state)
{
	uint64_t when;

	(void)state;
	need_fq();
	delay(SWITCH, SWITCH, 20);
	for (char mark = 'a'; mark <= 'z'; mark++)
		send_datagram(A, B, mark);
	for (char mark = 'a'; mark <= 'z'; mark++)
		assert_int_equal(receive(B, &when), mark);
}

/* The one waits in a flow of its own. */
static void test_senders_do_not_disturb_each_other(void **state)
{
	uint64_t sent = clock_now();

	(void)state;
	need_fq();
	delay(A, SWITCH, 300);
	delay(C, SWITCH, 20);
	send_datagram(A, B, 'a');
	send_datagram(C, B, 'c');
	arrives('c', sent, 20);
	arrives('a', sent, 300);
}

static void test_a_new_rule_does_not_wait_for_the_old(void **state)
{
	uint64_t sent = clock_now();

	(void)state;
	need_fq();
	delay(A, B, 300);
	send_datagram(A, B, 'o');
	delay(A, B, 20);
	send_datagram(A, B, 'n');
	arrives('n', sent, 20);
	arrives('o', sent, 300);
}

static void test_what_is_on_its_way_is_delivered(void **state)
{
	uint64_t sent = clock_now(), when;

	(void)state;
	need_fq();
	delay(A, B, 200);
	send_datagram(A, B, 'b');
	set_link(A, B, (struct wire_link){ .partition = WIRE_CUT });
	send_datagram(A, B, 'a');
	arrives('b', sent, 200);
	assert_int_equal(receive(B, &when), '\0');
	assert_int_equal(counted(A, B).dropped_partition, 1);
}

static void test_the_queue_says_what_it_holds(void **state)
{
	struct fq_stats stats;
	uint64_t start, when;
	struct error err;

	(void)state;
	need_fq();
	delay(A, B, 900);
	send_datagram(A, B, 'a');
	send_datagram(A, B, 'b');
	start = clock_now();
	must(qdisc_fq_stats(lab.nl, (int)lab.wire->global->line, &stats, &err), &err);
	assert_true(clock_now() - start < NS(850));
	assert_int_equal(stats.held, 2);
	assert_int_equal(stats.dropped, 0);
	receive(B, &when);
	receive(B, &when);
	must(qdisc_fq_stats(lab.nl, (int)lab.wire->global->line, &stats, &err), &err);
	assert_int_equal(stats.held, 0);
}

#define STREAM_BYTES (4U << 20)

static int listen_inside(void *context, struct error *err)
{
	struct node *node = context;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bind(fd, (struct sockaddr *)&node->address, sizeof(node->address)) || listen(fd, 1))
		return error_errno(err, errno, "listen");
	return fd;
}

static int socket_inside(void *context, struct error *err)
{
	(void)context;
	(void)err;
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void wait_for(int fd, short events)
{
	struct pollfd ready = { .fd = fd, .events = events };

	assert_int_equal(poll(&ready, 1, 10000), 1);
}

/* Sends all of it from the one to the other, and says how long that took. */
static uint64_t stream(int from, int to)
{
	static char bytes[65536];
	size_t sent = 0, received = 0;
	uint64_t start = clock_now();

	while (received < STREAM_BYTES) {
		struct pollfd fds[] = { { to, POLLIN, 0 }, { sent < STREAM_BYTES ? from : -1, POLLOUT, 0 } };
		ssize_t size;

		assert_true(poll(fds, 2, 10000) > 0);
		size = recv(to, bytes, sizeof(bytes), 0);
		received += size > 0 ? (size_t)size : 0;
		size = sent < STREAM_BYTES ? send(from, bytes, sizeof(bytes), 0) : 0;
		sent += size > 0 ? (size_t)size : 0;
	}
	return clock_now() - start;
}

/* 4 MB at 20 Mbit/s are 1.7 s. With its socket on the frames that fq holds it was 38 s. */
static void test_a_stream_from_a_socket_of_the_node(void **state)
{
	struct wire_link link = { .delay_ns = NS(50), .rate_bps = 20000000, .queue_ns = NS(200), .generation = 1 };
	int listener, from, to;
	struct error err;
	uint64_t start;

	(void)state;
	need_fq();
	listener = namespace_visit(nodes[B].pidfd, listen_inside, &nodes[B], &err);
	from = namespace_visit(nodes[A].pidfd, socket_inside, NULL, &err);
	assert_true(listener >= 0 && from >= 0);
	set_link(A, B, link);
	start = clock_now();
	connect(from, (struct sockaddr *)&nodes[B].address, sizeof(nodes[B].address));
	wait_for(from, POLLOUT);
	assert_in_range(clock_now() - start, NS(50), NS(950)); /* it would be sent again after a second */
	wait_for(listener, POLLIN);
	to = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(to >= 0);
	assert_in_range(stream(from, to), NS(1700), NS(15000));
	close(from);
	close(to);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_frame_is_held, clear_rules),
		cmocka_unit_test_setup(test_in_order, clear_rules),
		cmocka_unit_test_setup(test_senders_do_not_disturb_each_other, clear_rules),
		cmocka_unit_test_setup(test_a_new_rule_does_not_wait_for_the_old, clear_rules),
		cmocka_unit_test_setup(test_what_is_on_its_way_is_delivered, clear_rules),
		cmocka_unit_test_setup(test_the_queue_says_what_it_holds, clear_rules),
		cmocka_unit_test_setup(test_a_stream_from_a_socket_of_the_node, clear_rules),
	};

	return cmocka_run_group_tests_name("hold", tests, open_nodes, close_nodes);
}
