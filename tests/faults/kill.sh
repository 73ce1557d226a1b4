#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kill -9, of the command, of its script's process, and of both, in all that they may be doing: nothing stays behind.

faults=$(realpath "${BASH_SOURCE[0]%/*}")
# What others mount meanwhile is not ours.
[[ ${1-} == --inside ]] || exec unshare --mount --propagation private -- "$faults/kill.sh" --inside
# shellcheck source=tests/cli/tap.bash
source "$faults/../cli/tap.bash"
# shellcheck source=tests/faults/run.bash
source "$faults/run.bash"

cat >booting.lua <<'EOF'
while true do
	local lab = provium:lab("x")
	local nodes = {}
	for i = 1, 50 do nodes[i] = lab:vm("n" .. i, "netns") end
	local lan = lab:bridge("lan")
	lab:boot()
	lan:attach(nodes)
	print("busy")
	lab:close()
end
EOF

cat >common.lua <<'EOF'
lan = provium:bridge("lan")
a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
provium:boot()
lan:attach({ a, b })
-- Such as get into the way of a tidy end: one that ignores signals, one in a session of its own, many orphans.
a:run_async("trap '' TERM INT HUP; while :; do sleep 1; done")
a:run("setsid sleep 1000 >/dev/null 2>&1 & for i in $(seq 50); do sleep 1000 >/dev/null 2>&1 & done")
EOF

cat >running.lua <<'EOF'
require "common"
print("busy")
while true do
	a:run("sleep 0.01")
	b:run_async("sleep 0.02")
end
EOF

cat >load.lua <<'EOF'
require "common"
for _, node in ipairs({ a, b }) do
	node:run_async("ping -f -s 1400 -b 10.1.255.255 >/dev/null 2>&1")
	node:run_async("ping -f " .. (node == a and "b" or "a") .. ".lan >/dev/null 2>&1")
end
print("busy")
while true do
	lan:partition(a, b)
	lan:drop_rate({ from = a, to = b, p = 10 })
	lan:reset()
end
EOF

cat >paused.lua <<'EOF'
require "common"
a:pause()
b:pause()
print("busy")
provium:sleep("1h")
EOF

cat >kept.lua <<'EOF'
require "common"
test("fails", function(t) print("busy") t:fail("on purpose") end)
EOF

cat >routed.lua <<'EOF'
require "common"
local other = provium:bridge("other")
c = provium:vm("c", "netns"):boot()
other:attach(c)
lan:route(other)
print("busy")
a:run("ping -f c.other >/dev/null", { timeout = "1h" })
EOF

mounts() { cut -d ' ' -f 1-3 /proc/self/mounts | sort; }

# killed FILE VICTIM OPTION...
killed() {
	local file=$1 victim=$2
	shift 2
	mounts >mounts.before
	start "$@" "$file" || return 1
	wait_for said busy || { cat run.out && return 1; }
	remember || { echo "the run does not describe itself" && return 1; }
	case $victim in
	command) kill -KILL "$command" ;;
	script) kill -KILL "$script" ;;
	both) kill -KILL "$command" "$script" ;;
	esac
	all_gone || { kill -KILL "$command" "$script" 2>/dev/null; return 1; }
	wait "$command" 2>/dev/null
	mounts | diff mounts.before - || return 1
}

for file in booting running load paused routed; do
	for victim in command script both; do
		check "kill -9 of the $victim: $file" killed "$file.lua" "$victim"
	done
done
check "kill -9 of the command: kept" killed kept.lua command --keep
check "kill -9 of the script: kept" killed kept.lua script --keep

# Somebody else looks on. That must not keep a run's things alive once the run is gone.
watched() {
	local onlooker result=0
	start running.lua || return 1
	wait_for said busy || return 1
	rm -f onlooker.out
	"$provium" exec "$script" a sh -c 'echo looks; exec sleep 1000' >onlooker.out 2>&1 &
	onlooker=$!
	wait_for grep -qs looks onlooker.out || { echo "provium exec does not run" && return 1; }
	remember || return 1
	kill -KILL "$command"
	all_gone || result=1
	kill -KILL "$onlooker" 2>/dev/null
	wait "$onlooker" "$command" 2>/dev/null
	return "$result"
}
check "kill -9 of the command: while provium exec runs in a node" watched

told() {
	start running.lua || return 1
	wait_for said busy || return 1
	kill -KILL "$script"
	status=0
	wait "$command" || status=$?
	cp run.out out
	exits 1 && prints "crashed: the process was ended by SIGKILL"
}
check "the command says that its script's process was killed" told

finish
