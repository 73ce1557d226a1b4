// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <string.h>

#include <bpf/bpf.h>

#include "wire/internal.h"

static const struct verdict {
	const char *name;
	size_t offset;
} verdicts[WIRE_VERDICTS] = {
#define VERDICT(VALUE, NAME) [VALUE] = { #NAME, offsetof(struct wire_counters, dropped_##NAME) }
	[WIRE_DELIVERED] = { "delivered", offsetof(struct wire_counters, packets) },
	VERDICT(WIRE_PARTITION, partition),
	VERDICT(WIRE_ISOLATION, isolation),
	VERDICT(WIRE_LOSS, loss),
	VERDICT(WIRE_QUEUE, queue),
	VERDICT(WIRE_ERROR, error),
	VERDICT(WIRE_FLUSHED, flushed),
	VERDICT(WIRE_DISCONNECTED, disconnected),
#undef VERDICT
};

const char *const wire_hops[WIRE_HOPS] = {
	[WIRE_ACCESS_OUT] = "access out",
	[WIRE_MEDIUM] = "medium",
	[WIRE_PAIR] = "pair",
	[WIRE_ACCESS_IN] = "access in",
};

const char *wire_verdict_name(enum wire_verdict verdict)
{
	return verdicts[verdict].name;
}

uint64_t wire_frames(const struct wire_counters *counters, enum wire_verdict verdict)
{
	uint64_t count;

	memcpy(&count, (const char *)counters + verdicts[verdict].offset, sizeof(count));
	return count;
}

/* A flush only raises a number: see count_held() in bpf/line.h. What it has met is there until it is due. */
static void take_flushed(struct wire_counters *counters, uint32_t flush)
{
	uint64_t fresh;

	/* An offload frame of a sort that veth does not carry came off in pieces. */
	if ((int64_t)counters->held < 0)
		counters->held = 0;
	fresh = counters->held_new >> 32 == flush ? (uint32_t)counters->held_new : 0;
	/* The two are not read at one instant. */
	if (fresh > counters->held)
		fresh = counters->held;
	counters->dropped_flushed += counters->held - fresh;
	counters->held = fresh;
}

struct wire_counters wire_counters(const struct wire *wire, struct wire_key key)
{
	struct wire_counters counters = { 0 };

	if (!bpf_map_lookup_elem(wire_map(wire, WIRE_COUNTERS, &key), &key, &counters))
		take_flushed(&counters, wire_last_flush(wire, key.bridge));
	return counters;
}

struct counters_visit {
	const struct wire *wire;
	void (*each)(const struct wire_key *key, const struct wire_counters *counters, void *context);
	void *context;
};

static void visit_counters(const struct wire_key *key, const void *value, void *context)
{
	static const struct wire_counters silent;
	struct counters_visit *visit = context;
	struct wire_counters counters = *(const struct wire_counters *)value;

	if (memcmp(&counters, &silent, sizeof(counters)) == 0)
		return;
	take_flushed(&counters, wire_last_flush(visit->wire, key->bridge));
	visit->each(key, &counters, visit->context);
}

void wire_each_counters(const struct wire *wire, uint32_t bridge,
			void (*each)(const struct wire_key *key, const struct wire_counters *counters, void *context),
			void *context)
{
	struct counters_visit visit = { .wire = wire, .each = each, .context = context };

	wire_each_key(wire, WIRE_COUNTERS, bridge, visit_counters, &visit);
}

static void add_held(const struct wire_key *key, const struct wire_counters *counters, void *context)
{
	(void)key;
	*(uint64_t *)context += counters->held;
}

uint64_t wire_held(const struct wire *wire)
{
	uint64_t held = 0;

	wire_each_counters(wire, WIRE_ANY_BRIDGE, add_held, &held);
	return held;
}

uint64_t wire_uncounted(const struct wire *wire)
{
	return __atomic_load_n(&wire->global->uncounted, __ATOMIC_RELAXED);
}

uint64_t wire_unnumbered(const struct wire *wire)
{
	return __atomic_load_n(&wire->global->unnumbered, __ATOMIC_RELAXED);
}
