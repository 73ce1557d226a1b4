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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_none, clear_lab),
		cmocka_unit_test_setup(test_all, clear_lab),
		cmocka_unit_test_setup(test_some, clear_lab),
		cmocka_unit_test_setup(test_without_memory, clear_lab),
		cmocka_unit_test_setup(test_every_link_of_the_path_loses, clear_lab),
		cmocka_unit_test_setup(test_the_same_seed_loses_the_same_frames, clear_lab),
		cmocka_unit_test_setup(test_another_seed_loses_others, clear_lab),
		cmocka_unit_test_setup(test_another_link_loses_others, clear_lab),
		cmocka_unit_test_setup(test_more_loss_loses_more, clear_lab),
		cmocka_unit_test_setup(test_setting_a_rule_anew_does_not_start_the_dice_over, clear_lab),
	};

	return cmocka_run_group_tests_name("loss", tests, open_lab, close_lab);
}
