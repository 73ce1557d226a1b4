-- SPDX-License-Identifier: GPL-2.0-only
-- Rates: as much as promised and no more, shared or not, and what happens to what does not fit.

local support = require "support"

provium.reset_between_tests = true

local lan, a, b, c, d = support.network(4)
support.silence(a, b, c, d)
local FQ = { tags = { "fq" } }
local SMOKE = { tags = { "fq", "smoke" } }

-- Rates are well below what a busy machine can send, so that the wire alone sets the pace.
local SIZE = 1500

-- Of several flows together: when the first frame was sent and when it arrived, when the last one did, and all bits.
local function sum(...)
	local sent, first, last, bits = math.huge, math.huge, 0, 0
	for _, total in ipairs({ ... }) do
		sent = math.min(sent, total.sent)
		first, last, bits = math.min(first, total.first), math.max(last, total.last), bits + total.bytes * 8
	end
	return sent / 1e9, first / 1e9, last / 1e9, bits
end

-- Bits per second of what arrived, from the first frame to the last: the first one's own bits came before.
local function rate_of(...)
	local _, first, last, bits = sum(...)
	return (bits - SIZE * 8) / (last - first)
end

-- The wire is never faster than promised. A busy machine may well be slower than the wire, once or twice.
local function assert_rate(t, wanted, measure)
	local best = 0
	for _ = 1, 4 do
		local totals = { measure() }
		local sent, _, last, bits = sum(table.unpack(totals))
		t:assert(last - sent >= bits / wanted, ("%d bits in %g s, at %.0f bit/s"):format(bits, last - sent, wanted))
		best = math.max(best, rate_of(table.unpack(totals)))
		if best > wanted * 0.97 then
			return
		end
	end
	t:assert(best > wanted / 2, ("%.0f bit/s, %.0f were promised"):format(best, wanted))
end

-- Everybody of `flows` {from, to, count} sends at once, as fast as it can. Returns the totals, when all have arrived.
local function run(t, flows)
	local numbers = { [a] = 1, [b] = 2, [c] = 3, [d] = 4 }
	local listeners, senders, totals = {}, {}, {}
	for _, flow in ipairs(flows) do
		listeners[flow[2]] = listeners[flow[2]] or support.listen(flow[2])
	end
	for i, flow in ipairs(flows) do
		senders[i] = support.start_sending(flow[1], {
			from = numbers[flow[1]],
			count = flow[3],
			size = SIZE,
			to = { [numbers[flow[2]]] = flow[2]:mac("lan") },
		})
	end
	for _, sender in ipairs(senders) do
		sender:wait("60s"):assert_ok()
	end
	support.settle()
	for _, listener in pairs(listeners) do
		listener:stop()
	end
	for i, flow in ipairs(flows) do
		totals[i] = listeners[flow[2]]:total("ipv4", numbers[flow[1]], numbers[flow[2]])
		if not flows.lossy then
			t:assert_eq(totals[i].count, flow[3])
		end
	end
	return table.unpack(totals)
end

-- The same as a function.
local function running(t, flows)
	return function()
		return run(t, flows)
	end
end

test("one direction, and no other", FQ, function(t)
	lan:bandwidth_limit({ from = a, to = b, bps = "2Mbit", queue = "10s" })
	assert_rate(t, 2e6, function()
		local back, elsewhere = lan:counters(b, a).delayed, lan:counters(a, c).delayed
		local there = run(t, { { a, b, 80 }, { b, a, 80 }, { a, c, 80 } })
		t:assert_eq(lan:counters(b, a).delayed, back)
		t:assert_eq(lan:counters(a, c).delayed, elsewhere)
		return there
	end)
end)

test("low and high rates", FQ, function(t)
	for bps, count in pairs({ [100e3] = 8, [1e6] = 40, [10e6] = 400 }) do
		lan:bandwidth_limit({ from = a, to = b, bps = bps, queue = "20s" })
		assert_rate(t, bps, running(t, { { a, b, count } }))
		lan:reset()
	end
end)

test("there is no burst", FQ, function(t)
	lan:bandwidth_limit({ from = a, to = b, bps = "1Mbit", queue = "10s" })
	provium:sleep("300ms") -- an idle link saves nothing up
	local listener = support.listen(b, { log = true })
	support.send(a, { from = 1, count = 10, size = SIZE, to = { [2] = b:mac("lan") } })
	support.settle()
	-- The n-th frame leaves 12 ms after the one before it, which was sent a little earlier than itself.
	local frames = listener:stop().frames
	t:assert_eq(#frames, 10)
	for i, frame in ipairs(frames) do
		t:assert(frame.delay >= 12e6, ("frame %d took %g ms"):format(i, frame.delay / 1e6))
	end
	local total = listener:total("ipv4", 1, 2)
	t:assert(total.last - total.sent >= 10 * 12e6, (total.last - total.sent) / 1e6)
end)

test("the budget of a whole bridge is shared by all", FQ, function(t)
	lan:bandwidth_limit({ bps = "4Mbit", queue = "20s" })
	assert_rate(t, 4e6, running(t, { { a, b, 150 }, { c, d, 150 } }))
end)

test("per destination means it", FQ, function(t)
	lan:bandwidth_limit({ from = a, to = b, bps = "500kbit", queue = "20s" })
	lan:bandwidth_limit({ from = a, to = c, bps = "2Mbit", queue = "20s" })
	local flows = { { a, b, 30 }, { a, c, 120 } }
	assert_rate(t, 500e3, function()
		local slow = run(t, flows)
		return slow
	end)
	assert_rate(t, 2e6, function()
		local _, fast = run(t, flows)
		return fast
	end)
end)

test("an access link is shared by all that its node sends, or gets", FQ, function(t)
	lan:bandwidth_limit({ from = a, bps = "4Mbit", queue = "20s" })
	assert_rate(t, 4e6, running(t, { { a, b, 100 }, { a, c, 100 } }))
	lan:reset()
	lan:bandwidth_limit({ to = d, bps = "4Mbit", queue = "20s" })
	assert_rate(t, 4e6, running(t, { { a, d, 100 }, { b, d, 100 } }))
end)

test("of links in series the narrowest counts", FQ, function(t)
	lan:bandwidth_limit({ from = a, bps = "5Mbit", queue = "20s" })
	lan:bandwidth_limit({ bps = "10Mbit", queue = "20s" })
	lan:bandwidth_limit({ from = a, to = b, bps = "2Mbit", queue = "20s" })
	t:assert_eq(lan:path(a, b).bandwidth_bps, 2000000)
	assert_rate(t, 2e6, running(t, { { a, b, 80 } }))
	assert_rate(t, 5e6, running(t, { { a, c, 200 } }))
	assert_rate(t, 10e6, running(t, { { c, b, 300 } }))
end)

test("what would wait too long is dropped, and counted as that", SMOKE, function(t)
	for _, queue in ipairs({ "1.5s", 75000 }) do
		-- 400 kbit/s for 1.5 s are 75 kB, or 50 frames, and one more each 30 ms that a slow machine takes to send them all.
		lan:bandwidth_limit({ from = a, to = b, bps = "400kbit", queue = queue })
		local before = lan:counters(a, b)
		local total = run(t, { { a, b, 400 }, lossy = true })
		local after = lan:counters(a, b)
		t:assert_eq(after.packets - before.packets, total.count)
		t:assert_eq(after.dropped.queue - before.dropped.queue, 400 - total.count)
		t:assert(total.count >= 50 and total.count < 200, total.count)
		t:assert(total.longest > 1450e6, total.longest)
	end
end)

test("a rate, a latency and a loss of one link", FQ, function(t)
	provium:seed(3)
	lan:bandwidth_limit({ from = a, to = b, bps = "4Mbit", queue = "20s" })
	lan:add_latency({ from = a, to = b, ms = 50 })
	lan:drop_rate({ from = a, to = b, p = 10 })
	local total = run(t, { { a, b, 300 }, lossy = true })
	t:assert(total.count > 240 and total.count < 295, total.count)
	t:assert(total.shortest >= 53e6, total.shortest)
	-- A lost frame has used its share of the rate: 300 of them take 900 ms.
	local span = (total.last - total.sent) / 1e6
	t:assert(span > 860, span)
end)

-- A frame under the new rate does not wait until the one that is held under the old one has left, 8 s after it was
-- sent.
test("a backlog of a slow rate holds up nobody at a fast one", FQ, function(t)
	lan:bandwidth_limit({ from = a, to = b, bps = "1kbit", queue = "1m" })
	local listener = support.listen(b, { log = true })
	local function send(kinds)
		support.send(a, { from = 1, kinds = kinds, size = 1000, to = { [2] = b:mac("lan") } })
	end
	send("ipv4")
	lan:bandwidth_limit({ from = a, to = b, bps = "100Mbit" })
	send("made-up")
	support.settle()
	local frames = listener:stop().frames
	t:assert_eq(#frames, 2)
	t:assert_eq(frames[1].kind, "made-up")
	-- Both at once would be in this order, too.
	t:assert(frames[1].delay < frames[2].delay / 2, frames[1].delay / 1e9)
end)

test("a rate that changes midway holds for later frames", FQ, function(t)
	lan:bandwidth_limit({ from = a, to = b, bps = "1Mbit", queue = "20s" })
	run(t, { { a, b, 10 } })
	lan:bandwidth_limit({ from = a, to = b, bps = "10Mbit", queue = "20s" })
	assert_rate(t, 10e6, running(t, { { a, b, 300 } }))
	lan:bandwidth_limit({ from = a, to = b, bps = "1Mbit" })
	lan:bandwidth_limit({ from = a, to = b, bps = 0 })
	local before = lan:counters(a, b).delayed
	run(t, { { a, b, 300 } })
	t:assert_eq(lan:counters(a, b).delayed, before)
end)
