-- SPDX-License-Identifier: GPL-2.0-only
-- A rate that changes under load: no more comes out than each of the rates allows while it holds, in the order in which
-- it was sent.

local native = require "provium.native"
local support = require "support"

provium.reset_between_tests = true

local lan, a, b = support.network(2)
support.silence(a, b)
local FQ = { tags = { "fq" } }
local SIZE = 1500

-- a sends more than any of the rates here, for some seconds, while steps() changes them. Returns what came of it, and
-- the listener.
local function under_load(seconds, steps)
	local gap = 4000 -- 3 Mbit/s
	local listener = support.listen(b, { log = true })
	local sender = support.start_sending(a, { from = 1, count = seconds * 1000000 // gap, gap = gap, size = SIZE,
		to = { [2] = b:mac("lan") } })
	wait_until(function()
		return lan:counters(a, b).held > 0
	end, { interval = "1ms" })
	steps()
	sender:wait("60s"):assert_ok()
	support.settle()
	return listener:stop():total("ipv4", 1, 2), listener
end

local function assert_order(t, listener)
	for i = 2, #listener.frames do
		t:assert(listener.frames[i].number > listener.frames[i - 1].number, "out of order")
	end
end

-- The whole span counts, from when the first was sent.
local function assert_no_more_than(t, total, bps)
	local span = (total.last - total.sent) / 1e9
	t:assert(total.bytes * 8 <= bps * span, ("%.0f bit/s, %.0f at most"):format(total.bytes * 8 / span, bps))
end

test("a rate that varies a little, many times", { tags = { "fq", "smoke" } }, function(t)
	lan:bandwidth_limit({ from = a, to = b, bps = "1Mbit" })
	local total, listener = under_load(3, function()
		for i = 1, 25 do
			lan:bandwidth_limit({ from = a, to = b, bps = i % 2 == 0 and "1.0Mbit" or "1.1Mbit" })
			provium:sleep("100ms")
		end
	end)
	assert_no_more_than(t, total, 1.1e6)
	t:assert(total.bytes * 8 > 1e6, total.bytes)
	t:assert_dropped(lan, a, b, "queue", 100)
	assert_order(t, listener)
end)

test("steps between 2 and 1 Mbit/s", FQ, function(t)
	local QUEUE = 0.2
	local list = {}
	local function step(bps)
		local before = support.now()
		lan:bandwidth_limit({ from = a, to = b, bps = bps, queue = QUEUE * 1000 .. "ms" })
		-- In doubt the higher one held.
		table.insert(list, { since = bps == 2e6 and before or support.now(), bps = bps })
	end
	step(2e6)
	local total = under_load(3, function()
		for i = 1, 12 do
			provium:sleep("200ms")
			step(i % 2 == 0 and 2e6 or 1e6)
		end
	end)
	local allowed = 0
	for i, one in ipairs(list) do
		local from, to = math.max(one.since, total.sent / 1e9), list[i + 1] and list[i + 1].since or total.last / 1e9
		allowed = allowed + one.bps * (to - from)
	end
	local most = allowed + QUEUE * 2e6
	t:assert(total.bytes * 8 <= most, ("%d bits, %.0f at most"):format(total.bytes * 8, most))
	t:assert(total.bytes * 8 > 1e6, total.bytes)
end)

test("rules that are put back under load", FQ, function(t)
	lan:bandwidth_limit({ from = a, to = b, bps = "1Mbit" })
	local total, listener = under_load(3, function()
		for _ = 1, 25 do
			native.set_rules(lan, native.rules(lan))
			provium:sleep("100ms")
		end
	end)
	assert_no_more_than(t, total, 1e6)
	assert_order(t, listener)
end)

-- One frame that is sent behind a backlog, whatever stands in between, takes its own 0.6 s.
local function delay_behind_backlog(between)
	lan:bandwidth_limit({ from = a, to = b, bps = "20kbit" })
	support.send(a, { from = 1, count = 100, size = SIZE, to = { [2] = b:mac("lan") } })
	between()
	local listener = support.listen(b, { log = true })
	support.send(a, { from = 1, kinds = "made-up", size = SIZE, to = { [2] = b:mac("lan") } })
	local line = listener.output:read_until("\n", "30s")
	while not line:find("made-up", 1, true) do
		line = listener.output:read_until("\n", "30s")
	end
	listener:stop()
	return tonumber(line:match("made%-up %d+ %d+ %d+ (%d+)")) / 1e9
end

test("after a reset a link is as new", { tags = { "fq" }, timeout = "3m" }, function(t)
	for _, bps in ipairs({ "20kbit", "21kbit" }) do
		local delay = delay_behind_backlog(function()
			lan:reset()
			lan:bandwidth_limit({ from = a, to = b, bps = bps })
		end)
		t:assert(delay >= 0.57 and delay < 5, delay)
		lan:flush()
	end
end)

test("so it is when its rate was taken away, and after a flush", { tags = { "fq" }, timeout = "3m" }, function(t)
	local delay = delay_behind_backlog(function()
		lan:bandwidth_limit({ from = a, to = b, bps = 0 })
		lan:bandwidth_limit({ from = a, to = b, bps = "20kbit" })
	end)
	t:assert(delay >= 0.6 and delay < 5, delay)
	delay = delay_behind_backlog(function()
		lan:flush()
	end)
	t:assert(delay >= 0.6 and delay < 5, delay)
end)

-- How many segments TCP sends again in a transfer of some seconds while vary() runs every 50 ms.
local function retransmits(vary)
	lan:bandwidth_limit({ from = a, to = b, bps = "5.5Mbit", queue = "3s" })
	local client = a:run_async("iperf3 --json --time 4 --client b.lan")
	while client:running() do
		vary()
		provium:sleep("50ms")
	end
	return json.decode(client:wait("20s"):assert_ok().stdout)["end"].sum_sent.retransmits
end

test("TCP does not take a rate that varies for losses", { tags = { "fq" }, timeout = "3m" }, function(t)
	b:run_async("iperf3 --server --forceflush"):stdout_stream():expect("listening", "20s")
	local constant = retransmits(function() end)
	local fast = false
	local varied = retransmits(function()
		fast = not fast
		lan:bandwidth_limit({ from = a, to = b, bps = fast and "6Mbit" or "5Mbit", queue = "3s" })
	end)
	t:assert(varied <= constant + 10, ("%d at a constant rate, %d at one that varies"):format(constant, varied))
end)
