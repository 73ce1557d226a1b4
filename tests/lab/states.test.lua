-- SPDX-License-Identifier: GPL-2.0-only
-- The life of a node: what it may do in which state, and what it says if it may not.

local support = require "support"

local function refuses(t, call, words)
	local message = t:assert_error(call, words)
	t:assert_eq(message:sub(-#words), words)
end

test("created, booted, paused, booted, shutdown", function(t)
	local a = provium:vm("a", "netns")
	t:assert_eq(a:state(), "created")
	t:assert_eq(a:boot(), a)
	t:assert_eq(a:state(), "booted")
	a:pause()
	t:assert_eq(a:state(), "paused")
	a:resume()
	t:assert_eq(a:state(), "booted")
	a:shutdown()
	t:assert_eq(a:state(), "shutdown")
	t:assert_eq(a:name(), "a")
	t:assert_eq(a:profile(), "netns")
	t:assert_eq(tostring(a), "vm(a state=shutdown cid=-)")
	local console = a:console()
	t:assert_eq(tostring(console), "")
	t:assert_eq(#console .. console .. console:read_log(), "0")
	t:assert_eq(console:read():next("50s"), nil)
	t:assert_error(function()
		console:expect("login:", "50s")
	end, "the stream ended before it came")
	t:assert_error(function()
		console:write("x")
	end, "console:write: vm `a` does not run")
end)

test("what a node that was not booted refuses", function(t)
	local a = provium:vm("a", "netns")
	for _, method in ipairs({ "run", "run_async" }) do
		refuses(t, function()
			a[method](a, "true")
		end, "vm `a`: VM not booted (cannot run)")
	end
	refuses(t, function()
		a:read_file("/etc/hosts")
	end, "vm `a`: VM not booted (cannot read a file)")
	refuses(t, function()
		a:write_file("/tmp/x", "")
	end, "vm `a`: VM not booted (cannot write a file)")
	refuses(t, function()
		a:pause()
	end, "vm `a`: VM not booted (cannot pause)")
	t:assert_eq(a:state(), "created")
end)

-- Of the methods that take one.
local ARGUMENT = { run = "/etc/hosts", read_file = "/etc/hosts" }

test("a paused node", function(t)
	local a = provium:vm("a", "netns"):boot()
	local ticks = a:run_async("while :; do echo; sleep 0.01; done")
	local output = ticks:stdout_stream()
	output:read_until("\n")
	a:pause()
	output:drain("50ms")
	t:assert_eq(output:next("100ms"), nil, "a process of a paused node still runs")
	for method, what in pairs({ run = " (cannot run)", pause = " (cannot pause)", read_file = " (cannot read a file)",
		boot = " (cannot boot)" }) do
		refuses(t, function()
			a[method](a, ARGUMENT[method])
		end, "vm `a`: VM is paused; use resume()" .. what)
	end
	t:assert_eq(select(2, ticks:wait("50ms")), "timed out")
	a:resume()
	output:read_until("\n")
	a:pause()
	a:shutdown()
	t:assert_eq(a:state(), "shutdown")
	t:assert_eq(ticks:wait().signal_name, "SIGKILL")
end)

test("what the original of this tool has and this one has not says what takes its place", function(t)
	local a = provium:vm("a", "netns")
	for method, words in pairs({
		open_file = "read_file(), write_file() and programs in the node", clock = "date", spawn_worker = "python3",
		is_quiescent = "snapshot() says what is in its way", power_button = 'use run_async("poweroff")',
	}) do
		t:assert_error(function() a[method](a, "x", {}, 5) end, words)
	end
	local message = t:assert_error(function() a:clok() end, "there is no field `clok`; ")
	t:assert(not message:find("clock", 1, true), message)
end)

test("a node that was shut down", function(t)
	local a = provium:vm("a", "netns"):boot()
	a:shutdown()
	for method, what in pairs({ run = " (cannot run)", pause = " (cannot pause)", read_file = " (cannot read a file)",
		resume = " (cannot resume)" }) do
		refuses(t, function()
			a[method](a, ARGUMENT[method])
		end, "vm `a`: VM is shutdown; boot() starts it again" .. what)
	end
end)

test("booting twice, and resuming what is not paused", function(t)
	local a = provium:vm("a", "netns"):boot()
	refuses(t, function()
		a:boot()
	end, "vm `a`: VM already booted (cannot boot)")
	refuses(t, function()
		a:resume()
	end, "vm `a`: VM is not paused (cannot resume)")
	provium:boot() -- of a lab: those that are not yet
	t:assert_eq(a:state(), "booted")
end)

test("a node whose first process is killed is dead", function(t)
	local lan, a, b = support.network(2)
	local sleep = a:run_async("sleep 1000")
	-- From outside: in a node, process 1 is safe from its children.
	a:run("kill -9 1")
	t:assert_eq(a:state(), "booted")
	support.kill(a)
	refuses(t, function()
		a:run("true")
	end, "vm `a`: VM is dead: it ended by itself; boot() starts it again (cannot run)")
	refuses(t, function()
		a:pause()
	end, "vm `a`: VM is dead: it ended by itself; boot() starts it again (cannot pause)")
	t:assert_eq(sleep:wait("2s").signal_name, "SIGKILL")
	t:assert_eq(lan:nic(a):counters().rx_packets, 0)
	t:assert(support.cut_off(b, a:ip()))
	lan:detach(a)
	t:assert_eq(table.concat(lan:members(), " "), "b")
end)

test("all boot side by side, and if one cannot, none does", function(t)
	local lan = provium:bridge("lan")
	local a = provium:vm("a", "netns")
	local b = provium:vm("b", "netns", { files = { { path = "/proc/sys/no/such", content = "" } } })
	lan:attach({ a, b })
	local message = t:assert_error(function()
		provium:boot()
	end, "vm `b`: write /proc/sys/no/such:")
	t:assert(message:find("provium:boot: ", 1, true), message)
	t:assert_eq(a:state(), "created")
	t:assert_eq(b:state(), "created")
	t:assert_eq(support.ask("ip -o link show type veth | wc -l"), "0")
	b:boot({ files = {} })
	provium:boot({ timeout = "10s" })
	t:assert(support.reaches(a, b))
end)

test("files of a node are there when it has booted", function(t)
	local a = provium:vm("a", "netns", {
		memory = "64M",
		cpus = 1,
		kernel_cmdline = "quiet",
		files = {
			{ path = "/tmp/deep/er/one", content = "1\0\255" },
			{ path = "/tmp/two", content = "", mode = tonumber("604", 8) },
		},
	})
	a:boot()
	t:assert_eq(a:read_file("/tmp/deep/er/one"), "1\0\255")
	t:assert_eq(a:read_file("/tmp/two"), "")
	t:assert_eq(a:stat("/tmp/two").perm, tonumber("604", 8))
end)

test("a profile of nil, or options in its place, mean netns", function(t)
	t:assert_eq(provium:vm("a", nil, {}):profile(), "netns")
	t:assert_eq(provium:vm("b", { cpus = 2 }):profile(), "netns")
end)

test("a profile that is mapped keeps its name", function(t)
	local run = support.run({
		["x.test.lua"] = [[
			test("x", function(t)
				t:assert_eq(provium:vm("a", "mine"):boot():profile(), "mine")
				t:assert_eq(provium:vm("b", "alias"):boot():profile(), "alias")
				t:assert_error(function() provium:vm("c", "other") end, "no profile named `other`; ")
			end)
		]],
	}, "--profile mine=netns --profile alias=mine")
	t:assert_eq(run.tests.x.message, nil)
	t:assert_eq(run.tests.x.status, "passed")
end)

test("nodes see themselves as machines of their own", function(t)
	local a, b = provium:vm("a", "netns"):boot(), provium:vm("b", "netns"):boot()
	a:write_file("/tmp/mine", "a")
	t:assert(not b:run("test -e /tmp/mine"):ok(), "/tmp is shared")
	t:assert_eq(support.ask("test -e /tmp/mine && echo yes || echo no"), "no")
	b:run_async("sleep", { 100 })
	t:assert(b:run("pgrep -x sleep"):ok())
	t:assert(not a:run("pgrep -x sleep"):ok(), "processes are seen from elsewhere")
	t:assert_eq(a:run("cat /proc/1/comm").stdout, "a\n")
	a:run("hostname changed"):assert_ok()
	t:assert_eq(b:run("hostname").stdout, "b\n")
	t:assert(a:run("ip link show lo"):assert_ok().stdout:find("LOOPBACK,UP"), "loopback is not up")
end)

test("options of the original", function(t)
	local a = provium:vm("a", "netns", { kernel_cmdline = "quiet", kernel_cmdline_append = "x=1" })
	t:assert_eq(a:boot({ agent_timeout = "50s" }):state(), "booted")
	a:close()
	t:assert_eq(a:state(), "shutdown")
	a:close()
	for _, key in ipairs({ "rng_seed", "initial_time", "disks" }) do
		t:assert_error(function()
			provium:vm("b", "netns", { [key] = 1 })
		end, ("`%s` is not available"):format(key))
	end
	t:assert_eq(provium:vm("b", "netns"):cid(), nil)
end)
