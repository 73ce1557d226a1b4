/* SPDX-License-Identifier: GPL-2.0-only */
/* Stage "cross": a frame passes one link. It takes its turn there (rate, queue), may get lost, and is delayed. */
#ifndef PROVIUM_BPF_CROSS_H
#define PROVIUM_BPF_CROSS_H

#include "dice.h"
#include "frame.h"

#define NS_PER_S 1000000000ULL

/*
 * Earliest departure time: the frame starts when the link is free, and the link is free again when its last bit is sent.
 * No burst is saved up while the link is idle. The queue bound is tested before the clock moves, so that a refused
 * frame takes no share of the rate. Every link starts from now, not from when the link before it is done: a frame that
 * waits for a slow access link must not make others wait for the idle medium behind it.
 *
 * A clock belongs to a rate. What waits under the old rate leaves when it was told to; if frames under the new one had to wait
 * for that, a link that was full at 100 kbit/s would drop all for seconds after it was set to 100 Mbit/s.
 */
static __always_inline bool take_turn(const struct frame *frame, const struct wire_link *link, struct wire_state *state,
				      __u64 *sequence, __u64 *done_ns)
{
	/* Rounded up: never faster than promised, and slower by less than 1 ns a frame. */
	__u64 sending_ns = link->rate_bps ? (frame->bits * NS_PER_S + link->rate_bps - 1) / link->rate_bps : 0;
	bool refused = false;
	__u64 start_ns;

	bpf_spin_lock(&state->lock);
	if (state->seeding != frame->seeding) {
		state->seeding = frame->seeding;
		state->sequence = 0;
	}
	*sequence = state->sequence++;
	if (sending_ns && state->rate_bps != link->rate_bps) {
		state->rate_bps = link->rate_bps;
		state->next_ns = 0;
	}
	start_ns = state->next_ns > frame->sent_ns ? state->next_ns : frame->sent_ns;
	if (sending_ns && start_ns - frame->sent_ns > link->queue_ns)
		refused = true;
	else if (sending_ns)
		state->next_ns = start_ns + sending_ns;
	bpf_spin_unlock(&state->lock);
	*done_ns = sending_ns ? start_ns + sending_ns : 0;
	return !refused;
}

static __always_inline enum wire_verdict stage_cross(struct frame *frame, const struct wire_link *link, __u16 from,
						     __u16 to)
{
	struct wire_key key = { .bridge = frame->pair.bridge, .from = from, .to = to };
	__u64 sequence, done_ns;
	struct wire_state *state;

	frame->flow = splitmix64(frame->flow ^ link->generation);
	frame->delay_ns += link->delay_ns;
	if (!link->rate_bps && !link->loss_ppb)
		return WIRE_DELIVERED;
	state = bpf_map_lookup_elem(&states, &key);
	if (!state)
		return WIRE_ERROR;
	if (!take_turn(frame, link, state, &sequence, &done_ns))
		return WIRE_QUEUE;
	if (done_ns > frame->free_ns)
		frame->free_ns = done_ns;
	/* Lost after its turn: the bits were on the wire. */
	if (link->loss_ppb && dice_below(dice(frame->seed, state->salt, sequence), link->loss_ppb))
		return WIRE_LOSS;
	return WIRE_DELIVERED;
}

/* All links of the path, in their physical order. */
static __always_inline enum wire_verdict cross_path(struct frame *frame, const struct path *path)
{
	enum wire_verdict verdict;

	frame->hop = WIRE_ACCESS_OUT;
	verdict = stage_cross(frame, &path->access_out, frame->pair.from, 0);
	if (verdict != WIRE_DELIVERED)
		return verdict;
	frame->hop = WIRE_MEDIUM;
	verdict = stage_cross(frame, &path->medium, 0, 0);
	if (verdict != WIRE_DELIVERED)
		return verdict;
	frame->hop = WIRE_PAIR;
	verdict = stage_cross(frame, &path->pair, frame->pair.from, frame->pair.to);
	if (verdict != WIRE_DELIVERED)
		return verdict;
	frame->hop = WIRE_ACCESS_IN;
	return stage_cross(frame, &path->access_in, 0, frame->pair.to);
}

#endif
