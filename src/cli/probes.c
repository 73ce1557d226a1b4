// SPDX-License-Identifier: GPL-2.0-only
/* Everything is tried for real: a kernel's version or configuration says what should be, not what is. */
#include "cli/probes.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/perf_event.h>

#include "lab/host_needs.h"
#include "lab/host_settings.h"
#include "net/link.h"
#include "net/nft.h"
#include "net/netlink.h"
#include "net/qdisc.h"
#include "node/netns/cgroup.h"
#include "util/error.h"
#include "wire/wire.h"

#define LOOPBACK_IFINDEX 1
#define MIN_MAJOR	 5
#define MIN_MINOR	 15
/* A namespace node takes three, a command that runs four. */
#define GOOD_FILE_LIMIT 8192
#define LARGE_LAB	100

static int try_rights(struct error *err)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} needed[] = {
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		{ CAP_BPF, "CAP_BPF" },
		{ CAP_PERFMON, "CAP_PERFMON" },
	};
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return error_errno(err, errno, "ask for the capabilities of this process");
	err->code = 0;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (data[needed[i].bit / 32].effective & (1U << needed[i].bit % 32))
			continue;
		if (!err->code)
			error_set(err, EPERM, "this process lacks");
		error_append(err, " %s", needed[i].name);
	}
	return -err->code;
}

static int try_kernel(struct error *err)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	if (sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
	    (major > MIN_MAJOR || (major == MIN_MAJOR && minor >= MIN_MINOR)))
		return 0;
	return error_set(err, ENOSYS, "this is Linux %s", name.release);
}

static int try_namespaces(struct error *err)
{
	static const struct {
		int flag;
		const char *name;
	} kinds[] = {
		{ CLONE_NEWNET, "network" },   { CLONE_NEWNS, "mount" }, { CLONE_NEWPID, "process" },
		{ CLONE_NEWUTS, "host name" }, { CLONE_NEWIPC, "IPC" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (unshare(kinds[i].flag))
			return error_errno(err, errno, "make a %s namespace", kinds[i].name);
	return 0;
}

static int try_wire(struct error *err)
{
	struct wire *wire;
	int status = wire_load(&wire, err);

	wire_close(wire);
	return status;
}

/* The socket and what is made through it go with the process. */
static int try_bridge(struct error *err)
{
	struct netlink *nl;

	return netlink_open(&nl, err) || link_create_bridge(nl, "doctor", 1500, err) ? -err->code : 0;
}

static int try_veth(struct error *err)
{
	struct veth veth = {
		.name = "doctor",
		.peer_pid = getpid(),
		.peer_name = "peer",
		.peer_mac = { 2 },
		.mtu = 1500,
		.peer_mtu = 1500,
	};
	struct netlink *nl;

	return netlink_open(&nl, err) || link_create_veth(nl, &veth, err) ? -err->code : 0;
}

static int try_clsact(struct error *err)
{
	struct netlink *nl;

	return netlink_open(&nl, err) || qdisc_add_clsact(nl, LOOPBACK_IFINDEX, err) ? -err->code : 0;
}

static int try_cls_bpf(struct error *err)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct netlink *nl;
	int program;

	program =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "doctor", "GPL", insns, sizeof(insns) / sizeof(insns[0]), NULL);
	if (program < 0)
		return error_errno(err, errno, "load a tc program of two instructions");
	if (netlink_open(&nl, err) || qdisc_add_clsact(nl, LOOPBACK_IFINDEX, err))
		return -err->code;
	return qdisc_attach_program(nl, LOOPBACK_IFINDEX, true, program, "doctor", err);
}

static int try_fq(struct error *err)
{
	struct netlink *nl;

	return netlink_open(&nl, err) || qdisc_add_fq(nl, LOOPBACK_IFINDEX, err) ? -err->code : 0;
}

static int try_tun(struct error *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "open /dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &request))
		return error_errno(err, errno, "make a TAP device");
	return 0;
}

static int try_perf(struct error *err)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
	};

	if (syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC) < 0)
		return error_errno(err, errno, "open a perf event for BPF output");
	return 0;
}

static int try_btf(struct error *err)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	return access(path, R_OK) ? error_errno(err, errno, "read %s", path) : 0;
}

static int try_kvm(struct error *err)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "open /dev/kvm");
	if (ioctl(fd, KVM_CREATE_VM, 0) < 0)
		return error_errno(err, errno, "make a virtual machine with /dev/kvm");
	return 0;
}

static int try_qemu(struct error *err)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (size_t length; path && *path; path += length + (path[length] == ':')) {
		length = strcspn(path, ":");
		snprintf(file, sizeof(file), "%.*s/qemu-system-x86_64", (int)length, path);
		if (access(file, X_OK) == 0)
			return 0;
	}
	return error_set(err, ENOENT, "no qemu-system-x86_64 in PATH");
}

static int try_limits(struct error *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return error_errno(err, errno, "ask for the limit of open files");
	if (files.rlim_cur >= GOOD_FILE_LIMIT)
		return 0;
	return error_set(err, EMFILE, "%llu files may be open (ulimit -n), enough for about %llu namespace nodes",
			 (unsigned long long)files.rlim_cur, (unsigned long long)files.rlim_cur / 4);
}

static int try_nft(struct error *err)
{
	/* For a device that is not there, what the tables of an uplink need: see src/lab/uplink_rules.c. */
	static const char chains[] = "chain incoming {\n type filter hook prerouting priority mangle; policy accept;\n"
				     " iifname \"provium-doctor\" fib daddr type local ct state established reject "
				     "with icmpx admin-prohibited\n}\n"
				     "chain outgoing {\n type nat hook postrouting priority srcnat; policy accept;\n"
				     " oifname \"provium-doctor\" masquerade\n}\n";
	struct nft_table *table;

	if (nft_table_open(&table, "provium-doctor", chains, err))
		return -err->code;
	nft_table_close(table);
	return 0;
}

static void name_setting(const char *path, uint64_t original, void *context)
{
	struct error *err = context;

	if (!err->code)
		error_set(err, EBUSY, "a run that was killed left these settings raised, from:");
	error_append(err, " %s=%llu", path, (unsigned long long)original);
}

static int try_left_settings(struct error *err)
{
	err->code = 0;
	host_settings_each_left(name_setting, err);
	return -err->code;
}

static int try_large_labs(struct error *err)
{
	return host_needs_check(LARGE_LAB, err);
}

const struct probe probes[] = {
	{ "rights", "namespaces, devices, programs", "run provium as root", .basic = true, .attempt = try_rights },
	{ "kernel", "everything", "Linux 5.15 or later", .basic = true, .attempt = try_kernel },
	{ "namespaces", "the switch of a run, and namespace nodes",
	  "a kernel with CONFIG_NET_NS, PID_NS, UTS_NS, IPC_NS; in a container: start it privileged", .basic = true,
	  .attempt = try_namespaces },
	{ "bridge", "bridges", "modprobe bridge, or a kernel with CONFIG_BRIDGE", .basic = true, .in_switch = true,
	  .attempt = try_bridge },
	{ "veth", "network cards of namespace nodes", "modprobe veth, or a kernel with CONFIG_VETH", .basic = true,
	  .in_switch = true, .attempt = try_veth },
	{ "tun", "network cards of virtual machines",
	  "modprobe tun, or a kernel with CONFIG_TUN; in a container: pass it /dev/net/tun", .basic = true,
	  .in_switch = true, .attempt = try_tun },
	{ "clsact", "the place of the wire program on a port",
	  "modprobe sch_ingress, or a kernel with CONFIG_NET_SCH_INGRESS", .basic = true, .in_switch = true,
	  .attempt = try_clsact },
	{ "cls_bpf", "the wire program on a port", "modprobe cls_bpf, or a kernel with CONFIG_NET_CLS_BPF",
	  .basic = true, .in_switch = true, .attempt = try_cls_bpf },
	{ "wire", "all that is done to frames: the wire program itself",
	  "see the reason; it needs CONFIG_BPF_SYSCALL, and sysctl kernel.unprivileged_bpf_disabled does not matter to "
	  "root",
	  .basic = true, .in_switch = true, .attempt = try_wire },
	{ "fq", "delay and rates",
	  "modprobe sch_fq, or a kernel with CONFIG_NET_SCH_FQ (Debian: linux-image-amd64); in the source: "
	  "tools/testkernel",
	  .in_switch = true, .attempt = try_fq },
	{ "perf", "captures", "a kernel with CONFIG_PERF_EVENTS; in a container: allow perf_event_open",
	  .attempt = try_perf },
	{ "btf", "bpftool's names of kernel types", "a kernel with CONFIG_DEBUG_INFO_BTF", .degrades = true,
	  .attempt = try_btf },
	{ "qemu", "virtual machines", "install QEMU (Debian: qemu-system-x86)", .attempt = try_qemu },
	{ "kvm", "virtual machines at full speed; without it QEMU emulates",
	  "modprobe kvm_intel or kvm_amd; in a virtual machine: allow nested virtualization", .degrades = true,
	  .attempt = try_kvm },
	{ "nft", "uplinks",
	  "modprobe nf_tables nft_chain_nat nft_masq, or a kernel with CONFIG_NF_TABLES_INET and CONFIG_NFT_MASQ",
	  .in_switch = true, .attempt = try_nft },
	{ "freezer", "a pause of namespace nodes that their programs do not notice; without it signals stop them",
	  "mount -t cgroup2 none /sys/fs/cgroup, or beside version 1: /sys/fs/cgroup/unified; in a container: start it "
	  "privileged",
	  .degrades = true, .attempt = cgroup_try_freezer },
	{ "cgroups", "limits of namespace nodes: memory, cpus, pids",
	  "a machine whose cgroups are of version 2 alone (kernel command line: systemd.unified_cgroup_hierarchy=1, or "
	  "cgroup_no_v1=all)",
	  .degrades = true, .attempt = cgroup_try_limits },
	{ "settings", "labs in which many nodes talk to many: a run raises what the kernel has one of for all nodes",
	  "sysctl -w each of them on the machine itself; in a container: start it privileged, with the machine's "
	  "network",
	  .degrades = true, .attempt = try_large_labs },
	{ "left", "nothing; what a run raises the last one puts back",
	  "the next run puts them back when it ends; or by hand: sysctl -w each of them", .degrades = true,
	  .attempt = try_left_settings },
	{ "limits", "labs with many nodes", "ulimit -n 65536", .degrades = true, .attempt = try_limits },
};
const size_t probe_count = sizeof(probes) / sizeof(probes[0]);
