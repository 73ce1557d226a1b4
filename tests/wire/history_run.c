// SPDX-License-Identifier: GPL-2.0-only
/* A frame through the program and through the model, and whether both say the same. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <linux/pkt_cls.h>

#include "history.h"

/* A label has so much of the time: see bpf/hold.h. */
#define LOWER_44 ((UINT64_C(1) << 44) - 1)

static const char *action_name(int action)
{
	switch (action) {
	case TC_ACT_OK:
		return "passes";
	case TC_ACT_SHOT:
		return "is dropped";
	case TC_ACT_STOLEN:
		return "is held";
	case TC_ACT_REDIRECT:
		return "goes on to its port";
	}
	return "does what no frame should";
}

struct ran history_run(struct history *history, const struct run *run)
{
	struct clocked_bpf__bss *start = history->stage->program->bss;
	const struct flight *flight = run->flight;
	struct __sk_buff skb = {
		.ifindex = run->index,
		.ingress_ifindex = run->from_index,
		.mark = run->mark,
		.priority = run->priority,
		.wire_len = flight->wire_len,
		.gso_size = flight->gso_size,
		.gso_segs = flight->gso_segs,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = flight->bytes.data, .data_size_in = flight->bytes.length,
		    .ctx_in = &skb, .ctx_out = &skb, .ctx_size_in = sizeof(skb), .ctx_size_out = sizeof(skb));
	uint64_t seen_before = start->seen_frames;

	if (run->cb)
		memcpy(skb.cb, run->cb, sizeof(skb.cb));
	start->start_program = run->program;
	start->start_tag = flight->tag;
	start->start_index = run->tc_index;
	start->clock_ns = history->now_ns;
	start->coarse_clock_ns = history->now_ns - chance_below(&history->chance, 4000000);
	history->passes++;
	if (bpf_prog_test_run_opts(bpf_program__fd(history->stage->program->progs.start), &opts))
		history_differs(history, "test run: %s", strerror(errno));
	return (struct ran){ .action = (int)opts.retval,
			     .mark = skb.mark,
			     .priority = skb.priority,
			     .seen = start->seen_frames != seen_before };
}

/* ---- Counters. */

static int print_totals(char *text, size_t size, const struct reference_totals *totals)
{
	int used = snprintf(text, size,
			    "%" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " delayed, %" PRIu64 " held, %" PRIu64
			    " of them flushed",
			    totals->packets, totals->bytes, totals->delayed, totals->held, totals->held_flushed);

	for (enum wire_verdict verdict = WIRE_PARTITION; verdict < WIRE_VERDICTS; verdict++)
		if (totals->dropped[verdict])
			used += snprintf(text + used, size - (size_t)used, ", %" PRIu64 " %s", totals->dropped[verdict],
					 wire_verdict_name(verdict));
	return used;
}

/* As who reads the counters sees them: what a flush has met is not told from what was dropped for it already. */
static struct reference_totals read_totals(const struct history *history, struct wire_key key)
{
	struct wire_counters counters = wire_counters(&history->stage->wire, key);
	struct reference_totals totals = {
		.packets = counters.packets, .bytes = counters.bytes, .delayed = counters.delayed, .held = counters.held
	};

	for (enum wire_verdict verdict = WIRE_PARTITION; verdict < WIRE_VERDICTS; verdict++)
		totals.dropped[verdict] = wire_frames(&counters, verdict);
	return totals;
}

void history_check_counters(struct history *history, uint16_t from, uint16_t to)
{
	struct reference_totals model = history->model.totals[from][to], program;
	char of_model[512], of_program[512];

	model.held -= model.held_flushed;
	model.dropped[WIRE_FLUSHED] += model.held_flushed;
	model.held_flushed = 0;
	program = read_totals(history, (struct wire_key){ .bridge = history->bridge, .from = from, .to = to });
	if (memcmp(&model, &program, sizeof(model)) == 0)
		return;
	print_totals(of_model, sizeof(of_model), &model);
	print_totals(of_program, sizeof(of_program), &program);
	history_differs(history, "counters of %u -> %u\n    model:   %s\n    program: %s", from, to, of_model,
			of_program);
}

/* ---- Where a frame enters the bridge. */

/* What bpf/stamp.h says about the priority. */
static struct reference_frame read_stamp(uint32_t priority)
{
	return (struct reference_frame){
		.is_timed = priority >> 31,
		.used_medium = priority >> 30 & 1,
		.verdict = priority >> 27 & 7,
		.hop = priority >> 26 & 1 ? WIRE_MEDIUM : WIRE_ACCESS_OUT,
		.free_ns = (uint64_t)(priority & 0x1fffff) << (priority >> 21 & 31),
	};
}

static void check_stamp(struct history *history, const struct reference_frame *model, const struct ran *ran)
{
	struct reference_frame stamp = read_stamp(ran->priority);
	uint32_t mark = model->is_timed ? (uint32_t)model->free_ns : 0;
	uint64_t wait_ns = reference_wait(model);

	/* What is lost at its access link has not come to the medium. */
	if (model->verdict != WIRE_DELIVERED)
		stamp.used_medium = model->used_medium;
	if (ran->mark == mark && stamp.free_ns == wait_ns && stamp.is_timed == model->is_timed &&
	    stamp.used_medium == model->used_medium && stamp.verdict == model->verdict && stamp.hop == model->hop)
		return;
	history_differs(
		history,
		"the sender's side\n    model:   %s at the %s, medium used: %d, timed: %d, mark %u, waited %" PRIu64
		"\n    program: %s at the %s, medium used: %d, timed: %d, mark %u, waited %" PRIu64,
		wire_verdict_name(model->verdict), wire_hops[model->hop], model->used_medium, model->is_timed, mark,
		wait_ns, wire_verdict_name(stamp.verdict), wire_hops[stamp.hop], stamp.used_medium, stamp.is_timed,
		ran->mark, stamp.free_ns);
}

void history_enter(struct history *history, struct flight *flight)
{
	struct run run = { .program = PROGRAM_INGRESS,
			   .flight = flight,
			   .index = flight->from_index,
			   .mark = (uint32_t)chance_next(&history->chance),
			   .priority = (uint32_t)chance_next(&history->chance) };
	struct ran ran = history_run(history, &run);
	bool taken = reference_enter(&history->model, &flight->model, history->now_ns);

	if (ran.action != (taken ? TC_ACT_OK : TC_ACT_SHOT))
		history_differs(history, "where it enters, the frame %s in the program", action_name(ran.action));
	if (taken)
		check_stamp(history, &flight->model, &ran);
	flight->mark = ran.mark;
	flight->priority = ran.priority;
	history_check_counters(history, flight->model.from, 0);
}

/* ---- Where it leaves for one receiver. */

static bool same_flow(const struct flow *a, const struct flow *b)
{
	return a->from == b->from && a->to_index == b->to_index && a->flush == b->flush &&
	       memcmp(a->generations, b->generations, sizeof(a->generations)) == 0;
}

static struct flow make_flow(const struct history *history, uint16_t from, uint16_t to, uint32_t number)
{
	const uint16_t keys[WIRE_HOPS][2] = { { from, 0 }, { 0, 0 }, { from, to }, { 0, to } };
	struct flow flow = { .from = from, .to_index = history->index[to], .flush = history->flush, .number = number };

	for (int hop = 0; hop < WIRE_HOPS; hop++)
		if (from || hop == WIRE_MEDIUM || hop == WIRE_ACCESS_IN)
			flow.generations[hop] = history->generations[keys[hop][0]][keys[hop][1]];
	return flow;
}

/* One flow a sender, receiver and rule; that two have the same number happens once in a while, but not twice in a history. */
static void check_flow(struct history *history, uint16_t from, uint16_t to, uint32_t number)
{
	struct flow flow = make_flow(history, from, to, number);

	for (uint32_t i = 0; i < history->flow_count; i++) {
		const struct flow *other = &history->flows[i];

		if (same_flow(&flow, other) && other->number != number)
			history_differs(history, "one flow has two numbers, %u and %u", other->number, number);
		if (same_flow(&flow, other))
			return;
		if (other->number == number && ++history->shared_flows == 2)
			history_differs(history, "flows share a number, %u", number);
	}
	if (history->flow_count < HISTORY_FLOWS)
		history->flows[history->flow_count++] = flow;
}

static struct waiting read_waiting(const struct history *history, uint32_t flight)
{
	const struct clocked_bpf__bss *seen = history->stage->program->bss;
	struct waiting waiting = { .flight = flight, .mark = seen->seen_mark, .tc_index = seen->seen_tc_index };

	memcpy(waiting.cb, seen->seen_cb, sizeof(waiting.cb));
	return waiting;
}

/* What goes along with it on the line: see bpf/hold.h. And what the line's queue gets. */
static void check_label(struct history *history, const struct copy *copy, const struct reference_outcome *outcome,
			const struct waiting *waiting)
{
	const struct clocked_bpf__bss *seen = history->stage->program->bss;
	const struct flight *flight = &history->flights[copy->flight];
	uint64_t due_ns = (uint64_t)waiting->cb[1] << 32 | waiting->cb[0];
	uint64_t sent_ns = (uint64_t)(waiting->cb[4] & 0xfff) << 32 | waiting->cb[3];

	if (due_ns != outcome->due_ns || sent_ns != (outcome->sent_ns & LOWER_44) || seen->seen_tstamp != due_ns)
		history_differs(history,
				"times\n    model:   due %" PRIu64 ", sent %" PRIu64 "\n    program: due %" PRIu64
				" (its queue gets %" PRIu64 "), sent %" PRIu64,
				outcome->due_ns, outcome->sent_ns & LOWER_44, due_ns, (uint64_t)seen->seen_tstamp,
				sent_ns);
	if (waiting->mark != history->index[copy->to] || waiting->tc_index != flight->model.from ||
	    waiting->cb[4] >> 16 != (history->flush & 0xffff))
		history_differs(history, "label: for device %u, from port %u, after flush %u", waiting->mark,
				waiting->tc_index, waiting->cb[4] >> 16);
	if (seen->seen_hash != waiting->cb[2] || seen->seen_priority || seen->seen_len != flight->bytes.length ||
	    seen->seen_tag != flight->tag)
		history_differs(history, "queue gets hash %x of flow %x, priority %x, %u bytes, tag %x",
				seen->seen_hash, waiting->cb[2], seen->seen_priority, seen->seen_len, seen->seen_tag);
	check_flow(history, flight->model.from, copy->to, waiting->cb[2]);
}

static int expected_action(const struct reference_outcome *outcome)
{
	if (outcome->verdict != WIRE_DELIVERED)
		return TC_ACT_SHOT;
	return outcome->due_ns ? TC_ACT_STOLEN : TC_ACT_OK;
}

static void differs_in_action(struct history *history, const struct copy *copy, const struct reference_outcome *outcome,
			      const struct ran *ran)
{
	struct wire_key key = { .bridge = history->bridge,
				.from = history->flights[copy->flight].model.from,
				.to = copy->to };
	struct reference_totals totals = read_totals(history, key);
	char text[512];

	print_totals(text, sizeof(text), &totals);
	history_differs(history, "receiver %u\n    model:   %s (%s)\n    program: %s%s, counters: %s", copy->to,
			action_name(expected_action(outcome)), wire_verdict_name(outcome->verdict),
			action_name(ran->action), ran->seen ? ", and is on the line" : "", text);
}

static void check_outcome(struct history *history, const struct copy *copy, const struct reference_outcome *outcome,
			  const struct ran *ran)
{
	int action = expected_action(outcome);

	if (ran->action != action || ran->seen != (action == TC_ACT_STOLEN)) {
		differs_in_action(history, copy, outcome, ran);
		return;
	}
	if (action == TC_ACT_STOLEN) {
		struct waiting *waiting = &history->waiting[history->model.held_count - 1];

		*waiting = read_waiting(history, copy->flight);
		check_label(history, copy, outcome, waiting);
	} else if (ran->mark || ran->priority) {
		history_differs(history, "mark %x and priority %x go out with it", ran->mark, ran->priority);
	}
}

/* It is taken out of the list. */
void history_leave(struct history *history, uint32_t index)
{
	struct copy copy = history->copies[index];
	const struct flight *flight = &history->flights[copy.flight];
	struct run run = { .program = PROGRAM_EGRESS,
			   .flight = flight,
			   .index = history->index[copy.to],
			   .from_index = flight->from_index,
			   .mark = flight->mark,
			   .priority = flight->priority };
	struct ran ran = history_run(history, &run);
	struct reference_outcome outcome;
	bool no_line = history->model.no_line;

	/* See clocked.bpf.c. */
	history->model.no_line |= flight->model.is_segmented;
	outcome = reference_leave(&history->model, &flight->model, copy.to, history->now_ns);
	history->model.no_line = no_line;
	history->copies[index] = history->copies[--history->copy_count];
	history_tell(history, "frame %u comes to %u: %s, due %" PRIu64, copy.flight, copy.to,
		     outcome.due_ns && outcome.verdict == WIRE_DELIVERED ? "held" : wire_verdict_name(outcome.verdict),
		     outcome.due_ns);
	check_outcome(history, &copy, &outcome, &ran);
	history->held += expected_action(&outcome) == TC_ACT_STOLEN;
	history->verdicts[outcome.verdict]++;
	history_check_counters(history, flight->model.from, copy.to);
}

/* ---- Where it comes off the line. */

/* All is decided: it passes, and nobody counts it again. */
static void pass_port(struct history *history, const struct flight *flight, uint32_t index)
{
	struct run run = {
		.program = PROGRAM_EGRESS, .flight = flight, .index = index, .from_index = history->stage->line_end
	};
	struct ran ran = history_run(history, &run);

	if (ran.action != TC_ACT_OK || ran.seen)
		history_differs(history, "what comes off the line %s at its port", action_name(ran.action));
}

void history_due(struct history *history, size_t index)
{
	struct reference_held held = history->model.held[index];
	struct waiting waiting = history->waiting[index];
	const struct flight *flight = &history->flights[waiting.flight];
	struct run run = { .program = PROGRAM_DUE,
			   .flight = flight,
			   .index = history->stage->line_end,
			   .from_index = history->stage->line_end,
			   .mark = waiting.mark,
			   .tc_index = waiting.tc_index,
			   .cb = waiting.cb };
	struct ran ran = history_run(history, &run);
	enum wire_verdict verdict = reference_due(&history->model, index);

	history->waiting[index] = history->waiting[history->model.held_count];
	history_tell(history, "frame %u is due for %u: %s", waiting.flight, held.to, wire_verdict_name(verdict));
	if (ran.action != (verdict == WIRE_DELIVERED ? TC_ACT_REDIRECT : TC_ACT_SHOT))
		history_differs(history, "when it is due\n    model:   %s\n    program: %s", wire_verdict_name(verdict),
				action_name(ran.action));
	if (verdict == WIRE_DELIVERED && ran.mark)
		history_differs(history, "when it is due, mark %x goes out with it", ran.mark);
	if (verdict == WIRE_DELIVERED)
		pass_port(history, flight, waiting.mark);
	history->verdicts[verdict]++;
	history_check_counters(history, held.frame.from, held.to);
}
