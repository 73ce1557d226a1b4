-- SPDX-License-Identifier: GPL-2.0-only
--
-- A bad line from a to b: 1 Mbit/s, 25 ms, and one frame of a hundred is lost. From a to c nothing of that is felt.
--
--     provium --profile peios=netns lua/examples/slow_link.test.lua

local lan = provium:bridge("lan")
local a = provium:vm("a", "peios")
local b = provium:vm("b", "peios")
local c = provium:vm("c", "peios")

provium:boot()
lan:attach({ a, b, c })

for _, receiver in ipairs({ b, c }) do
	receiver:run("iperf3 --server --daemon"):assert_ok()
end

-- Bits per second that a TCP connection gets through from a in some seconds.
local function throughput(to)
	local done = a:run("iperf3 --json --time 4 --client " .. to, { timeout = "30s" }):assert_ok()
	return json.decode(done.stdout)["end"].sum_received.bits_per_second
end

-- The average time of a round trip from a, in milliseconds.
local function round_trip(to)
	local done = a:run("ping -c 10 -i 0.2 " .. to)
	return tonumber(done.stdout:match("= [%d.]+/([%d.]+)"))
end

test("the line from a to b is bad, the one from a to c is not", { tags = { "fq" }, timeout = "2m" }, function(t)
	wait_until(function()
		return a:run("ping -c 1 -W 1 b.lan"):ok() and a:run("ping -c 1 -W 1 c.lan"):ok()
	end, { desc = "a reaches b and c" })

	-- Three rules about one direction of one pair. They add up; what was not named stays as it was.
	lan:bandwidth_limit({ from = a, to = b, bps = "1Mbit" })
	lan:add_latency({ from = a, to = b, ms = 25 })
	lan:drop_rate({ from = a, to = b, p = 1 })

	-- b→a is free, so a round trip takes 25 ms and a little.
	local there = round_trip("b.lan")
	local elsewhere = round_trip("c.lan")
	t:note(("a round trip takes %.1f ms to b, %.1f ms to c"):format(there, elsewhere))
	t:assert(there >= 25, "a round trip to b took less than its latency")
	t:assert(elsewhere < there, "a round trip to c took no less")

	local slow, free = throughput("b.lan"), throughput("c.lan")
	t:note(("a→b %.2f Mbit/s, a→c %.0f Mbit/s"):format(slow / 1e6, free / 1e6))
	t:assert(slow < 1e6, "more than 1 Mbit/s came through from a to b")
	t:assert(slow > 0.3e6, "TCP did not make use of the line from a to b")
	t:assert(free > slow, "the line from a to c is not free")
	local counters = lan:counters(a, c)
	t:assert_eq(counters.delayed, 0, "frames from a to c that were held")
	t:assert_eq(counters.dropped.loss + counters.dropped.queue, 0, "frames from a to c that were dropped")
end)
