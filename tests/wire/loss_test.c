// SPDX-License-Identifier: GPL-2.0-only
/* Loss: as often as asked for, and the same frames with the same seed. */
#include "fixture.h"

#include <math.h>

#define FRAMES	2000
#define PERCENT 10000000U /* in parts per billion */

static const struct wire_link lossy_30 = { .loss_ppb = 30 * PERCENT };
static const struct wire_link lossy_60 = { .loss_ppb = 60 * PERCENT };

/* Which of the next frames from A to B get lost. */
static void roll(bool lost[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		lost[i] = send_frame(A, B, 64).action == TC_ACT_SHOT;
}

/* Two-sided, 99 %: the normal approximation of the binomial distribution, which is fine for the numbers here. */
static void assert_share(uint64_t hits, uint64_t of, double expected)
{
	double deviation = sqrt((double)of * expected * (1 - expected));
	double off = fabs((double)hits - (double)of * expected);

	if (off > 2.576 * deviation)
		fail_msg("%lu of %lu, expected %g of them", hits, of, expected);
}

static void send_many(int count)
{
	while (count--)
		send_frame(A, B, 64);
}

static void test_none(void **state)
{
	(void)state;
	/* A link that is there, but loses nothing. */
	set_link(A, B, (struct wire_link){ .partition = WIRE_LIFTED });
	send_many(1000);
	assert_counted(A, B, .packets = 1000, .bytes = 64000);
}

static void test_all(void **state)
{
	(void)state;
	set_link(A, B, (struct wire_link){ .loss_ppb = CERTAIN });
	assert_int_equal(send_frame(A, B, 64).action, TC_ACT_SHOT);
	send_many(999);
	assert_counted(A, B, .dropped_loss = 1000);
}

static void loses(uint32_t loss_ppb, int frames)
{
	struct wire_counters counters;

	clear_lab(NULL);
	set_link(A, B, (struct wire_link){ .loss_ppb = loss_ppb });
	send_many(frames);
	counters = counted(A, B);
	assert_int_equal(counters.packets + counters.dropped_loss, frames);
	assert_share(counters.dropped_loss, (uint64_t)frames, loss_ppb / 1e9);
}

static void test_some(void **state)
{
	(void)state;
	loses(10 * PERCENT, 20000);
	loses(50 * PERCENT, 20000);
	loses(99 * PERCENT, 20000);
	loses(PERCENT / 10, 100000);
}

/* One loss says nothing about the next. */
static void test_without_memory(void **state)
{
	static bool lost[10 * FRAMES];
	uint64_t losses = 0, twice = 0;

	(void)state;
	set_link(A, B, lossy_30);
	roll(lost, 10 * FRAMES);
	for (size_t i = 1; i < 10 * FRAMES; i++) {
		losses += lost[i - 1];
		twice += lost[i - 1] && lost[i];
	}
	assert_share(twice, losses, 0.3);
}

static void test_every_link_of_the_path_loses(void **state)
{
	struct wire_link half = { .loss_ppb = 50 * PERCENT };

	(void)state;
	set_link(A, SWITCH, half);
	set_link(SWITCH, SWITCH, half);
	set_link(A, B, half);
	set_link(SWITCH, B, half);
	send_many(32000);
	assert_share(counted(A, B).packets, 32000, 1.0 / 16);
	/* What the first has lost does not come to the next. */
	assert_int_equal(rolled(A, SWITCH, A), 32000);
	assert_share(rolled(SWITCH, SWITCH, A), 32000, 1.0 / 2);
	assert_share(rolled(A, B, A), 32000, 1.0 / 4);
	assert_share(rolled(SWITCH, B, A), 32000, 1.0 / 8);
}

/* Such as are there before the run has a line, too: what came in nowhere has not come off it. */
static void test_frames_of_the_switch(void **state)
{
	uint32_t line_end = lab.wire->global->line_end;

	(void)state;
	set_link(SWITCH, B, (struct wire_link){ .loss_ppb = CERTAIN });
	lab.wire->global->line_end = 0;
	assert_int_equal(send_frame(SWITCH, B, 64).action, TC_ACT_SHOT);
	lab.wire->global->line_end = line_end;
	assert_counted(SWITCH, B, .dropped_loss = 1);
}

static void test_the_same_seed_loses_the_same_frames(void **state)
{
	bool first[FRAMES], again[FRAMES];

	(void)state;
	set_link(A, B, lossy_30);
	wire_set_seed(lab.wire, 7);
	roll(first, FRAMES);
	wire_set_seed(lab.wire, 7);
	roll(again, FRAMES);
	assert_memory_equal(first, again, sizeof(first));
}

static uint64_t both(const bool a[], const bool b[])
{
	uint64_t count = 0;

	for (size_t i = 0; i < FRAMES; i++)
		count += a[i] && b[i];
	return count;
}

static void test_another_seed_loses_others(void **state)
{
	bool first[FRAMES], other[FRAMES];

	(void)state;
	set_link(A, B, lossy_30);
	wire_set_seed(lab.wire, 7);
	roll(first, FRAMES);
	wire_set_seed(lab.wire, 8);
	roll(other, FRAMES);
	assert_share(both(first, other), FRAMES, 0.3 * 0.3);
}

static void test_another_link_loses_others(void **state)
{
	bool first[FRAMES], other[FRAMES];

	(void)state;
	set_link(A, B, lossy_30);
	roll(first, FRAMES);
	set_link(A, B, (struct wire_link){ 0 });
	set_link(SWITCH, B, lossy_30);
	roll(other, FRAMES);
	assert_share(both(first, other), FRAMES, 0.3 * 0.3);
}

/* A frame that is lost at 30 % is lost at 60 % too: scripts can raise a loss and compare. */
static void test_more_loss_loses_more(void **state)
{
	bool less[FRAMES], more[FRAMES];

	(void)state;
	set_link(A, B, lossy_30);
	wire_set_seed(lab.wire, 7);
	roll(less, FRAMES);
	set_link(A, B, lossy_60);
	wire_set_seed(lab.wire, 7);
	roll(more, FRAMES);
	for (size_t i = 0; i < FRAMES; i++)
		assert_false(less[i] && !more[i]);
}

static void test_setting_a_rule_anew_does_not_start_the_dice_over(void **state)
{
	bool whole[FRAMES], parts[FRAMES];

	(void)state;
	set_link(A, B, lossy_30);
	wire_set_seed(lab.wire, 7);
	roll(whole, FRAMES);
	wire_set_seed(lab.wire, 7);
	roll(parts, FRAMES / 2);
	set_link(A, B, (struct wire_link){ 0 });
	set_link(A, B, lossy_30);
	roll(parts + FRAMES / 2, FRAMES / 2);
	assert_memory_equal(whole, parts, sizeof(whole));
}

/* A frame of a class of its own that enters at A, and is about to get to B. */
static bool loses_frame(const uint8_t *frame, uint32_t size)
{
	struct __sk_buff skb = {
		.ifindex = (uint32_t)lab.device[B],
		.ingress_ifindex = (uint32_t)lab.device[A],
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = size, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));

	if (bpf_prog_test_run_opts(wire_egress_fd(lab.wire), &opts))
		fail_msg("test run: %s", strerror(errno));
	return opts.retval == TC_ACT_SHOT;
}

#define MACS 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1

/* IPv4 of a protocol, from one port to another; of ICMP the first two bytes are type and code. */
#define IP4(PROTOCOL, ...)                                                                                             \
	{                                                                                                              \
		MACS, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, PROTOCOL, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2, __VA_ARGS__      \
	}
#define IP6(PROTOCOL, ...)                                                                                             \
	{                                                                                                              \
		MACS, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, PROTOCOL, 64, [54] = __VA_ARGS__                                \
	}

static const uint8_t of_classes[][64] = {
	{ MACS, 8, 6 },		    /* ARP */
	IP4(17, 0x30, 0x39, 0, 53), /* UDP, 12345 to 53 */
	IP4(6, 0x30, 0x39, 0, 80),  /* TCP, to 80 */
	IP4(6, 0x30, 0x39, 1, 187), /* TCP, to 443 */
	IP4(1, 8, 0),		    /* echo request */
	IP4(1, 0, 0),		    /* echo reply */
	IP6(58, 135, 0),	    /* neighbour solicitation */
	IP6(58, 143, 0),	    /* MLD report */
	IP6(17, 0x30, 0x39, 0, 53),
	{ MACS, 0x81, 0, 0, 5, 8, 6 }, /* in a VLAN, the same as without */
};
#define CLASSES (sizeof(of_classes) / sizeof(of_classes[0]) - 1)

/* Frames of other classes, however many and whenever, change nothing: the kernel of a node sends some of its own. */
static void test_classes_do_not_disturb_each_other(void **state)
{
	enum { EACH = 200 };
	bool alone[CLASSES][EACH];

	(void)state;
	set_link(A, B, lossy_30);
	for (size_t k = 0; k < CLASSES; k++)
		for (size_t i = 0; i < EACH; i++)
			alone[k][i] = loses_frame(of_classes[k], 64);
	wire_set_seed(lab.wire, 1);
	for (size_t i = 0; i < EACH; i++)
		for (size_t k = 0; k < CLASSES; k++)
			assert_int_equal(loses_frame(of_classes[k], 64), alone[k][i]);
	for (size_t k = 1; k < CLASSES; k++)
		assert_memory_not_equal(alone[0], alone[k], EACH);
}

static void test_a_tag_makes_no_class(void **state)
{
	bool plain[100];

	(void)state;
	set_link(A, B, lossy_30);
	for (size_t i = 0; i < 100; i++)
		plain[i] = loses_frame(of_classes[0], 64);
	wire_set_seed(lab.wire, 1);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(loses_frame(of_classes[CLASSES], 64), plain[i]);
}

/* Of a connection both directions are one class, whatever port the client has got. */
static void test_the_lower_port_counts(void **state)
{
	uint8_t there[64] = IP4(6, 0x30, 0x39, 0, 80), back[64] = IP4(6, 0, 80, 0x99, 0x99);
	bool first[100];

	(void)state;
	set_link(A, B, lossy_30);
	for (size_t i = 0; i < 100; i++)
		first[i] = loses_frame(there, 64);
	wire_set_seed(lab.wire, 1);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(loses_frame(back, 64), first[i]);
}

/* A medium that many use: what C sends changes nothing for A. */
static void test_senders_do_not_disturb_each_other(void **state)
{
	bool alone[FRAMES];

	(void)state;
	set_link(SWITCH, SWITCH, lossy_30);
	roll(alone, FRAMES);
	wire_set_seed(lab.wire, 1);
	for (size_t i = 0; i < FRAMES; i++) {
		send_frame(C, B, 64);
		assert_int_equal(send_frame(A, B, 64).action == TC_ACT_SHOT, alone[i]);
	}
}

static void test_forgotten_dice_start_over(void **state)
{
	bool first[100];

	(void)state;
	set_link(A, B, lossy_30);
	roll(first, 100);
	wire_forget_dice(lab.wire, BRIDGE);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(send_frame(A, B, 64).action == TC_ACT_SHOT, first[i]);
}

/* Beyond what the map holds dice are rolled all the same, and it is told. */
static void test_no_room_for_a_class(void **state)
{
	static struct wire_class keys[WIRE_MAX_CLASSES];
	static uint64_t values[WIRE_MAX_CLASSES];
	uint64_t before = wire_unnumbered(lab.wire);

	(void)state;
	for (uint32_t i = 0; i < WIRE_MAX_CLASSES; i++)
		keys[i] = (struct wire_class){ .bridge = ELSEWHERE,
					       .from = (uint16_t)(i >> 8),
					       .to = (uint16_t)(i & 255) };
	fill_map(lab.wire->ordinals, keys, sizeof(keys[0]), values, sizeof(values[0]), WIRE_MAX_CLASSES);
	set_link(A, B, lossy_30);
	send_many(1000);
	assert_int_equal(wire_unnumbered(lab.wire), before + 1000);
	/* Dice of no seed: ten standard deviations. */
	assert_in_range(counted(A, B).dropped_loss, 150, 450);
	wire_forget_bridge(lab.wire, ELSEWHERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_none, clear_lab),
		cmocka_unit_test_setup(test_all, clear_lab),
		cmocka_unit_test_setup(test_some, clear_lab),
		cmocka_unit_test_setup(test_without_memory, clear_lab),
		cmocka_unit_test_setup(test_every_link_of_the_path_loses, clear_lab),
		cmocka_unit_test_setup(test_frames_of_the_switch, clear_lab),
		cmocka_unit_test_setup(test_the_same_seed_loses_the_same_frames, clear_lab),
		cmocka_unit_test_setup(test_another_seed_loses_others, clear_lab),
		cmocka_unit_test_setup(test_another_link_loses_others, clear_lab),
		cmocka_unit_test_setup(test_more_loss_loses_more, clear_lab),
		cmocka_unit_test_setup(test_setting_a_rule_anew_does_not_start_the_dice_over, clear_lab),
		cmocka_unit_test_setup(test_classes_do_not_disturb_each_other, clear_lab),
		cmocka_unit_test_setup(test_a_tag_makes_no_class, clear_lab),
		cmocka_unit_test_setup(test_the_lower_port_counts, clear_lab),
		cmocka_unit_test_setup(test_senders_do_not_disturb_each_other, clear_lab),
		cmocka_unit_test_setup(test_forgotten_dice_start_over, clear_lab),
		cmocka_unit_test_setup(test_no_room_for_a_class, clear_lab),
	};

	return cmocka_run_group_tests_name("loss", tests, open_lab, close_lab);
}
