-- SPDX-License-Identifier: GPL-2.0-only
-- Its own access link and the medium a frame crosses once, however many listen; and who is cut off from all others does
-- not use the medium.

local support = require "support"

provium.reset_between_tests = true

local lan = provium:bridge("lan")
local nodes = {}
for i = 1, 11 do
	nodes[i] = provium:vm("n" .. i, "netns")
end
lan:attach(nodes)
provium:boot()
support.silence(table.unpack(nodes))
local a, b, c, d = table.unpack(nodes)
local FQ = { tags = { "fq" } }
local SIZE = 1500
local SLACK = 1000 -- see delay.test.lua

-- What the nodes but the first got of so many broadcasts from it: lists of numbers.
local function heard(count, options)
	local listeners, lists = {}, {}
	for i = 2, #nodes do
		listeners[i] = support.listen(nodes[i], { log = true })
	end
	support.send(a, { from = 1, kinds = "broadcast", count = count, size = options.size, gap = options.gap })
	if options.held then
		support.settle()
	end
	provium:sleep("20ms")
	for i = 2, #nodes do
		lists[i] = {}
		for k, frame in ipairs(listeners[i]:stop().frames) do
			lists[i][k] = frame.number
		end
	end
	return lists
end

for name, link in pairs({ ["the sender's access link"] = { from = a, p = 50 }, ["the medium"] = { p = 50 } }) do
	test("a broadcast is lost for all or for none: " .. name, function(t)
		lan:drop_rate(link)
		local before = lan:counters(a, b).dropped.loss
		local lists = heard(200, {})
		t:assert(#lists[2] > 50 and #lists[2] < 150, #lists[2])
		for i = 3, #nodes do
			t:assert_eq(lists[i], lists[2])
		end
		-- Each receiver has lost it.
		for i = 2, #nodes do
			t:assert_dropped(lan, a, nodes[i], "loss", 200 - #lists[2])
		end
		t:assert_eq(lan:counters(a, b).dropped.loss - before, 200 - #lists[2])
	end)
end

test("of the links behind the medium each has its own dice", function(t)
	lan:drop_rate({ to = b, p = 50 })
	lan:drop_rate({ from = a, to = c, p = 50 })
	local lists = heard(200, {})
	t:assert(#lists[2] < 150 and #lists[3] < 150)
	t:assert_ne(lists[2], lists[3])
	t:assert_eq(#lists[4], 200)
end)

local SHARED = { { "the sender's access link", { from = a } }, { "the medium", {} }, { "the medium, cut", {}, true } }
for _, case in ipairs(SHARED) do
	local name, link, is_cut = table.unpack(case)
	test("a broadcast takes its turn once: " .. name, FQ, function(t)
		-- Half of what the link carries: with a turn for each of the ten, 5 s would have to wait.
		link.bps, link.queue = "2Mbit", "1s"
		lan:bandwidth_limit(link)
		if is_cut then
			lan:partition_all()
			lan:unpartition(a, { table.unpack(nodes, 2) })
		end
		local lists = heard(100, { size = SIZE, gap = 12000, held = true })
		for i = 2, #nodes do
			t:assert_eq(#lists[i], 100)
		end
		t:assert_not_dropped(lan, a, b, "queue")
	end)
end

test("a first ping is as slow as its frames, whoever listens", { tags = { "fq", "smoke" } }, function(t)
	lan:bandwidth_limit({ from = a, bps = "2kbit" })
	a:run("ip neigh flush all"):assert_ok()
	local ping = a:run("ping -n -c 1 -W 30 " .. b:ip("lan"))
	local took = tonumber(ping:assert_ok().stdout:match("time=([%d.]+)"))
	-- 42 bytes of ARP and 98 of ICMP take 560 ms. With a copy of the question for each it would be 2072.
	t:assert(took >= 560, took)
	t:assert(took < 560 + SLACK, took)
end)

test("a pair that is lifted crosses the medium, once", function(t)
	lan:partition_all()
	lan:unpartition(a, b)
	lan:drop_rate(50)
	local before = lan:counters(a, b)
	support.send(a, { from = 1, count = 400, to = { [2] = b:mac("lan") } })
	local after = lan:counters(a, b)
	local lost = after.dropped.loss - before.dropped.loss
	t:assert_eq(after.packets - before.packets, 400 - lost)
	-- Twice would be 300.
	t:assert(lost > 150 and lost < 250, lost)
	before = lan:counters(c, a)
	support.send(c, { from = 3, count = 10, to = { [1] = a:mac("lan") } })
	after = lan:counters(c, a)
	t:assert_eq(after.dropped.partition - before.dropped.partition, 10)
	t:assert_eq(after.dropped.loss, before.dropped.loss)
end)

-- b hears so many frames from a, at a rate of which a takes four fifths, while c sends three times what it carries.
local function beside_noise(t)
	lan:bandwidth_limit({ bps = "1Mbit", queue = "1s" })
	local before = lan:counters(a, b)
	local noise = support.start_sending(c, { from = 3, kinds = "broadcast", count = 100000, gap = 4000, size = SIZE })
	provium:sleep("50ms")
	support.send(a, { from = 1, count = 100, gap = 15000, size = SIZE, to = { [2] = b:mac("lan") } })
	noise:close()
	support.settle()
	local after = lan:counters(a, b)
	t:assert_eq(after.dropped.queue - before.dropped.queue, 0)
	t:assert(after.delayed - before.delayed >= 100)
end

test("who is cut off from all does not use the medium", FQ, function(t)
	lan:partition_all()
	lan:unpartition(a, b)
	beside_noise(t)
end)

test("nor does who is isolated", FQ, function(t)
	lan:isolate(c)
	beside_noise(t)
end)

test("a pair that is cut again is lifted no more", FQ, function(t)
	lan:partition_all()
	lan:unpartition(a, b)
	lan:unpartition(c, d)
	lan:partition(c, d)
	beside_noise(t)
end)

test("nor is one under another partition of all", FQ, function(t)
	lan:partition_all()
	lan:unpartition(c, d)
	lan:partition_all()
	lan:unpartition(a, b)
	beside_noise(t)
end)
