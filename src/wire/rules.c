// SPDX-License-Identifier: GPL-2.0-only
/* Links: reading them, and changing many at one instant. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"
#include "wire/internal.h"

#define MEMORY_TRIES  1000
#define LARGEST_BATCH 512U

static const struct wire_link no_link;

bool wire_is_nothing(const struct wire_link *link)
{
	return link->partition == WIRE_OPEN && !link->isolated && !link->lifted && !link->loss_ppb && !link->delay_ns &&
	       !link->rate_bps;
}

/* What the maps hold for it. */
static struct wire_link stored(const struct wire_link *link)
{
	return wire_is_nothing(link) ? no_link : *link;
}

static bool same_link(const struct wire_link *a, const struct wire_link *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
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
static bool waited_for_memory(int *tries)
{
	const struct timespec pause = { .tv_nsec = NS_PER_MS };

	if (errno != ENOMEM || !--*tries)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

int wire_make_element(int map, const struct wire_key *key, const void *value)
{
	int tries = MEMORY_TRIES;

	while (bpf_map_update_elem(map, key, value, BPF_NOEXIST) && errno != EEXIST)
		if (!waited_for_memory(&tries))
			return -errno;
	return 0;
}

/* The program cannot keep a clock for a link without a state. An old state stays as it is: what its clock counts, the rule says. */
static int make_state(const struct wire *wire, const struct wire_key *key, struct error *err)
{
	static const struct wire_state fresh;
	int status = wire_make_element(wire->states, key, &fresh);

	if (status)
		return error_errno(err, -status, "make the state of a link (at most %d links with a rate a run)",
				   WIRE_FIRST_ENTRIES);
	return 0;
}

/* Rules of one map, written by one system call. */
struct batch {
	int map;
	uint32_t count, room;
	struct wire_key *keys;
	struct wire_rule *rules;
};

static struct batch batch_for(size_t count)
{
	uint32_t room = count < LARGEST_BATCH ? (uint32_t)count : LARGEST_BATCH;

	return (struct batch){
		.room = room,
		.keys = memory_new(room * sizeof(struct wire_key)),
		.rules = memory_new(room * sizeof(struct wire_rule)),
	};
}

/* In place where there is one, so that no frame is left with memory that has become another link's rule. */
static int write_batch(const struct wire *wire, struct batch *batch, struct error *err)
{
	LIBBPF_OPTS(bpf_map_batch_opts, in_place, .elem_flags = BPF_F_LOCK);
	uint32_t done = 0, count = batch->count;
	int tries = MEMORY_TRIES;

	while (count && bpf_map_update_batch(batch->map, batch->keys + done, batch->rules + done, &count, &in_place)) {
		if (!waited_for_memory(&tries))
			return error_errno(err, errno, "write a link (at most %u links a run%s)", wire_most_rules(wire),
					   wire->more_rules ? "" : " before Linux 6.2");
		done += count;
		count = batch->count - done;
	}
	batch->count = 0;
	return 0;
}

static int add_rule(const struct wire *wire, struct batch *batch, const struct wire_key *key,
		    const struct wire_rule *rule, struct error *err)
{
	int map = wire_map(wire, WIRE_LINKS, key);

	if ((batch->count == batch->room || batch->map != map) && write_batch(wire, batch, err))
		return -err->code;
	batch->map = map;
	batch->keys[batch->count] = *key;
	batch->rules[batch->count++] = *rule;
	return 0;
}

/* Those that are there. */
static void delete_batch(struct batch *batch)
{
	LIBBPF_OPTS(bpf_map_batch_opts, plain);
	uint32_t done = 0, count = batch->count;

	while (done < batch->count && bpf_map_delete_batch(batch->map, batch->keys + done, &count, &plain)) {
		done += count + 1;
		count = batch->count - done;
	}
	batch->count = 0;
}

static void delete_rule(const struct wire *wire, struct batch *batch, const struct wire_key *key)
{
	int map = wire_map(wire, WIRE_LINKS, key);

	if (batch->count == batch->room || batch->map != map)
		delete_batch(batch);
	batch->map = map;
	batch->keys[batch->count++] = *key;
}

void wire_raise_epoch(struct wire *wire)
{
	__atomic_add_fetch(&wire->global->epoch, 1, __ATOMIC_SEQ_CST);
}

/* What the rules of a commit need to be there first. */
static int prepare(struct wire *wire, const struct wire_changes *changes, struct error *err)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct wire_change *change = &changes->list[i];

		if (wire_make_map(wire, WIRE_LINKS, &change->key, err) ||
		    (change->link.rate_bps && !changes->before[i].rate_bps && make_state(wire, &change->key, err)))
			return -err->code;
		/* Before the first frame that needs its time, and never back: see is_timed() in bpf/wire.bpf.c. */
		if (change->link.delay_ns || change->link.rate_bps)
			wire->global->stamping = 1;
	}
	return 0;
}

static int announce(const struct wire *wire, const struct wire_changes *changes, struct batch *batch, struct error *err)
{
	uint64_t next = wire->global->epoch + 1;
	int status = 0;

	for (size_t i = 0; i < changes->count && !status; i++) {
		struct wire_rule rule = {
			.link = changes->list[i].link,
			.before = changes->before[i],
			.since = next,
		};

		status = add_rule(wire, batch, &changes->list[i].key, &rule, err);
	}
	return status ? status : write_batch(wire, batch, err);
}

/* Whichever of them were announced. What was in force is there, and so needs no room. */
static void take_back(struct wire *wire, const struct wire_changes *changes, struct batch *batch)
{
	batch->count = 0;
	for (size_t i = 0; i < changes->count; i++) {
		const struct wire_key *key = &changes->list[i].key;
		struct wire_rule rule = { .link = changes->before[i] };

		if (same_link(&rule.link, &no_link))
			delete_rule(wire, batch, key);
		else
			bpf_map_update_elem(wire_map(wire, WIRE_LINKS, key), key, &rule, BPF_F_LOCK);
	}
	delete_batch(batch);
	wire_raise_epoch(wire);
}

static void delete_nothings(struct wire *wire, const struct wire_changes *changes, struct batch *batch)
{
	bool any = false;

	for (size_t i = 0; i < changes->count; i++) {
		if (!same_link(&changes->list[i].link, &no_link))
			continue;
		delete_rule(wire, batch, &changes->list[i].key);
		any = true;
	}
	delete_batch(batch);
	if (any)
		wire_raise_epoch(wire);
}

/* Leaves no change of the list that changes nothing. The slots are not right any more: nobody looks for one of them again. */
static void drop_unchanged(struct wire_changes *changes)
{
	size_t kept = 0;

	for (size_t i = 0; i < changes->count; i++) {
		struct wire_change change = { .key = changes->list[i].key, .link = stored(&changes->list[i].link) };

		if (same_link(&change.link, &changes->before[i]))
			continue;
		changes->before[kept] = changes->before[i];
		changes->list[kept++] = change;
	}
	changes->count = kept;
}

/*
 * Announce every rule for the next epoch and raise the epoch: a frame that looked before the raise and sees the epoch move looks
 * again (bpf/path.h), so it sees all of a commit or nothing of it. Rules that are nothing now, which is what frames take them for
 * already, are deleted after that, and as the kernel uses their memory again at once, the epoch is raised once more: a
 * frame that still looks at one sees it move, for what is new in that memory is of a later commit.
 */
static int commit(struct wire *wire, const struct wire_changes *changes, struct error *err)
{
	struct batch batch;
	int status;

	if (prepare(wire, changes, err))
		return -err->code;
	batch = batch_for(changes->count);
	status = announce(wire, changes, &batch, err);
	if (status) {
		take_back(wire, changes, &batch);
	} else {
		wire_raise_epoch(wire);
		delete_nothings(wire, changes, &batch);
	}
	free(batch.keys);
	free(batch.rules);
	return status;
}

int wire_commit(struct wire *wire, struct wire_changes *changes, struct error *err)
{
	int status = 0;

	wire_before(wire, changes);
	drop_unchanged(changes);
	if (changes->count)
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
