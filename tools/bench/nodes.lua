-- SPDX-License-Identifier: GPL-2.0-only
-- Virtual machines: boot, commands, memory. See tools/bench-nodes.

local native = require "provium.native"

local RUNS, COMMANDS, GUEST_MB = 3, 40, 256
local missed = false

local function median(list)
	table.sort(list)
	return list[(#list + 1) // 2]
end

local function seconds(fn)
	local start = native.now()
	fn()
	return (native.now() - start) / 1e9
end

local function row(what, value, unit, target)
	local ok = value < target
	missed = missed or not ok
	print(("%-52s %9.2f %-3s  target under %6.1f  %s"):format(what, value, unit, target, ok and "ok" or "MISSED"))
end

-- Boots n guests side by side, and calls fn with them before they are gone.
local function boot(n, fn)
	local lab = provium:lab()
	local guests = {}
	for i = 1, n do
		guests[i] = lab:vm("g" .. i, "vm", { memory = GUEST_MB .. "M" })
	end
	local time = seconds(function() lab:boot() end)
	if fn then
		fn(guests)
	end
	lab:close()
	return time
end

-- The proportional set size of QEMU, which counts shared pages by their share, in MB.
local function qemu_memory()
	local total = 0
	local children = io.popen("for p in $(cat /proc/$PPID/task/*/children); do "
		.. "grep -qs qemu /proc/$p/comm && cat /proc/$p/smaps_rollup; done")
	for line in children:lines() do
		total = total + (tonumber(line:match("^Pss:%s+(%d+)")) or 0)
	end
	children:close()
	return total / 1024
end

local one, four, commands, memory = {}, {}, {}, nil
for _ = 1, RUNS do
	one[#one + 1] = boot(1, function(guests)
		for _ = 1, COMMANDS do
			commands[#commands + 1] = seconds(function() guests[1]:run("true") end)
		end
		memory = qemu_memory()
	end)
	four[#four + 1] = boot(4)
end
print(("medians of %d boots and %d commands"):format(RUNS, #commands))
row("boot of one guest until it runs commands", median(one), "s", 6)
row("boot of four guests at once", median(four), "s", 15)
row('run("true")', median(commands) * 1000, "ms", 60)
row(("memory of a guest of %d MB (proportional set size)"):format(GUEST_MB), memory, "MB", GUEST_MB + 100)
os.exit(not missed, true)
