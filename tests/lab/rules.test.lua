-- SPDX-License-Identifier: GPL-2.0-only
-- Rules as a script reads them back: values and their units, what 0 and reset() take away, what stays.

local support = require "support"

local lan, a, b, c = support.network(3)
provium.reset_between_tests = true

local has_fq = pcall(lan.add_latency, lan, 1)
lan:reset()

local function near(t, got, wanted)
	t:assert(math.abs(got - wanted) < 1e-6 * math.max(1, wanted), ("got %s, wanted %s"):format(got, wanted))
end

test("percent, with and without a sign, fractional, and more than all", function(t)
	for _, case in ipairs({
		{ 1, 1 }, { 0.1, 0.1 }, { "0.1%", 0.1 }, { "5", 5 }, { 100, 100 }, { 150, 100 }, { "200%", 100 }, { 1e-7, 1e-7 },
		{ 1e-12, 1e-7 }, { 0, 0 }, { "0%", 0 },
	}) do
		lan:drop_rate(case[1])
		near(t, lan:drop_rate_pct(), case[2])
		lan:drop_rate({ from = a, to = b, p = case[1] })
		near(t, lan:drop_rate_pct(), case[2])
	end
end)

test("milliseconds and rates, in all units", { tags = { "fq" } }, function(t)
	for _, case in ipairs({
		{ 1, 1 }, { 0.5, 0.5 }, { "50ms", 50 }, { "200us", 0.2 }, { "1.5s", 1500 }, { "10ns", 1e-5 }, { "1m", 60000 },
		{ "0.1h", 360000 }, { "7", 7 }, { "7 ms", 7 }, { 0, 0 },
	}) do
		lan:add_latency(case[1])
		near(t, lan:latency_ms(), case[2])
	end
	for _, case in ipairs({
		{ 1e6, 1000000 }, { "10Mbit", 10000000 }, { "1.5Gbit", 1500000000 }, { "500kbit", 500000 }, { "5000bit", 5000 },
		{ "10Mbit/s", 10000000 }, { "10Mbps", 10000000 }, { "0", 0 },
	}) do
		lan:bandwidth_limit(case[1])
		t:assert_eq(lan:bandwidth_bps(), case[2])
	end
end)

test("one impairment leaves the others alone", { tags = { "fq" } }, function(t)
	for _, link in ipairs({ {}, { from = a }, { to = b }, { from = a, to = b } }) do
		local function with(key, value)
			return { from = link.from, to = link.to, [key] = value }
		end
		lan:add_latency(with("ms", 10))
		lan:drop_rate(with("p", 1))
		lan:bandwidth_limit(with("bps", "1Mbit"))
		local path = lan:path(a, b)
		t:assert_eq(#path, 1)
		near(t, path.latency_ms, 10)
		near(t, path.drop_rate_pct, 1)
		t:assert_eq(path.bandwidth_bps, 1000000)
		lan:add_latency(with("ms", 20))
		lan:drop_rate(with("p", 0))
		path = lan:path(a, b)
		near(t, path.latency_ms, 20)
		near(t, path.drop_rate_pct, 0)
		t:assert_eq(path.bandwidth_bps, 1000000)
		lan:bandwidth_limit(with("bps", 0))
		lan:add_latency(with("ms", 0))
		t:assert_eq(#lan:path(a, b), 0, "zeros are a link")
	end
end)

test("the queue of a rate: a time, a number of bytes, and what it is without either", { tags = { "fq" } }, function(t)
	local function queue_ms(limit)
		limit.from = a
		lan:bandwidth_limit(limit)
		return lan:path(a, b)[1].queue_ms
	end
	near(t, queue_ms({ bps = "100Mbit" }), 200)
	near(t, queue_ms({ bps = "10kbit" }), 32 * 1518 * 8 / 10) -- at least 32 full frames
	near(t, queue_ms({ bps = "1Mbit", queue = "50ms" }), 50)
	near(t, queue_ms({ bps = "1Mbit", queue = "1s" }), 1000)
	near(t, queue_ms({ bps = "1Mbit", queue = 125000 }), 1000)
	near(t, queue_ms({ bps = "1Mbit", queue = "64K" }), 65536 * 8 / 1000)
	near(t, queue_ms({ bps = "1Mbit", queue = 0 }), 0)
end)

test("the path of a frame: links in order, and their sum", function(t)
	lan:drop_rate({ to = b, p = 40 })
	lan:drop_rate({ from = a, to = b, p = 30 })
	lan:drop_rate(20)
	lan:drop_rate({ from = a, p = 10 })
	local path = lan:path(a, b)
	local kinds, rates = {}, {}
	for i, link in ipairs(path) do
		kinds[i], rates[i] = link.link, ("%g"):format(link.drop_rate_pct)
		t:assert_eq(link.bridge, "lan")
	end
	t:assert_eq(table.concat(kinds, ", "), "access out, medium, pair, access in")
	t:assert_eq(table.concat(rates, ", "), "10, 20, 30, 40")
	near(t, path.drop_rate_pct, 100 * (1 - 0.9 * 0.8 * 0.7 * 0.6))
	t:assert_eq(path.latency_ms, 0)
	t:assert_eq(path.bandwidth_bps, 0)
	t:assert_eq(path.partitioned, false)
	t:assert_eq(path.isolated, false)
	-- What is about a and b does not meet the others.
	near(t, lan:path(b, a).drop_rate_pct, 20)
	near(t, lan:path(a, c).drop_rate_pct, 100 * (1 - 0.9 * 0.8))
	near(t, lan:path(c, b).drop_rate_pct, 100 * (1 - 0.8 * 0.6))
	near(t, lan:path("b", "c").drop_rate_pct, 20)
end)

test("the path tells of cuts", function(t)
	lan:partition({ from = a, to = b })
	t:assert_eq(lan:path(a, b).partitioned, true)
	t:assert_eq(lan:path(b, a).partitioned, false)
	lan:isolate(c)
	t:assert_eq(lan:path(a, c).isolated, true)
	t:assert_eq(lan:path(c, a).isolated, true)
	t:assert_eq(lan:path(a, b).isolated, false)
	lan:partition_all()
	t:assert_eq(lan:path(b, a).partitioned, true)
	lan:unpartition(a, b)
	t:assert_eq(lan:path(a, b).partitioned, false)
	t:assert_eq(lan:path(b, a).partitioned, false)
	t:assert_eq(lan:path(b, c).partitioned, true)
end)

test("is_partitioned, whatever the partition is", function(t)
	t:assert_eq(lan:is_partitioned(a, b), false)
	lan:partition(a, b)
	t:assert_eq(lan:is_partitioned(a, b), true)
	t:assert_eq(lan:is_partitioned("b", "a"), true)
	lan:unpartition({ from = a, to = b })
	t:assert_eq(lan:is_partitioned(a, b), false)
	t:assert_eq(lan:is_partitioned(b, a), true)
	lan:unpartition(a, b)
	t:assert_eq(lan:is_partitioned(b, a), false)
	lan:isolate(a)
	t:assert_eq(lan:is_partitioned(a, b), false, "isolation is no partition")
	lan:partition_all()
	t:assert_eq(lan:is_partitioned("nobody", "knows"), true, "those that come later, too")
	lan:unpartition("nobody", "knows")
	lan:restore_all()
	t:assert_eq(lan:is_partitioned(a, b), false)
	t:assert_eq(lan:is_isolated(a), true)
end)

test("partition_all cuts again what was made whole under the last one", function(t)
	lan:partition_all()
	lan:unpartition(a, b)
	lan:partition_all()
	t:assert_eq(lan:is_partitioned(a, b), true)
	lan:unpartition(a, b)
	lan:partition(a, b)
	t:assert_eq(lan:is_partitioned(a, b), true)
end)

test("isolating is about one node, and lifting it is lenient", function(t)
	lan:isolate(a)
	lan:isolate(a)
	t:assert_eq(lan:is_isolated(a), true)
	t:assert_eq(lan:is_isolated("b"), false)
	lan:unisolate("a")
	lan:unisolate("a")
	lan:unisolate("never-heard-of")
	t:assert_eq(lan:is_isolated("never-heard-of"), false)
	t:assert_eq(lan:is_isolated(a), false)
end)

test("reset takes impairments and partitions away, and nothing else", function(t)
	lan:drop_rate(10)
	lan:drop_rate({ from = a, p = 10 })
	lan:drop_rate({ from = a, to = b, p = 10 })
	if has_fq then
		lan:add_latency(5)
		lan:bandwidth_limit({ to = b, bps = "1Mbit" })
	end
	lan:partition(a, b)
	lan:partition({ from = b, to = c })
	lan:isolate(a)
	lan:isolate(c)
	lan:nic(b):disconnect()
	lan:reset()
	t:assert_eq(lan:is_partitioned(a, b), false)
	t:assert_eq(lan:is_partitioned(b, c), false)
	t:assert_eq(lan:path(b, a).drop_rate_pct, 0)
	t:assert_eq(lan:path(b, a).latency_ms, 0)
	t:assert_eq(lan:path(a, b).bandwidth_bps, 0)
	t:assert_eq(lan:is_isolated(a), true)
	t:assert_eq(lan:is_isolated(c), true)
	t:assert_eq(lan:nic(b):is_connected(), false)
	lan:partition_all()
	lan:unpartition(a, b)
	lan:reset()
	t:assert_eq(lan:is_partitioned(a, c), false)
end)

test("the next test finds a bridge without rules and with all cables", function(t)
	t:assert_eq(lan:is_isolated(a), false)
	t:assert_eq(lan:nic(b):is_connected(), true)
	t:assert_eq(#lan:path(a, b), 0)
end)

test("a bridge of the same name is not the old one", function(t)
	local first = provium:bridge("x")
	first:attach({ a, b })
	first:partition(a, b)
	first:drop_rate(50)
	support.send(a, { device = "eth1", from = 1, to = { [2] = b:mac("x") } })
	t:assert_dropped(first, a, b, "partition")
	first:close()
	local second = provium:bridge("x")
	t:assert_eq(second:is_partitioned(a, b), false)
	t:assert_eq(second:drop_rate_pct(), 0)
	second:attach({ a, b })
	t:assert_not_dropped(second, a, b, "partition")
	t:assert(support.reaches(a, "b.x"))
end)
