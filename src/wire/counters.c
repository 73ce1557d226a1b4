// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>

#include "wire/internal.h"

struct wire_counters wire_counters(const struct wire *wire, struct wire_key key)
{
	struct wire_counters counters = { 0 };

	bpf_map_lookup_elem(wire->counters, &key, &counters);
	return counters;
}

struct counters_visit {
	const struct wire *wire;
	void (*each)(const struct wire_key *key, const struct wire_counters *counters, void *context);
	void *context;
};

static void visit_counters(const struct wire_key *key, void *context)
{
	struct counters_visit *visit = context;
	struct wire_counters counters = wire_counters(visit->wire, *key);

	visit->each(key, &counters, visit->context);
}

void wire_each_counters(const struct wire *wire, uint32_t bridge,
			void (*each)(const struct wire_key *key, const struct wire_counters *counters, void *context),
			void *context)
{
	struct counters_visit visit = { .wire = wire, .each = each, .context = context };

	wire_each_key(wire->counters, bridge, visit_counters, &visit);
}

uint64_t wire_uncounted(const struct wire *wire)
{
	return __atomic_load_n(&wire->global->uncounted, __ATOMIC_RELAXED);
}
