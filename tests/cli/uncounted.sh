#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Frames for whose pair the counters had no room: what a script asks of counters then, and what the run tells at its end. It takes
# a million pairs to get there, so the number of such frames is written into the map.

# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

# give_uncounted PID: seven of them to the lab of that process.
cat >give_uncounted <<'EOL'
id=$("$PROVIUM_COMMAND" inspect "$1" | sed -n 's/.*map control: id //p')
value=$(bpftool -j map lookup id "$id" key 0 0 0 0 | python3 -c '
import json, sys
bytes = json.load(sys.stdin)["value"]
bytes[24] = "0x07"
print(*bytes)')
# shellcheck disable=SC2086
bpftool map update id "$id" key 0 0 0 0 value $value
EOL

cat >uncounted.lua <<'EOL'
local lan = provium:bridge("lan"):attach { "a", "b" }
local a = provium:vm("a", "netns")
provium:boot()
test("before", function(t)
	t:assert_eq(lan:counters("a", "b").packets, 0)
	t:assert_not_dropped(lan, "a", "b", "loss")
end)
os.execute("bash give_uncounted $PPID")
for what, call in pairs {
	assert_not_dropped = function(t) t:assert_not_dropped(lan, "a", "b", "loss") end,
	assert_dropped = function(t) t:assert_dropped(lan, "a", "b", "loss") end,
	counters = function() lan:counters("a", "b") end,
	all = function() lan:counters() end,
	nic = function() a:nic(lan):counters() end,
} do
	test(what, function(t)
		t:assert_error(function() call(t) end, "it is not known: 7 frames of this run were not counted, for there was no "
			.. "room for their pair (1048576 pairs at most on large bridges)")
	end)
end
EOL

export PROVIUM_COMMAND=$provium PATH=$PATH:/usr/sbin
told() {
	run --format json uncounted.lua
	exits 0 && prints "provium: 7 frames were not counted, for there was no room for their pair" &&
		python3 -c 'import json; events = [json.loads(line) for line in open("out")]
losses = [{"file": "uncounted.lua", "cause": "uncounted", "frames": 7}]
assert events[-1]["losses"] == losses, events
assert events[-1]["passed"] == 6, events'
}

check "frames that were not counted are told, and no counter is taken for the truth" told
finish
