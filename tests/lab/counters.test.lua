-- SPDX-License-Identifier: GPL-2.0-only
-- What became of the frames of a pair.

local support = require "support"

local lan, a, b, c = support.network(3)
provium.reset_between_tests = true

local CAUSES = { "partition", "isolation", "loss", "queue", "error" }

support.silence(a, b, c)

local function send(count, size)
	support.send(a, { from = 1, count = count, size = size or 100, to = { [2] = b:mac("lan") } })
end

-- What has been added to the counters of a→b by the function.
local function added(action)
	local before = lan:counters(a, b)
	action()
	support.settle()
	local after = lan:counters(a, b)
	local sum = { packets = after.packets - before.packets, bytes = after.bytes - before.bytes,
		delayed = after.delayed - before.delayed }
	for _, cause in ipairs(CAUSES) do
		sum[cause] = after.dropped[cause] - before.dropped[cause]
	end
	return sum
end

local function text(sum)
	return ("%d packets %d bytes %d delayed %d %d %d %d %d"):format(sum.packets, sum.bytes, sum.delayed, sum.partition,
		sum.isolation, sum.loss, sum.queue, sum.error)
end

test("delivered frames and their bytes, exactly", { tags = { "smoke" } }, function(t)
	t:assert_eq(text(added(function()
		send(100, 200)
	end)), "100 packets 20000 bytes 0 delayed 0 0 0 0 0")
end)

test("a VLAN tag is a part of the frame", function(t)
	t:assert_eq(text(added(function()
		support.send(a, { from = 1, kinds = "vlan", count = 10, size = 100, to = { [2] = b:mac("lan") } })
	end)), "10 packets 1000 bytes 0 delayed 0 0 0 0 0")
end)

test("every cause has its counter, and a frame has one cause", function(t)
	lan:partition(a, b)
	t:assert_eq(text(added(function()
		send(10)
	end)), "0 packets 0 bytes 0 delayed 10 0 0 0 0")
	lan:isolate(b)
	t:assert_eq(text(added(function()
		send(10)
	end)), "0 packets 0 bytes 0 delayed 10 0 0 0 0")
	lan:unpartition(a, b)
	t:assert_eq(text(added(function()
		send(10)
	end)), "0 packets 0 bytes 0 delayed 0 10 0 0 0")
	lan:unisolate(b)
	lan:drop_rate({ from = a, to = b, p = 100 })
	t:assert_eq(text(added(function()
		send(10)
	end)), "0 packets 0 bytes 0 delayed 0 0 10 0 0")
end)

-- What a switch does not carry was never on its way: no rule is about it.
test("frames that no wire carries are errors", { tags = { "smoke" } }, function(t)
	a:run("ip link set eth0 mtu 9000"):assert_ok()
	lan:drop_rate({ from = a, to = b, p = 100 })
	t:assert_eq(text(added(function()
		send(10, 1518)
	end)), "0 packets 0 bytes 0 delayed 0 0 10 0 0")
	t:assert_eq(text(added(function()
		send(10, 1519)
		send(5, 9000)
	end)), "0 packets 0 bytes 0 delayed 0 0 0 0 15")
	lan:reset()
	a:run("ip link set eth0 mtu 1500"):assert_ok()
end)

test("what the bridge keeps to itself nobody gets", function(t)
	local before = a:nic(lan):counters().dropped.error
	local to_c = lan:counters(a, c)
	local function to_group(last, count)
		support.send(a, { from = 1, kinds = "made-up", count = count, to = { [2] = "01:80:c2:00:00:" .. last } })
	end
	t:assert_eq(text(added(function()
		to_group("01", 3)
		to_group("02", 4)
		support.send(a, { from = 1, kinds = "forged", forge = "01:00:5e:00:00:01", count = 2 })
		support.send(a, { from = 1, kinds = "forged", forge = "00:00:00:00:00:00", count = 1 })
	end)), "0 packets 0 bytes 0 delayed 0 0 0 0 10")
	t:assert_eq(lan:counters(a, c).dropped.error - to_c.dropped.error, 10)
	t:assert_eq(a:nic(lan):counters().dropped.error - before, 10)
	for _, pair in ipairs(lan:counters()) do
		t:assert(pair.from ~= "a" or pair.dropped.error >= 10, pair.to)
	end
	for _, last in ipairs({ "00", "03", "0e", "0f", "10" }) do
		t:assert_eq(text(added(function()
			to_group(last, 1)
		end)), "1 packets 128 bytes 0 delayed 0 0 0 0 0", last)
	end
end)

test("delayed frames and full queues", { tags = { "fq" } }, function(t)
	lan:add_latency({ from = a, to = b, ms = 1 })
	t:assert_eq(text(added(function()
		send(10)
	end)), "10 packets 1000 bytes 10 delayed 0 0 0 0 0")
	lan:add_latency({ from = a, to = b, ms = 0 })
	-- A frame takes 8 ms; what would begin to be sent after more than 40 ms is refused.
	lan:bandwidth_limit({ from = a, to = b, bps = "100kbit", queue = "40ms" })
	local sum = added(function()
		send(100)
	end)
	t:assert_eq(sum.packets + sum.queue, 100)
	t:assert(sum.packets >= 6 and sum.packets < 20, text(sum))
end)

test("copies of a broadcast are counted where they arrive", function(t)
	lan:partition(a, b)
	local before = lan:counters(a, c).packets
	t:assert_eq(text(added(function()
		support.send(a, { from = 1, kinds = "broadcast", count = 10 })
	end)), "0 packets 0 bytes 0 delayed 10 0 0 0 0")
	t:assert_eq(lan:counters(a, c).packets - before, 10)
end)

test("every pair that spoke", function(t)
	local found = {}
	for _, pair in ipairs(lan:counters()) do
		found[pair.from .. pair.to] = pair
		t:assert_eq(type(pair.dropped.loss), "number")
	end
	for _, pair in ipairs({ "ab", "ac", "ba", "bc", "ca", "cb" }) do
		t:assert(found[pair] ~= nil, pair .. " is missing")
	end
	t:assert_eq(found.ab.packets, lan:counters(a, b).packets)
	t:assert_eq(found.aa, nil)
end)

test("of nobody that ever was there", function(t)
	t:assert_error(function()
		lan:counters("a", "nobody")
	end, "bridge:counters: `nobody` was never attached to bridge `lan`; use bridge:attach(\"nobody\")")
	t:assert_eq(lan:counters("b", "a").dropped.partition, 0)
end)

test("claims about drops", function(t)
	lan:partition(a, b)
	send(5)
	t:assert_dropped(lan, a, b, "partition")
	t:assert_dropped(lan, "a", "b", "partition", 5)
	t:assert_not_dropped(lan, a, b, "partition", 1000000)
	t:assert_not_dropped(lan, b, a, "queue")
	local count = lan:counters(a, b).dropped.partition
	t:assert_dropped(lan, a, b, "partition", count)
	t:assert_not_dropped(lan, a, b, "partition", count + 1)
	t:assert_error(function()
		t:assert_not_dropped(lan, a, b, "partition", count)
	end, ("a→b on lan: %d frames dropped by partition, wanted fewer than %d"):format(count, count))
	t:assert_error(function()
		t:assert_dropped(lan, a, b, "partition", 1000000)
	end, ("a→b on lan: %d frames dropped by partition, wanted at least 1000000"):format(count))
	t:assert_error(function()
		t:assert_not_dropped(lan, a, b, "partition", 2)
	end, ("a→b on lan: %d frames dropped by partition, wanted fewer than 2"):format(count))
	t:assert_error(function()
		t:assert_dropped(lan, a, b, "magic")
	end, 't:assert_dropped: argument `cause` is "magic"; partition, isolation, loss, queue, error, flushed or '
		.. 'disconnected is accepted')
end)
