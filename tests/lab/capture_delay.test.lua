-- SPDX-License-Identifier: GPL-2.0-only
-- Captures of frames that are held: they need fq and perf events both, which not every test kernel has.

local support = require "support"
local pcap = require "pcap"

local META = { tags = { "fqperf" } }

-- From when it is sent to when it leaves is never less; how much more is the machine's, not the link's.
local DELAY = 50e6

local function ping(from, to, count)
	from:run(("ping -4 -n -q -i 0.3 -c %d -W 5 %s"):format(count or 1, to:ip())):assert_ok()
end

-- Nodes that know each other's addresses, so that nothing but pings is sent.
local function network()
	local lan, a, b = support.network(2)
	ping(a, b)
	return lan, a, b
end

-- At least one frame.
local function first_of(capture)
	local bytes = capture:next(1)
	while #bytes <= 24 do
		bytes = bytes .. assert(capture:next(9))
	end
	return pcap.frames(bytes)[1]
end

test("a request arrives 50 ms after it has left", META, function(t)
	local lan, a, b = network()
	lan:add_latency({ from = a, to = b, ms = 50 })
	local options = { filter = { proto = "icmp" } }
	local sender, receiver = a:nic("lan"):capture(options), b:nic("lan"):capture(options)
	local bridge = lan:capture(options)
	ping(a, b, 3)
	local left, arrived, crossed = pcap.look(sender), pcap.look(receiver), pcap.look(bridge)
	t:assert_eq(#left, 6)
	t:assert_eq(#arrived, 6)
	t:assert_eq(#crossed, 6, "the bridge shows each of them once")
	for i = 1, 6, 2 do
		local took = arrived[i].time - left[i].time
		t:assert(took >= DELAY, ("request %d took %.3f ms"):format(i, took / 1e6))
		t:assert_eq(crossed[i].time, left[i].time)
		-- The answer leaves after the request has come.
		t:assert(left[i + 1].time >= arrived[i + 1].time)
		t:assert(arrived[i + 1].time > arrived[i].time)
	end
end)

test("a held frame appears when it has arrived, not before", META, function(t)
	local lan, a, b = network()
	lan:add_latency({ from = a, to = b, ms = 1000 })
	local options = { filter = { proto = "icmp" } }
	local sender, receiver = a:nic("lan"):capture(options), b:nic("lan"):capture(options)
	local pings = a:run_async("ping -4 -n -q -c 1 -W 5 " .. b:ip())
	local header = receiver:next(1)
	t:assert_eq(#header, 24)
	local request = first_of(sender)
	t:assert_eq(receiver:next(0.3), nil)
	local frames = pcap.frames(header .. table.concat(receiver:drain(5)))
	t:assert(#frames >= 1)
	local took = frames[1].time - request.time
	t:assert(took >= 1000e6, ("it took %.3f ms"):format(took / 1e6))
	pings:wait(5)
end)

test("frames to a receiver, as they were sent", META, function(t)
	local lan, a, b = network()
	lan:add_latency({ from = a, to = b, ms = 60000 })
	local left = lan:capture({ filter = { from = a, proto = "icmp" } })
	local bound = lan:capture({ filter = { to = b, proto = "icmp" } })
	a:run_async("ping -4 -n -q -c 1 -W 9 " .. b:ip())
	local took = first_of(bound).time - first_of(left).time
	t:assert(took >= 0 and took < 60000e6, ("%.3f ms"):format(took / 1e6))
end)

-- How long a frame took, of its comment.
local function delay_of(frame)
	return tonumber(frame.comment:match("^.→. delivered after ([%d.]+) ms$"))
end

test("comments tell how long it took, and what the queue has refused", META, function(t)
	local lan, a, b = network()
	lan:add_latency({ from = a, to = b, ms = 50 })
	lan:add_latency({ to = b, ms = 12.5 })
	local capture = lan:capture({ format = "pcapng", filter = { ethertype = 0x88b5 } })
	local dropped = lan:capture({ format = "pcapng", verdicts = "dropped", filter = { from = a, to = b } })
	support.send(a, { kinds = "made-up", to = { [2] = b:mac("lan") } })
	lan:bandwidth_limit({ from = a, to = b, bps = "8kbit", queue = "100ms" })
	support.send(a, { kinds = "made-up", size = 1000, count = 3, to = { [2] = b:mac("lan") } })
	provium:sleep(0.2)
	local frames = pcap.look(table.concat(capture:drain(3)))
	t:assert_eq(#frames, 4)
	local queue, delays = 0, {}
	for _, frame in ipairs(frames) do
		if frame.comment == "a→b dropped: queue" then
			queue = queue + 1
			t:assert_eq(frame.interface, "a@lan")
		else
			table.insert(delays, delay_of(frame))
			t:assert_eq(frame.interface, "b@lan")
		end
	end
	t:assert_eq(queue, 2)
	t:assert(delays[1] >= 62.5 and delays[2] >= 1062.5, json.encode(delays))
	-- Exactly as many as were counted; what the nodes say by themselves is among them. Nothing is refused any more.
	lan:reset()
	t:assert_eq(#pcap.look(table.concat(dropped:drain(0))), lan:counters(a, b).dropped.queue)
end)

test("frames of links with different delays come in the order of their arrival", META, function(t)
	local lan, a, b, c = support.network(3)
	ping(a, c)
	ping(b, c)
	lan:add_latency({ from = a, to = c, ms = 6000 })
	lan:add_latency({ from = b, to = c, ms = 20 })
	local options = { filter = { ethertype = 0x88b5 }, format = "pcapng" }
	local capture = c:nic("lan"):capture(options)
	for _ = 1, 3 do
		support.send(a, { kinds = "made-up", count = 5, to = { [3] = c:mac("lan") } })
		support.send(b, { kinds = "made-up", count = 5, to = { [3] = c:mac("lan") } })
	end
	support.settle()
	-- pcap.look() checks that time goes on.
	local frames = pcap.look(capture)
	t:assert_eq(#frames, 30)
	t:assert_eq(frames[1].comment:sub(1, 5), "b→c")
	t:assert(delay_of(frames[1]) >= 20, frames[1].comment)
	t:assert_eq(frames[30].comment:sub(1, 5), "a→c")
	t:assert(delay_of(frames[30]) >= 6000, frames[30].comment)
end)

test("what is due while a cable is out is dropped then", META, function(t)
	local lan, a, b = network()
	lan:add_latency({ from = a, to = b, ms = 10000 })
	local options = { filter = { ethertype = 0x88b5 }, format = "pcapng" }
	local bridge, nic = lan:capture(options), b:nic("lan"):capture(options)
	support.send(a, { kinds = "made-up", count = 2, to = { [2] = b:mac("lan") } })
	b:nic("lan"):disconnect()
	support.settle()
	b:nic("lan"):reconnect()
	local frames = pcap.look(bridge)
	t:assert_eq(#frames, 2)
	for _, frame in ipairs(frames) do
		t:assert_eq(frame.comment, "a→b dropped: disconnected")
		t:assert_eq(frame.interface, "a@lan")
		t:assert_eq(frame.direction, "out")
	end
	t:assert_eq(#pcap.look(nic), 0)
end)

test("what was flushed is told of when it would have been due", META, function(t)
	local lan, a, b = network()
	lan:add_latency({ from = a, to = b, ms = 10000 })
	local capture = lan:capture({ filter = { ethertype = 0x88b5 }, format = "pcapng", verdicts = "dropped" })
	support.send(a, { kinds = "made-up", count = 2, to = { [2] = b:mac("lan") } })
	lan:flush()
	local frames
	wait_until(function()
		frames = pcap.look(capture)
		return #frames == 2
	end, { timeout = "2m", desc = "both are due" })
	t:assert_eq(frames[1].comment, "a→b dropped: flushed")
	t:assert_eq(frames[2].comment, "a→b dropped: flushed")
end)

-- Longer than what an event holds.
local LARGE = [[
perl -e 'socket(S, 17, 3, 0) or die; open(I, "/sys/class/net/eth0/ifindex"); $i = <I>;
send(S, "\xff" x 6 . "\x02\0\0\0\0\1\x88\xb5" . "l" x 64986, 0,
pack("S n i S C C a8", 17, 0x88b5, $i, 0, 0, 6, "\xff" x 6)) or die $!']]

test("a large frame that was held comes out whole", META, function(t)
	local lan = provium:bridge("lan", { mtu = 65535 })
	local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
	lan:attach({ a, b })
	provium:boot()
	lan:add_latency({ from = a, to = b, ms = 5 })
	local capture = b:nic("lan"):capture({ filter = { ethertype = 0x88b5 } })
	a:run(LARGE):assert_ok()
	support.settle()
	local frames = pcap.frames(capture:drain(0))
	t:assert_eq(#frames, 1)
	t:assert_eq(frames[1].length, 65000)
	t:assert_eq(frames[1].bytes:sub(15), ("l"):rep(64986))
end)

test("wait_for returns when it has arrived", META, function(t)
	local lan, a, b = network()
	lan:add_latency({ from = a, to = b, ms = 500 })
	local pings = a:run_async("ping -4 -n -q -c 1 -W 5 " .. b:ip())
	lan:wait_for({ from = a, to = b, proto = "icmp" }, 5)
	local before = lan:counters(b, a).packets
	pings:wait(5)
	-- The answer leaves b after the request has come: it cannot have been counted long before.
	t:assert(lan:counters(b, a).packets - before <= 1)
	t:assert_error(function()
		lan:wait_for({ from = a, to = b, proto = "icmp" }, 0.05)
	end, "0 of 1")
end)
