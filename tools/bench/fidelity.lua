-- SPDX-License-Identifier: GPL-2.0-only
--- How faithful are delay, rate and loss? Each number beside netem's, in one run; started by tools/bench-fidelity.

-- Their programs widen the queues of their sockets beyond what a root without rights on the machine may.
local OPTIONS = { root = "shared" }
local links = require "links"
local table_of = require "table_of"

local PAIRS = 5
local pair = { links.ours {}, links.netem {} }
local wide = { links.ours { offload = true }, links.netem { offload = true } }

--- measure(link) begins, and returns a function that waits for the end and returns what was measured.
local function side_by_side(both, order, measure)
	local ends, values = {}, {}
	for _, i in ipairs(order) do
		ends[i] = measure(both[i])
	end
	for _, i in ipairs(order) do
		values[i] = ends[i]()
	end
	return values
end

local function in_turn(both, order, measure)
	local values = {}
	for _, i in ipairs(order) do
		values[i] = measure(both[i])()
	end
	return values
end

--- Pairs of values, from side_by_side or in_turn. Neither side is always the first.
local function repeated(how, both, measure)
	local all = {}
	for n = 1, PAIRS do
		all[n] = how(both, n % 2 == 1 and { 1, 2 } or { 2, 1 }, function(link)
			return measure(link, n)
		end)
	end
	return all
end

local function warm(link)
	link.a:run("ping", { "-c", "1", "-W", "2", link.ip })
end

--- Round trips at random intervals of 1.25 ms on average. What a trip takes over twice the delay, in ms.
local function lateness(ms)
	return function(link)
		link:set { delay_ms = ms }
		warm(link)
		local echo = links.listen(link.b, "echo", "9000")
		local trips = links.start(link.a, "rtt", link.ip, "9000", "2000", "1250", "64")
		return function()
			local rtt = links.finish(trips)
			echo:kill()
			assert(rtt.received == rtt.sent, ("%s lost %d of %d probes"):format(link.name, rtt.sent - rtt.received, rtt.sent))
			return { p50 = rtt.p50 / 1e6 - 2 * ms, p99 = rtt.p99 / 1e6 - 2 * ms }
		end
	end
end

local function bench_delay()
	for _, ms in ipairs { 1, 20, 100, 500 } do
		local all = repeated(side_by_side, pair, lateness(ms))
		for _, percentile in ipairs { "p50", "p99" } do
			local name = ("delay 2 x %d ms, RTT late by (%s)"):format(ms, percentile)
			table_of.beside(name, "ms", all, percentile, { at_most = 1.1 })
		end
	end
end

--- Of one connection, from its first byte on, in Mbit/s. buffer: bytes, or 0 as the kernel tunes it.
local function goodput(what, buffer, ms)
	return function(link)
		link:set(what)
		warm(link)
		local sink = links.listen(link.b, "tcp-sink", "9001", buffer, "0", ms)
		local sender = links.start(link.a, "tcp-send", link.ip, "9001", buffer)
		return function()
			local got = links.finish(sink)
			sender:kill()
			return got.bytes * 8e3 / got.ns
		end
	end
end

local function bench_goodput()
	local far, slow = { delay_ms = 20 }, { delay_ms = 20, rate = 10e6, queue = 250000 }
	local all = repeated(side_by_side, pair, goodput(far, "1000000", "3000"))
	table_of.beside("TCP, 2 x 20 ms, buffers of 1 MB", "Mbit/s", all, nil, { at_least = 0.95 })
	all = repeated(in_turn, pair, goodput(far, "0", "2500"))
	table_of.beside("TCP, 2 x 20 ms, buffers tuned by the kernel", "Mbit/s", all, nil, { at_least = 0.95 })
	all = repeated(side_by_side, pair, goodput(slow, "0", "5000"))
	table_of.beside("TCP, 10 Mbit/s and 2 x 20 ms", "Mbit/s", all, nil, { at_least = 0.97 })
end

--- L2 bits that arrive from one frame to another while TCP always has more to send, in bit/s.
local function arrival(rate, skip, ms)
	-- What TCP may have under way keeps the link busy for 0.2 s at least, and never overflows the queue: when TCP waits
	-- for what was lost, the link may run empty. The kernel doubles what is asked for as a buffer.
	local buffer = math.max(rate // 8 // 10, 12 * 1514)
	local queue = 4 * buffer
	return function(link)
		link:set { rate = rate, queue = queue }
		local watch = links.listen(link.b, "watch", "eth0", skip, ms)
		local sink = links.listen(link.b, "tcp-sink", "9001", "0", "0", "100000")
		local sender = links.start(link.a, "tcp-send", link.ip, "9001", tostring(buffer))
		return function()
			local got = links.finish(watch)
			sink:kill()
			sender:kill()
			-- What is queued still must not count as the next one's.
			provium:sleep(2 * buffer * 8 / rate)
			return got.bytes * 8e9 / got.ns
		end
	end
end

local function bench_rate()
	for _, row in ipairs {
		{ "100 kbit/s", 100e3, "500", "3000", side_by_side, pair },
		{ "1 Mbit/s", 1e6, "700", "2000", side_by_side, pair },
		{ "10 Mbit/s", 10e6, "700", "2000", side_by_side, pair },
		{ "100 Mbit/s", 100e6, "500", "1200", in_turn, pair },
		{ "1 Gbit/s, offload", 1e9, "500", "1200", in_turn, wide },
	} do
		local all = repeated(row[5], row[6], arrival(math.tointeger(row[2]), row[3], row[4]))
		table_of.deviation("rate " .. row[1], all, row[2], 0.1)
	end
end

local FRAMES = 20000

--- In percent, of FRAMES datagrams.
local function loss(percent)
	return function(link, i)
		provium:seed(i)
		link:set {}
		warm(link)
		link:set { loss = percent }
		local sink = links.listen(link.b, "sink", "9002", tostring(FRAMES), "100")
		local sender = links.start(link.a, "blast", link.ip, "9002", tostring(FRAMES), "50", "64")
		return function()
			local got = links.finish(sink)
			links.finish(sender)
			return 100 - 100 * got.received / FRAMES
		end
	end
end

local function bench_loss()
	for _, percent in ipairs { 1, 10 } do
		-- 2.576 standard deviations hold 99 % of a normal distribution, which this one is close to.
		local share = percent / 100
		local interval = 100 * 2.576 * math.sqrt(share * (1 - share) / FRAMES)
		local name = ("loss of %d %%, %d frames"):format(percent, FRAMES)
		table_of.interval(name, repeated(in_turn, pair, loss(percent)), percent, interval)
	end
end

--- near sends to a receiver over 1 ms while far sends to the same one, or to another, over 200 ms.
local function crowd(shared)
	local name = shared and "shared" or "apart"
	local lan = provium:bridge(name)
	local near, far = provium:vm("near-" .. name, "netns", OPTIONS), provium:vm("far-" .. name, "netns", OPTIONS)
	local near_to = provium:vm("to-" .. name, "netns", OPTIONS)
	local far_to = shared and near_to or provium:vm("other-" .. name, "netns", OPTIONS)
	lan:attach(shared and { near, far, near_to } or { near, far, near_to, far_to })
	provium:boot()
	lan:add_latency { from = near, to = near_to, ms = 1 }
	lan:add_latency { from = far, to = far_to, ms = 200 }
	for from, to in pairs { [near] = near_to, [far] = far_to } do
		from:run("ping", { "-c", "1", "-W", "2", to:ip() })
	end
	return { near = near, far = far, near_to = near_to, far_to = far_to }
end

local function neighbour(nodes)
	local near_sink = links.listen(nodes.near_to, "sink", "9003", "1000", "0")
	local far_sink = links.listen(nodes.far_to, "sink", "9004", "1000", "0")
	local far = links.start(nodes.far, "blast", nodes.far_to:ip(), "9004", "1000", "2500", "1400")
	local near = links.start(nodes.near, "blast", nodes.near_to:ip(), "9003", "1000", "2500", "64")
	return function()
		local got = links.finish(near_sink)
		for _, process in ipairs { near, far, far_sink } do
			links.finish(process)
		end
		assert(got.received == 1000, "a frame was lost")
		return { p99 = got.p99 / 1e6 - 1, max = got.max / 1e6 - 1 }
	end
end

local function bench_neighbours()
	local both = { crowd(true), crowd(false) }
	local all = repeated(side_by_side, both, neighbour)
	table_of.beside("1 ms beside 200 ms, late by (p99)*", "ms", all, "p99", { more_by = 0.5 })
	table_of.beside("1 ms beside 200 ms, late by (max)*", "ms", all, "max", { more_by = 10 })
end

table_of.begin("median of " .. PAIRS .. " pairs", "provium", "netem", "ratio", "of the pairs", "target", "")
bench_delay()
bench_goodput()
bench_rate()
bench_loss()
bench_neighbours()
io.write("* The two pairs have one receiver, and beside it, at the same time, two others have one each.\n")
os.exit(table_of.finish() and 0 or 1, true)
