-- SPDX-License-Identifier: GPL-2.0-only
-- What a node may leave to its card, and what of it the wire shows: single frames, with their checksums.

local support = require "support"

-- RFC 1071, of the pseudo-header and the segment of an IP packet in an Ethernet frame: 0xffff if its checksum is right.
local function sum(frame)
	local packet = frame:sub(15)
	local addresses, segment
	if packet:byte() >> 4 == 4 then
		addresses, segment = packet:sub(13, 20), packet:sub(21, (string.unpack(">I2", packet, 3)))
	else
		addresses, segment = packet:sub(9, 40), packet:sub(41, 40 + string.unpack(">I2", packet, 5))
	end
	local total = packet:byte(packet:byte() >> 4 == 4 and 10 or 7) + #segment
	for _, bytes in ipairs({ addresses, segment .. ("\0"):rep(#segment % 2) }) do
		for i = 1, #bytes, 2 do
			total = total + string.unpack(">I2", bytes, i)
		end
	end
	while total > 0xffff do
		total = (total & 0xffff) + (total >> 16)
	end
	return total
end

for _, family in ipairs({ "ip", "ip6" }) do
	test("segments of one UDP call are frames of their own: " .. family, { tags = { "smoke" } }, function(t)
		local lan, a, b = support.network(2)
		local headers = 14 + (family == "ip" and 20 or 40) + 8
		local to = family == "ip" and b:ip() or b:ip6()
		wait_until(function()
			return a:run("ping", { "-c1", "-W1", to }):ok()
		end, { timeout = "20s" })
		-- What nodes say by themselves is no UDP.
		local capture = lan:capture({ filter = { proto = "udp", port = 7000 } })
		a:run(support.frame(a), { "segment", to, "7000", "1200", "10" }):assert_ok()
		local frames = require "pcap".frames(capture:drain())
		t:assert_eq(#frames, 10)
		for _, frame in ipairs(frames) do
			t:assert_eq(frame.length, headers + 1200)
			t:assert_eq(sum(frame.bytes), 0xffff)
		end
	end)
end

-- What the receiver's programs see of it, and what a capture of the receiver's NIC says.
test("checksums are right where frames arrive", { tags = { "smoke" } }, function(t)
	local lan, a, b = support.network(2)
	local capture = lan:nic(b):capture({ filter = { proto = "tcp" } })
	local sniffer = b:run_async("tcpdump", { "-i", "eth0", "-Q", "in", "-c", "20", "-nn", "-vv", "tcp" })
	sniffer:stderr_stream():read_until("listening", "20s")
	local server = b:run_async("iperf3 --server --forceflush")
	server:stdout_stream():read_until("listening", "20s")
	for _, address in ipairs({ b:ip(), b:ip6() }) do
		a:run("iperf3", { "--bytes", "50K", "--client", address }):assert_ok()
	end
	local seen = sniffer:wait("20s").stdout
	t:assert(seen:find("(correct)", 1, true), seen)
	t:assert(not seen:find("incorrect", 1, true), seen)
	local frames = require "pcap".frames(capture:drain())
	t:assert(#frames > 60)
	for _, frame in ipairs(frames) do
		t:assert_eq(sum(frame.bytes), 0xffff)
	end
end)

-- A node's root may ask its kernel for larger frames still. On the line each is one, counted in once and out once.
test("frames of more than 64 KB are held whole", { tags = { "fq" } }, function(t)
	local lan = provium:bridge("lan", { offload = true })
	local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
	provium:boot()
	lan:attach({ a, b })
	if not a:run("ip link set eth0 gso_max_size 200000"):ok() then
		t:skip("this kernel has no such frames")
	end
	-- A hundred segments a frame.
	a:run("echo 100 >/proc/sys/net/ipv4/tcp_min_tso_segs"):assert_ok()
	b:run("ip link set eth0 gro_max_size 200000"):assert_ok()
	lan:add_latency(20)
	local server = b:run_async("iperf3 --server --forceflush")
	server:stdout_stream():read_until("listening", "20s")
	a:run("iperf3", { args = { "--bytes", "30M", "--client", b:ip6() }, timeout = "60s" }):assert_ok()
	support.settle()
	local counters = lan:counters(a, b)
	t:assert(counters.bytes / counters.packets > 30000, json.encode(counters))
	t:assert_eq(counters.dropped.flushed, 0)
	t:assert_eq(counters.dropped.queue, 0)
end)
