-- SPDX-License-Identifier: GPL-2.0-only
--- What do nodes and changes of rules cost? Each number beside that of ip and nft processes which do the same, in one
--- run; started by tools/bench-control.
local native = require "provium.native"
local table_of = require "table_of"

local PAIRS, NODES, CALLS = 9, 100, 10000
local processes = assert(arg[1], "control.lua needs the path of control-processes")

--- Memory that is in use in any way but as a cache of files, in bytes: with all that the kernel keeps.
local function used_memory()
	local kb = {}
	for line in io.lines("/proc/meminfo") do
		local key, value = line:match("^(%w+):%s+(%d+)")
		if key then
			kb[key] = tonumber(value)
		end
	end
	return (kb.MemTotal - kb.MemFree - kb.Buffers - kb.Cached + kb.Shmem) * 1024
end

--- The kernel takes namespaces away after they are closed, in its own time.
local function settle()
	local before, now = math.huge, used_memory()
	for _ = 1, 20 do
		if math.abs(before - now) < 1e6 then
			return
		end
		provium:sleep("300ms")
		before, now = now, used_memory()
	end
end

--- Seconds, and MB a node.
local function boot()
	local lab, list = provium:lab(), {}
	settle()
	local before, start = used_memory(), native.now()
	local lan = lab:bridge("lan")
	for i = 1, NODES do
		list[i] = lab:vm("n" .. i, "netns")
	end
	lan:attach(list)
	lab:boot()
	local seconds = (native.now() - start) / 1e9
	provium:sleep("300ms")
	local result = { seconds = seconds, memory = (used_memory() - before) / 1e6 / NODES }
	lab:close()
	return result
end

--- Microseconds a call.
local function timed(first, second)
	local spent = { 0, 0 }
	for _ = 1, CALLS // 100 do
		for i, change in ipairs { first, second } do
			local start = native.now()
			for pair = 1, 100 do
				change(pair)
			end
			spent[i] = spent[i] + native.now() - start
		end
	end
	return spent[1] / CALLS / 1e3, spent[2] / CALLS / 1e3
end

--- In a lab of NODES nodes, each call about another pair of them.
local function rules(lan, nodes)
	local result = {}
	result.partition, result.unpartition = timed(function(i)
		lan:partition(nodes[i], nodes[i % NODES + 1])
	end, function(i)
		lan:unpartition(nodes[i], nodes[i % NODES + 1])
	end)
	result.loss = timed(function(i)
		lan:drop_rate(i % 2 + 1)
	end, function()
		lan:drop_rate(0)
	end)
	return result
end

--- The same by processes: words and numbers that the script prints.
local function by_processes(what)
	local pipe = assert(io.popen(("%s %s %d"):format(processes, what, NODES)))
	local text, result = pipe:read("a"), {}
	assert(pipe:close(), text)
	for key, value in text:gmatch("(%w+) (-?[%d.]+)") do
		result[key] = tonumber(value)
	end
	return result
end

local function bench_boot()
	local all = {}
	for i = 1, PAIRS do
		all[i] = { boot() }
		settle()
		all[i][2] = by_processes("boot")
	end
	table_of.below(("%d nodes on a bridge"):format(NODES), "s", all, "seconds", 1)
	table_of.below("memory of each of them", "MB", all, "memory", 3)
end

local function bench_rules()
	local lan, nodes, all = provium:bridge("lan"), {}, {}
	for i = 1, NODES do
		nodes[i] = provium:vm("n" .. i, "netns")
	end
	lan:attach(nodes)
	provium:boot()
	for i = 1, PAIRS do
		all[i] = { rules(lan, nodes), by_processes("rules") }
	end
	table_of.below("partition(a, b)", "us", all, "partition", 10)
	table_of.below("unpartition(a, b)", "us", all, "unpartition", 10)
	table_of.below("drop_rate(p)", "us", all, "loss", 10)
end

table_of.begin("median of " .. PAIRS .. " pairs", "provium", "processes", "times", "of provium's", "target", "")
bench_boot()
bench_rules()
os.exit(table_of.finish() and 0 or 1, true)
