-- SPDX-License-Identifier: GPL-2.0-only
-- What lives how long: the file's own things, and those of a test.

local support = require "support"

local lan = provium:bridge("lan")
local outer = provium:vm("outer", "netns"):boot()
local below = provium:lab("below")
lan:attach(outer)

local left = {} -- what the test before has made

local function devices()
	return support.ask("ip -o link show | wc -l")
end

local function alive(pid)
	return support.ask("test -d /proc/" .. pid .. " && echo yes || echo no") == "yes"
end

local devices_before = devices()

test("a test makes things, and fails to take them away", function(t)
	left.node = provium:vm("inner", "netns"):boot()
	left.bridge = provium:bridge("inner-lan")
	left.bridge:attach({ left.node, outer })
	lan:attach(left.node)
	left.lab = provium:lab("sub")
	left.deep = left.lab:vm("deep", "netns"):boot()
	left.below = below:vm("new", "netns"):boot()
	left.process = left.node:run_async("sleep 1000")
	left.outside = outer:run_async("sleep 1000")
	t:assert_eq(provium.inner, left.node)
	t:assert_ne(devices(), devices_before)
end)

test("at its end they are closed", function(t)
	t:assert_eq(left.node:state(), "shutdown")
	t:assert_eq(left.deep:state(), "shutdown")
	t:assert_eq(left.below:state(), "shutdown")
	t:assert_eq(#below:members(), 0, "a lab of the file, in which the test made something")
	t:assert_eq(provium.inner, nil)
	t:assert_eq(provium["inner-lan"], nil)
	t:assert_eq(table.concat(provium:vm_names(), " "), "outer")
	t:assert_eq(table.concat(provium:bridge_names(), " "), "lan")
	t:assert_eq(table.concat(lan:members(), " "), "outer")
	t:assert_eq(#provium:members(), 3)
	t:assert_error(function()
		left.bridge:members()
	end, "bridge `inner-lan` is closed")
	t:assert_error(function()
		left.process:wait()
	end, "was closed, or ended with the scope that it belongs to")
	t:assert_error(function()
		left.outside:wait()
	end, "was closed, or ended with the scope that it belongs to")
	t:assert_error(function()
		left.lab:vm("x", "netns")
	end, "this lab is closed")
	t:assert_eq(devices(), devices_before)
	t:assert(not outer:run("pgrep -x sleep"):ok(), "a process of the test before still runs")
end)

test("what the file made is there, and works", function(t)
	t:assert_eq(provium:vm("outer"), outer)
	t:assert_eq(provium.outer, outer)
	t:assert_eq(provium:bridge("lan"), lan)
	outer:run("true"):assert_ok()
end)

test("an outer name is not to be used again, an inner one is free again", function(t)
	t:assert_error(function()
		provium:vm("outer", "netns")
	end, "already declared at a parent scope; use provium:vm(\"outer\") to get that one")
	t:assert_error(function()
		provium:bridge("lan", { mtu = 1400 })
	end, "already declared at a parent scope; use provium:bridge(\"lan\") to get that one")
	provium:vm("inner", "netns"):boot()
	t:assert_error(function()
		provium:vm("inner", "netns")
	end, "already used")
end)

test("what a test has changed of the file's stays changed", function()
	lan:attach("somebody")
	lan:partition("outer", "somebody")
	lan:drop_rate(1)
end)

test("and is found by the next", function(t)
	t:assert(lan:is_partitioned("outer", "somebody"))
	t:assert_eq(lan:drop_rate_pct(), 1)
	lan:reset()
end)

test("a failed test is tidied up too", function(t)
	local run = support.run({
		["x.test.lua"] = [[
			local node
			test("fails", function(t)
				node = provium:vm("a", "netns"):boot()
				t:defer(function() t:note("state " .. node:state()) end)
				error("on purpose")
			end)
			test("after", function(t) t:assert_eq(node:state(), "shutdown") end)
		]],
	})
	t:assert_eq(run.tests.fails.status, "failed")
	t:assert_eq(run.tests.fails.notes[1], "state booted")
	t:assert_eq(run.tests.after.status, "passed")
end)

test("the end of the run ends everything", function(t)
	local run = support.run({
		["x.test.lua"] = [[
			local node = provium:vm("a", "netns"):boot()
			provium:bridge("lan"):attach(node)
			node:run_async("sleep 1234")
			test("pid", function(t)
				t:note(wait_until(function()
					return io.popen("pgrep -fx 'sleep 1234'"):read("a"):match("%d+")
				end))
				t:fail("to be seen")
			end)
		]],
	})
	local pid = run.tests.pid.notes[1]:match("%d+")
	t:assert(pid, "the process was not there")
	wait_until(function()
		return not alive(pid)
	end, { timeout = "60s", interval = "20ms", desc = "the process of a node is gone" })
end)
