// SPDX-License-Identifier: GPL-2.0-only
/* What the programs and maps of a wire are, for who has nothing of one but ids. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <provium/capture.h>

#include "util/error.h"
#include "wire/wire.h"

#define MORE .map_type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .key_size = sizeof(uint32_t), .value_size = sizeof(uint32_t)

/* Types and sizes are those of bpf/maps.h. */
const struct wire_object wire_objects[WIRE_OBJECTS] = {
	{ "wire_ingress", offsetof(struct wire_ids, ingress), .is_program = true },
	{ "wire_egress", offsetof(struct wire_ids, egress), .is_program = true },
	{ "ports", offsetof(struct wire_ids, ports), .map_type = BPF_MAP_TYPE_HASH, .key_size = sizeof(uint32_t),
	  .value_size = sizeof(struct wire_port) },
	{ "links", offsetof(struct wire_ids, links), .map_type = BPF_MAP_TYPE_HASH, .key_size = sizeof(struct wire_key),
	  .value_size = sizeof(struct wire_rule) },
	{ "states", offsetof(struct wire_ids, states), .map_type = BPF_MAP_TYPE_HASH,
	  .key_size = sizeof(struct wire_key), .value_size = sizeof(struct wire_state) },
	{ "ordinals", offsetof(struct wire_ids, ordinals), .map_type = BPF_MAP_TYPE_HASH,
	  .key_size = sizeof(struct wire_class), .value_size = sizeof(uint64_t) },
	{ "counters", offsetof(struct wire_ids, counters), .map_type = BPF_MAP_TYPE_HASH,
	  .key_size = sizeof(struct wire_key), .value_size = sizeof(struct wire_counters) },
	{ "links_more", offsetof(struct wire_ids, links_more), MORE, .is_optional = true },
	{ "counters_more", offsetof(struct wire_ids, counters_more), MORE },
	{ "control", offsetof(struct wire_ids, control), .map_type = BPF_MAP_TYPE_ARRAY, .key_size = sizeof(uint32_t),
	  .value_size = sizeof(struct wire_control) },
	{ "captures", offsetof(struct wire_ids, captures), .map_type = BPF_MAP_TYPE_ARRAY, .key_size = sizeof(uint32_t),
	  .value_size = sizeof(struct wire_capture), .entries = WIRE_MAX_CAPTURES },
	{ "events", offsetof(struct wire_ids, events), .map_type = BPF_MAP_TYPE_PERF_EVENT_ARRAY,
	  .key_size = sizeof(uint32_t), .value_size = sizeof(uint32_t), .is_optional = true },
};

uint32_t *wire_id(struct wire_ids *ids, const struct wire_object *object)
{
	return (uint32_t *)((char *)ids + object->offset);
}

static bool is_program(int fd, const struct wire_object *object)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == BPF_PROG_TYPE_SCHED_CLS &&
	       strcmp(info.name, object->name) == 0;
}

static bool is_map(int fd, const struct wire_object *object)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == object->map_type &&
	       info.key_size == object->key_size && info.value_size == object->value_size &&
	       info.max_entries >= object->entries && strcmp(info.name, object->name) == 0;
}

int wire_check_ids(struct wire_ids *ids, struct error *err)
{
	for (size_t i = 0; i < WIRE_OBJECTS; i++) {
		const struct wire_object *object = &wire_objects[i];
		uint32_t id = *wire_id(ids, object);
		bool good;
		int fd;

		if (!id && object->is_optional)
			continue;
		fd = object->is_program ? bpf_prog_get_fd_by_id(id) : bpf_map_get_fd_by_id(id);
		if (fd < 0)
			return error_errno(err, -fd, "open `%s` of the lab (id %u)", object->name, id);
		good = object->is_program ? is_program(fd, object) : is_map(fd, object);
		close(fd);
		if (!good)
			return error_set(err, EINVAL, "id %u is not that of `%s` of a lab of this version of provium",
					 id, object->name);
	}
	return 0;
}
