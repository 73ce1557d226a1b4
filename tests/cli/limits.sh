#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Limits that are too low are told by name.

# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

cat >nodes.lua <<'EOL'
local nodes, lan = {}, provium:bridge("lan")
for i = 1, tonumber(os.getenv("NODES")) do nodes[i] = provium:vm("n" .. i, "netns") end
lan:attach(nodes)
provium:boot()
print("limit of a command: " .. nodes[1]:run("ulimit -Sn").stdout)
EOL

# limited N NODES: a run that may open N files.
limited() {
	(ulimit -n "$1" && NODES=$2 run nodes.lua && echo "$status" >carried)
	status=$(<carried)
}

far_too_few() {
	limited 16 1
	exits 2 && complains "the limit of open files (RLIMIT_NOFILE, ulimit -n) is 16" && complains "ulimit -n 65536" &&
		(($(cat out err | wc -l) == 1))
}
too_few_for_so_many() {
	limited 64 40
	exits 1 && prints "Too many open files (the limit of open files, RLIMIT_NOFILE, is 64; raise it: ulimit -n 65536)"
}
enough() {
	limited 64 2
	exits 0
}
# The soft limit is not in the way, but what a command in a node finds is what was there.
soft_limit() {
	(ulimit -Sn 64 && NODES=40 run nodes.lua && echo "$status" >carried)
	status=$(<carried)
	exits 0 && prints "limit of a command: 64"
}

# in_cgroup BYTES COMMAND...: in a cgroup of its own, of either version.
in_cgroup() {
	local folder file=memory.limit_in_bytes bytes=$1 result=0
	shift
	folder=/sys/fs/cgroup/memory$(awk -F: '$2 == "memory" {print $3}' /proc/self/cgroup)/provium-$$
	if [[ ! -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]]; then
		folder=/sys/fs/cgroup/provium-$$ file=memory.max
		echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	fi
	mkdir "$folder" && echo "$bytes" >"$folder/$file" || return 1
	[[ ! -e $folder/memory.swap.max ]] || echo 0 >"$folder/memory.swap.max"
	(echo "$BASHPID" >"$folder/cgroup.procs" && "$@" && echo "$status" >carried) || result=1
	status=$(<carried)
	wait_for rmdir "$folder"
	return "$result"
}
# told SCRIPT WHO: the script fails, and says who was killed, and by whose limit.
told() {
	run "$1"
	exits 1 && prints "$2 by the kernel for want of memory (raise memory." && prints "of the cgroup /sys/fs/cgroup/" &&
		prints "provium-$$"
}
# What a tail of zeros keeps has no end, for there is no line in it.
cat >hungry.lua <<'EOL'
local a = provium:vm("a", "netns"):boot()
test("killed", function(t)
	assert(not a:run("kill -KILL $$").killed)
	local shell = a:run("tail /dev/zero; exit $?")
	t:assert_contains(shell.killed, "for want of memory")
	a:run("tail", {"/dev/zero"}):assert_ok()
end)
EOL
echo 'provium:vm("a", "vm"):boot()' >guest.lua
echo 'local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(100000) .. i end' >eat.lua

echo 'provium:bridge("lan"):capture()' >capture.lua
can_capture() { grep -q '^ok *perf ' <("$provium" doctor); }
small_files() {
	(ulimit -f 16 && run --output large.json --format json long.lua && echo "$status" >carried)
	status=$(<carried)
	exits 2 && complains "write to large.json: File too large (the limit of a file's size, RLIMIT_FSIZE, is 16384 bytes; raise it: ulimit -f unlimited)" &&
		[[ ! -e large.json ]]
}
echo 'for i = 1, 2000 do print("output of many lines") end' >long.lua
little_to_lock() {
	(ulimit -l 64 && setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock "$provium" capture.lua >out)
	prints "(the limit of locked memory, RLIMIT_MEMLOCK, is 64 KiB for who lacks CAP_IPC_LOCK; raise it: ulimit -l unlimited"
}

check "far too few files" far_too_few
check "too few files for so many nodes" too_few_for_so_many
check "few files are enough for a small lab" enough
check "a soft limit is raised" soft_limit
check "a cgroup without memory" in_cgroup 60000000 told eat.lua "killed:"
check "a command in a cgroup without memory" in_cgroup 60000000 told hungry.lua "signal=SIGKILL, killed"
check "a guest in a cgroup without memory" in_cgroup 60000000 told guest.lua "QEMU was killed"
check "a file that may not be so large" small_files
if can_capture && (($(</proc/sys/kernel/perf_event_paranoid) > -1)); then
	check "captures without memory to lock" little_to_lock
fi
finish
