-- SPDX-License-Identifier: GPL-2.0-only
-- What is held can be thrown away, and what is held for somebody who is not there when it is due gets lost: both are
-- counted.

local support = require "support"

provium.reset_between_tests = true

local lan, a, b, c = support.network(3)
support.silence(a, b, c)
local FQ = { tags = { "fq" } }

-- Milliseconds: what is to happen while a frame is held happens meanwhile on a busy machine, too.
local LONG = 3000

local function send(count, kinds)
	support.send(a, { from = 1, count = count, kinds = kinds, to = { [2] = b:mac("lan") } })
end

-- Whatever was sent under a latency of that many milliseconds and is still to come has come.
local function outlast(ms)
	lan:add_latency({ from = a, to = c, ms = ms })
	local listener = support.listen(c)
	support.send(a, { from = 1, kinds = "made-up", to = { [3] = c:mac("lan") } })
	support.settle()
	assert(listener:stop():total("made-up", 1, 3).count == 1)
end

test("what is flushed never arrives, and is counted at once", { tags = { "fq", "smoke" } }, function(t)
	lan:add_latency({ from = a, to = b, ms = LONG })
	local before = lan:counters(a, b)
	local listener = support.listen(b)
	send(10)
	t:assert_eq(lan:counters(a, b).held, 10)
	lan:flush()
	local after = lan:counters(a, b)
	t:assert_eq(after.held, 0)
	t:assert_eq(after.dropped.flushed - before.dropped.flushed, 10)
	t:assert_dropped(lan, a, b, "flushed", 10)
	-- The rules are what they were, and hold for what comes next.
	send(3, "made-up")
	t:assert_eq(lan:counters(a, b).held, 3)
	support.settle()
	outlast(LONG)
	listener:stop()
	t:assert_eq(listener:total("ipv4", 1, 2).count, 0)
	t:assert_eq(listener:total("made-up", 1, 2).count, 3)
	t:assert(listener:total("made-up", 1, 2).shortest >= LONG * 1e6)
	after = lan:counters(a, b)
	t:assert_eq(after.packets - before.packets, 3)
	t:assert_eq(after.dropped.flushed - before.dropped.flushed, 10)
end)

test("a rate begins anew after a flush", FQ, function(t)
	-- A frame takes 0.6 s.
	lan:bandwidth_limit({ from = a, to = b, bps = "20kbit", queue = "1m" })
	local function send_large(count, kinds)
		support.send(a, { from = 1, count = count, kinds = kinds, size = 1500, to = { [2] = b:mac("lan") } })
	end
	send_large(40)
	lan:flush()
	local listener = support.listen(b)
	send_large(1, "made-up")
	support.settle()
	local total = listener:stop():total("made-up", 1, 2)
	t:assert_eq(total.count, 1)
	t:assert(total.longest >= 600e6 and total.longest < 10000e6, total.longest)
end)

test("other bridges keep what they hold", FQ, function(t)
	local other = provium:bridge("other")
	other:attach({ a, b })
	other:add_latency({ from = a, to = b, ms = 300 })
	local listener = support.listen(b, { device = "eth1" })
	support.send(a, { device = "eth1", from = 1, count = 5, to = { [2] = b:mac("other") } })
	lan:flush()
	t:assert(other:counters(a, b).held >= 5)
	support.settle()
	t:assert_eq(listener:stop():total("ipv4", 1, 2).count, 5)
end)

test("flushed twice, and with nothing held", FQ, function(t)
	lan:add_latency({ from = a, to = b, ms = 600000 })
	local before = lan:counters(a, b).dropped.flushed
	lan:flush()
	for i = 1, 3 do
		send(2)
		lan:flush()
		lan:flush()
		t:assert_eq(lan:counters(a, b).dropped.flushed - before, 2 * i)
	end
end)

local between = support.listen(b)

test("a frame is held when its test ends", FQ, function(t)
	lan:add_latency({ from = a, to = b, ms = LONG })
	send(10)
	t:assert_eq(lan:counters(a, b).held, 10)
end)

test("no frame of one test arrives in the next", FQ, function(t)
	t:assert_eq(lan:counters(a, b).held, 0)
	outlast(LONG)
	t:assert_eq(between:stop():total("ipv4", 1, 2).count, 0)
end)

-- How many of ten frames arrive that are held for so long while something happens to their receiver.
local function survivors(action)
	lan:add_latency({ from = a, to = b, ms = LONG })
	local before = lan:counters(a, b)
	local mac = b:mac("lan")
	support.send(a, { from = 1, count = 10, to = { [2] = mac } })
	action()
	support.settle()
	local after = lan:counters(a, b)
	return after.packets - before.packets, after.dropped.disconnected - before.dropped.disconnected
end

test("a cable that is pulled for a moment", { tags = { "fq", "smoke" } }, function(t)
	local listener = support.listen(b)
	local arrived, lost = survivors(function()
		lan:nic(b):disconnect()
		lan:nic(b):reconnect()
	end)
	t:assert_eq(arrived, 10)
	t:assert_eq(lost, 0)
	t:assert_eq(listener:stop():total("ipv4", 1, 2).count, 10)
end)

test("what is due while the cable is out is lost", FQ, function(t)
	local listener = support.listen(b)
	local arrived, lost = survivors(function()
		lan:nic(b):disconnect()
		support.settle()
		lan:nic(b):reconnect()
	end)
	t:assert_eq(arrived, 0)
	t:assert_eq(lost, 10)
	t:assert_dropped(lan, a, b, "disconnected", 10)
	t:assert_eq(listener:stop():total("ipv4", 1, 2).count, 0)
end)

test("what is held for a node that is detached is lost", FQ, function(t)
	local arrived, lost = survivors(function()
		lan:detach(b)
	end)
	lan:attach(b)
	t:assert_eq(arrived, 0)
	t:assert_eq(lost, 10)
end)

test("what is held for a node that is shut down is lost, though it comes back", FQ, function(t)
	local arrived, lost = survivors(function()
		b:shutdown()
		b:boot()
	end)
	t:assert_eq(arrived, 0)
	t:assert_eq(lost, 10)
end)

test("what is held for who is gone is flushed as well", FQ, function(t)
	lan:add_latency({ from = a, to = c, ms = 600000 })
	local before = lan:counters(a, c)
	support.send(a, { from = 1, count = 10, to = { [3] = c:mac("lan") } })
	lan:detach(c)
	t:assert_eq(lan:counters(a, c).held - before.held, 10)
	lan:flush()
	t:assert_eq(lan:counters(a, c).held, 0)
	t:assert_eq(lan:counters(a, c).dropped.flushed - before.dropped.flushed, 10)
	lan:attach(c)
end)

-- In the network namespace that provium was started in.
local function in_host(command)
	local parent = support.ask("awk '/^PPid/{print $2}' /proc/$PPID/status")
	return support.ask(("nsenter --net=/proc/%s/ns/net %s"):format(parent, command))
end

test("what is held for a device that is given back does not find it on another bridge", FQ, function(t)
	in_host("ip link add flush0 type veth peer flush1")
	t:defer(function()
		in_host("ip link del flush1")
	end)
	in_host("ip link set flush1 up")
	local index = in_host("cat /sys/class/net/flush0/ifindex")
	local other = provium:bridge("other")
	lan:attach_device("flush0")
	wait_until(function()
		return support.ask("bridge link"):find("flush0[^\n]*LOWER_UP[^\n]*master lan state forwarding")
	end, { timeout = "1m", desc = "the device has a carrier" })
	lan:add_latency({ from = a, to = "flush0", ms = LONG })
	support.send(a, { from = 1, count = 10, to = { [9] = "02:00:00:00:00:09" } })
	lan:detach("flush0")
	t:assert_eq(in_host("cat /sys/class/net/flush0/ifindex"), index)
	other:attach_device("flush0", { name = "another" })
	support.settle()
	t:assert_eq(lan:counters(a, "flush0").dropped.disconnected, 10)
	t:assert_eq(other:counters("another", "another").packets, 0)
end)

test("what was sent in a time that is taken back does not arrive", FQ, function(t)
	local sub = provium:lab("sub")
	local there = sub:bridge("there")
	local d, e = sub:vm("d", "netns"), sub:vm("e", "netns")
	there:attach({ d, e })
	there:add_latency({ from = d, to = e, ms = 600000 })
	local before = sub:snapshot()
	sub:boot()
	support.send(d, { from = 4, count = 10, to = { [5] = e:mac("there") } })
	t:assert(there:counters(d, e).held >= 10)
	sub:restore(before)
	t:assert_eq(there:counters(d, e).held, 0)
	t:assert_dropped(there, d, e, "flushed", 10)
	t:assert_eq(there:path(d, e).latency_ms, 600000)
end)
