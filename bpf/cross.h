/* SPDX-License-Identifier: GPL-2.0-only */
/* Stage "cross": a frame passes one link. It takes its turn there (rate, queue), and may get lost. */
#ifndef PROVIUM_BPF_CROSS_H
#define PROVIUM_BPF_CROSS_H

#include "class.h"
#include "dice.h"
#include "frame.h"
#include "path.h"

#define NS_PER_S 1000000000ULL

/* 146 years. A second at 1 Tbit/s is 32 years at 1 kbit/s, and must be a second again afterwards. */
#define AHEAD_BITS 62
#define HALF_BITS  21

/*
 * ahead * old / new, rounded up, in two steps of at most 64 bits: rates have at most 40, as RULES_MAX_RATE, and what is ahead is as
 * many bits as a queue holds, so that the product loses none. So bits are conserved: what is ahead of the clock is as many bits
 * under the new rate as it was under the old one.
 */
static __always_inline __u64 rescale(__u64 ahead_ns, __u64 old_bps, __u64 new_bps)
{
	__u64 product = (ahead_ns >> HALF_BITS) * old_bps;
	__u64 upper = product / new_bps, rest = product % new_bps;

	if (upper >> (AHEAD_BITS - HALF_BITS))
		return 1ULL << AHEAD_BITS;
	rest = (rest << HALF_BITS) + (ahead_ns & ((1ULL << HALF_BITS) - 1)) * old_bps;
	ahead_ns = (upper << HALF_BITS) + (rest + new_bps - 1) / new_bps;
	return ahead_ns >> AHEAD_BITS ? 1ULL << AHEAD_BITS : ahead_ns;
}

/*
 * Earliest departure time: the frame starts when the link is free, and the link is free again when its last bit is sent.
 * No burst is saved up while the link is idle. The queue bound is tested before the clock moves, so that a refused
 * frame takes no share of the rate. Every link starts from when the frame was sent, not from when the link before it is done: a
 * frame that waits for a slow access link must not make others wait for the idle medium behind it.
 */
static __always_inline bool take_turn(struct frame *frame, const struct crossing *link, struct wire_state *state)
{
	/* Rounded up: never faster than promised, and slower by less than 1 ns a frame. */
	__u64 sending_ns = (frame->bits * NS_PER_S + link->rate_bps - 1) / link->rate_bps;
	__u64 sent_ns = frame->sent_ns, start_ns = sent_ns, passed_ns = 0;
	bool refused;

	bpf_spin_lock(&state->lock);
	if (state->clock != link->clock || state->flush != frame->path->flush) {
		state->clock = link->clock;
		state->flush = frame->path->flush;
		state->next_ns = state->last_ns = 0;
	} else if (state->rate_bps != link->rate_bps && state->next_ns > sent_ns) {
		state->next_ns = sent_ns + rescale(state->next_ns - sent_ns, state->rate_bps, link->rate_bps);
	}
	state->rate_bps = link->rate_bps;
	if (state->generation != link->generation) {
		state->generation = link->generation;
		state->last_ns = 0;
	}
	if (state->next_ns > sent_ns)
		start_ns = state->next_ns;
	refused = start_ns - sent_ns > link->queue_ns;
	if (!refused) {
		state->next_ns = start_ns + sending_ns;
		/* Those that were sent at a lower rate are on their way, each with its time. */
		if (state->next_ns > state->last_ns)
			state->last_ns = state->next_ns;
		passed_ns = state->last_ns;
	}
	bpf_spin_unlock(&state->lock);
	if (passed_ns > frame->free_ns)
		frame->free_ns = passed_ns;
	return !refused;
}

/* Those of the dice are repeatable no more once there is no room for a class, which is told: see struct wire_control. */
static __always_inline __u64 next_ordinal(const struct wire_class *class)
{
	static const __u64 first = 0;
	__u64 *next = bpf_map_lookup_elem(&ordinals, class);
	struct wire_control *global;
	__u32 zero = 0;

	if (!next) {
		bpf_map_update_elem(&ordinals, class, &first, BPF_NOEXIST);
		next = bpf_map_lookup_elem(&ordinals, class);
	}
	if (next)
		return __sync_fetch_and_add(next, 1);
	global = bpf_map_lookup_elem(&control, &zero);
	if (global)
		__sync_fetch_and_add(&global->unnumbered, 1);
	return bpf_get_prandom_u32();
}

static __always_inline bool is_lost(const struct frame *frame, const struct crossing *link, const struct wire_key *key)
{
	struct wire_class class = {
		.bridge = key->bridge,
		.from = key->from,
		.to = key->to,
		.sender = frame->path->pair.from,
		.ethertype = frame->class >> 32,
		.port = (__u16)frame->class,
		.protocol = (__u8)(frame->class >> 16),
		.seeding = frame->path->seeding,
	};

	return dice_below(dice(link->dice, frame->class, next_ordinal(&class)), link->loss_ppb);
}

/* Once for all of these links, one bit each, of which each may roll dice. */
static __always_inline void prepare_dice(struct __sk_buff *skb, struct frame *frame, __u8 hops)
{
	if (frame->path->rolls & hops)
		frame->class = read_class(skb);
}

static __always_inline enum wire_verdict stage_cross(struct frame *frame, enum wire_hop hop)
{
	const struct crossing *link = &frame->path->crossings[hop];
	struct wire_key key = hop_key(&frame->path->pair, hop);
	struct wire_state *state;

	frame->hop = hop;
	if (link->rate_bps) {
		state = bpf_map_lookup_elem(&states, &key);
		if (!state)
			return WIRE_ERROR;
		if (!take_turn(frame, link, state))
			return WIRE_QUEUE;
	}
	/* Lost after its turn: the bits were on the wire. */
	return link->loss_ppb && is_lost(frame, link, &key) ? WIRE_LOSS : WIRE_DELIVERED;
}

#endif
