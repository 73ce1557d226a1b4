// SPDX-License-Identifier: GPL-2.0-only
/* Links: reading them, and changing many at one instant. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <bpf/bpf.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "wire/internal.h"

#define MEMORY_TRIES 1000

static const struct wire_link no_link;

bool wire_is_nothing(const struct wire_link *link)
{
	return link->partition == WIRE_OPEN && !link->isolated && !link->lifted && !link->loss_ppb && !link->delay_ns &&
	       !link->rate_bps;
}

struct wire_link wire_link(const struct wire *wire, struct wire_key key)
{
	struct wire_rule rule;

	/* Between two calls of this side every epoch that was announced has come. */
	return bpf_map_lookup_elem(wire_map(wire, WIRE_LINKS, &key), &key, &rule) ? no_link : rule.link;
}

/*
 * The kernel keeps a few elements in store for each CPU, for a program cannot wait for memory. When they are used up
 * there are new ones soon; with user-mode-linux, at the next tick.
 */
static int update(int map, const struct wire_key *key, const void *value, uint64_t flags)
{
	const struct timespec pause = { .tv_nsec = NS_PER_MS };
	int tries = MEMORY_TRIES;

	while (bpf_map_update_elem(map, key, value, flags)) {
		if (errno != ENOMEM || !--tries)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int no_room(const struct wire *wire, const char *what, struct error *err)
{
	return error_errno(err, errno, "%s (at most %u links a run%s)", what, wire_most_rules(wire),
			   wire->more_rules ? "" : " before Linux 6.2");
}

/* The program cannot keep a clock for a link without a state. An old state stays as it is: what its clock counts, the rule says. */
static int make_state(struct wire *wire, const struct wire_change *change, struct error *err)
{
	static const struct wire_state fresh;

	if (!change->link.rate_bps)
		return 0;
	if (wire_make_map(wire, WIRE_STATES, &change->key, err))
		return -err->code;
	if (update(wire_map(wire, WIRE_STATES, &change->key), &change->key, &fresh, BPF_NOEXIST) && errno != EEXIST)
		return no_room(wire, "make the state of a link", err);
	return 0;
}

/* In place if there is one, so that no frame is left with memory that has become another link's rule. */
static int write_rule(const struct wire *wire, const struct wire_key *key, const struct wire_rule *rule,
		      struct error *err)
{
	if (update(wire_map(wire, WIRE_LINKS, key), key, rule, BPF_F_LOCK))
		return no_room(wire, "write a link", err);
	return 0;
}

/* Leaves a rule that says what is in force, and nothing about how it came about. */
static void write_plain(const struct wire *wire, const struct wire_key *key, const struct wire_link *link)
{
	struct wire_rule rule = { .link = *link };
	struct error ignored; /* it is there, or goes: neither needs room */

	if (wire_is_nothing(link))
		bpf_map_delete_elem(wire_map(wire, WIRE_LINKS, key), key);
	else
		write_rule(wire, key, &rule, &ignored);
}

void wire_raise_epoch(struct wire *wire)
{
	__atomic_add_fetch(&wire->global->epoch, 1, __ATOMIC_SEQ_CST);
}

/* Returns how many rules are written. What was in force is noted in `before`. */
static size_t announce(const struct wire *wire, const struct wire_changes *changes, struct wire_link *before,
		       struct error *err)
{
	uint64_t next = wire->global->epoch + 1;

	for (size_t i = 0; i < changes->count; i++) {
		const struct wire_change *change = &changes->list[i];
		struct wire_rule rule = { .link = change->link, .since = next };

		before[i] = rule.before = wire_link(wire, change->key);
		if (write_rule(wire, &change->key, &rule, err))
			return i;
	}
	return changes->count;
}

/*
 * Announce every rule for the next epoch, raise the epoch, tidy up (see wire_rule), raise it again. A frame that looked
 * before one of the two raises and sees the epoch move looks again: see bpf/path.h. So it sees all of a
 * commit or nothing of it, and takes nothing from a rule that tidying deleted, for new ones are only made after that.
 */
static int commit(struct wire *wire, const struct wire_changes *changes, struct error *err)
{
	struct wire_link *before = memory_new(changes->count * sizeof(*before));
	size_t written = announce(wire, changes, before, err);
	bool whole = written == changes->count;

	if (whole)
		wire_raise_epoch(wire);
	for (size_t i = 0; i < written; i++)
		write_plain(wire, &changes->list[i].key, whole ? &changes->list[i].link : &before[i]);
	wire_raise_epoch(wire);
	free(before);
	return whole ? 0 : -err->code;
}

int wire_commit(struct wire *wire, struct wire_changes *changes, struct error *err)
{
	int status = 0;

	for (size_t i = 0; i < changes->count && !status; i++) {
		status = wire_make_map(wire, WIRE_LINKS, &changes->list[i].key, err);
		if (!status)
			status = make_state(wire, &changes->list[i], err);
		/* Before the first frame that needs its time, and never back: see is_timed() in bpf/wire.bpf.c. */
		if (changes->list[i].link.delay_ns || changes->list[i].link.rate_bps)
			wire->global->stamping = 1;
	}
	if (!status && changes->count)
		status = commit(wire, changes, err);
	wire_forget_changes(changes);
	return status;
}

uint32_t wire_next_generation(struct wire *wire)
{
	return ++wire->generation;
}

struct link_visit {
	void (*each)(const struct wire_key *key, const struct wire_link *link, void *context);
	void *context;
};

static void visit_link(const struct wire_key *key, const void *value, void *context)
{
	const struct link_visit *visit = context;
	const struct wire_rule *rule = value;

	visit->each(key, &rule->link, visit->context);
}

void wire_each_link(const struct wire *wire, uint32_t bridge,
		    void (*each)(const struct wire_key *key, const struct wire_link *link, void *context),
		    void *context)
{
	struct link_visit visit = { .each = each, .context = context };

	wire_each_key(wire, WIRE_LINKS, bridge, visit_link, &visit);
}

static void delete_classes(const struct wire *wire, bool (*is_doomed)(const struct wire_class *class, uint64_t what),
			   uint64_t what)
{
	struct wire_class class, next;
	bool more = !bpf_map_get_next_key(wire->ordinals, NULL, &class);

	while (more) {
		more = !bpf_map_get_next_key(wire->ordinals, &class, &next);
		if (is_doomed(&class, what))
			bpf_map_delete_elem(wire->ordinals, &class);
		class = next;
	}
}

static bool is_of_bridge(const struct wire_class *class, uint64_t bridge)
{
	return class->bridge == bridge;
}

static bool is_of_other_seeding(const struct wire_class *class, uint64_t seeding)
{
	return class->seeding != (uint8_t)seeding;
}

void wire_forget_dice(struct wire *wire, uint32_t bridge)
{
	delete_classes(wire, is_of_bridge, bridge);
}

void wire_forget_bridge(struct wire *wire, uint32_t bridge)
{
	for (enum wire_pairs pairs = 0; pairs < WIRE_PAIRS; pairs++)
		wire_delete_keys(wire, pairs, bridge);
	wire_forget_dice(wire, bridge);
	wire_forget_gone(wire, bridge);
	wire_raise_epoch(wire);
}

/*
 * Frames under the new seed number their classes anew, for the seeding is a part of the key; what is left of the old one goes
 * then. After 256 seeds it comes round, and nothing of the first is there any more.
 */
void wire_set_seed(struct wire *wire, uint64_t seed)
{
	__atomic_store_n(&wire->global->seed, seed, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&wire->global->seeding, 1, __ATOMIC_SEQ_CST);
	wire_raise_epoch(wire);
	delete_classes(wire, is_of_other_seeding, wire->global->seeding);
}
