// SPDX-License-Identifier: GPL-2.0-only
/* Changing rules: many at one instant, while frames are on their way. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * On two processors, some 200,000 commits. Frames only meet them where something keeps them waiting between two looks, which the
 * timer's interrupts do.
 */
#define A_WHILE NS(1000)
#define SHORT	20000 /* ns */

static atomic_bool stop;

static void stay_on_one_processor(void)
{
	cpu_set_t last;

	CPU_ZERO(&last);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
	pthread_setaffinity_np(pthread_self(), sizeof(last), &last);
}

static void *interrupt_all_the_time(void *context)
{
	const struct timespec pause = { .tv_nsec = SHORT };

	stay_on_one_processor();
	while (!stop)
		nanosleep(&pause, NULL);
	return context;
}

#define PATHS 1024 /* of bpf/maps.h */

static void send_from(uint32_t index)
{
	static const uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct __sk_buff skb = { .ifindex = (uint32_t)lab.device[B], .ingress_ifindex = index };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));

	bpf_prog_test_run_opts(wire_egress_fd(lab.wire), &opts);
}

/*
 * Frames from A to B without a pause, each of which looks at the rules: what the processor knows of a path is where that of the next
 * frame is to be (bpf/path.h).
 */
static void *send_all_the_time(void *context)
{
	stay_on_one_processor();
	while (!stop) {
		send_from((uint32_t)lab.device[A]);
		send_from((uint32_t)lab.device[A] + PATHS);
	}
	return context;
}

static void while_sending(void (*act)(int i))
{
	uint64_t deadline = clock_after(A_WHILE);
	pthread_t sender, timer;

	stop = false;
	assert_int_equal(pthread_create(&sender, NULL, send_all_the_time, NULL), 0);
	assert_int_equal(pthread_create(&timer, NULL, interrupt_all_the_time, NULL), 0);
	for (int i = 0; clock_now() < deadline; i++)
		act(i);
	stop = true;
	pthread_join(sender, NULL);
	pthread_join(timer, NULL);
}

static void swap_cuts(int i)
{
	struct wire_link cut = { .partition = WIRE_CUT }, open = { 0 };
	struct wire_change changes[] = {
		change(SWITCH, SWITCH, i % 2 ? cut : open),
		change(A, B, i % 2 ? open : cut),
	};
	struct wire_changes both = { 0 };
	struct error err;

	wire_change(&both, &changes[0]);
	wire_change(&both, &changes[1]);
	must(wire_commit(lab.wire, &both, &err), &err);
}

/* Either the medium is cut, or the pair is: no frame may see both open. */
static void test_no_frame_sees_half_of_a_commit(void **state)
{
	struct wire_counters counters;

	(void)state;
	swap_cuts(0);
	while_sending(swap_cuts);
	counters = counted(A, B);
	assert_int_equal(counters.packets, 0);
	assert_true(counters.dropped_partition > 0);
}

/*
 * All other links lose everything. Every third time one of them goes and another one comes, and so does the access link of who sends,
 * whose memory the next rule gets.
 */
static void churn(int i)
{
	struct wire_link own = { .loss_ppb = 1, .generation = (uint32_t)i };
	struct wire_link other = { .loss_ppb = CERTAIN, .generation = (uint32_t)i };
	struct wire_change first = change(A, B, own), last = change(C, A, i % 3 ? other : (struct wire_link){ 0 });
	struct wire_change access = change(A, SWITCH, i % 3 ? own : (struct wire_link){ 0 });
	struct wire_changes changes = { 0 };
	struct error err;

	wire_change(&changes, &first);
	for (int k = 0; k < 16; k++) {
		struct wire_change more = change((enum place)(100 + k), C, other);

		wire_change(&changes, &more);
	}
	wire_change(&changes, &last);
	wire_change(&changes, &access);
	must(wire_commit(lab.wire, &changes, &err), &err);
	set_link(C, B, i % 2 ? other : (struct wire_link){ 0 });
}

/* The kernel uses the memory of a replaced element again at once: a frame must not take another link's rule for its. */
static void test_no_frame_sees_the_rule_of_another_link(void **state)
{
	(void)state;
	set_link(A, B, (struct wire_link){ .loss_ppb = 1 });
	while_sending(churn);
	assert_int_equal(counted(A, B).dropped_loss, 0);
	assert_true(counted(A, B).packets > 0);
}

static void expect_link(enum place from, enum place to, struct wire_link expected)
{
	struct wire_link link = wire_link(lab.wire, key(from, to));

	expected = change(from, to, expected).link;
	assert_memory_equal(&link, &expected, sizeof(expected));
}

static void count_link(const struct wire_key *key_, const struct wire_link *link, void *context)
{
	(void)key_;
	(void)link;
	++*(int *)context;
}

static int links_there(uint32_t bridge)
{
	int count = 0;

	wire_each_link(lab.wire, bridge, count_link, &count);
	return count;
}

static void test_all_in_force(void **state)
{
	struct wire_link cut = { .partition = WIRE_CUT }, lossy = { .loss_ppb = CERTAIN }, open = { 0 };
	struct wire_change list[] = { change(A, B, cut), change(B, A, open), change(A, C, lossy), change(C, A, cut) };
	struct wire_changes changes = { 0 };
	struct error err;

	(void)state;
	set_link(A, B, lossy);
	set_link(B, A, cut);
	for (size_t i = 0; i < 4; i++)
		wire_change(&changes, &list[i]);
	must(wire_commit(lab.wire, &changes, &err), &err);
	expect_link(A, B, cut);
	expect_link(B, A, open);
	expect_link(A, C, lossy);
	expect_link(C, A, cut);
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_SHOT);
	assert_int_equal(send_frame(B, A, 64).action, TC_ACT_OK);
	assert_int_equal(send_frame(A, C, 64).action, TC_ACT_SHOT);
	assert_int_equal(send_frame(C, A, 64).action, TC_ACT_SHOT);
}

/* A dump of the map shows what somebody asked for, what it was before that, and that it is in force. */
static void test_the_map_holds_what_was_asked_for(void **state)
{
	struct wire_link cut = { .partition = WIRE_CUT }, forgotten = { .generation = 7 };
	struct wire_link isolated = { .isolated = true };
	struct wire_key of = key(A, B);
	struct wire_rule rule, expected = { .link = change(A, B, cut).link, .before = change(A, B, isolated).link };

	(void)state;
	set_link(A, B, isolated);
	set_link(A, B, cut);
	expected.since = lab.wire->global->epoch;
	set_link(A, C, cut);
	set_link(A, C, forgotten);
	set_link(B, C, (struct wire_link){ 0 });
	assert_int_equal(links_there(BRIDGE), 1);
	assert_int_equal(bpf_map_lookup_elem(lab.wire->links, &of, &rule), 0);
	assert_memory_equal(&rule, &expected, sizeof(rule));
}

static void test_an_empty_commit(void **state)
{
	struct wire_changes changes = { 0 };
	struct error err;

	(void)state;
	must(wire_commit(lab.wire, &changes, &err), &err);
}

/* What would be seen if it were: a rule as no commit leaves it. */
static void mark(enum place from, enum place to)
{
	struct wire_rule rule = { .link = wire_link(lab.wire, key(from, to)), .before.queue_ns = 12345 };
	struct wire_key of = key(from, to);

	assert_int_equal(bpf_map_update_elem(lab.wire->links, &of, &rule, BPF_F_LOCK), 0);
}

static bool is_marked(enum place from, enum place to)
{
	struct wire_key of = key(from, to);
	struct wire_rule rule;

	assert_int_equal(bpf_map_lookup_elem(lab.wire->links, &of, &rule), 0);
	return rule.before.queue_ns == 12345;
}

static void test_rules_that_stay_are_not_written(void **state)
{
	struct wire_link cut = { .partition = WIRE_CUT }, lossy = { .loss_ppb = 5 };
	struct wire_change list[] = { change(A, B, cut), change(A, C, lossy), change(B, C, (struct wire_link){ 0 }) };
	struct wire_changes changes = { 0 };
	struct error err;
	uint64_t epoch;

	(void)state;
	set_link(A, B, cut);
	set_link(A, C, cut);
	mark(A, B);
	mark(A, C);
	epoch = lab.wire->global->epoch;
	set_link(A, B, cut);
	set_link(C, A, (struct wire_link){ .generation = 7 });
	/* Nothing has changed, so no frame needs to look again. */
	assert_int_equal(lab.wire->global->epoch, epoch);
	for (size_t i = 0; i < 3; i++)
		wire_change(&changes, &list[i]);
	must(wire_commit(lab.wire, &changes, &err), &err);
	assert_true(is_marked(A, B));
	assert_false(is_marked(A, C));
	expect_link(A, B, cut);
	expect_link(A, C, lossy);
	/* One raise puts all in force; what goes takes a second one, before its memory can be another rule's. */
	assert_int_equal(lab.wire->global->epoch, epoch + 1);
	set_link(A, C, (struct wire_link){ 0 });
	assert_int_equal(lab.wire->global->epoch, epoch + 3);
}

static void test_what_is_in_force_is_read_once(void **state)
{
	struct wire_change lossy = change(A, B, (struct wire_link){ .loss_ppb = 5 });
	struct wire_changes changes = { 0 };
	struct error err;

	(void)state;
	set_link(B, A, (struct wire_link){ .loss_ppb = 7 });
	wire_change(&changes, &lossy);
	assert_int_equal(wire_before(lab.wire, &changes)[0].loss_ppb, 0);
	/* Another change: it is another list. */
	lossy = change(B, A, (struct wire_link){ .loss_ppb = 6 });
	wire_change(&changes, &lossy);
	assert_int_equal(wire_before(lab.wire, &changes)[1].loss_ppb, 7);
	must(wire_commit(lab.wire, &changes, &err), &err);
	expect_link(A, B, (struct wire_link){ .loss_ppb = 5 });
	expect_link(B, A, (struct wire_link){ .loss_ppb = 6 });
}

/* What is asked for now may be what was in force when it was read, and is not any more. */
static void test_another_commit_while_changes_are_collected(void **state)
{
	struct wire_changes changes = { 0 };
	struct wire_change open = change(A, B, (struct wire_link){ 0 });
	struct error err;

	(void)state;
	assert_int_equal(wire_edit_link(lab.wire, &changes, key(A, B))->partition, WIRE_OPEN);
	set_link(A, B, (struct wire_link){ .partition = WIRE_CUT });
	wire_change(&changes, &open);
	must(wire_commit(lab.wire, &changes, &err), &err);
	expect_link(A, B, (struct wire_link){ 0 });
}

static void test_a_change_replaces_that_of_the_same_link(void **state)
{
	struct wire_link cut = { .partition = WIRE_CUT }, lossy = { .loss_ppb = 5 };
	struct wire_change list[] = { change(A, B, cut), change(A, B, lossy), change(B, A, cut) };
	struct wire_changes changes = { 0 };

	(void)state;
	set_link(C, A, cut);
	for (size_t i = 0; i < 3; i++)
		wire_change(&changes, &list[i]);
	assert_int_equal(changes.count, 2);
	assert_int_equal(wire_changed_link(lab.wire, &changes, key(A, B)).loss_ppb, 5);
	assert_int_equal(wire_changed_link(lab.wire, &changes, key(A, B)).partition, WIRE_OPEN);
	/* What is not changed is as it is. */
	assert_int_equal(wire_changed_link(lab.wire, &changes, key(C, A)).partition, WIRE_CUT);
	wire_forget_changes(&changes);
	assert_int_equal(changes.count, 0);
	assert_int_equal(wire_changed_link(lab.wire, &changes, key(A, B)).loss_ppb, 0);
	assert_int_equal(links_there(BRIDGE), 1);
}

/* A partition of two groups, both ways. */
static void cut_groups(struct wire_changes *changes, int size)
{
	const struct wire_link cut = { .partition = WIRE_CUT };

	for (int a = 1; a <= size; a++) {
		for (int b = size + 1; b <= 2 * size; b++) {
			struct wire_change there = change((enum place)a, (enum place)b, cut);
			struct wire_change back = change((enum place)b, (enum place)a, cut);

			wire_change(changes, &there);
			wire_change(changes, &back);
		}
	}
}

/* 180,000 changes in a few milliseconds; if each were looked for in a list, it would be half a minute. */
static void test_collecting_many_is_quick(void **state)
{
	struct wire_changes changes = { 0 };
	uint64_t start = clock_now();

	(void)state;
	cut_groups(&changes, 300);
	assert_int_equal(changes.count, 2 * 300 * 300);
	assert_true(clock_now() - start < 3 * NS_PER_S);
	wire_forget_changes(&changes);
}

static void test_committing_many(void **state)
{
	struct wire_changes changes = { 0 };
	struct error err;

	(void)state;
	cut_groups(&changes, 50);
	must(wire_commit(lab.wire, &changes, &err), &err);
	assert_int_equal(links_there(BRIDGE), 2 * 50 * 50);
	assert_int_equal(links_there(ELSEWHERE), 0);
}

/* Fills the map with links of another bridge. */
static void fill_links(void)
{
	static struct wire_key keys[WIRE_FIRST_ENTRIES];
	static struct wire_rule rules[WIRE_FIRST_ENTRIES];
	const uint32_t count = WIRE_FIRST_ENTRIES - 1;

	for (uint32_t i = 0; i < count; i++)
		keys[i] =
			(struct wire_key){ .bridge = ELSEWHERE, .from = (uint16_t)(i >> 8), .to = (uint16_t)(i & 255) };
	fill_map(lab.wire->links, keys, sizeof(keys[0]), rules, sizeof(rules[0]), count);
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
	struct wire_link cut = { .partition = WIRE_CUT };
	struct wire_change list[] = { change(A, B, (struct wire_link){ .isolated = true }), change(B, A, cut) };
	struct wire_changes changes = { 0 };
	struct error err;
	uint64_t epoch;

	(void)state;
	set_link(A, B, cut);
	fill_links();
	epoch = lab.wire->global->epoch;
	wire_change(&changes, &list[0]);
	wire_change(&changes, &list[1]);
	assert_int_equal(wire_commit(lab.wire, &changes, &err), -E2BIG);
	assert_non_null(strstr(err.text, lab.wire->more_rules ? "(at most 1048576 links a run)"
							      : "(at most 131072 links a run before Linux 6.2)"));
	assert_int_equal(changes.count, 0);
	expect_link(A, B, cut);
	expect_link(B, A, (struct wire_link){ 0 });
	assert_int_equal(links_there(BRIDGE), 1);
	assert_true(lab.wire->global->epoch > epoch);
	/* Not even later, when the epoch moves on. */
	set_link(A, B, cut);
	expect_link(B, A, (struct wire_link){ 0 });
}

static void test_forgetting_a_bridge(void **state)
{
	struct wire_change elsewhere = change(A, B, (struct wire_link){ .loss_ppb = 1 });
	struct wire_changes changes = { 0 };
	struct error err;

	(void)state;
	elsewhere.key.bridge = ELSEWHERE;
	wire_change(&changes, &elsewhere);
	must(wire_commit(lab.wire, &changes, &err), &err);
	set_link(A, B, (struct wire_link){ .loss_ppb = CERTAIN });
	send_frame(A, B, 64);
	wire_forget_bridge(lab.wire, BRIDGE);
	assert_int_equal(links_there(BRIDGE), 0);
	assert_counted(A, B, 0);
	assert_int_equal(rolled(A, B, A), 0);
	assert_int_equal(links_there(ELSEWHERE), 1);
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_OK);
}

static void test_generations_differ(void **state)
{
	uint32_t one = wire_next_generation(lab.wire);

	(void)state;
	assert_int_not_equal(one, 0);
	assert_int_not_equal(wire_next_generation(lab.wire), one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_in_force, clear_lab),
		cmocka_unit_test_setup(test_the_map_holds_what_was_asked_for, clear_lab),
		cmocka_unit_test_setup(test_an_empty_commit, clear_lab),
		cmocka_unit_test_setup(test_rules_that_stay_are_not_written, clear_lab),
		cmocka_unit_test_setup(test_what_is_in_force_is_read_once, clear_lab),
		cmocka_unit_test_setup(test_another_commit_while_changes_are_collected, clear_lab),
		cmocka_unit_test_setup(test_a_change_replaces_that_of_the_same_link, clear_lab),
		cmocka_unit_test_setup(test_collecting_many_is_quick, clear_lab),
		cmocka_unit_test_setup(test_committing_many, clear_lab),
		cmocka_unit_test_setup(test_what_does_not_fit_changes_nothing, clear_lab),
		cmocka_unit_test_setup(test_forgetting_a_bridge, clear_lab),
		cmocka_unit_test_setup(test_generations_differ, clear_lab),
		cmocka_unit_test_setup(test_no_frame_sees_half_of_a_commit, clear_lab),
		cmocka_unit_test_setup(test_no_frame_sees_the_rule_of_another_link, clear_lab),
	};

	return cmocka_run_group_tests_name("commit", tests, open_lab, close_lab);
}
