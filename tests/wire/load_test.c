// SPDX-License-Identifier: GPL-2.0-only
/* Loading, ports, and what is said when it cannot be. */
#include "fixture.h"

#include <grp.h>
#include <sys/wait.h>

static void test_ids(void **state)
{
	struct wire_ids ids = { 0 };
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	struct error err;
	int fd;

	(void)state;
	must(wire_ids(lab.wire, &ids, &err), &err);
	assert_int_not_equal(ids.ingress, ids.egress);
	fd = bpf_map_get_fd_by_id(ids.links);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	assert_string_equal(info.name, "links");
	assert_int_equal(info.value_size, sizeof(struct wire_rule));
	/* For bpftool to name every field. */
	assert_int_not_equal(info.btf_value_type_id, 0);
	close(fd);
}

/* What the probe says is what a device would. */
static void test_whether_frames_can_be_held(void **state)
{
	struct error err;
	bool can;

	(void)state;
	assert_false(wire_can_hold(lab.wire));
	wire_probe_fq(lab.wire, lab.nl);
	can = wire_can_hold(lab.wire);
	assert_int_equal(qdisc_add_fq(lab.nl, lab.device[C], &err), can ? 0 : -ENOENT);
	if (!can)
		assert_non_null(strstr(err.text, "put an fq qdisc on device "));
	lab.wire->can_hold = false;
}

static void test_what_is_no_device(void **state)
{
	struct wire_port port = { .bridge = BRIDGE, .port = 9, .name = "x@lan" };
	struct error err;

	(void)state;
	assert_int_equal(wire_add_port(lab.wire, lab.nl, 12345, &port, &err), -ENODEV);
	assert_non_null(strstr(err.text, "make a port of x@lan: put a clsact qdisc on device 12345: No such device"));
	/* It has left nothing behind. */
	assert_int_not_equal(bpf_map_lookup_elem(lab.wire->ports, &(uint32_t){ 12345 }, &port), 0);
}

static void test_a_port_that_was_taken_away(void **state)
{
	struct wire_port port = { .bridge = BRIDGE, .port = A, .mtu = LONGEST_MTU };
	struct error err;

	(void)state;
	set_link(SWITCH, SWITCH, (struct wire_link){ .partition = WIRE_CUT });
	wire_remove_port(lab.wire, lab.device[A]);
	wire_remove_port(lab.wire, lab.device[A]);
	/* What was on its way there is told. */
	set_link(SWITCH, SWITCH, (struct wire_link){ 0 });
	assert_int_equal(send_frame(B, A, 64).action, TC_ACT_SHOT);
	assert_counted(B, A, .dropped_disconnected = 1);
	set_link(SWITCH, SWITCH, (struct wire_link){ .partition = WIRE_CUT });
	must(wire_set_port(lab.wire, lab.device[A], &port, &err), &err);
	assert_int_equal(send_frame(B, A, 64).action, TC_ACT_SHOT);
}

static void test_two_runs_do_not_meet(void **state)
{
	struct wire *other;
	struct error err;

	(void)state;
	must(wire_load(&other, &err), &err);
	set_link(A, B, (struct wire_link){ .partition = WIRE_CUT });
	assert_int_equal(wire_link(other, key(A, B)).partition, WIRE_OPEN);
	wire_close(other);
	wire_close(NULL);
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_SHOT);
}

/* In a child, for there is no way back from nobody. */
static void load_as_nobody(int answer)
{
	struct wire *wire;
	struct error err;

	if (setgroups(0, NULL) || setgid(65534) || setuid(65534) || !wire_load(&wire, &err) || wire)
		_exit(1);
	_exit(write(answer, err.text, strlen(err.text)) < 0);
}

static void test_not_allowed_to_load(void **state)
{
	char text[1024] = "";
	int answer[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(answer), 0);
	pid = fork();
	if (!pid)
		load_as_nobody(answer[1]);
	close(answer[1]);
	assert_true(read(answer[0], text, sizeof(text) - 1) > 0);
	close(answer[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(
		text,
		"load the wire program: Operation not permitted (needs CAP_BPF and CAP_NET_ADMIN; run it as root)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ids, clear_lab),
		cmocka_unit_test_setup(test_whether_frames_can_be_held, clear_lab),
		cmocka_unit_test_setup(test_what_is_no_device, clear_lab),
		cmocka_unit_test_setup(test_a_port_that_was_taken_away, clear_lab),
		cmocka_unit_test_setup(test_two_runs_do_not_meet, clear_lab),
		cmocka_unit_test_setup(test_not_allowed_to_load, clear_lab),
	};

	return cmocka_run_group_tests_name("load", tests, open_lab, close_lab);
}
