-- SPDX-License-Identifier: GPL-2.0-only
-- Captures: what crossed, as pcap and pcapng. What needs a delay is in capture_delay.test.lua.

local support = require "support"
local pcap = require "pcap"

-- Frames that nothing else on the bridge sends: nodes have IPv6, which talks by itself.
local MADE_UP = { ethertype = 0x88b5 }

local function made_up(from, to, options)
	options = options or {}
	options.kinds = options.kinds or "made-up"
	options.to = { [2] = to:mac("lan") }
	support.send(from, options)
end

-- Both bridges' tables know both nodes: no frame is flooded from here on.
local function acquaint(a, b)
	support.send(a, { kinds = "broadcast" })
	support.send(b, { kinds = "broadcast" })
end

test("a stream is a pcap from its first byte", { tags = { "smoke" } }, function(t)
	local lan = provium:bridge("lan")
	local capture = lan:capture()
	local header = capture:next(1)
	t:assert_eq(#header, 24)
	t:assert_eq(#pcap.frames(header), 0)
	t:assert_eq(capture:next(0.05), nil)
	t:assert_eq(capture:eof(), false)
	t:assert_eq(pcap.look(capture).type, "nsecpcap")
	local other = lan:capture({ format = "pcapng" })
	t:assert_eq(#pcap.look(other), 0)
	t:assert_eq(pcap.look(table.concat(other:drain(0))).type, "pcapng")
end)

test("a bridge shows each frame once, a NIC what its node sends and gets", { tags = { "smoke" } }, function(t)
	local lan, a, b, c = support.network(3)
	acquaint(a, b)
	local bridge = lan:capture({ filter = MADE_UP })
	local nics = {}
	for _, node in ipairs({ a, b, c }) do
		nics[node] = node:nic("lan"):capture({ filter = MADE_UP })
	end
	made_up(a, b, { count = 10, size = 200 })
	made_up(b, a, { count = 3, size = 100 })
	local frames = pcap.frames(bridge:drain(0))
	t:assert_eq(#frames, 13)
	t:assert_eq(#pcap.frames(nics[a]:drain(0)), 13)
	t:assert_eq(#pcap.frames(nics[b]:drain(0)), 13)
	t:assert_eq(#pcap.frames(nics[c]:drain(0)), 0)
	for i, frame in ipairs(frames) do
		t:assert_eq(#frame.bytes, i <= 10 and 200 or 100)
		t:assert_eq(frame.length, #frame.bytes)
		t:assert(i == 1 or frame.time >= frames[i - 1].time)
		t:assert_eq(frame.bytes:sub(13, 14), "\x88\xb5")
	end
	t:assert(math.abs(frames[1].time / 1e9 - os.time()) < 300, "the clock of the day")
	-- One that is flooded is one frame on the bridge too.
	support.send(a, { kinds = "broadcast", to = {} })
	local all = lan:capture({ filter = { ethertype = "ip" } })
	support.send(a, { kinds = "broadcast", count = 7 })
	t:assert_eq(#pcap.frames(all:drain(0)), 7)
end)

test("chunks joined are what save() writes", function(t)
	local lan, a, b = support.network(2)
	local capture = lan:capture({ filter = MADE_UP })
	local chunks = {}
	for _ = 1, 5 do
		made_up(a, b, { count = 20 })
		table.insert(chunks, capture:next(1))
	end
	table.insert(chunks, table.concat(capture:drain(0)))
	local path = os.tmpname()
	capture:save(path)
	local saved = io.open(path):read("a")
	os.remove(path)
	t:assert_eq(#pcap.frames(saved), 100)
	t:assert_eq(saved, table.concat(chunks))
	t:assert_error(function()
		capture:save("/nowhere/file")
	end, "capture:save: open /nowhere/file: No such file")
	t:assert_error(function()
		capture:save()
	end, "capture:save: argument `path`")
end)

test("read_until, expect: bytes behind a match stay", function(t)
	local lan, a, b = support.network(2)
	local capture = lan:capture({ filter = { proto = "udp", port = 7777 } })
	local function say(word)
		a:run(("bash -c 'printf %s >/dev/udp/%s/7777'"):format(word, b:ip())):assert_ok()
	end
	say("one-two-three")
	t:assert(capture:read_until("one", 2):find("one$"))
	t:assert_eq(capture:read_until("two", 1), "-two")
	t:assert_eq(capture:drain(0), { "-three" })
	say("fo")
	for _, method in ipairs({ "read_until", "expect" }) do
		local message = t:assert_error(function()
			capture[method](capture, "fo-four", 0.05)
		end, ("capture:%s timed out waiting for `fo-four`"):format(method))
		t:assert_contains(message, "of capture.test.lua:")
	end
	t:assert(capture:read_until("fo", 1):find("fo$"), "what was read by those that gave up is there")
	say("four!")
	t:assert(capture:expect("four", 5):find("four$"))
	t:assert_eq(capture:drain(0), { "!" })
end)

test("close", function(t)
	local lan = support.network(1)
	local capture <close> = lan:capture()
	local site = capture:creation_site()
	t:assert_eq(site.file, "capture.test.lua")
	t:assert_eq(site.line, debug.getinfo(1, "l").currentline - 3)
	t:assert_eq(tostring(capture), "capture(lan)")
	local ok, other = pcall(lan.capture, lan)
	t:assert(ok)
	t:assert_eq(other:creation_site().line, debug.getinfo(1, "l").currentline - 2, "called from C")
	capture:next(1)
	capture:close()
	capture:close()
	t:assert_eq(capture:next(), nil)
	t:assert_eq(capture:eof(), true)
	t:assert_eq(capture:drain(), {})
	t:assert_eq(capture:lost(), 0)
	t:assert_eq(capture:creation_site(), site)
	for _, method in ipairs({ "read_until", "expect" }) do
		t:assert_error(function()
			capture[method](capture, "x")
		end, "capture closed")
	end
	t:assert_error(function()
		capture:save("/tmp/x")
	end, "capture closed")
end)

test("a NIC that is not up cannot be captured", function(t)
	local lan = provium:bridge("lan")
	local a = provium:vm("a", "netns")
	lan:attach({ a, "bare" })
	for _, name in ipairs({ "a", "bare" }) do
		t:assert_error(function()
			lan:nic(name):capture()
		end, ("nic:capture: vm `%s` has no TAP on bridge `lan` (not booted?). Call lab:boot() / vm:boot() first."):format(
			name))
	end
	a:boot()
	lan:nic(a):capture()
end)

test("options that are wrong", function(t)
	local lan = support.network(1)
	local wrong = {
		{ { format = "pcapx" }, 'argument `format` is "pcapx"; "pcap" or "pcapng" is accepted' },
		{ { verdicts = "bad" }, 'argument `verdicts` is "bad"' },
		{ { snaplen = 0 }, "argument `snaplen` is 0; a whole number from 1 to 262144 is accepted" },
		{ { filter = { proto = "tpc" } }, 'argument `proto` is "tpc"; "tcp", "udp"' },
		{ { filter = { proto = 6.5 } }, "argument `proto` is 6.5" },
		{ { filter = { port = 65536 } }, "argument `port` is 65536" },
		{ { filter = { ethertype = "ipx" } }, 'argument `ethertype` is "ipx"' },
		{
			{ filter = { form = "a" } },
			'unknown key "form"; the nearest is "from"'
				.. '; the keys are: from, to, proto, port, ethertype',
		},
		{ { filter = { count = 1 } }, 'unknown key "count"' },
		{ { filter = 7 }, "argument `options` is 7" },
		{ { sanplen = 1 }, 'unknown key "sanplen"' },
		{ { strict = 1 }, "argument `strict` is 1; true or false is accepted" },
		{ { ring = "x" }, 'argument `ring` is "x"' },
		{ { filter = { from = "a b" } }, "the name `a b`" },
	}
	for _, case in ipairs(wrong) do
		t:assert_error(function()
			lan:capture(case[1])
		end, "bridge:capture: " .. case[2])
	end
	-- Whose names are not there yet may be in a filter.
	lan:capture({ filter = { from = "later", to = "last" } })
	lan:attach({ "later", "last" })
end)

test("filters are decided by what is in the frame", function(t)
	local lan, a, b, c = support.network(3)
	local function count(filter)
		local capture <close> = lan:capture({ filter = filter })
		support.send(a, { kinds = "ipv4,ipv6,vlan,made-up,arp", count = 2, to = { [2] = b:mac("lan") } })
		support.send(b, { from = 2, kinds = "ipv4", count = 5, to = { [1] = a:mac("lan"), [3] = c:mac("lan") } })
		return #pcap.frames(capture:drain(0))
	end
	lan:attach("nobody")
	acquaint(a, b)
	acquaint(c, a)
	t:assert_eq(count({ ethertype = "ip", from = a }), 2)
	t:assert_eq(count({ ethertype = "arp", from = a }), 2)
	t:assert_eq(count({ ethertype = 0x88b5, from = a }), 4) -- behind a VLAN tag too
	t:assert_eq(count({ ethertype = "vlan" }), 2)
	t:assert_eq(count({ proto = 253 }), 14) -- IPv4 and IPv6
	t:assert_eq(count({ proto = 253, from = "a" }), 4)
	t:assert_eq(count({ proto = 253, from = b }), 10)
	t:assert_eq(count({ proto = 253, from = b, to = c }), 5)
	t:assert_eq(count({ proto = 253, to = b }), 4)
	t:assert_eq(count({ proto = 253, to = "nobody" }), 0)
	t:assert_eq(count({ proto = "tcp" }), 0)
end)

test("ports, over IPv4 and IPv6, either side", function(t)
	local lan, a, b = support.network(2)
	local server = b:run_async("while :; do echo hello | busybox nc -l -p 80; done")
	wait_until(function()
		return a:run("busybox nc -w1 " .. b:ip() .. " 80 </dev/null"):ok()
	end)
	-- The next nc of the loop.
	wait_until(function()
		return b:run("ss -Hltn 'sport = :80'").stdout ~= ""
	end)
	local both = lan:capture({ filter = { proto = "tcp", port = 80 } })
	local other = lan:capture({ filter = { proto = "tcp", port = 81 } })
	local answers = lan:capture({ filter = { port = 80, from = b } })
	a:run("busybox nc -w1 " .. b:ip() .. " 80 </dev/null"):assert_ok()
	server:kill()
	local seen = pcap.look(both)
	t:assert(#seen >= 7, "a connection is opened, used and closed: " .. #seen)
	t:assert(#pcap.look(answers) > 1 and #pcap.look(answers) < #seen)
	t:assert_eq(#pcap.look(other), 0)
	t:assert(both:drain(0)[1]:find("hello\n"))
end)

test("a NIC and the other side", function(t)
	local _, a, b, c = support.network(3)
	acquaint(a, b)
	acquaint(c, a)
	local nic = a:nic("lan")
	local captures = {
		from_b = nic:capture({ filter = { proto = 253, from = b } }),
		to_b = nic:capture({ filter = { proto = 253, to = b } }),
		to_a = nic:capture({ filter = { proto = 253, to = a } }),
		b_to_c = nic:capture({ filter = { proto = 253, from = b, to = c } }),
	}
	support.send(a, { count = 2, to = { [2] = b:mac("lan"), [3] = c:mac("lan") } })
	support.send(b, { from = 2, count = 5, to = { [1] = a:mac("lan"), [3] = c:mac("lan") } })
	support.send(c, { from = 3, count = 11, to = { [1] = a:mac("lan") } })
	t:assert_eq(#pcap.frames(captures.from_b:drain(0)), 5)
	t:assert_eq(#pcap.frames(captures.to_b:drain(0)), 2)
	t:assert_eq(#pcap.frames(captures.to_a:drain(0)), 16)
	t:assert_eq(#pcap.frames(captures.b_to_c:drain(0)), 0)
end)

test("frames of every kind come out whole", { tags = { "smoke" } }, function(t)
	local lan, a, b = support.network(2)
	for _, format in ipairs({ "pcap", "pcapng" }) do
		-- A frame in the name of b has taught the bridge that b is where a is.
		acquaint(a, b)
		local capture = lan:capture({ format = format, filter = { from = a } })
		-- But for LLDP, of which tshark knows how it should be.
		local kinds = "ipv4,ipv6,vlan,made-up,stranger,arp,broadcast,multicast,multicast6,forged"
		support.send(a, { kinds = kinds, size = 1510, forge = b:mac("lan"), to = { [2] = b:mac("lan") } })
		local found = { vlan = 0, ipv6 = 0, arp = 0, ip = 0 }
		for _, frame in ipairs(pcap.look(capture)) do
			t:assert_eq(frame.captured, frame.length)
			found.vlan = found.vlan + (frame.vlan == 42 and 1 or 0)
			for word in frame.protocols:gmatch("[^:]+") do
				if word ~= "vlan" and found[word] then
					found[word] = found[word] + 1
				end
			end
		end
		t:assert(found.vlan == 1 and found.ipv6 >= 2 and found.arp == 1 and found.ip == 5, json.encode(found))
	end
end)

test("VLAN tags are where they were", function(t)
	local lan, a, b = support.network(2)
	local capture = lan:capture({ filter = { ethertype = "vlan" } })
	local cut = lan:capture({ filter = { ethertype = "vlan" }, snaplen = 15 })
	support.send(a, { kinds = "vlan", size = 100, to = { [2] = b:mac("lan") } })
	local frame = pcap.frames(capture:drain(0))[1]
	t:assert_eq(#frame.bytes, 100)
	t:assert_eq(frame.length, 100)
	t:assert_eq(frame.bytes:sub(13, 18), "\x81\x00\x00\x2a\x88\xb5")
	t:assert(frame.bytes:find("provium!", 1, true))
	frame = pcap.frames(cut:drain(0))[1]
	t:assert_eq(frame.length, 100)
	t:assert_eq(frame.bytes:sub(13), "\x81\x00\x00")
end)

local RUNT = [[
perl -e 'socket(S, 17, 3, 0) or die; open(I, "/sys/class/net/eth0/ifindex"); $i = <I>;
for $size (15, 16, 20, 59) { send(S, substr("\xff" x 6 . "\x02\0\0\0\0\1\x88\xb5" . "r" x 60, 0, $size), 0,
pack("S n i S C C a8", 17, 0x88b5, $i, 0, 0, 6, "\xff" x 6)) or die $! }']]

test("runts and jumbo frames", function(t)
	local lan = provium:bridge("lan", { mtu = 9000 })
	local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
	lan:attach({ a, b })
	provium:boot()
	local capture = lan:capture({ filter = MADE_UP })
	local got = b:nic("lan"):capture({ filter = MADE_UP })
	a:run(RUNT):assert_ok()
	made_up(a, b, { size = 9000 })
	for _, stream in ipairs({ capture, got }) do
		pcap.look(stream)
		local sizes = {}
		for _, frame in ipairs(pcap.frames(stream:drain(0))) do
			t:assert_eq(#frame.bytes, frame.length)
			table.insert(sizes, frame.length)
		end
		t:assert_eq(table.concat(sizes, " "), "15 16 20 59 9000")
	end
end)

test("offload frames of 64 KB", function(t)
	local lan = provium:bridge("lan", { offload = true })
	local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
	lan:attach({ a, b })
	provium:boot()
	b:run_async("busybox nc -l -p 99 >/dev/null")
	-- All of it has room in the ring, however slow its reader is.
	local capture = lan:capture({ filter = { from = a, port = 99 }, ring = "64M" })
	local cut = lan:capture({ filter = { from = a, port = 99 }, snaplen = 61443 })
	wait_until(function()
		return a:run(("bash -c \"head -c 20000000 /dev/zero | tr '\\0' x | dd bs=1M iflag=fullblock status=none " ..
			'>/dev/tcp/%s/99"'):format(b:ip())):ok()
	end)
	local longest, largest = 0, ""
	for _, frame in ipairs(pcap.frames(capture:drain(0))) do
		t:assert_eq(#frame.bytes, frame.length)
		if frame.length > longest then
			longest, largest = frame.length, frame.bytes
		end
	end
	t:assert(longest > 61440 and longest <= 65550, "the longest frame has " .. longest)
	t:assert(largest:find("^x+$", 14 + 20 + 32 + 1), "its payload is whole")
	longest = 0
	for _, frame in ipairs(pcap.frames(cut:drain(0))) do
		t:assert_eq(#frame.bytes, math.min(frame.length, 61443))
		longest = math.max(longest, frame.length)
	end
	t:assert(longest > 61443)
	t:assert_eq(capture:lost(), 0)
end)

test("snaplen cuts, and says so", function(t)
	local lan, a, b = support.network(2)
	local short = lan:capture({ snaplen = 20, filter = MADE_UP })
	local ng = lan:capture({ snaplen = 20, filter = MADE_UP, format = "pcapng" })
	local whole = lan:capture({ filter = MADE_UP })
	made_up(a, b, { size = 1000 })
	local frames = pcap.frames(short:drain(0))
	t:assert_eq(frames.snaplen, 20)
	t:assert_eq(frames[1].length, 1000)
	t:assert_eq(#frames[1].bytes, 20)
	local seen = pcap.look(ng)
	t:assert_eq(seen[1].captured, 20)
	t:assert_eq(seen[1].length, 1000)
	t:assert(seen.infos:find("Capture length = 20", 1, true))
	t:assert_eq(#pcap.frames(whole:drain(0))[1].bytes, 1000)
end)

-- Comments of frames: {[comment] = how many}.
local function tally(frames)
	local counts = {}
	for _, frame in ipairs(frames) do
		counts[frame.comment] = (counts[frame.comment] or 0) + 1
	end
	return counts
end

test("what became of each frame", { tags = { "smoke" } }, function(t)
	local lan, a, b, c = support.network(3)
	acquaint(a, b)
	acquaint(c, a)
	local capture = lan:capture({ format = "pcapng", filter = MADE_UP })
	made_up(a, b, { count = 3 })
	lan:partition(a, b)
	made_up(a, b, { count = 4 })
	lan:unpartition(a, b)
	lan:isolate(c)
	made_up(c, b, { count = 5 })
	lan:unisolate(c)
	for _, link in ipairs({ { p = 100 }, { from = a, p = 100 }, { to = b, p = 100 }, { from = a, to = b, p = 100 } }) do
		lan:drop_rate(link)
		made_up(a, b, { count = 2 })
		link.p = 0
		lan:drop_rate(link)
	end
	made_up(b, a)
	local frames = pcap.look(capture)
	local counts = tally(frames)
	t:assert_eq(counts["a→b delivered after 0.0 ms"], 3)
	t:assert_eq(counts["a→b dropped: partition"], 4)
	t:assert_eq(counts["c→b dropped: isolation"], 5)
	t:assert_eq(counts["a→b dropped: loss (medium)"], 2)
	t:assert_eq(counts["a→b dropped: loss (access out)"], 2)
	t:assert_eq(counts["a→b dropped: loss (access in)"], 2)
	t:assert_eq(counts["a→b dropped: loss (pair)"], 2)
	t:assert_eq(counts["b→a delivered after 0.0 ms"], 1)
	t:assert_eq(#frames, 21)
	for _, frame in ipairs(frames) do
		local from, to, fate = frame.comment:match("^(.)→(.) (%a+)")
		t:assert_eq(frame.interface, (fate == "delivered" and to or from) .. "@lan")
		t:assert_eq(frame.direction, fate == "delivered" and "in" or "out")
	end
	t:assert(frames.infos:find("Capture comment: +%S*capture.test.lua:%d+"), frames.infos)
	t:assert(frames.infos:find("Capture application: provium", 1, true))
end)

test("verdicts", function(t)
	local lan, a, b = support.network(2)
	acquaint(a, b)
	local function open(what, verdicts)
		return what:capture({ format = "pcapng", filter = MADE_UP, verdicts = verdicts })
	end
	local nic = b:nic("lan")
	local bridge_dropped, bridge_delivered = open(lan, "dropped"), open(lan, "delivered")
	local nic_default, nic_all, nic_dropped = open(nic), open(nic, "all"), open(nic, "dropped")
	local plain = lan:capture({ filter = MADE_UP, verdicts = "dropped" })
	made_up(a, b, { count = 2 })
	lan:partition(a, b)
	made_up(a, b, { count = 3 })
	made_up(b, a, { count = 7 })
	t:assert_eq(json.encode(tally(pcap.look(bridge_dropped))), '{"a→b dropped: partition":3,"b→a dropped: partition":7}')
	t:assert_eq(json.encode(tally(pcap.look(bridge_delivered))), '{"a→b delivered after 0.0 ms":2}')
	t:assert_eq(json.encode(tally(pcap.look(nic_default))), '{"":7,"a→b delivered after 0.0 ms":2}')
	t:assert_eq(json.encode(tally(pcap.look(nic_all))),
		'{"":7,"a→b delivered after 0.0 ms":2,"a→b dropped: partition":3}')
	t:assert_eq(json.encode(tally(pcap.look(nic_dropped))), '{"a→b dropped: partition":3}')
	t:assert_eq(#pcap.frames(plain:drain(0)), 10)
	for _, frame in ipairs(pcap.look(nic_default)) do
		t:assert_eq(frame.interface, "b@lan")
		t:assert_eq(frame.direction, frame.comment == "" and "out" or "in")
	end
end)

test("marks and counters are the same story, and the same seed tells it again", function(t)
	local lan, a, b = support.network(2)
	-- What nodes say by themselves has a share in the dice.
	for _, node in ipairs({ a, b }) do
		node:run("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"):assert_ok()
	end
	acquaint(a, b)
	local function story(seed)
		local before = lan:counters(a, b)
		local capture <close> = lan:capture({ format = "pcapng", filter = MADE_UP })
		local sent <close> = lan:capture({ filter = MADE_UP })
		provium:seed(seed)
		lan:drop_rate({ from = a, to = b, p = 20 })
		made_up(a, b, { count = 500 })
		lan:drop_rate({ from = a, to = b, p = 0 })
		local after, marks = lan:counters(a, b), {}
		local frames = pcap.look(capture)
		for i, frame in ipairs(frames) do
			marks[i] = frame.comment:find("dropped: loss (pair)", 1, true) and "x" or "."
		end
		marks = table.concat(marks)
		local _, dropped = marks:gsub("x", "")
		t:assert_eq(#frames, 500)
		t:assert_eq(#pcap.frames(sent:drain(0)), 500)
		t:assert_eq(dropped, after.dropped.loss - before.dropped.loss)
		t:assert(dropped > 60 and dropped < 140, dropped .. " of 500 at 20 %")
		t:assert_eq(after.packets - before.packets, 500 - dropped)
		return marks
	end
	local first = story(7)
	t:assert_ne(story(8), first)
	t:assert_eq(story(7), first)
end)

test("wait_for", function(t)
	local lan, a, b, c = support.network(3)
	acquaint(a, b)
	local pings = a:run_async("ping -n -i 0.05 " .. b:ip())
	t:assert(lan:wait_for({ from = a, to = b, proto = "icmp" }, 50) >= 1)
	t:assert(lan:wait_for({ from = b, proto = "icmp", count = 4 }, "50s") >= 4)
	t:assert_error(function()
		lan:wait_for({ from = c, to = b, proto = "icmp" }, 0.2)
	end, "bridge:wait_for: 0 of 1 such frames have arrived within 0.2 s")
	t:assert_error(function()
		lan:wait_for({ proto = "icmp", count = 1000 }, 0.2)
	end, "of 1000 such frames")
	-- What is dropped does not arrive.
	lan:partition(a, b)
	t:assert_error(function()
		lan:wait_for({ proto = "icmp" }, 0.3)
	end, "0 of 1")
	pings:kill()
	t:assert_error(function()
		lan:wait_for()
	end, "bridge:wait_for: argument `filter` is missing; a table is accepted")
	t:assert_error(function()
		lan:wait_for({ cuont = 1 })
	end, 'unknown key "cuont"; the nearest is "count"; the keys are: from, to, proto, port, ethertype, count')
	t:assert_error(function()
		lan:wait_for({}, "soon")
	end, 'argument `timeout` is "soon"')
end)

test("wait_for beside a capture that is open", function(t)
	local lan, a, b = support.network(2)
	local capture = lan:capture({ filter = MADE_UP })
	support.start_sending(a, { kinds = "made-up", count = 100, gap = 5000, to = { [2] = b:mac("lan") } })
	t:assert(lan:wait_for({ to = b, ethertype = 0x88b5, count = 10 }, 5) >= 10)
	t:assert(#pcap.frames(capture:drain(0)) >= 10)
end)

test("what was lost is told", function(t)
	local lan, a, b = support.network(2)
	acquaint(a, b)
	local capture = lan:capture({ filter = MADE_UP, ring = "256K" })
	local strict = lan:capture({ filter = MADE_UP, strict = true })
	t:assert_error(function()
		lan:capture({ ring = "1M" })
	end, "the ring is open already, with 256 KiB")
	-- 1500 bytes each, faster than they are read.
	for _ = 1, 50 do
		made_up(a, b, { count = 3000, size = 1500 })
		if capture:lost() > 0 then
			break
		end
	end
	t:assert(capture:lost() > 0, "the ring was never full")
	t:assert(#pcap.frames(capture:drain(0)) > 0)
	local message = t:assert_error(function()
		while strict:next(1) do
		end
	end, "frames were lost: the ring of 256 KiB was full")
	t:assert(message:find("capture.test.lua:%d+: capture: %d+ frames were lost"), message)
	t:assert_eq(strict:eof(), false)
end)

test("the limit is an error that the reader sees", function(t)
	local lan, a, b = support.network(2)
	local capture = lan:capture({ filter = MADE_UP, limit = "100K" })
	made_up(a, b, { count = 100, size = 1500 })
	local bytes = {}
	t:assert_error(function()
		for piece in
			function()
				return capture:next(1)
			end
		do
			table.insert(bytes, piece)
		end
	end, "capture: more than the limit of 0 MiB")
	t:assert_error(function()
		capture:expect("never", 0.05)
	end, "capture: more than the limit")
	local frames = pcap.frames(table.concat(bytes))
	t:assert(#frames >= 66 and #frames < 100, #frames .. " frames")
end)

-- Files of this process that have no name.
local function nameless_files()
	local folder = os.getenv("TMPDIR") or "/var/tmp"
	return tonumber(support.ask(("ls -l /proc/$PPID/fd | grep -c ' -> %s/.*(deleted)'; true"):format(folder)))
end

test("a large capture goes to a file without a name", function(t)
	local lan, a, b = support.network(2)
	acquaint(a, b)
	local capture = lan:capture({ filter = MADE_UP })
	t:assert_eq(nameless_files(), 0)
	-- 10 MB, of which 4 MiB fit into memory.
	for _ = 1, 7 do
		made_up(a, b, { count = 1000, size = 1500 })
	end
	t:assert_eq(#pcap.look(capture), 7000)
	t:assert_eq(nameless_files(), 1)
	t:assert_eq(#pcap.frames(capture:drain(0)), 7000)
	t:assert_eq(capture:lost(), 0)
	capture:close()
	t:assert_eq(nameless_files(), 0)
end)

local function threads()
	return tonumber(support.ask("cat /proc/$PPID/task/*/comm | grep -c ^capture; true"))
end

test("a hundred captures leave nothing behind", function(t)
	local lan, a, b = support.network(2)
	local function once(i)
		local capture = lan:capture({ format = i % 2 == 0 and "pcap" or "pcapng", ring = "256K" })
		if i % 10 == 0 then
			made_up(a, b, { count = 5 })
			capture:drain(0)
		end
		if i % 3 ~= 0 then
			capture:close()
		else
			capture = nil -- luacheck: ignore
			collectgarbage()
		end
	end
	once(1)
	collectgarbage()
	collectgarbage()
	local before = support.descriptors()
	for i = 1, 100 do
		once(i)
	end
	t:assert(support.descriptors() <= before, support.descriptors() .. " descriptors, but before there were " .. before)
	t:assert_eq(threads(), 0)
end)

test("many at once", function(t)
	local lan, a, b = support.network(2)
	local captures = {}
	t:assert_error(function()
		for _ = 1, 100 do
			table.insert(captures, lan:capture({ filter = MADE_UP }))
		end
	end, "32 captures are open in this lab already; close one")
	t:assert_eq(#captures, 32)
	t:assert_eq(threads(), 1)
	made_up(a, b, { count = 3 })
	for _, capture in ipairs(captures) do
		t:assert_eq(#pcap.frames(capture:drain(0)), 3)
	end
end)

test("a capture knows nothing of the one before", function(t)
	local lan, a, b = support.network(2)
	lan:attach("nobody")
	lan:capture({ filter = { from = "nobody" } }) -- so that the rings stay
	for _ = 1, 10 do
		local first = lan:capture({ filter = MADE_UP })
		made_up(a, b, { count = 10 })
		first:close()
		local second <close> = lan:capture({ filter = MADE_UP })
		t:assert_eq(#pcap.frames(second:drain(0.05)), 0)
	end
end)

local left

test("a capture of a test", function(t)
	local lan, a, b = support.network(2)
	left = lan:capture()
	made_up(a, b)
	t:assert(#left:next(1) >= 24)
end)

test("is closed at its end", function(t)
	t:assert_eq(left:eof(), true)
	t:assert_eq(left:next(), nil)
	t:assert_error(function()
		left:read_until("x")
	end, "capture closed")
	t:assert_eq(threads(), 0)
end)

test("a bridge that is closed ends its captures", function(t)
	local lan, a, b = support.network(2)
	local other = provium:bridge("other")
	local capture, stays = lan:capture({ filter = MADE_UP }), other:capture()
	made_up(a, b, { count = 2 })
	lan:close()
	t:assert_eq(#pcap.frames(capture:drain(0)), 2)
	t:assert_eq(capture:eof(), true)
	t:assert_error(function()
		capture:read_until("x")
	end, "the stream ended")
	stays:next()
	t:assert_eq(stays:eof(), false)
end)

test("members come and go while a capture is open", function(t)
	local lan, a, b = support.network(2)
	local capture = lan:capture({ format = "pcapng", filter = MADE_UP })
	made_up(a, b)
	local late = provium:vm("late", "netns"):boot()
	lan:attach(late)
	support.send(late, { kinds = "made-up", to = { [2] = b:mac("lan") } })
	t:assert(pcap.look(capture)[2].comment:find("^late→b delivered"))
	lan:detach(a)
	made_up(b, late)
	local frames = pcap.look(capture)
	t:assert(frames[#frames].comment:find("^b→late delivered"))
	t:assert_eq(frames[#frames].interface, "late@lan")
end)

local KILLED = [[
local lan = provium:bridge("lan")
local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
lan:attach { a, b }
provium:boot()
local capture = lan:capture()
a:run_async("ping -f " .. b:ip())
provium:sleep(0.5)
]]

test("script errors and kill -9 leave nothing behind", function(t)
	-- Without what other tests make there meanwhile.
	local LEFT = "ls /var/tmp | grep -vE '^provium\\.|\\.lua$'; true"
	local before = support.ask(LEFT)
	local run = support.run({
		["fails.test.lua"] = KILLED .. "error('on purpose')",
		["killed.test.lua"] = KILLED .. "os.execute('kill -9 $PPID')",
		["good.test.lua"] = KILLED,
	})
	t:assert_eq(run.status, 1)
	t:assert_eq(run.tests["good.test.lua"].status, "passed")
	t:assert(run.tests["fails.test.lua"].message:find("on purpose"))
	t:assert_eq(support.ask(LEFT), before)
	t:assert_eq(support.ask("pgrep -c -P 1 ping; true"), support.ask("pgrep -c -P 1 ping; true"))
end)
