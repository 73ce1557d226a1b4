#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2016     # what stands in single quotes is for another shell
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

# In a network of its own, for what a broken doctor could leave.
[[ ${DOCTOR_INSIDE-} ]] || DOCTOR_INSIDE=1 exec unshare --net "$here/doctor.sh"
devices=$(ls /sys/class/net)

# has STATE NAME: in what doctor printed.
has() { grep -qE "^$1 +$2 " out; }

# What another program says of this machine.
has_fq() { unshare --net tc qdisc add dev lo root fq 2>/dev/null; }

able() {
	run doctor
	exits 0 && has ok rights && has ok namespaces && has ok bridge && has ok veth && has ok clsact && has ok cls_bpf && has ok wire &&
		ends_with "The basics are there: this machine can run labs."
}
knows_fq() {
	run doctor
	if has_fq; then has ok fq; else has missing fq && grep -A 2 '^missing *fq' out | grep -q 'to get it: modprobe sch_fq'; fi
}
as_json() {
	run doctor --json
	exits 0 && python3 -c '
import json
d = json.load(open("out"))
r = {x["name"]: x for x in d["results"]}
assert d["able"] is True and r["wire"]["state"] == "ok" and r["wire"]["basic"], d
assert all(("fix" in x) == (x["state"] != "ok") for x in r.values()), d' 2>err
}
# Somebody who may nothing.
without_rights() {
	status=0
	setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all -- "$provium" doctor >out 2>err || status=$?
	exits 1 && has missing rights && prints "this process lacks CAP_SYS_ADMIN CAP_NET_ADMIN CAP_BPF CAP_PERFMON" &&
		has missing namespaces && has missing wire && prints "to get it: run provium as root" &&
		ends_with "Basics are missing: this machine cannot run labs yet."
}
# A device that is not there, in a mount namespace where that is so.
without_tun_and_kvm() {
	status=0
	unshare --mount bash -c 'mount -t tmpfs none /dev && exec "$1" doctor' bash "$provium" >out 2>err || status=$?
	exits 1 && has missing tun && prints "open /dev/net/tun: No such file or directory" && has degraded kvm && has ok bridge
}
few_files() {
	(ulimit -n 256 && run doctor && declare -p status >carried)
	source ./carried
	exits 0 && has degraded limits && prints "256 files may be open"
}
no_qemu() {
	status=0
	PATH=/nowhere "$provium" doctor >out 2>err || status=$?
	exits 0 && has missing qemu
}
leaves_nothing() {
	run doctor
	[[ $(ls /sys/class/net) == "$devices" && -z $(tc qdisc show clsact) ]]
}
# The same machine with another kernel.
in_testkernel() {
	run doctor
	status=0
	"$here/../../tools/testkernel" --engine uml "$provium" doctor >out 2>err || status=$?
	exits 0 && has ok fq && has degraded btf && has ok wire && has ok freezer && has ok cgroups
}

check "this machine can run labs" able
check "fq, as tc has it" knows_fq
check "--json" as_json
check "without rights" without_rights
check "without /dev/net/tun and /dev/kvm" without_tun_and_kvm
without_cgroups() {
	status=0
	unshare --mount bash -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$1" doctor' bash "$provium" >out 2>err || status=$?
	exits 0 && has degraded freezer && has degraded cgroups && prints "reason: no cgroup hierarchy of version 2 is mounted"
}
check "without cgroups" without_cgroups
check "few open files" few_files
check "without QEMU" no_qemu
check "leaves no device" leaves_nothing
check "a kernel with fq, without BTF" in_testkernel
finish
