// SPDX-License-Identifier: GPL-2.0-only
#include "reference.h"

#include <string.h>

#define NS_PER_S 1000000000ULL
#define HEADER	 18 /* Ethernet's, and a tag's */

/* Nothing is held for longer. */
#define HORIZON_NS (4294 * NS_PER_S)
/* No link is ahead by more: 146 years. */
#define MOST_AHEAD_NS (1ULL << 62)
/* A frame that is longer on the bridge than that is as good as sent now. */
#define MAX_AGE_NS NS_PER_S
#define WAIT_BITS  21

/* ---- Who is cut from whom. */

static bool is_node(const struct reference *reference, uint16_t port)
{
	return port && port != reference->router;
}

static const struct reference_rule *rule_of(const struct reference *reference, uint16_t from, uint16_t to)
{
	return &reference->links[from][to].rule;
}

static bool has_lifted_pair(const struct reference *reference, uint16_t from)
{
	for (uint16_t to = 1; to < REFERENCE_PORTS; to++)
		if (rule_of(reference, from, to)->partition == WIRE_LIFTED)
			return true;
	return false;
}

/* What a frame does that no node can get. */
static bool is_cut_from_all(const struct reference *reference, uint16_t from)
{
	if (!is_node(reference, from))
		return false;
	if (rule_of(reference, from, 0)->isolated)
		return true;
	return rule_of(reference, 0, 0)->partition != WIRE_OPEN && !has_lifted_pair(reference, from);
}

static enum wire_verdict cut(const struct reference *reference, uint16_t from, uint16_t to)
{
	enum wire_partition pair = from ? rule_of(reference, from, to)->partition : WIRE_OPEN;

	if (pair == WIRE_CUT || pair == WIRE_CUT_ONE_WAY)
		return WIRE_PARTITION;
	if (is_node(reference, from) && is_node(reference, to)) {
		if (rule_of(reference, 0, 0)->partition != WIRE_OPEN && pair != WIRE_LIFTED)
			return WIRE_PARTITION;
		if (rule_of(reference, from, 0)->isolated || rule_of(reference, 0, to)->isolated)
			return WIRE_ISOLATION;
	}
	return reference->ports[to].out ? WIRE_DISCONNECTED : WIRE_DELIVERED;
}

/* ---- One link. */

/*
 * What a link is ahead of the clock is so many bits. The first frame that comes after a change of the rate finds as many, to be
 * sent at the new one.
 */
static void keep_bits(struct reference_link *link, uint64_t sent_ns)
{
	unsigned __int128 ahead_ns = link->free_ns > sent_ns ? link->free_ns - sent_ns : 0;

	if (ahead_ns && link->sent_bps != link->rule.rate_bps) {
		ahead_ns = (ahead_ns * link->sent_bps + link->rule.rate_bps - 1) / link->rule.rate_bps;
		link->free_ns = sent_ns + (uint64_t)(ahead_ns < MOST_AHEAD_NS ? ahead_ns : MOST_AHEAD_NS);
	}
	link->sent_bps = link->rule.rate_bps;
}

static uint64_t later(uint64_t one, uint64_t other)
{
	return one > other ? one : other;
}

/* Each link starts from when the frame was sent, and frames leave it in the order in which they came, whatever rates they went at. */
static enum wire_verdict take_turn(struct reference_link *link, struct reference_frame *frame)
{
	uint64_t rate_bps = link->rule.rate_bps, start_ns;
	uint64_t sending_ns = (frame->bytes * 8 * NS_PER_S + rate_bps - 1) / rate_bps;

	keep_bits(link, frame->sent_ns);
	start_ns = later(link->free_ns, frame->sent_ns);
	if (start_ns - frame->sent_ns > link->rule.queue_ns)
		return WIRE_QUEUE;
	link->free_ns = start_ns + sending_ns;
	link->passed_ns = later(link->passed_ns, link->free_ns);
	frame->free_ns = later(frame->free_ns, link->passed_ns);
	return WIRE_DELIVERED;
}

static uint64_t scramble(uint64_t x)
{
	x += 0x9e3779b97f4a7c15U;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
	x = (x ^ x >> 27) * 0x94d049bb133111ebU;
	return x ^ x >> 31;
}

/* The number of the frame among those of its class from that sender on that link. */
static uint64_t take_number(struct reference *reference, uint16_t from, uint16_t to,
			    const struct reference_frame *frame)
{
	struct reference_number *number = reference->numbers, *end = number + reference->number_count;

	for (; number < end; number++)
		if (number->from == from && number->to == to && number->sender == frame->from &&
		    number->class.ethertype == frame->class.ethertype &&
		    number->class.protocol == frame->class.protocol && number->class.port == frame->class.port)
			return number->next++;
	*number = (struct reference_number){
		.from = from, .to = to, .sender = frame->from, .class = frame->class, .next = 1
	};
	reference->number_count++;
	return 0;
}

static bool is_lost(struct reference *reference, uint16_t from, uint16_t to, const struct reference_frame *frame)
{
	const struct reference_rule *rule = rule_of(reference, from, to);
	uint64_t class =
		(uint64_t)frame->class.ethertype << 32 | (uint64_t)frame->class.protocol << 16 | frame->class.port;
	uint64_t link = scramble(scramble(reference->seed ^ rule->name) ^ reference->ports[frame->from].name);
	uint64_t number = take_number(reference, from, to, frame);
	uint64_t roll = scramble(scramble(link ^ class) + number * 0x9e3779b97f4a7c15U) >> 32;

	return roll * WIRE_CERTAIN_PPB >> 32 < rule->loss_ppb;
}

/* Lost after its turn: its bits were on the wire. */
static enum wire_verdict cross(struct reference *reference, uint16_t from, uint16_t to, struct reference_frame *frame)
{
	struct reference_link *link = &reference->links[from][to];

	if (link->rule.rate_bps && take_turn(link, frame) != WIRE_DELIVERED)
		return WIRE_QUEUE;
	if (link->rule.loss_ppb && is_lost(reference, from, to, frame))
		return WIRE_LOSS;
	return WIRE_DELIVERED;
}

/* ---- The way of a frame. */

static void cross_sender_side(struct reference *reference, struct reference_frame *frame)
{
	frame->hop = WIRE_ACCESS_OUT;
	frame->verdict = cross(reference, frame->from, 0, frame);
	frame->used_medium = !is_cut_from_all(reference, frame->from);
	if (frame->verdict != WIRE_DELIVERED || !frame->used_medium)
		return;
	frame->hop = WIRE_MEDIUM;
	frame->verdict = cross(reference, 0, 0, frame);
}

bool reference_enter(struct reference *reference, struct reference_frame *frame, uint64_t now_ns)
{
	frame->is_timed = reference->stamping;
	frame->sent_ns = frame->free_ns = frame->is_timed ? now_ns : 0;
	if (frame->is_for_bridge) {
		reference->totals[frame->from][0].dropped[WIRE_ERROR]++;
		return false;
	}
	cross_sender_side(reference, frame);
	return true;
}

uint64_t reference_wait(const struct reference_frame *frame)
{
	uint64_t wait_ns = frame->free_ns - frame->sent_ns;
	unsigned int dropped_bits = 0;

	while (wait_ns >> dropped_bits >> WAIT_BITS)
		dropped_bits++;
	return wait_ns >> dropped_bits << dropped_bits;
}

static void recall_times(struct reference_frame *frame, uint64_t now_ns)
{
	uint64_t sent_ns = frame->free_ns - reference_wait(frame);

	if (!frame->from || !frame->is_timed || now_ns > sent_ns + MAX_AGE_NS) {
		frame->sent_ns = frame->free_ns = now_ns;
		return;
	}
	frame->sent_ns = sent_ns;
}

/* What the switch itself sends has no access link, and no pair. */
static enum wire_verdict cross_receiver_side(struct reference *reference, struct reference_frame *frame, uint16_t to)
{
	enum wire_verdict verdict = WIRE_DELIVERED;

	if (!frame->used_medium)
		verdict = cross(reference, 0, 0, frame);
	if (verdict == WIRE_DELIVERED && frame->from)
		verdict = cross(reference, frame->from, to, frame);
	if (verdict == WIRE_DELIVERED)
		verdict = cross(reference, 0, to, frame);
	return verdict;
}

static uint64_t sum_delays(const struct reference *reference, uint16_t from, uint16_t to, bool *shaped)
{
	const struct reference_rule *rules[] = { rule_of(reference, 0, 0), rule_of(reference, 0, to),
						 rule_of(reference, from, 0), rule_of(reference, from, to) };
	uint64_t delay_ns = 0;

	*shaped = false;
	for (int i = 0; i < (from ? 4 : 2); i++) {
		delay_ns += rules[i]->delay_ns;
		*shaped = *shaped || rules[i]->delay_ns || rules[i]->rate_bps;
	}
	return delay_ns;
}

static void hold(struct reference *reference, const struct reference_frame *frame, uint16_t to, uint64_t due_ns)
{
	reference->held[reference->held_count++] =
		(struct reference_held){ .frame = *frame, .to = to, .due_ns = due_ns };
	reference->totals[frame->from][to].held++;
}

/* A path on which nothing delays or has a rate holds nothing, not even what had to wait while it did. */
static struct reference_outcome settle(struct reference *reference, struct reference_frame frame, uint16_t to,
				       uint64_t now_ns)
{
	bool shaped;
	uint64_t delay_ns = sum_delays(reference, frame.from, to, &shaped), due_ns;
	struct reference_outcome outcome = { .verdict = cut(reference, frame.from, to) };

	if (!frame.is_segmented && frame.length > reference->mtu + HEADER)
		outcome.verdict = WIRE_ERROR;
	if (outcome.verdict == WIRE_DELIVERED)
		outcome.verdict = frame.verdict;
	if (outcome.verdict != WIRE_DELIVERED)
		return outcome;
	recall_times(&frame, now_ns);
	outcome.verdict = cross_receiver_side(reference, &frame, to);
	due_ns = frame.free_ns + delay_ns;
	if (outcome.verdict != WIRE_DELIVERED || !shaped || due_ns == frame.sent_ns)
		return outcome;
	if (due_ns - frame.sent_ns > HORIZON_NS)
		outcome.verdict = WIRE_QUEUE;
	else if (reference->no_line)
		outcome.verdict = WIRE_ERROR;
	else
		hold(reference, &frame, to, due_ns);
	outcome.due_ns = due_ns;
	outcome.sent_ns = frame.sent_ns;
	return outcome;
}

static void count(struct reference_totals *totals, enum wire_verdict verdict, uint64_t bytes)
{
	if (verdict != WIRE_DELIVERED) {
		totals->dropped[verdict]++;
		return;
	}
	totals->packets++;
	totals->bytes += bytes;
}

struct reference_outcome reference_leave(struct reference *reference, const struct reference_frame *frame, uint16_t to,
					 uint64_t now_ns)
{
	struct reference_outcome outcome = settle(reference, *frame, to, now_ns);

	/* What is held is delivered when it has left. */
	if (outcome.verdict != WIRE_DELIVERED || !outcome.due_ns)
		count(&reference->totals[frame->from][to], outcome.verdict, frame->bytes);
	return outcome;
}

enum wire_verdict reference_due(struct reference *reference, size_t index)
{
	struct reference_held held = reference->held[index];
	struct reference_totals *totals = &reference->totals[held.frame.from][held.to];
	enum wire_verdict verdict = WIRE_DELIVERED;

	reference->held[index] = reference->held[--reference->held_count];
	if (held.flushed)
		verdict = WIRE_FLUSHED;
	else if (held.unplugged || reference->ports[held.to].out)
		verdict = WIRE_DISCONNECTED;
	totals->held--;
	totals->held_flushed -= held.flushed;
	totals->delayed += verdict == WIRE_DELIVERED;
	count(totals, verdict, held.frame.bytes);
	return verdict;
}

/* ---- Changes. */

static void forget_clock(struct reference_link *link)
{
	link->free_ns = link->sent_bps = link->passed_ns = 0;
}

/* A rate where there was none begins with nothing to send, and those under another delay wait for none under the one before. */
void reference_set_rule(struct reference *reference, uint16_t from, uint16_t to, const struct reference_rule *rule)
{
	struct reference_link *link = &reference->links[from][to];

	if (!rule->rate_bps || !link->rule.rate_bps)
		forget_clock(link);
	if (rule->delay_ns != link->rule.delay_ns)
		link->passed_ns = 0;
	link->rule = *rule;
}

void reference_set_seed(struct reference *reference, uint64_t seed)
{
	reference->seed = seed;
	reference->number_count = 0;
}

void reference_reset(struct reference *reference)
{
	memset(reference->links, 0, sizeof(reference->links));
	reference->number_count = 0;
}

void reference_flush(struct reference *reference)
{
	for (size_t i = 0; i < reference->held_count; i++) {
		struct reference_held *held = &reference->held[i];

		reference->totals[held->frame.from][held->to].held_flushed += !held->flushed;
		held->flushed = true;
	}
	for (uint16_t from = 0; from < REFERENCE_PORTS; from++)
		for (uint16_t to = 0; to < REFERENCE_PORTS; to++)
			forget_clock(&reference->links[from][to]);
}

void reference_unplug(struct reference *reference, uint16_t port)
{
	for (size_t i = 0; i < reference->held_count; i++)
		if (reference->held[i].to == port)
			reference->held[i].unplugged = true;
}
