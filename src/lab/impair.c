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
#define L2_OVERHEAD_BYTES 18U /* Ethernet header and a VLAN tag */

uint64_t rules_salt(const struct bridge *bridge, const struct member *from, const struct member *to)
{
	char names[4 * (NAME_LIMIT + 1)];

	snprintf(names, sizeof(names), "%s/%s/%s/%s", bridge->home->name, bridge->name, from ? from->name : "",
		 to ? to->name : "");
	return hash_string(names);
}

/* The link that a script chose: its key, what it is now, and a number from its names for the dice. */
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
	change->salt = rules_salt(bridge, from, to);
	return 0;
}

static int commit(struct bridge *bridge, const struct wire_change *change, struct error *err)
{
	struct wire_changes changes = { 0 };

	wire_change(&changes, change);
	return heal_commit(bridge, &changes, err);
}

static int need_fq(const struct bridge *bridge, const char *what, struct error *err)
{
	if (wire_can_hold(bridge->run->wire))
		return 0;
	return error_set(
		err, EOPNOTSUPP,
		"this kernel cannot %s: it has no fq queueing discipline (CONFIG_NET_SCH_FQ); load sch_fq, or run "
		"the script with tools/testkernel; `provium doctor` tells more",
		what);
}

int rules_set_delay(struct bridge *bridge, struct link_choice choice, uint64_t delay_ns, struct error *err)
{
	struct wire_change change;

	if (delay_ns > RULES_MAX_NS)
		return error_set(err, EINVAL, "the latency is %g s; at most %llu s is accepted",
				 (double)delay_ns / (double)NS_PER_S, RULES_MAX_NS / NS_PER_S);
	if (choose(bridge, choice, &change, err) || (delay_ns && need_fq(bridge, "delay frames", err)))
		return -err->code;
	change.link.delay_ns = delay_ns;
	change.link.generation = wire_next_generation(bridge->run->wire);
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
	struct wire_change change;

	if (rate->bps && (rate->bps < RULES_MIN_RATE || rate->bps > RULES_MAX_RATE))
		return error_set(err, EINVAL, "the rate is %llu bit/s; 0 (no limit) or 1kbit to 1000Gbit is accepted",
				 (unsigned long long)rate->bps);
	if (choose(bridge, choice, &change, err) || (rate->bps && need_fq(bridge, "limit a rate", err)))
		return -err->code;
	change.link.rate_bps = rate->bps;
	change.link.queue_ns = rate->bps ? queue_time(bridge, rate) : 0;
	change.link.generation = wire_next_generation(bridge->run->wire);
	return commit(bridge, &change, err);
}
