// SPDX-License-Identifier: GPL-2.0-only
/* Random rules, said to the program as a lab says them, and to the model. */
#include <inttypes.h>
#include <string.h>

#include "util/error.h"

#include "history.h"

#define NS_PER_S    1000000000ULL
#define MIN_RATE    1000ULL
#define MAX_RATE    1000000000000ULL
#define MAX_QUEUE   (600 * NS_PER_S)
#define MAX_CHANGES 16

struct plan {
	struct change {
		uint16_t from, to;
		struct reference_rule rule;
	} changes[MAX_CHANGES];
	size_t count;
};

uint64_t history_name(const struct history *history, uint16_t from, uint16_t to)
{
	struct chance chance = { .state = history->seed ^ (uint64_t)from << 48 ^ (uint64_t)to << 32 };

	return chance_next(&chance);
}

static uint64_t clamp(uint64_t number, uint64_t least, uint64_t most)
{
	return number < least ? least : number > most ? most : number;
}

/* ---- One rule. */

static void choose_rate(struct history *history, struct reference_rule *rule)
{
	struct chance *chance = &history->chance;
	uint64_t frame_ns;

	rule->rate_bps = 0;
	if (!history->rate_bps)
		return;
	rule->rate_bps = history->rate_bps * (1 + chance_below(chance, 16)) / 4;
	if (chance_of(chance, 10))
		rule->rate_bps = MIN_RATE + chance_up_to(chance, MAX_RATE - MIN_RATE);
	rule->rate_bps = clamp(rule->rate_bps, MIN_RATE, MAX_RATE);
	/* So many frames, or a time of any magnitude. */
	frame_ns = 200 * 8 * NS_PER_S / rule->rate_bps;
	rule->queue_ns = chance_of(chance, 70) ? frame_ns * chance_below(chance, 12) + chance_below(chance, 3)
					       : chance_up_to(chance, MAX_QUEUE);
	rule->queue_ns = clamp(rule->queue_ns, 0, MAX_QUEUE);
}

static void choose_delay(struct history *history, struct reference_rule *rule)
{
	rule->delay_ns = chance_up_to(&history->chance, 100000000);
	/* Some are about as long as the longest that anything is held. */
	if (chance_of(&history->chance, 5))
		rule->delay_ns = 4294 * NS_PER_S - chance_below(&history->chance, 2) * rule->delay_ns;
}

static void choose_loss(struct history *history, struct reference_rule *rule)
{
	static const uint32_t losses[] = { 0, 1, 100000000, 300000000, 500000000, 900000000, WIRE_CERTAIN_PPB };

	rule->loss_ppb = losses[chance_below(&history->chance, 7)];
}

static void choose_cut(struct history *history, uint16_t from, uint16_t to, struct reference_rule *rule)
{
	static const enum wire_partition of_pairs[] = { WIRE_OPEN, WIRE_LIFTED, WIRE_CUT, WIRE_CUT_ONE_WAY };

	if (from && to)
		rule->partition = of_pairs[chance_below(&history->chance, 4)];
	else if (from || to)
		rule->isolated = chance_of(&history->chance, 50);
	else
		rule->partition = chance_of(&history->chance, 50) ? WIRE_CUT : WIRE_OPEN;
}

/* One thing of it is another, or all. */
static struct reference_rule choose_rule(struct history *history, uint16_t from, uint16_t to,
					 struct reference_rule rule)
{
	uint64_t what = chance_below(&history->chance, 100);

	if (what < 30 || what >= 80)
		choose_rate(history, &rule);
	if ((what >= 30 && what < 45) || what >= 80)
		choose_delay(history, &rule);
	if ((what >= 45 && what < 60) || what >= 80)
		choose_loss(history, &rule);
	if (what >= 60 && what < 70)
		choose_cut(history, from, to, &rule);
	if (what >= 70 && what < 80)
		rule = (struct reference_rule){ 0 };
	rule.name = history_name(history, from, to);
	return rule;
}

static void choose_link(struct history *history, uint16_t *from, uint16_t *to)
{
	*from = *to = 0;
	switch (chance_below(&history->chance, 10)) {
	case 0:
	case 1:
		return;
	case 2:
	case 3:
		*from = (uint16_t)(1 + chance_below(&history->chance, history->port_count));
		return;
	case 4:
	case 5:
		*to = (uint16_t)(1 + chance_below(&history->chance, history->port_count));
		return;
	}
	*from = (uint16_t)(1 + chance_below(&history->chance, history->port_count));
	*to = (uint16_t)(1 + chance_below(&history->chance, history->port_count - 1U));
	*to += *to >= *from;
}

/* ---- As a lab says it. */

static struct wire_key key_of(const struct history *history, const struct change *change)
{
	return (struct wire_key){ .bridge = history->bridge, .from = change->from, .to = change->to };
}

/* Whether the sender has a pair that is lifted when all of the plan is in force. */
static bool lifts(const struct history *history, const struct plan *plan, uint16_t from)
{
	for (uint16_t to = 1; to <= history->port_count; to++) {
		enum wire_partition partition = history->model.links[from][to].rule.partition;

		for (size_t i = 0; i < plan->count; i++)
			if (plan->changes[i].from == from && plan->changes[i].to == to)
				partition = plan->changes[i].rule.partition;
		if (partition == WIRE_LIFTED)
			return true;
	}
	return false;
}

/* Another delay is another flow; a rate where there was none starts a clock, another rate goes on with it. */
static struct wire_link make_link(struct history *history, const struct plan *plan, const struct change *change)
{
	const struct reference_rule *rule = &change->rule;
	struct wire_link before = wire_link(&history->stage->wire, key_of(history, change)), link = {
		.partition = rule->partition,
		.isolated = rule->isolated,
		.loss_ppb = rule->loss_ppb,
		.delay_ns = rule->delay_ns,
		.rate_bps = rule->rate_bps,
		.queue_ns = rule->queue_ns,
		.salt = rule->name,
		.generation = before.generation,
		.clock = before.clock,
		.lifted = change->from && !change->to && lifts(history, plan, change->from),
	};

	if (link.delay_ns != before.delay_ns || !link.rate_bps != !before.rate_bps)
		link.generation = wire_next_generation(&history->stage->wire);
	if (!link.rate_bps != !before.rate_bps)
		link.clock = link.generation;
	return wire_is_nothing(&link) ? (struct wire_link){ 0 } : link;
}

static void apply(struct history *history, const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct change *change = &plan->changes[i];
		struct wire_link link = wire_link(&history->stage->wire, key_of(history, change));

		history->generations[change->from][change->to] = wire_is_nothing(&link) ? 0 : link.generation;
		reference_set_rule(&history->model, change->from, change->to, &change->rule);
	}
}

static void start_stamping(struct history *history, const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->changes[i].rule.delay_ns || plan->changes[i].rule.rate_bps)
			history->model.stamping = true;
}

static void commit(struct history *history, const struct plan *plan)
{
	struct wire_changes changes = { 0 };
	struct error err;

	for (size_t i = 0; i < plan->count; i++) {
		struct wire_change change = { .key = key_of(history, &plan->changes[i]),
					      .link = make_link(history, plan, &plan->changes[i]) };

		wire_change(&changes, &change);
	}
	if (wire_commit(&history->stage->wire, &changes, &err))
		history_differs(history, "commit: %s", err.text);
	start_stamping(history, plan);
	apply(history, plan);
}

/* As wire_commit() does it, with frames between its steps: the rules are written, and not yet in force. */
static void commit_slowly(struct history *history, const struct plan *plan)
{
	static const struct wire_state fresh;
	struct wire *wire = &history->stage->wire;
	uint64_t since = wire->global->epoch + 1;

	start_stamping(history, plan);
	wire->global->stamping |= history->model.stamping;
	for (size_t i = 0; i < plan->count; i++) {
		struct wire_key key = key_of(history, &plan->changes[i]);
		struct wire_rule rule = { .link = make_link(history, plan, &plan->changes[i]),
					  .since = since,
					  .before = wire_link(wire, key) };

		if (rule.link.rate_bps)
			bpf_map_update_elem(wire->states, &key, &fresh, BPF_NOEXIST);
		bpf_map_update_elem(wire->links, &key, &rule, BPF_F_LOCK);
	}
	history_tell(history, "  (announced, not yet in force)");
	history_go_on(history);
	wire_raise_epoch(wire);
	history_tell(history, "  (in force)");
	apply(history, plan);
	history_go_on(history);
	history_tell(history, "  (tidy)");
	for (size_t i = 0; i < plan->count; i++) {
		struct wire_key key = key_of(history, &plan->changes[i]);
		struct wire_link link = wire_link(wire, key);

		if (wire_is_nothing(&link))
			bpf_map_delete_elem(wire->links, &key);
	}
	wire_raise_epoch(wire);
}

/* ---- */

static void tell_rule(struct history *history, const struct change *change)
{
	static const char *const partitions[] = { "open", "cut", "cut one way", "lifted" };
	const struct reference_rule *rule = &change->rule;

	history_tell(history,
		     "link %u -> %u: %s%s, loss %u ppb, delay %" PRIu64 " ns, rate %" PRIu64 " bit/s, queue %" PRIu64
		     " ns",
		     change->from, change->to, partitions[rule->partition], rule->isolated ? ", isolated" : "",
		     rule->loss_ppb, rule->delay_ns, rule->rate_bps, rule->queue_ns);
}

static void add_change(struct history *history, struct plan *plan, uint16_t from, uint16_t to)
{
	struct change *change = &plan->changes[plan->count];

	for (size_t i = 0; i < plan->count; i++)
		if (plan->changes[i].from == from && plan->changes[i].to == to)
			return;
	*change = (struct change){ .from = from, .to = to, .rule = history->model.links[from][to].rule };
	change->rule.name = history_name(history, from, to);
	plan->count++;
}

void history_change_rules(struct history *history)
{
	uint64_t count = 1 + chance_below(&history->chance, 4);
	struct plan plan = { 0 };

	for (uint64_t i = 0; i < count; i++) {
		uint16_t from, to;

		choose_link(history, &from, &to);
		add_change(history, &plan, from, to);
	}
	for (size_t i = 0; i < plan.count; i++) {
		plan.changes[i].rule =
			choose_rule(history, plan.changes[i].from, plan.changes[i].to, plan.changes[i].rule);
		tell_rule(history, &plan.changes[i]);
	}
	/* A lab notes at the access link which nodes have a pair that is lifted. */
	for (size_t i = 0, chosen = plan.count; i < chosen; i++)
		if (plan.changes[i].from && plan.changes[i].to)
			add_change(history, &plan, plan.changes[i].from, 0);
	if (chance_of(&history->chance, 30))
		commit_slowly(history, &plan);
	else
		commit(history, &plan);
}

/* As if so many frames had been sent that it takes until then; none of them is held. */
static void set_busy(struct history *history, uint16_t from, uint16_t to, uint64_t free_ns)
{
	struct reference_link *link = &history->model.links[from][to];
	struct wire_key key = { .bridge = history->bridge, .from = from, .to = to };
	struct wire_state state = {
		.clock = wire_link(&history->stage->wire, key).clock,
		.flush = history->flush,
		.generation = history->generations[from][to],
		.rate_bps = link->rule.rate_bps,
		.next_ns = free_ns,
	};

	history_tell(history, "link %u -> %u is busy until %" PRIu64, from, to, free_ns);
	bpf_map_update_elem(history->stage->wire.states, &key, &state, BPF_EXIST);
	link->sent_bps = link->rule.rate_bps;
	link->free_ns = free_ns;
	link->passed_ns = 0;
}

/* Other rates one after another, each for a frame or two, and at first there is much to send. */
void history_follow_trace(struct history *history)
{
	uint16_t from, to;

	choose_link(history, &from, &to);
	for (uint64_t i = 0; i < 4; i++) {
		struct plan plan = { 0 };

		add_change(history, &plan, from, to);
		choose_rate(history, &plan.changes[0].rule);
		if (chance_of(&history->chance, 50))
			plan.changes[0].rule.rate_bps = chance_of(&history->chance, 50) ? MIN_RATE : MAX_RATE;
		tell_rule(history, &plan.changes[0]);
		commit(history, &plan);
		if (!i && plan.changes[0].rule.rate_bps)
			set_busy(history, from, to, history->now_ns + chance_below(&history->chance, MAX_QUEUE));
		history_go_on(history);
	}
}

struct sweep {
	struct wire_changes changes;
};

static void clear_link(const struct wire_key *key, const struct wire_link *link, void *context)
{
	struct sweep *sweep = context;
	struct wire_change change = { .key = *key };

	(void)link;
	wire_change(&sweep->changes, &change);
}

void history_reset_rules(struct history *history)
{
	struct sweep sweep = { 0 };
	struct error err;

	history_tell(history, "reset");
	wire_each_link(&history->stage->wire, history->bridge, clear_link, &sweep);
	if (wire_commit(&history->stage->wire, &sweep.changes, &err))
		history_differs(history, "reset: %s", err.text);
	wire_forget_dice(&history->stage->wire, history->bridge);
	reference_reset(&history->model);
	memset(history->generations, 0, sizeof(history->generations));
}
