// SPDX-License-Identifier: GPL-2.0-only
/* Links: reading them, and changing many at one instant. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "util/error.h"
#include "util/memory.h"
#include "wire/internal.h"

static const struct wire_link no_link;

static bool same_key(const struct wire_key *a, const struct wire_key *b)
{
	return a->bridge == b->bridge && a->from == b->from && a->to == b->to;
}

/* Fields, not bytes: the generation of a link that shapes nothing does not make it a link. */
static bool is_nothing(const struct wire_link *link)
{
	return link->partition == WIRE_OPEN && !link->isolated && !link->loss_ppb && !link->delay_ns && !link->rate_bps;
}

struct wire_control wire_control_read(const struct wire *wire)
{
	struct wire_control value = { 0 };
	uint32_t zero = 0;

	bpf_map_lookup_elem(wire->control, &zero, &value);
	return value;
}

void wire_control_write(const struct wire *wire, const struct wire_control *value)
{
	uint32_t zero = 0;

	bpf_map_update_elem(wire->control, &zero, value, BPF_ANY);
}

struct wire_link wire_link(const struct wire *wire, struct wire_key key)
{
	struct wire_rule rule;

	/* Between two calls of this side every epoch that was announced has come. */
	return bpf_map_lookup_elem(wire->links, &key, &rule) ? no_link : rule.link;
}

static struct wire_change *find_change(const struct wire_changes *changes, const struct wire_key *key)
{
	for (size_t i = 0; i < changes->count; i++)
		if (same_key(&changes->list[i].key, key))
			return &changes->list[i];
	return NULL;
}

void wire_change(struct wire_changes *changes, const struct wire_change *change)
{
	struct wire_change *old = find_change(changes, &change->key);

	if (!old) {
		changes->list = memory_resize(changes->list, (changes->count + 1) * sizeof(*changes->list));
		old = &changes->list[changes->count++];
	}
	*old = *change;
}

struct wire_link wire_changed_link(const struct wire *wire, const struct wire_changes *changes, struct wire_key key)
{
	const struct wire_change *change = find_change(changes, &key);

	return change ? change->link : wire_link(wire, key);
}

void wire_forget_changes(struct wire_changes *changes)
{
	free(changes->list);
	*changes = (struct wire_changes){ 0 };
}

/* The program cannot roll dice or keep a clock for a link without a state. An old state stays as it is. */
static int make_state(const struct wire *wire, const struct wire_change *change, struct error *err)
{
	struct wire_state state = { .salt = change->salt };

	if (!change->link.loss_ppb && !change->link.rate_bps)
		return 0;
	if (bpf_map_update_elem(wire->states, &change->key, &state, BPF_NOEXIST) && errno != EEXIST)
		return error_errno(err, errno, "make the state of a link (at most %d links a run)", WIRE_MAX_LINKS);
	return 0;
}

static int write_rule(const struct wire *wire, const struct wire_key *key, const struct wire_rule *rule,
		      struct error *err)
{
	if (bpf_map_update_elem(wire->links, key, rule, BPF_ANY))
		return error_errno(err, errno, "write a link (at most %d links a run)", WIRE_MAX_LINKS);
	return 0;
}

/* Leaves a rule that says what is in force, and nothing about how it came about. */
static void write_plain(const struct wire *wire, const struct wire_key *key, const struct wire_link *link)
{
	struct wire_rule rule = { .link = *link };
	struct error ignored; /* replacing and deleting need no room, so they do not fail */

	if (is_nothing(link))
		bpf_map_delete_elem(wire->links, key);
	else
		write_rule(wire, key, &rule, &ignored);
}

static int commit_one(const struct wire *wire, const struct wire_change *change, struct error *err)
{
	struct wire_rule rule = { .link = change->link };

	if (!is_nothing(&change->link))
		return write_rule(wire, &change->key, &rule, err);
	bpf_map_delete_elem(wire->links, &change->key);
	return 0;
}

/* Announce every rule for the next epoch, raise the epoch, tidy up. See wire_rule. */
static int commit_many(const struct wire *wire, const struct wire_changes *changes, struct error *err)
{
	struct wire_control control = wire_control_read(wire);
	struct wire_link *before = memory_new(changes->count * sizeof(*before));
	size_t written;

	for (written = 0; written < changes->count; written++) {
		const struct wire_change *change = &changes->list[written];
		struct wire_rule rule = { .link = change->link, .since = control.epoch + 1 };

		before[written] = rule.before = wire_link(wire, change->key);
		if (write_rule(wire, &change->key, &rule, err))
			break;
	}
	if (written < changes->count) {
		while (written--)
			write_plain(wire, &changes->list[written].key, &before[written]);
	} else {
		control.epoch++;
		wire_control_write(wire, &control);
		for (size_t i = 0; i < changes->count; i++)
			write_plain(wire, &changes->list[i].key, &changes->list[i].link);
		err->code = 0;
	}
	free(before);
	return -err->code;
}

int wire_commit(struct wire *wire, struct wire_changes *changes, struct error *err)
{
	err->code = 0;
	for (size_t i = 0; i < changes->count && !err->code; i++)
		make_state(wire, &changes->list[i], err);
	if (!err->code && changes->count == 1)
		commit_one(wire, &changes->list[0], err);
	else if (!err->code && changes->count)
		commit_many(wire, changes, err);
	wire_forget_changes(changes);
	return -err->code;
}

uint32_t wire_next_generation(struct wire *wire)
{
	return ++wire->generation;
}

void wire_each_key(int map, uint32_t bridge, void (*each)(const struct wire_key *key, void *context), void *context)
{
	struct wire_key key, next;
	bool more = !bpf_map_get_next_key(map, NULL, &key);

	while (more) {
		/* Before each(), for what follows a deleted key is not known. */
		more = !bpf_map_get_next_key(map, &key, &next);
		if (key.bridge == bridge)
			each(&key, context);
		key = next;
	}
}

struct link_visit {
	const struct wire *wire;
	void (*each)(const struct wire_key *key, const struct wire_link *link, void *context);
	void *context;
};

static void visit_link(const struct wire_key *key, void *context)
{
	struct link_visit *visit = context;
	struct wire_link link = wire_link(visit->wire, *key);

	visit->each(key, &link, visit->context);
}

void wire_each_link(const struct wire *wire, uint32_t bridge,
		    void (*each)(const struct wire_key *key, const struct wire_link *link, void *context), void *context)
{
	struct link_visit visit = { .wire = wire, .each = each, .context = context };

	wire_each_key(wire->links, bridge, visit_link, &visit);
}

static void delete_key(const struct wire_key *key, void *context)
{
	bpf_map_delete_elem(*(int *)context, key);
}

void wire_forget_bridge(struct wire *wire, uint32_t bridge)
{
	int maps[] = { wire->links, wire->states, wire->counters };

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		wire_each_key(maps[i], bridge, delete_key, &maps[i]);
}

void wire_set_seed(struct wire *wire, uint64_t seed)
{
	struct wire_control control = wire_control_read(wire);
	struct wire_key key, *previous = NULL;
	struct wire_state state;

	control.seed = seed;
	wire_control_write(wire, &control);
	for (; !bpf_map_get_next_key(wire->states, previous, &key); previous = &key) {
		if (bpf_map_lookup_elem_flags(wire->states, &key, &state, BPF_F_LOCK))
			continue;
		state.sequence = 0;
		bpf_map_update_elem(wire->states, &key, &state, BPF_F_LOCK | BPF_EXIST);
	}
}
