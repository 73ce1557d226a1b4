-- SPDX-License-Identifier: GPL-2.0-only
-- When a cut is lifted the very next packet gets through. The kernels of the nodes repeat a question for an address
-- after a minute here, and not after a second: what waits for that does not come in time, however slow the machine.

local support = require "support"

local FAMILIES = { "-4", "-6" }

-- No address that it knows, and patience with those that it asks for.
local function forget(node)
	node:run("ip neigh flush all; for f in 4 6; do echo 60000 >/proc/sys/net/ipv$f/neigh/eth0/retrans_time_ms; done")
		:assert_ok()
end

local function ping(from, name, family, patience)
	return from:run("ping", { family, "-n", "-c", 1, "-W", patience, name }):ok()
end

-- Both try in vain while it is cut, and then get through at once.
local function heals(t, nodes, cut, lift)
	for _, family in ipairs(FAMILIES) do
		for _, node in ipairs(nodes) do
			forget(node)
		end
		cut()
		for i, node in ipairs(nodes) do
			ping(node, nodes[3 - i]:name(), family, 0.05)
		end
		lift()
		for i, node in ipairs(nodes) do
			t:assert(ping(node, nodes[3 - i]:name(), family, 20), node:name() .. " is heard, " .. family)
		end
	end
end

test("a kernel that has asked in vain waits: what this file tests", function(t)
	local lan, a, b = support.network(2)
	forget(a)
	lan:partition(a, b)
	ping(a, "b", "-4", 0.05)
	t:assert(a:run("ip neigh show " .. b:ip()).stdout:find("INCOMPLETE", 1, true))
	lan:unpartition(a, b)
	t:assert_eq(a:run("ip neigh show " .. b:ip()).stdout, "")
end)

test("partitions of every kind", { tags = { "smoke" } }, function(t)
	local lan, a, b, c = support.network(3)
	local nodes = { a, b }
	heals(t, nodes, function() lan:partition(a, b) end, function() lan:unpartition(a, b) end)
	heals(t, nodes, function() lan:partition({ a, c }, b) end, function() lan:unpartition({ a, c }, b) end)
	heals(t, nodes, function() lan:partition({ from = a, to = b }) end, function()
		lan:unpartition({ from = a, to = b })
	end)
	heals(t, nodes, function() lan:partition({ from = b, to = a }) end, function()
		lan:unpartition({ from = b, to = a })
	end)
	heals(t, nodes, function() lan:partition(a, b) end, function() lan:restore_all() end)
	heals(t, nodes, function() lan:partition_all() end, function() lan:restore_all() end)
	heals(t, nodes, function() lan:partition_all() end, function() lan:unpartition(a, b) end)
	heals(t, nodes, function() lan:partition(a, b) end, function() lan:reset() end)
	heals(t, nodes, function() lan:partition({ from = a, to = b }) end, function() lan:reset() end)
end)

test("isolation, from either side", function(t)
	local lan, a, b = support.network(2)
	for _, node in ipairs({ a, b }) do
		heals(t, { a, b }, function() lan:isolate(node) end, function() lan:unisolate(node) end)
	end
end)

test("a cable, from either side", function(t)
	local lan, a, b = support.network(2)
	for _, node in ipairs({ a, b }) do
		heals(t, { a, b }, function() lan:nic(node):disconnect() end, function() lan:nic(node):reconnect() end)
	end
end)

test("a lossy link", function(t)
	local lan, a, b = support.network(2)
	for _, link in ipairs({ {}, { from = a }, { to = a }, { from = a, to = b } }) do
		local function rate(percent)
			return function() lan:drop_rate({ from = link.from, to = link.to, p = percent }) end
		end
		heals(t, { a, b }, rate(100), rate(0))
		heals(t, { a, b }, rate(100), function() lan:reset() end)
	end
end)

test("a slow link", { tags = { "fq" } }, function(t)
	local lan, a, b = support.network(2)
	local nodes = { a, b }
	heals(t, nodes, function() lan:add_latency("600s") end, function() lan:add_latency(0) end)
	heals(t, nodes, function() lan:add_latency({ from = a, to = b, ms = "600s" }) end, function() lan:reset() end)
	-- A full frame takes 12 s, and the queue has no room for a second one.
	heals(t, nodes, function()
		lan:bandwidth_limit({ from = a, bps = "1kbit", queue = "1ms" })
		a:run("ping -4 -n -c 1 -W 0.05 -s 1400 b")
	end, function() lan:bandwidth_limit({ from = a, bps = 0 }) end)
	-- The same at 2 s, after which there is room for more.
	heals(t, nodes, function()
		lan:bandwidth_limit({ from = a, bps = "5kbit", queue = "1ms" })
		a:run("ping -4 -n -c 1 -W 0.05 -s 1400 b")
	end, function() lan:bandwidth_limit({ from = a, bps = "5kbit", queue = "30s" }) end)
end)

test("somebody who comes, or comes back", function(t)
	local lan, a, b = support.network(2)
	local ip, ip6 = b:ip(), b:ip6()
	local function hears(what)
		t:assert(ping(a, ip, "-4", 20), what .. ", IPv4")
		t:assert(ping(a, ip6, "-6", 20), what .. ", IPv6")
	end
	local function ask_in_vain()
		forget(a)
		ping(a, ip, "-4", 0.05)
		ping(a, ip6, "-6", 0.05)
	end
	lan:detach(b)
	ask_in_vain()
	lan:attach(b)
	hears("attached again")
	lan:detach(b)
	lan:attach({ b, "later" })
	ip, ip6 = lan:nic("later"):ip(), lan:nic("later"):ip6()
	ask_in_vain()
	provium:vm("later", "netns"):boot()
	hears("booted")
end)

test("an address that a node has taken by itself, from one that is not there", function(t)
	local lan, a, b, c = support.network(3)
	local ip = b:ip()
	lan:detach(b)
	c:run(("ip addr add %s/16 dev eth0"):format(ip)):assert_ok()
	forget(a)
	lan:partition(a, c)
	ping(a, ip, "-4", 0.05)
	lan:unpartition(a, c)
	t:assert(ping(a, ip, "-4", 20))
end)

test("the way over the router", function(t)
	local lan, a = support.network(1)
	local data, c = provium:bridge("data"), provium:vm("c", "netns"):boot()
	data:attach(c)
	lan:route(data)
	local function ask_in_vain()
		forget(a)
		forget(c)
		ping(a, "c.data", "-4", 0.05)
		ping(c, "a.lan", "-6", 0.05)
	end
	local function hears(what)
		t:assert(ping(a, "c.data", "-4", 20), what .. ", there")
		t:assert(ping(c, "a.lan", "-6", 20), what .. ", and back")
	end
	hears("before")
	lan:partition(a, "router")
	ask_in_vain()
	lan:unpartition(a, "router")
	hears("a's side")
	-- The router's own kernel repeats its question after a second.
	data:partition("router", c)
	ask_in_vain()
	data:unpartition("router", c)
	hears("c's side")
	-- Routed once more: the router comes back with another card.
	ask_in_vain()
	lan:unroute(data)
	ping(a, (a:ip():gsub("%d+$", "1")), "-4", 0.05)
	lan:route(data)
	hears("routed again")
end)

-- Two nodes of the file, and three tests: the end of the second is what heals.
local lan = provium:bridge("lan")
local x, y = provium:vm("x", "netns"), provium:vm("y", "netns")
lan:attach({ x, y })
provium:boot()
provium.reset_between_tests = true

for _, case in ipairs({
	{ "a partition", function() lan:partition(x, y) end },
	{ "isolation", function() lan:isolate(x) end },
	{ "a pulled cable", function() lan:nic(y):disconnect() end },
}) do
	test(case[1] .. " that ends with its test", function()
		forget(x)
		case[2]()
		ping(x, "y", "-4", 0.05)
		ping(x, "y", "-6", 0.05)
	end)

	test("the test behind it: " .. case[1], function(t)
		t:assert(ping(x, "y", "-4", 20))
		t:assert(ping(x, "y", "-6", 20))
	end)
end

test("a question that waits for its answer is left alone", { tags = { "fq" } }, function(t)
	local z = provium:vm("z", "netns"):boot()
	lan:attach(z)
	lan:add_latency({ from = x, to = z, ms = 1500 })
	forget(x)
	local asking = x:run_async("ping -4 -n -c 1 -W 30 z")
	wait_until(function() return x:run("ip neigh show " .. z:ip()).stdout:find("INCOMPLETE", 1, true) end)
	lan:partition(x, y)
	lan:unpartition(x, y)
	lan:isolate(y)
	lan:unisolate(y)
	asking:wait("40s"):assert_ok()
	t:assert_eq(lan:counters(x, z).dropped.partition, 0)
end)
