#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two runs at the same time, with the same names, addresses and rules about them: neither notices the other.

faults=$(realpath "${BASH_SOURCE[0]%/*}")
# shellcheck source=tests/cli/tap.bash
source "$faults/../cli/tap.bash"
# shellcheck source=tests/faults/run.bash
source "$faults/run.bash"

cat >setup.lua <<'EOF'
lan = provium:bridge("lan")
a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
provium:boot()
lan:attach({ a, b })
EOF

# Asks without end whether all is well, until a file says that it is enough.
cat >steady.lua <<'EOF'
require "setup"
test("steady", function(t)
	a:write_file("/tmp/mine", "steady")
	local rounds = 0
	print("busy")
	repeat
		rounds = rounds + 1
		t:assert(a:run("ping -c 1 -W 60 b.lan"):ok(), "round " .. rounds .. ": a does not reach b")
		t:assert_eq(a:read_file("/tmp/mine"), "steady")
		t:assert_eq(a:ip(), "10.1.0.2")
		t:assert_eq(lan:is_partitioned(a, b), false)
		t:assert_eq(lan:drop_rate_pct(), 0)
		t:assert_not_dropped(lan, a, b, "partition")
		t:assert_not_dropped(lan, a, b, "loss")
	until rounds > 3 and io.open("enough")
end)
EOF

cat >wild.lua <<'EOF'
require "setup"
test("wild", function(t)
	print("up")
	t:assert_eq(a:ip(), "10.1.0.2")
	t:assert(not a:run("test -e /tmp/mine"):ok())
	for _ = 1, 10 do
		lan:partition_all()
		lan:isolate(a)
		lan:drop_rate(100)
		t:assert(not a:run("ping -c 1 -W 0.1 b.lan"):ok())
		lan:nic(b):disconnect()
		lan:detach(a)
		lan:attach(a)
		lan:nic(b):reconnect()
		lan:reset()
	end
	b:run_async("ping -f a.lan")
end)
EOF

# beside COMMAND...: it succeeds, and the steady run does that is beside it.
beside() {
	local result=0
	rm -f enough
	start steady.lua || return 1
	wait_for said busy || return 1
	"$@" || result=1
	touch enough
	status=0
	wait "$command" || status=$?
	cat run.out >>out
	((result == 0)) && exits 0
}

wild_run() {
	run wild.lua
	exits 0
}

wild_run_killed() {
	rm -f wild.out
	"$provium" wild.lua >wild.out 2>&1 &
	local other=$! child
	child=$(child_of "$other")
	wait_for is_up wild.out || return
	kill -KILL "$other"
	wait "$other" 2>/dev/null
	wait_for is_gone "$child"
}

both_are_listed() {
	local other result=0
	# It is there until it was seen.
	cat >waits.lua <<-'END'
		wait_until(function() return os.execute("test -e seen") end, { timeout = "10m" })
	END
	"$provium" --timeout 10m waits.lua >/dev/null 2>&1 &
	other=$!
	wait_for two_runs || result=1
	touch seen
	wait "$other" || result=1
	return "$result"
}
two_runs() { [[ $("$provium" ps | grep -cE '(steady|waits)\.lua') == 2 ]]; }

check "a run that breaks its own network disturbs no other" beside wild_run
check "a run that is killed disturbs no other" beside wild_run_killed
check "both are listed" beside both_are_listed

side_by_side() {
	local i
	mkdir many
	for i in 1 2 3 4 5 6; do
		cat setup.lua wild.lua | sed 's/require "setup"//' >"many/$i.test.lua"
	done
	run -j 6 many
	exits 0 && ends_with "6 passed, 0 failed, 0 skipped"
}
check "six files at once" side_by_side

finish
