/* SPDX-License-Identifier: GPL-2.0-only */
/* Stage "count": totals of a pair by verdict. Exact with several CPUs: every addition is atomic. */
#ifndef PROVIUM_BPF_COUNT_H
#define PROVIUM_BPF_COUNT_H

#include "frame.h"

#define ADD(COUNTER, AMOUNT) __sync_fetch_and_add(&(COUNTER), (AMOUNT))

/* In the second map, if that is where the key belongs: see needs_more(). */
static __always_inline struct wire_counters *look_up_more(const struct wire_key *key)
{
	void *more = needs_more(key->bridge, key->from, key->to) ? find_more(&counters_more) : NULL;

	return more ? bpf_map_lookup_elem(more, key) : NULL;
}

/* NULL if there are none yet; makes none. */
static __always_inline struct wire_counters *look_up_counters(const struct wire_key *key)
{
	struct wire_counters *totals = bpf_map_lookup_elem(&counters, key);

	return totals ? totals : look_up_more(key);
}

static __always_inline struct wire_counters *make_counters(void *map, const struct wire_key *key)
{
	static const struct wire_counters none;

	bpf_map_update_elem(map, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

/* Those that are not in the first map. */
static __noinline struct wire_counters *find_more_counters(const struct wire_key *key)
{
	struct wire_counters *totals = look_up_more(key);
	struct wire_control *global;
	__u32 zero = 0;
	void *more;

	if (totals)
		return totals;
	if (!needs_more(key->bridge, key->from, key->to)) {
		totals = make_counters(&counters, key);
	} else {
		more = find_more(&counters_more);
		if (more)
			totals = make_counters(more, key);
	}
	if (totals)
		return totals;
	global = bpf_map_lookup_elem(&control, &zero);
	if (global)
		ADD(global->uncounted, 1);
	return NULL;
}

static __always_inline struct wire_counters *find_counters(const struct wire_key *key)
{
	struct wire_counters *totals = bpf_map_lookup_elem(&counters, key);

	return totals ? totals : find_more_counters(key);
}

static __always_inline void count_drop(struct wire_counters *totals, enum wire_verdict verdict)
{
	switch (verdict) {
	case WIRE_PARTITION:
		ADD(totals->dropped_partition, 1);
		break;
	case WIRE_ISOLATION:
		ADD(totals->dropped_isolation, 1);
		break;
	case WIRE_LOSS:
		ADD(totals->dropped_loss, 1);
		break;
	case WIRE_QUEUE:
		ADD(totals->dropped_queue, 1);
		break;
	case WIRE_ERROR:
		ADD(totals->dropped_error, 1);
		break;
	case WIRE_FLUSHED:
		ADD(totals->dropped_flushed, 1);
		break;
	case WIRE_DISCONNECTED:
		ADD(totals->dropped_disconnected, 1);
		break;
	case WIRE_DELIVERED:
	case WIRE_VERDICTS:
		break;
	}
}

/* What became of a frame of so many bytes. `totals` may be NULL: there was no room for them. */
static __always_inline void count_total(struct wire_counters *totals, enum wire_verdict verdict, __u64 bytes)
{
	if (!totals)
		return;
	if (verdict != WIRE_DELIVERED) {
		count_drop(totals, verdict);
		return;
	}
	ADD(totals->packets, 1);
	ADD(totals->bytes, bytes);
}

static __always_inline void count_verdict(const struct wire_key *pair, enum wire_verdict verdict, __u64 bytes)
{
	count_total(find_counters(pair), verdict, bytes);
}

#endif
