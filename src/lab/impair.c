// SPDX-License-Identifier: GPL-2.0-only
/* Impairments: delay, loss, rate, on the medium, an access link or a pair. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lab/heal.h"
#include "lab/lab.h"
#include "lab/rules.h"
#include "lab/rules_internal.h"
#include "lab/run.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/hash.h"
#include "wire/wire.h"

#define DEFAULT_QUEUE_NS  (200 * NS_PER_MS)
#define MIN_QUEUE_FRAMES  32U
#define MOST_SHRINKING	  2U  /* of a queue whose frames keep their order */
#define L2_OVERHEAD_BYTES 18U /* Ethernet header and a VLAN tag */

uint64_t rules_salt(const struct bridge *bridge, const struct member *from, const struct member *to)
{
	char names[4 * (NAME_LIMIT + 1)];

	snprintf(names, sizeof(names), "%s/%s/%s/%s", bridge->home->name, bridge->name, from ? from->name : "",
		 to ? to->name : "");
	return hash_string(names);
}

/* The link that a script chose: its key, and what it is now. */
static int choose(struct bridge *bridge, struct link_choice choice, struct wire_change *change, struct error *err)
{
	struct member *from = choice.from ? bridge_attached(bridge, choice.from, err) : NULL;
	struct member *to = choice.to && (from || !choice.from) ? bridge_attached(bridge, choice.to, err) : NULL;

	if ((choice.from && !from) || (choice.to && !to))
		return -err->code;
	if (from && from == to)
		return error_set(err, EINVAL, "`from` and `to` are both `%s`; no frame goes that way", choice.from);
	change->key = rules_key(bridge, from, to);
	change->link = wire_link(bridge->run->wire, change->key);
	change->link.salt = rules_salt(bridge, from, to);
	return 0;
}

static int commit(struct bridge *bridge, const struct wire_change *change, struct error *err)
{
	struct wire_changes changes = { 0 };

	wire_change(&changes, change);
	return heal_commit(bridge, &changes, err);
}

/* And the line, on which frames are held. */
static int need_fq(const struct bridge *bridge, const char *what, struct error *err)
{
	if (wire_can_hold(bridge->run->wire))
		return run_open_line(bridge->run, err);
	return error_set(
		err, EOPNOTSUPP,
		"this kernel cannot %s: it has no fq queueing discipline (CONFIG_NET_SCH_FQ); load sch_fq, or run "
		"the script with tools/testkernel; `provium doctor` tells more",
		what);
}

static int check_delay(const struct bridge *bridge, uint64_t delay_ns, struct error *err)
{
	if (delay_ns > RULES_MAX_NS)
		return error_set(err, EINVAL, "the latency is %g s; at most %llu s is accepted",
				 (double)delay_ns / (double)NS_PER_S, RULES_MAX_NS / NS_PER_S);
	return delay_ns ? need_fq(bridge, "delay frames", err) : 0;
}

static int check_rate(const struct bridge *bridge, uint64_t bps, struct error *err)
{
	if (bps && (bps < RULES_MIN_RATE || bps > RULES_MAX_RATE))
		return error_set(err, EINVAL, "the rate is %llu bit/s; 0 (no limit) or 1kbit to 1000Gbit is accepted",
				 (unsigned long long)bps);
	return bps ? need_fq(bridge, "limit a rate", err) : 0;
}

int rules_check_link(const struct bridge *bridge, const struct wire_link *link, struct error *err)
{
	if (link->partition > WIRE_LIFTED || link->loss_ppb > WIRE_CERTAIN_PPB || link->queue_ns > RULES_MAX_NS)
		return error_set(err, EINVAL,
				 "partition %u, loss_ppb %u, queue_ns %llu; at most %u, %u and %llu are accepted",
				 (unsigned int)link->partition, link->loss_ppb, (unsigned long long)link->queue_ns,
				 (unsigned int)WIRE_LIFTED, WIRE_CERTAIN_PPB, RULES_MAX_NS);
	if (check_delay(bridge, link->delay_ns, err))
		return -err->code;
	return check_rate(bridge, link->rate_bps, err);
}

/*
 * Frames that are held keep the times that they were given. New ones stay behind them, so that a rate that varies does not put them
 * out of order, unless that would take much longer than the new queue does.
 */
static bool keeps_order(const struct wire_link *before, const struct wire_link *after)
{
	if (before->delay_ns != after->delay_ns)
		return false;
	if (before->rate_bps == after->rate_bps && before->queue_ns == after->queue_ns)
		return true;
	return before->rate_bps && after->rate_bps && after->queue_ns >= before->queue_ns / MOST_SHRINKING;
}

void rules_number(const struct bridge *bridge, struct wire_change *change)
{
	struct wire_link before = wire_link(bridge->run->wire, change->key), *link = &change->link;
	uint32_t number = wire_next_generation(bridge->run->wire);

	/* Another rate goes on with the clock of the one before: see take_turn() in bpf/cross.h. */
	link->clock = before.rate_bps && link->rate_bps ? before.clock : number;
	link->generation = keeps_order(&before, link) ? before.generation : number;
}

int rules_set_delay(struct bridge *bridge, struct link_choice choice, uint64_t delay_ns, struct error *err)
{
	struct wire_change change = { 0 };

	if (choose(bridge, choice, &change, err) || check_delay(bridge, delay_ns, err))
		return -err->code;
	change.link.delay_ns = delay_ns;
	rules_number(bridge, &change);
	return commit(bridge, &change, err);
}

int rules_set_loss(struct bridge *bridge, struct link_choice choice, uint32_t loss_ppb, struct error *err)
{
	struct wire_change change;

	if (choose(bridge, choice, &change, err))
		return -err->code;
	change.link.loss_ppb = loss_ppb;
	return commit(bridge, &change, err);
}

static uint64_t queue_time(const struct bridge *bridge, const struct rate *rate)
{
	double frames_ns = (double)MIN_QUEUE_FRAMES * (bridge->mtu + L2_OVERHEAD_BYTES) * 8e9 / (double)rate->bps;
	double queue_ns = (double)rate->queue;

	if (rate->queue_kind == QUEUE_BYTES)
		queue_ns = (double)rate->queue * 8e9 / (double)rate->bps;
	if (rate->queue_kind == QUEUE_DEFAULT)
		queue_ns = frames_ns > DEFAULT_QUEUE_NS ? frames_ns : DEFAULT_QUEUE_NS;
	return queue_ns < (double)RULES_MAX_NS ? (uint64_t)queue_ns : RULES_MAX_NS;
}

int rules_set_rate(struct bridge *bridge, struct link_choice choice, const struct rate *rate, struct error *err)
{
	struct wire_change change = { 0 };

	if (choose(bridge, choice, &change, err) || check_rate(bridge, rate->bps, err))
		return -err->code;
	change.link.rate_bps = rate->bps;
	change.link.queue_ns = rate->bps ? queue_time(bridge, rate) : 0;
	rules_number(bridge, &change);
	return commit(bridge, &change, err);
}
