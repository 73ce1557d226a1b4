// SPDX-License-Identifier: GPL-2.0-only
/* Many machines at once, of which one does not do as it is told: a kind of node whose pause and resume may fail. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab/lab.h"
#include "util/error.h"

#define MACHINES 3

struct fake {
	struct node node;
	bool runs, refuses;
};

static struct fake nodes[MACHINES];
static struct machine machines[MACHINES];
static struct machine *all[MACHINES];

static bool is_alive(struct node *node)
{
	(void)node;
	return true;
}

static int change(struct node *node, bool runs, struct error *err)
{
	struct fake *fake = (struct fake *)node;

	if (fake->refuses)
		return error_set(err, EIO, "not now");
	fake->runs = runs;
	return 0;
}

static int stop(struct node *node, struct error *err)
{
	return change(node, false, err);
}

static int go_on(struct node *node, struct error *err)
{
	return change(node, true, err);
}

static const struct node_kind kind = { .name = "fake", .is_alive = is_alive, .pause = stop, .resume = go_on };

/* The last one refuses. */
static int set_up(void **state)
{
	static struct lab lab;

	(void)state;
	for (size_t i = 0; i < MACHINES; i++) {
		nodes[i] = (struct fake){ .runs = true, .refuses = i == MACHINES - 1 };
		machines[i] = (struct machine){
			.kind = &kind, .node = &nodes[i].node, .state = MACHINE_BOOTED, .home = &lab
		};
		all[i] = &machines[i];
	}
	return 0;
}

static void assert_run(bool runs)
{
	for (size_t i = 0; i < MACHINES; i++) {
		assert_int_equal(nodes[i].runs, runs);
		assert_int_equal(machines[i].state, runs ? MACHINE_BOOTED : MACHINE_PAUSED);
	}
}

static void test_all_are_paused_or_none(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(machines_pause(all, MACHINES, &err), -EIO);
	assert_string_equal(err.text, "not now");
	assert_run(true);
	nodes[MACHINES - 1].refuses = false;
	assert_int_equal(machines_pause(all, MACHINES, &err), 0);
	assert_run(false);
}

static void test_all_are_resumed_or_none(void **state)
{
	struct error err;

	(void)state;
	nodes[MACHINES - 1].refuses = false;
	assert_int_equal(machines_pause(all, MACHINES, &err), 0);
	nodes[MACHINES - 1].refuses = true;
	assert_int_equal(machines_resume(all, MACHINES, &err), -EIO);
	assert_run(false);
}

/* One that was paused before stays so. */
static void test_only_what_was_changed_is_undone(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(machine_pause(&machines[0], &err), 0);
	assert_int_equal(machines_pause(all, MACHINES, &err), -EIO);
	assert_int_equal(machines[0].state, MACHINE_PAUSED);
	assert_false(nodes[0].runs);
	assert_int_equal(machines[1].state, MACHINE_BOOTED);
	assert_true(nodes[1].runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_are_paused_or_none, set_up),
		cmocka_unit_test_setup(test_all_are_resumed_or_none, set_up),
		cmocka_unit_test_setup(test_only_what_was_changed_is_undone, set_up),
	};

	return cmocka_run_group_tests_name("machines", tests, NULL, NULL);
}
