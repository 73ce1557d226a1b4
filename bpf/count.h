/* SPDX-License-Identifier: GPL-2.0-only */
/* Stage "count": totals of a pair by verdict. Exact with several CPUs: every addition is atomic. */
#ifndef PROVIUM_BPF_COUNT_H
#define PROVIUM_BPF_COUNT_H

#include "frame.h"

#define ADD(COUNTER, AMOUNT) __sync_fetch_and_add(&(COUNTER), (AMOUNT))

static __always_inline struct wire_counters *find_counters(const struct wire_key *key)
{
	static const struct wire_counters none;
	struct wire_counters *totals = bpf_map_lookup_elem(&counters, key);
	struct wire_control *global;
	__u32 zero = 0;

	if (totals)
		return totals;
	bpf_map_update_elem(&counters, key, &none, BPF_NOEXIST);
	totals = bpf_map_lookup_elem(&counters, key);
	if (totals)
		return totals;
	global = bpf_map_lookup_elem(&control, &zero);
	if (global)
		ADD(global->uncounted, 1);
	return NULL;
}

static __always_inline void count_sent(struct __sk_buff *skb, const struct wire_port *port)
{
	struct wire_key key = { .bridge = port->bridge, .from = port->port };
	struct wire_counters *totals = find_counters(&key);

	if (!totals)
		return;
	ADD(totals->packets, 1);
	ADD(totals->bytes, skb->len + tag_bytes(skb));
}

static __always_inline void count_verdict(const struct frame *frame, enum wire_verdict verdict)
{
	struct wire_counters *totals = find_counters(&frame->pair);

	if (!totals)
		return;
	switch (verdict) {
	case WIRE_DELIVERED:
		ADD(totals->packets, 1);
		ADD(totals->bytes, frame->bits / 8);
		if (is_held(frame))
			ADD(totals->delayed, 1);
		break;
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
	}
}

#endif
