// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wire program with a clock that the test sets, so that what comes out is the same on every machine, to the nanosecond. And
 * two programs beside it: one that starts a program with what the context of a test run cannot say, and one that sees what is put
 * on the line.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

__u64 clock_ns, coarse_clock_ns;

#define bpf_ktime_get_ns()	  (*(volatile __u64 *)&clock_ns)
#define bpf_ktime_get_coarse_ns() (*(volatile __u64 *)&coarse_clock_ns)
/* An offload frame of a test run has no type, and newer kernels do not let such out: so none does here. */
#define bpf_clone_redirect(SKB, LINE, FLAGS) ((SKB)->gso_size ? -1 : bpf_clone_redirect(SKB, LINE, FLAGS))

#include "../../bpf/wire.bpf.c"

/* What is started, and how. */
__u32 start_program; /* a place in `programs` */
__u32 start_tag;     /* beside the data: its type and its number; 0: none */
__u32 start_index;   /* tc_index */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

SEC("tc")
int start(struct __sk_buff *skb)
{
	skb->tc_index = start_index;
	if (start_tag)
		bpf_skb_vlan_push(skb, bpf_htons(start_tag >> 16), start_tag & 0xffff);
	bpf_tail_call(skb, &programs, start_program);
	return TC_ACT_PIPE;
}

/* The last frame that was put on the line, as its queue gets it. */
__u64 seen_frames, seen_tstamp;
__u32 seen_hash, seen_priority, seen_mark, seen_tc_index, seen_len, seen_tag;
__u32 seen_cb[5];

SEC("tc")
int see(struct __sk_buff *skb)
{
	seen_frames++;
	seen_tstamp = skb->tstamp;
	seen_hash = skb->hash;
	seen_priority = skb->priority;
	seen_mark = skb->mark;
	seen_tc_index = skb->tc_index;
	seen_len = skb->len;
	seen_tag = skb->vlan_present ? (__u32)bpf_ntohs(skb->vlan_proto) << 16 | skb->vlan_tci : 0;
	for (int i = 0; i < 5; i++)
		seen_cb[i] = skb->cb[i];
	return TC_ACT_STOLEN;
}
