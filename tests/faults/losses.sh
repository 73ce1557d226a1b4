#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A run tells what this machine lost and no rule asked for. In a kernel of its own, for its settings are one for all runs.

faults=$(realpath "${BASH_SOURCE[0]%/*}")
if [[ ! ${LOSSES_INSIDE-} ]]; then
	exec "$faults/../../tools/testkernel" --engine uml env LOSSES_INSIDE=1 "$faults/losses.sh"
fi
# shellcheck source=tests/cli/tap.bash
source "$faults/../cli/tap.bash"
# shellcheck source=tests/faults/run.bash
source "$faults/run.bash"

cat >crowd.lua <<'EOL'
provium.timeout = "5m"
local lan, nodes = provium:bridge("lan"), {}
for i = 1, 16 do nodes[i] = provium:vm("n" .. i, "netns") end
lan:attach(nodes)
provium:boot()
print("busy")
wait_until(function() return io.open("go") end, {timeout = "60s"})
test("passes", function()
	for i = 2, 16 do nodes[1]:run("ping -4 -c 1 -W 0.1 n" .. i) end
	nodes[1]:run("ping -c 3 -i 0.01 -W 1 -b 10.1.255.255")
end)
EOL

cat >line.lua <<'EOL'
provium.timeout = "5m"
local lan, a, b = provium:bridge("lan"), provium:vm("a", "netns"), provium:vm("b", "netns")
lan:attach({a, b})
provium:boot()
a:run("ping -c 1 b"):assert_ok()
lan:add_latency({from = a, to = b, ms = 1000})
print("busy")
wait_until(function() return io.open("go") end, {timeout = "60s"})
test("passes", function()
	-- All of them are due while the last are being sent.
	a:run("ping -q -c 3000 -l 3000 -W 3 b")
	local counters = lan:counters(a, b)
	print("lost " .. counters.held)
end)
EOL

# with_setting PATH VALUE [OPTION...]: the run of $crowd, with a setting that became too small when it had begun.
with_setting() {
	rm -f go
	start "${@:3}" "${crowd-crowd.lua}" || return 1
	wait_for said busy || return 1
	echo "$2" >"/proc/sys/net/$1"
	touch go
	status=0
	wait "$command" || status=$?
	cp run.out out
	exits 0
}

all_is_well() {
	touch go
	run --format json crowd.lua
	exits 0 && ! prints "this machine lost" && prints '"losses":[]'
}
a_full_table() {
	with_setting ipv4/neigh/default/gc_thresh3 10 || return
	echo 1024 >/proc/sys/net/ipv4/neigh/default/gc_thresh3
	grep -qE 'provium: this machine lost [0-9]+ frames that no rule asked for: the IPv4 neighbour table was full' out &&
		! prints "queue was full"
}
a_full_backlog() {
	with_setting core/netdev_max_backlog 5 || return
	grep -qE "provium: this machine lost [0-9]+ frames that no rule asked for: a processor's queue was full" out &&
		! prints "table was full"
}
# What was held by a link, and lost when it was due.
a_full_backlog_behind_the_line() {
	local crowd=line.lua lost told
	with_setting core/netdev_max_backlog 5 || return
	lost=$(sed -n 's/.*lost \([0-9]*\)$/\1/p' out)
	told=$(sed -n "s/^ *provium: this machine lost \([0-9]*\) frames .* a processor's queue was full.*/\1/p" out)
	((lost > 0 && told >= lost))
}

# For programs: an event a cause, and all of them in the summary.
in_json() {
	with_setting ipv4/neigh/default/gc_thresh3 10 --format json || return
	echo 1024 >/proc/sys/net/ipv4/neigh/default/gc_thresh3
	python3 -c '
import json
events = [json.loads(line) for line in open("out")]
losses = [e for e in events if e["event"] == "loss"]
assert [(e["file"], e["cause"]) for e in losses] == [("crowd.lua", "ipv4_neighbours")] and losses[0]["frames"] > 0, events
assert [dict(e, event="loss") for e in events[-1]["losses"]] == losses, events[-1]' 2>>err
}

check "a run that lost nothing says nothing" all_is_well
check "a neighbour table that is full" a_full_table
check "a backlog that is full" a_full_backlog
check "a backlog that is full when frames are due" a_full_backlog_behind_the_line
check "what was lost, for programs" in_json
finish
