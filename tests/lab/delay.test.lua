-- SPDX-License-Identifier: GPL-2.0-only
-- Latency: never less than promised, and not much more; for whom it was meant, and for nobody else.

local support = require "support"

provium.reset_between_tests = true

local lan, a, b, c = support.network(3)
local FQ = { tags = { "fq" } }
local SMOKE = { tags = { "fq", "smoke" } }

-- How much later than promised the fastest frame may be, in milliseconds: what a busy machine needs to get at it. Exact
-- times of departure are tested on the program itself (tests/wire).
local SLACK = 1000

-- Sends frames from one node to another, and returns their delays in milliseconds, sorted.
local function delays(from, to, options)
	options = options or {}
	local listener = support.listen(to, { log = true })
	local kinds = options.kinds or "ipv4"
	support.send(from, {
		from = 1,
		kinds = kinds,
		count = options.count or 50,
		gap = options.gap or 2000,
		to = { [2] = to:mac("lan") },
	})
	support.settle()
	local list = {}
	for i, frame in ipairs(listener:stop().frames) do
		list[i] = frame.delay / 1e6
	end
	table.sort(list)
	return list
end

local function check(t, list, promised, count)
	t:assert_eq(#list, count or 50)
	t:assert(list[1] >= promised, ("a frame took %g ms, %g were promised"):format(list[1], promised))
	t:assert(list[1] < promised + SLACK, ("the fastest took %g ms, %g were promised"):format(list[1], promised))
end

test("a whole bridge, a direction, an end", FQ, function(t)
	lan:add_latency(20)
	check(t, delays(a, b), 20)
	check(t, delays(b, c), 20)
	lan:reset()
	lan:add_latency({ from = a, to = b, ms = "30ms" })
	check(t, delays(a, b), 30)
	check(t, delays(b, a), 0)
	check(t, delays(a, c), 0)
	check(t, delays(c, b), 0)
	lan:reset()
	lan:add_latency({ from = a, ms = 25 })
	check(t, delays(a, b), 25)
	check(t, delays(a, c), 25)
	check(t, delays(c, a), 0)
	lan:reset()
	lan:add_latency({ to = a, ms = 35 })
	check(t, delays(b, a), 35)
	check(t, delays(c, a), 35)
	check(t, delays(a, b), 0)
end)

test("short ones", FQ, function(t)
	for _, promised in ipairs({ 0.01, 0.2, 1, 3 }) do
		lan:add_latency({ from = a, to = b, ms = promised })
		check(t, delays(a, b), promised)
	end
end)

test("every kind of frame", FQ, function(t)
	lan:add_latency({ from = a, to = b, ms = 15 })
	for _, kind in ipairs({ "ipv6", "vlan", "made-up", "stranger", "arp", "broadcast", "multicast6" }) do
		check(t, delays(a, b, { kinds = kind, count = 10 }), 15, 10)
	end
end)

test("pairs have latencies of their own, all at once", FQ, function(t)
	lan:add_latency({ from = a, to = b, ms = 60 })
	lan:add_latency({ from = a, to = c, ms = 20 })
	local at_b, at_c = support.listen(b, { log = true }), support.listen(c, { log = true })
	support.send(a, { from = 1, count = 30, gap = 3000, to = { [2] = b:mac("lan"), [3] = c:mac("lan") } })
	-- A broadcast is held for each of them as long as it should be.
	support.send(a, { from = 1, kinds = "broadcast", count = 10, gap = 3000 })
	support.settle()
	for listener, promised in pairs({ [at_b] = 60, [at_c] = 20 }) do
		listener:stop()
		for _, kind in ipairs({ "ipv4", "broadcast" }) do
			local total = listener:total(kind, 1, kind == "broadcast" and 0 or promised == 60 and 2 or 3)
			t:assert_eq(total.count, kind == "broadcast" and 10 or 30)
			t:assert(total.shortest >= promised * 1e6, total.shortest)
			t:assert(total.shortest < (promised + SLACK) * 1e6, total.shortest)
		end
	end
end)

test("four links add up", SMOKE, function(t)
	lan:add_latency({ from = a, ms = 5 })
	lan:add_latency(10)
	lan:add_latency({ from = a, to = b, ms = 20 })
	lan:add_latency({ to = b, ms = 40 })
	t:assert_eq(lan:path(a, b).latency_ms, 75)
	check(t, delays(a, b), 75)
	check(t, delays(b, a), 10)
	check(t, delays(a, c), 15)
	check(t, delays(c, b), 50)
end)

test("a sender with a short way is not held up by one with a long way to the same receiver", FQ, function(t)
	lan:add_latency({ from = a, to = c, ms = 1 })
	lan:add_latency({ from = b, to = c, ms = 3000 })
	local listener = support.listen(c, { log = true })
	local far = support.start_sending(b, { from = 2, count = 400, gap = 500, to = { [3] = c:mac("lan") } })
	support.send(a, { from = 1, count = 100, gap = 2000, to = { [3] = c:mac("lan") } })
	far:wait("60s"):assert_ok()
	support.settle()
	listener:stop()
	local near, long = listener:total("ipv4", 1, 3), listener:total("ipv4", 2, 3)
	t:assert_eq(near.count, 100)
	t:assert_eq(long.count, 400)
	t:assert(near.shortest >= 1e6 and long.shortest >= 3000e6)
	local list = {}
	for _, frame in ipairs(listener.frames) do
		if frame.from == 1 then
			list[#list + 1] = frame.delay / 1e6
		end
	end
	table.sort(list)
	-- Behind the others, every one would have taken 3 s. A busy machine delays some of them itself.
	t:assert(list[25] < 1500, ("three of four frames took %g ms or more, 1 was promised"):format(list[25]))
end)

local function in_order(t, listener)
	support.settle()
	listener:stop()
	t:assert_eq(#listener.frames, 2000)
	for i, frame in ipairs(listener.frames) do
		t:assert_eq(frame.number, i - 1)
	end
end

test("order is kept within a pair", FQ, function(t)
	lan:add_latency({ from = a, to = b, ms = 30 })
	local listener = support.listen(b, { log = true })
	support.start_sending_on("last", a, { from = 1, count = 2000, to = { [2] = b:mac("lan") } }):wait(60):assert_ok()
	in_order(t, listener)
end)

-- The queue on the line is emptied by whichever processor is there. Without RPS on its end, 3 to 40 of 2,000 overtake
-- each other.
test("order is kept within a pair whoever else sends", SMOKE, function(t)
	lan:add_latency(30)
	local listener = support.listen(b, { log = true })
	local other = support.start_sending_on("first", c, { from = 3, count = 3000, to = { [1] = a:mac("lan") } })
	support.start_sending_on("last", a, { from = 1, count = 2000, to = { [2] = b:mac("lan") } }):wait(60):assert_ok()
	other:wait(60):assert_ok()
	in_order(t, listener)
end)

test("a rule that changes midway holds from the next frame on", FQ, function(t)
	lan:add_latency({ from = a, to = b, ms = 3000 })
	local listener = support.listen(b, { log = true })
	local function send(count)
		support.send(a, { from = 1, count = count, to = { [2] = b:mac("lan") } })
	end
	send(10)
	lan:add_latency({ from = a, to = b, ms = 2 })
	send(10)
	lan:add_latency({ from = a, to = b, ms = 0 })
	send(10)
	support.settle()
	local frames = listener:stop().frames
	t:assert_eq(#frames, 30)
	-- The later ones do not wait behind those that are held.
	for i = 1, 30 do
		local promised = i <= 10 and 2 or i <= 20 and 0 or 3000
		t:assert(frames[i].delay >= promised * 1e6, ("frame %d took %g ms"):format(i, frames[i].delay / 1e6))
	end
end)

test("what is on its way when a cut comes is still delivered", FQ, function(t)
	lan:add_latency(150)
	local listener = support.listen(b)
	support.send(a, { from = 1, count = 10, to = { [2] = b:mac("lan") } })
	lan:partition(a, b)
	support.send(a, { from = 1, kinds = "made-up", count = 10, to = { [2] = b:mac("lan") } })
	support.settle()
	listener:stop()
	t:assert_eq(listener:total("ipv4", 1, 2).count, 10)
	t:assert_eq(listener:total("made-up", 1, 2).count, 0)
end)

-- What comes off the line at once goes through a processor's queue, of 1,000 frames if nothing is said.
test("there is room for what is due at one time", FQ, function(t)
	lan:add_latency(1)
	local backlog = support.ask("nsenter --net=/proc/1/ns/net cat /proc/sys/net/core/netdev_max_backlog")
	t:assert(tonumber(backlog) >= 65536, backlog)
end)

-- Without its limit, fq would hold 100 frames of a sender and 10,000 of all, and without its horizon 10 s.
test("the line is long enough for all that rules allow", FQ, function(t)
	lan:add_latency({ from = a, to = b, ms = 600000 })
	local queue = support.ask("tc -d qdisc show dev line root")
	t:note(queue)
	t:assert(queue:find("limit 2000000p flow_limit 2000000p", 1, true))
	t:assert(tonumber(queue:match(" horizon ([%d.e+]+)s")) >= 600)
	t:assert(queue:find("nopacing", 1, true))
	support.send(a, { from = 1, count = 12000, to = { [2] = b:mac("lan") } })
	-- Beside them, what the nodes say by themselves.
	t:assert(tonumber(support.ask("tc -s qdisc show dev line root"):match(" (%d+)p requeues")) >= 12000)
	lan:flush()
	t:assert_dropped(lan, a, b, "flushed", 12000)
end)

test("reset and 0 take a latency away", FQ, function(t)
	lan:add_latency(50)
	lan:add_latency(0)
	check(t, delays(a, b), 0)
	lan:add_latency({ from = a, to = b, ms = 50 })
	lan:reset()
	check(t, delays(a, b), 0)
end)

test("a round trip by ping", FQ, function(t)
	lan:add_latency("40ms")
	local done = a:run("ping -c 4 -i 0.2 b.lan"):assert_ok()
	for time in done.stdout:gmatch("time=([%d.]+)") do
		-- The first one asks for the address first, which takes a round trip of its own.
		t:assert(tonumber(time) >= 80, time)
	end
	local least = tonumber(done.stdout:match("= ([%d.]+)/"))
	t:assert(least < 80 + 2 * SLACK, least)
end)

test("counters tell how many were held", FQ, function(t)
	lan:add_latency({ from = a, to = b, ms = 1 })
	local before = lan:counters(a, b)
	delays(a, b, { count = 20 })
	local after = lan:counters(a, b)
	t:assert(after.delayed - before.delayed >= 20)
	t:assert_eq(after.packets - before.packets, after.delayed - before.delayed)
end)

test("a bridge with a rule of one name is no other bridge", FQ, function(t)
	local other = provium:bridge("other")
	other:attach({ a, b })
	lan:add_latency(100)
	local listener = support.listen(b, { device = "eth1" })
	support.send(a, { device = "eth1", from = 1, to = { [2] = b:mac("other") } })
	support.settle()
	t:assert_eq(listener:stop():total("ipv4", 1, 2).count, 1)
end)
