#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Very many things in one run: what is closed leaves no descriptor, no device, no map entry, no memory; and what bursts
# with processes still closes.

# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/../cli/tap.bash"

# What takes an idle machine half a minute.
patience=1800

cat >leaks.lua <<'EOF'
local function ask(command)
	local pipe <close> = io.popen(command)
	return pipe:read("n")
end

local function map_entries()
	local pipe <close> = io.popen("cat /proc/$PPID/fdinfo/*")
	local entries = 0
	for line in pipe:lines() do
		local id = line:match("^map_id:%s*(%d+)")
		entries = entries + (id and ask("bpftool -j map dump id " .. id .. " | grep -o '\"key\"' | wc -l") or 0)
	end
	return entries
end

-- What this process holds in the kernel.
local function held()
	collectgarbage()
	collectgarbage()
	return {
		descriptors = ask("ls /proc/$PPID/fd | wc -l"),
		devices = ask("ip -o link | wc -l"),
		entries = map_entries(),
		children = ask("pgrep -P $PPID -c"),
		kilobytes = ask("awk '/^VmRSS/ {print $2}' /proc/$PPID/status"),
	}
end

local function round(n)
	local lab = provium:lab("x")
	local lan, other = lab:bridge("lan"), lab:bridge("other")
	local a, b = lab:vm("a", "netns"), lab:vm("b", "netns")
	lab:boot()
	lan:attach({ a, b, "bare" })
	other:attach({ a, b })
	lan:partition(a, b)
	lan:drop_rate({ from = a, p = 1 })
	lan:isolate(b)
	a:run("ping -c 1 -W 0.01 b.other")
	a:run_async("sleep 1000"):stdout_stream()
	lan:detach(b)
	if n % 3 == 0 then
		b:shutdown()
	elseif n % 3 == 1 then
		lan:close()
	end
	lab:close()
end

provium.timeout = "30m"
for n = 1, 10 do round(n) end
local before = held()
for n = 1, 100 do round(n) end
local after = held()
for _, what in ipairs({ "descriptors", "devices", "entries", "children", "kilobytes" }) do
	test(what, function(t)
		t:note(before[what], after[what])
		-- A leak would count by the hundred; a pipe that waits to be collected does not.
		local most = before[what] + (what == "kilobytes" and 1024 or what == "descriptors" and 5 or 0)
		t:assert(after[what] <= most, ("%d before, %d after 100 rounds"):format(before[what], after[what]))
	end)
end
EOF

leaks() {
	run leaks.lua
	exits 0 && ends_with "5 passed, 0 failed, 0 skipped"
}
check "100 labs of two bridges and two nodes leave nothing" leaks

cat >burst.lua <<'EOF'
test("burst", function(t)
	local a = provium:vm("a", "netns"):boot()
	a:run("for i in $(seq 1000); do sleep 1000 & done >/dev/null 2>&1")
	-- These make more of themselves as fast as they can.
	for _ = 1, 4 do
		a:run_async("while :; do (sleep 0.05; :) & done")
	end
	wait_until(function()
		return tonumber(a:run("ls -d /proc/[0-9]* | wc -l").stdout) > 1000
	end, { timeout = "5m" })
	a:pause()
	a:resume()
	a:shutdown()
end)
EOF
burst() {
	run burst.lua
	exits 0
}
check "a node that bursts with processes pauses, resumes and ends" burst

cat >hundred.lua <<'EOF'
test("hundred", function(t)
	local nodes = {}
	local lan = provium:bridge("lan")
	for i = 1, 100 do nodes[i] = provium:vm("n" .. i, "netns") end
	lan:attach(nodes)
	provium:boot()
	t:assert(nodes[1]:run("ping -c 1 -W 60 n100.lan"):ok())
	provium:shutdown()
	t:assert_eq(nodes[100]:state(), "shutdown")
end)
EOF
hundred() {
	run hundred.lua
	exits 0
}
check "a hundred nodes boot and end" hundred

finish
