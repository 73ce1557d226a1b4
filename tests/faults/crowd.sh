#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Very many things in one run: what is closed leaves no descriptor, no device, no map entry, no memory; and what bursts
# with processes still closes.

# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/../cli/tap.bash"

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

provium.timeout = "5m"
for n = 1, 10 do round(n) end
local before = held()
for n = 1, 200 do round(n) end
local after = held()
for _, what in ipairs({ "descriptors", "devices", "entries", "children", "kilobytes" }) do
	test(what, function(t)
		t:note(before[what], after[what])
		-- A leak would count by the hundred; a pipe that waits to be collected does not.
		local most = before[what] + (what == "kilobytes" and 2048 or what == "descriptors" and 5 or 0)
		t:assert(after[what] <= most, ("%d before, %d after 200 rounds"):format(before[what], after[what]))
	end)
end
EOF

leaks() {
	status=0
	timeout 300 "$provium" leaks.lua >out 2>err </dev/null || status=$?
	exits 0 && ends_with "5 passed, 0 failed, 0 skipped"
}
check "200 labs of two bridges and two nodes leave nothing" leaks

cat >burst.lua <<'EOF'
test("burst", function(t)
	local a = provium:vm("a", "netns"):boot()
	a:run("for i in $(seq 1000); do sleep 1000 & done >/dev/null 2>&1")
	-- These make more of themselves as fast as they can.
	for _ = 1, 4 do
		a:run_async("while :; do (sleep 0.05; :) & done")
	end
	provium:sleep("300ms")
	t:assert(tonumber(a:run("ls -d /proc/[0-9]* | wc -l").stdout) > 1000)
	a:pause()
	a:resume()
	local start = os.time()
	a:shutdown()
	t:assert(os.time() - start <= 5, "it took " .. os.time() - start .. " s")
end)
EOF
burst() {
	run burst.lua
	exits 0
}
check "a node that bursts with processes pauses, resumes and ends" burst

cat >hundred.lua <<'EOF'
local function read(path, pattern)
	local file <close> = io.open(path)
	return tonumber(file:read("a"):match(pattern))
end
local function now()
	return read("/proc/uptime", "^[%d.]+")
end
local function available()
	return read("/proc/meminfo", "MemAvailable:%s*(%d+)")
end
test("hundred", function(t)
	local nodes = {}
	local lan = provium:bridge("lan")
	for i = 1, 100 do nodes[i] = provium:vm("n" .. i, "netns") end
	lan:attach(nodes)
	local memory, start = available(), now()
	provium:boot()
	local booted = now() - start
	local each = (memory - available()) / 1024 / 100
	t:assert(nodes[1]:run("ping -c 1 -W 1 n100.lan"):ok())
	start = now()
	provium:shutdown()
	print(("boot %.2f s, %.1f MB a node, shutdown %.2f s"):format(booted, each, now() - start))
	-- Measured 0.2 s each; a machine that does other things besides gets more.
	t:assert(booted < 5 and now() - start < 5)
end)
EOF
hundred() {
	run hundred.lua
	exits 0
}
check "a hundred nodes boot and end in seconds" hundred

cat >rules.lua <<'EOF'
test("rules", function(t)
	local lan = provium:bridge("lan")
	lan:attach({ "a", "b" })
	local changes = {
		drop_rate = function(i) lan:drop_rate({ from = "a", to = "b", p = i % 50 + 1 }) end,
		partition = function() lan:partition({ from = "a", to = "b" }) end,
		isolate = function() lan:isolate("a") end,
	}
	for name, change in pairs(changes) do
		local best = math.huge
		for _ = 1, 20 do
			local start = os.clock()
			for i = 1, 1000 do change(i) end
			best = math.min(best, (os.clock() - start) * 1e6 / 1000)
		end
		print(("%s: %.1f µs"):format(name, best))
		-- Measured 4 to 5.
		t:assert(best < 10, ("%s takes %.1f µs"):format(name, best))
	end
end)
EOF
rules() {
	run rules.lua
	exits 0
}
check "a change of a rule takes less than 10 µs" rules

finish
