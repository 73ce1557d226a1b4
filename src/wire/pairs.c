// SPDX-License-Identifier: GPL-2.0-only
/* What is known by wire_key: the first maps, and the second ones that most labs do not need. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "util/error.h"
#include "util/memory.h"
#include "wire.skel.h"
#include "wire/internal.h"

/* So many keys with their values come with one system call. */
#define READ_AT_ONCE  256U
#define LONGEST_VALUE sizeof(struct wire_rule)
_Static_assert(sizeof(struct wire_counters) <= LONGEST_VALUE && sizeof(struct wire_state) <= LONGEST_VALUE,
	       "a value has room");

/* A value that is a lock, as the kernel wants to know it. */
static struct btf *describe_lock(uint32_t *number, uint32_t *lock)
{
	struct btf *btf = btf__new_empty();
	int of_number, of_lock;

	if (!btf)
		return NULL;
	of_number = btf__add_int(btf, "unsigned int", sizeof(uint32_t), 0);
	of_lock = btf__add_struct(btf, "bpf_spin_lock", sizeof(struct bpf_spin_lock));
	btf__add_field(btf, "val", of_number, 0, 0);
	*number = (uint32_t)of_number;
	*lock = (uint32_t)btf__add_struct(btf, "value", sizeof(struct bpf_spin_lock));
	if (btf__add_field(btf, "lock", of_lock, 0, 0) || btf__load_into_kernel(btf)) {
		btf__free(btf);
		return NULL;
	}
	return btf;
}

/* The kernel refuses a map of maps with locks before Linux 6.2: tried with the smallest there can be. */
bool wire_probe_more_rules(void)
{
	uint32_t number, lock;
	struct btf *btf = describe_lock(&number, &lock);
	LIBBPF_OPTS(bpf_map_create_opts, inner);
	LIBBPF_OPTS(bpf_map_create_opts, outer);
	int inner_fd, outer_fd = -1;

	if (!btf)
		return false;
	inner.btf_fd = (uint32_t)btf__fd(btf);
	inner.btf_key_type_id = number;
	inner.btf_value_type_id = lock;
	inner_fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", sizeof(uint32_t), sizeof(struct bpf_spin_lock), 1, &inner);
	outer.inner_map_fd = (uint32_t)inner_fd;
	if (inner_fd >= 0) {
		outer_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "probe", sizeof(uint32_t), sizeof(uint32_t), 1,
					  &outer);
		close(inner_fd);
	}
	btf__free(btf);
	if (outer_fd < 0)
		return false;
	close(outer_fd);
	return true;
}

uint32_t wire_most_rules(const struct wire *wire)
{
	return wire->more_rules ? WIRE_MORE_ENTRIES : WIRE_FIRST_ENTRIES;
}

static bool is_in_more(const struct wire *wire, enum wire_pairs pairs, const struct wire_key *key)
{
	return (pairs == WIRE_COUNTERS || (pairs == WIRE_LINKS && wire->more_rules)) && wire_needs_more(key);
}

static int first_map(const struct wire *wire, enum wire_pairs pairs)
{
	return pairs == WIRE_LINKS ? wire->links : pairs == WIRE_STATES ? wire->states : wire->counters;
}

int wire_map(const struct wire *wire, enum wire_pairs pairs, const struct wire_key *key)
{
	if (!is_in_more(wire, pairs, key))
		return first_map(wire, pairs);
	return wire->more[pairs] ? wire->more[pairs] : -1;
}

/* Like the first one, but for its size, and in its place. */
static int make_more(struct wire *wire, enum wire_pairs pairs, const struct bpf_map *first, const struct bpf_map *place,
		     struct error *err)
{
	uint32_t only = 0;
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = bpf_map__map_flags(first));
	int fd;

	options.btf_fd = (uint32_t)bpf_object__btf_fd(wire->skeleton->obj);
	options.btf_key_type_id = bpf_map__btf_key_type_id(first);
	options.btf_value_type_id = bpf_map__btf_value_type_id(first);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, bpf_map__name(first), bpf_map__key_size(first),
			    bpf_map__value_size(first), WIRE_MORE_ENTRIES, &options);
	if (fd >= 0 && !bpf_map_update_elem(bpf_map__fd(place), &only, &fd, BPF_ANY)) {
		wire->more[pairs] = fd;
		return 0;
	}
	error_errno(err, errno, "make a second map `%s` for a lab of this size", bpf_map__name(first));
	if (fd >= 0)
		close(fd);
	return -err->code;
}

int wire_make_map(struct wire *wire, enum wire_pairs pairs, const struct wire_key *key, struct error *err)
{
	if (wire->more[pairs] || !is_in_more(wire, pairs, key))
		return 0;
	if (pairs == WIRE_LINKS)
		return make_more(wire, pairs, wire->skeleton->maps.links, wire->skeleton->maps.links_more, err);
	return make_more(wire, pairs, wire->skeleton->maps.counters, wire->skeleton->maps.counters_more, err);
}

void wire_close_more(struct wire *wire)
{
	for (enum wire_pairs pairs = 0; pairs < WIRE_PAIRS; pairs++)
		if (wire->more[pairs])
			close(wire->more[pairs]);
}

struct chunk {
	struct wire_key keys[READ_AT_ONCE];
	char values[READ_AT_ONCE * LONGEST_VALUE];
};

static size_t value_size(enum wire_pairs pairs)
{
	return pairs == WIRE_LINKS    ? sizeof(struct wire_rule)
	       : pairs == WIRE_STATES ? sizeof(struct wire_state)
				      : sizeof(struct wire_counters);
}

/* By buckets of the map, so it does not matter which keys go meanwhile. */
static void each_of_map(int map, enum wire_pairs pairs, uint32_t bridge,
			void (*each)(const struct wire_key *key, const void *value, void *context), void *context)
{
	struct chunk *chunk = memory_new(sizeof(*chunk));
	LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = pairs == WIRE_COUNTERS ? 0 : BPF_F_LOCK);
	uint32_t position, *start = NULL, count;
	bool more = true;

	while (more) {
		count = READ_AT_ONCE;
		/* The last ones come with an error (ENOENT). */
		more = !bpf_map_lookup_batch(map, start, &position, chunk->keys, chunk->values, &count, &options);
		if (!more && errno != ENOENT)
			break;
		for (uint32_t i = 0; i < count; i++)
			if (bridge == WIRE_ANY_BRIDGE || chunk->keys[i].bridge == bridge)
				each(&chunk->keys[i], chunk->values + i * value_size(pairs), context);
		start = &position;
	}
	free(chunk);
}

void wire_each_key(const struct wire *wire, enum wire_pairs pairs, uint32_t bridge,
		   void (*each)(const struct wire_key *key, const void *value, void *context), void *context)
{
	each_of_map(first_map(wire, pairs), pairs, bridge, each, context);
	if (wire->more[pairs])
		each_of_map(wire->more[pairs], pairs, bridge, each, context);
}

static void delete_key(const struct wire_key *key, const void *value, void *context)
{
	(void)value;
	bpf_map_delete_elem(*(const int *)context, key);
}

void wire_delete_keys(const struct wire *wire, enum wire_pairs pairs, uint32_t bridge)
{
	int first = first_map(wire, pairs), more = wire->more[pairs];

	each_of_map(first, pairs, bridge, delete_key, &first);
	if (more)
		each_of_map(more, pairs, bridge, delete_key, &more);
}
