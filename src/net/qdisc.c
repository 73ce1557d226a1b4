// SPDX-License-Identifier: GPL-2.0-only
#include "net/qdisc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "net/netlink.h"
#include "util/error.h"

#define FILTER_PRIORITY 1U

static struct tcmsg tc_header(int ifindex, uint32_t handle, uint32_t parent)
{
	return (struct tcmsg){
		.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_handle = handle, .tcm_parent = parent
	};
}

int qdisc_add_clsact(struct netlink *nl, int ifindex, struct error *err)
{
	struct tcmsg header = tc_header(ifindex, TC_H_MAKE(TC_H_CLSACT, 0), TC_H_CLSACT);

	netlink_begin(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_put_string(nl, TCA_KIND, "clsact");
	return netlink_ack(nl, err) ? error_wrap(err, "put a clsact qdisc on device %d", ifindex) : 0;
}

int qdisc_add_fq(struct netlink *nl, int ifindex, struct error *err)
{
	struct tcmsg header = tc_header(ifindex, TC_H_MAKE(1U << 16, 0), TC_H_ROOT);
	struct nlattr *options;

	netlink_begin(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	netlink_put_string(nl, TCA_KIND, "fq");
	options = netlink_nest(nl, TCA_OPTIONS);
	netlink_put_u32(nl, TCA_FQ_PLIMIT, FQ_LIMIT_FRAMES);
	netlink_put_u32(nl, TCA_FQ_FLOW_PLIMIT, FQ_LIMIT_FRAMES);
	/* A socket's own pacing rate (SO_MAX_PACING_RATE, BBR) is applied in the node, not on the wire. */
	netlink_put_u32(nl, TCA_FQ_RATE_ENABLE, 0);
	/* A frame's flow is the hash that the wire program gives it; by default only 10 bits of it would count. */
	netlink_put_u32(nl, TCA_FQ_ORPHAN_MASK, UINT32_MAX);
	netlink_put_u32(nl, TCA_FQ_HORIZON, FQ_HORIZON_US);
	netlink_put_u8(nl, TCA_FQ_HORIZON_DROP, 0);
	/* By default fq lets frames leave up to 10 us late to wake up less often. */
	netlink_put_u32(nl, TCA_FQ_TIMER_SLACK, 0);
	netlink_nest_end(nl, options);
	return netlink_ack(nl, err) ? error_wrap(err, "put an fq qdisc on device %d", ifindex) : 0;
}

static void read_stats(const struct nlattr *nest, struct fq_stats *stats)
{
	struct gnet_stats_queue queue;
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		if (mnl_attr_get_type(attr) != TCA_STATS_QUEUE || mnl_attr_get_payload_len(attr) < sizeof(queue))
			continue;
		memcpy(&queue, mnl_attr_get_payload(attr), sizeof(queue));
		stats->dropped = queue.drops;
		stats->held = queue.qlen;
	}
}

static int take_fq(const struct nlmsghdr *answer, void *context)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, answer, sizeof(struct tcmsg)) {
		if (mnl_attr_get_type(attr) == TCA_STATS2)
			read_stats(attr, context);
	}
	return MNL_CB_OK;
}

int qdisc_fq_stats(struct netlink *nl, int ifindex, struct fq_stats *stats, struct error *err)
{
	struct tcmsg header = tc_header(ifindex, 0, TC_H_ROOT);

	*stats = (struct fq_stats){ 0 };
	/* The kernel sends the answer to those who listen to changes, and to the one who asked only if it wants an echo. */
	netlink_begin(nl, RTM_GETQDISC, NLM_F_ECHO, &header, sizeof(header));
	netlink_put_string(nl, TCA_KIND, "fq");
	/* EINVAL: it has another. ENOENT: it has none. */
	if (!netlink_answers(nl, take_fq, stats, err) || err->code == EINVAL || err->code == ENOENT)
		return 0;
	return error_wrap(err, "read the queue of device %d", ifindex);
}

int qdisc_attach_program(struct netlink *nl, int ifindex, bool egress, int program_fd, const char *name,
			 struct error *err)
{
	uint32_t hook = egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS;
	struct tcmsg header = tc_header(ifindex, 1, TC_H_MAKE(TC_H_CLSACT, hook));
	struct nlattr *options;

	header.tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL));
	netlink_begin(nl, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_put_string(nl, TCA_KIND, "bpf");
	options = netlink_nest(nl, TCA_OPTIONS);
	netlink_put_u32(nl, TCA_BPF_FD, (uint32_t)program_fd);
	netlink_put_string(nl, TCA_BPF_NAME, name);
	netlink_put_u32(nl, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	netlink_nest_end(nl, options);
	if (!netlink_ack(nl, err))
		return 0;
	error_wrap(err, "attach %s to %s of device %d", name, egress ? "egress" : "ingress", ifindex);
	return err->code == EPERM ? error_append(err, " (needs CAP_BPF and CAP_NET_ADMIN)") : -err->code;
}
