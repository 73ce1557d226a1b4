/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two small programs beside the one under test, in raw instructions. The probe sits on the line, where fq would: it is a
 * classifier of the device's htb qdisc, so it sees what fq would get, and lets it go on at once. The tagger puts a VLAN tag beside the data of a
 * frame, which the context of a test run cannot, and sends it out.
 */
#ifndef PROVIUM_TESTS_WIRE_PROBE_H
#define PROVIUM_TESTS_WIRE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "net/netlink.h"

#define PROBE_ROOM 4096 /* frames; what comes after is not noted */

struct seen {
	uint64_t tstamp;
	uint32_t hash;
	uint32_t priority;
	uint32_t wire_len;
	uint32_t mark;		/* the device that it is for */
	uint32_t tc_index;	/* the port of its sender */
	uint64_t before, after; /* set by the sender: the time around it */
};
#define SEEN_SIZE ((int)offsetof(struct seen, before))

struct probe {
	int program, tagger, frames;
};

#define INSN(CODE, DST, SRC, OFF, IMM)                                                                                 \
	{                                                                                                              \
		.code = (CODE), .dst_reg = (DST), .src_reg = (SRC), .off = (int16_t)(OFF), .imm = (IMM)                \
	}
#define MOVE(DST, SRC)	     INSN(BPF_ALU64 | BPF_MOV | BPF_X, DST, SRC, 0, 0)
#define SET(DST, IMM)	     INSN(BPF_ALU64 | BPF_MOV | BPF_K, DST, 0, 0, IMM)
#define CALL(HELPER)	     INSN(BPF_JMP | BPF_CALL, 0, 0, 0, HELPER)
#define END()		     INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define READ(FIELD, SIZE, R) INSN(BPF_LDX | (SIZE) | BPF_MEM, R, BPF_REG_6, offsetof(struct __sk_buff, FIELD), 0)
#define NOTE(FIELD, SIZE)                                                                                              \
	READ(FIELD, SIZE, BPF_REG_0), INSN(BPF_STX | (SIZE) | BPF_MEM, BPF_REG_10, BPF_REG_0,                          \
					   (int)offsetof(struct seen, FIELD) - SEEN_SIZE, 0)

static inline int probe_program(const char *name, const struct bpf_insn *insns, size_t size)
{
	static char log[4096];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log));
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, size / sizeof(*insns), &opts);

	if (fd < 0)
		fail_msg("load %s: %s", name, log);
	return fd;
}

static inline void probe_load(struct probe *probe)
{
	probe->frames = bpf_map_create(BPF_MAP_TYPE_QUEUE, "frames", 0, (uint32_t)SEEN_SIZE, PROBE_ROOM, NULL);
	assert_true(probe->frames >= 0);

	const struct bpf_insn watch[] = {
		MOVE(BPF_REG_6, BPF_REG_1),
		NOTE(tstamp, BPF_DW),
		NOTE(hash, BPF_W),
		NOTE(priority, BPF_W),
		NOTE(wire_len, BPF_W),
		NOTE(mark, BPF_W),
		NOTE(tc_index, BPF_W),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, probe->frames),
		INSN(0, 0, 0, 0, 0), /* the upper half of the immediate */
		MOVE(BPF_REG_2, BPF_REG_10),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -SEEN_SIZE),
		SET(BPF_REG_3, BPF_ANY),
		CALL(BPF_FUNC_map_push_elem),
		SET(BPF_REG_0, TC_ACT_OK),
		END(),
	};
	const struct bpf_insn tag[] = {
		MOVE(BPF_REG_6, BPF_REG_1), SET(BPF_REG_2, htons(ETH_P_8021Q)),
		SET(BPF_REG_3, 5),	    CALL(BPF_FUNC_skb_vlan_push),
		MOVE(BPF_REG_1, BPF_REG_6), READ(ifindex, BPF_W, BPF_REG_2),
		SET(BPF_REG_3, 0),	    CALL(BPF_FUNC_clone_redirect),
		SET(BPF_REG_0, TC_ACT_OK),  END(),
	};

	probe->program = probe_program("probe", watch, sizeof(watch));
	probe->tagger = probe_program("tagger", tag, sizeof(tag));
}

static inline void probe_close(struct probe *probe)
{
	close(probe->program);
	close(probe->tagger);
	close(probe->frames);
}

/* The next frame that the probe has noted. */
static inline bool probe_next(const struct probe *probe, struct seen *seen)
{
	return !bpf_map_lookup_and_delete_elem(probe->frames, NULL, seen);
}

/* htb without classes passes every frame straight on, and asks its classifiers first. */
static inline int probe_add_htb(struct netlink *nl, int ifindex, uint32_t handle, struct error *err)
{
	struct tcmsg header = { .tcm_ifindex = ifindex, .tcm_handle = handle, .tcm_parent = TC_H_ROOT };
	struct tc_htb_glob global = { .version = 3, .rate2quantum = 10 };
	struct nlattr *options;

	netlink_begin(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	netlink_put_string(nl, TCA_KIND, "htb");
	options = netlink_nest(nl, TCA_OPTIONS);
	netlink_put(nl, TCA_HTB_INIT, &global, sizeof(global));
	netlink_nest_end(nl, options);
	return netlink_ack(nl, err);
}

/* Takes the place of whatever qdisc the device has. */
static inline int probe_attach(const struct probe *probe, struct netlink *nl, int ifindex, struct error *err)
{
	uint32_t handle = TC_H_MAKE(2U << 16, 0);
	struct tcmsg header = {
		.tcm_ifindex = ifindex,
		.tcm_parent = handle,
		.tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL)),
	};
	struct nlattr *options;

	if (probe_add_htb(nl, ifindex, handle, err))
		return -1;
	netlink_begin(nl, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_put_string(nl, TCA_KIND, "bpf");
	options = netlink_nest(nl, TCA_OPTIONS);
	netlink_put_u32(nl, TCA_BPF_FD, (uint32_t)probe->program);
	netlink_put_string(nl, TCA_BPF_NAME, "probe");
	netlink_put_u32(nl, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	netlink_nest_end(nl, options);
	return netlink_ack(nl, err);
}

#endif
