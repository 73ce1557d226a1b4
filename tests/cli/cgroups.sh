#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The cgroups of namespace nodes: what is in them, and that none is left.
# shellcheck disable=SC2016     # what stands in single quotes is for another shell, or for people
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

top=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)

# of_run PID: the folders of a run's cgroups.
of_run() { find "$top" -type d -name "provium.$1" 2>/dev/null; }
nothing_of() { [[ ! $(of_run "$1") ]]; }

cat >up.lua <<'END'
provium:vm("a", "netns"):boot()
provium:vm("b", "netns"):boot():pause()
print("up")
provium:sleep("1h")
END

start() { start_lab up.out --timeout 1h "$work/up.lua"; }
stop() {
	kill -INT "$command"
	ends "$command"
}

# in_cgroup PID TEXT
in_cgroup() { grep -q "^0::.*$2\$" "/proc/$1/cgroup"; }
visits() {
	"$provium" exec "$lab" a sh -c 'echo here; exec sleep 1000' >out 2>err &
	local visitor=$! result=0
	wait_for prints here && in_cgroup "$(child_of "$visitor")" "/provium.$lab/a" || result=1
	kill -TERM "$visitor"
	wait "$visitor"
	return "$result"
}
visits_no_paused_node() {
	run exec "$lab" b true
	exits 126 && complains 'enter node `b`: it is paused; nothing runs in it until its script resumes it'
}
is_there() { [[ $(of_run "$lab") ]]; }
is_gone_after_the_run() {
	stop
	nothing_of "$lab"
}

killed_script() {
	start && is_there || return
	kill -KILL "$lab"
	ends "$command"
	nothing_of "$lab"
}
# Nobody is there to do it: the next run is.
killed_both() {
	start && is_there || return
	local dead=$lab
	kill -KILL "$command" "$lab"
	ends "$command"
	echo 'provium:vm("a", "netns"):boot()' >next.lua
	another_run_removes "$dead"
}
another_run_removes() {
	wait_for next_run_leaves_nothing "$1"
}
next_run_leaves_nothing() {
	run next.lua
	exits 0 && nothing_of "$1"
}
# Another run, which is alive, keeps what is its own.
beside() {
	start || return
	echo 'provium:vm("a", "netns"):boot()' >next.lua
	run next.lua
	exits 0 && is_there && stop
}
ended_by_itself() {
	echo 'provium:vm("a", "netns"):boot() print(io.open("/proc/self/stat"):read("a")) io.stdout:flush() os.exit(0)' >exit.lua
	run exit.lua
	local pid
	pid=$(grep -oE '[0-9]+ \(provium\)' out | cut -d ' ' -f 1)
	[[ $pid ]] && nothing_of "$pid"
}

# Where there is no such hierarchy.
without() { unshare --mount bash -c 'umount -l "$1" && exec "${@:2}"' bash "$top" "$provium" "$@" >out 2>err; }
cat >signals.lua <<'END'
test("pause", function(t)
	local a = provium:vm("a", "netns"):boot()
	local ticks = a:run_async("while :; do echo; sleep 0.01; done")
	local output = ticks:stdout_stream()
	output:read_until("\n")
	a:pause()
	output:drain("50ms")
	t:assert_eq(output:next("100ms"), nil)
	a:resume()
	output:read_until("\n")
	a:pause()
	a:shutdown()
	t:assert_eq(ticks:wait().signal_name, "SIGKILL")
end)
END
signals_are_left() { without signals.lua; }
cat >limits.lua <<'END'
provium:vm("a", "netns", { memory = "64M" }):boot()
provium:vm("b", "netns", { cpus = 1 }):boot()
END
told_once() {
	without limits.lua && (($(grep -c "are not kept on this machine: no cgroup hierarchy of version 2 is mounted" out) == 1))
}
not_told() {
	echo 'provium:vm("a", "netns"):boot()' >none.lua
	without none.lua && ! prints "not kept"
}
pids_are_refused() {
	echo 'provium:vm("a", "netns"):boot({ pids = 5 })' >pids.lua
	! without pids.lua && prints 'node `a`: `pids` cannot be kept on this machine: no cgroup hierarchy of version 2 is mounted (leave it out)'
}

if [[ ! $top ]]; then
	echo "1..0 # skip no cgroup hierarchy of version 2"
	exit
fi
start || { echo "Bail out! no lab" && exit 1; }
check "a visitor is one of the node's processes" visits
check "a paused node is not visited" visits_no_paused_node
check "a run removes its cgroups" is_gone_after_the_run
check "kill -9 of the script's process" killed_script
check "kill -9 of command and script: the next run" killed_both
check "a run that lives keeps its own" beside
check "a script that ends its process" ended_by_itself
check "without cgroups: a pause by signals" signals_are_left
check "without cgroups: limits that are not kept are told once" told_once
check "without cgroups: nothing is told that nobody asked for" not_told
check "without cgroups: pids" pids_are_refused
finish
