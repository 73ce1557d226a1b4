-- SPDX-License-Identifier: GPL-2.0-only
--- One of those that forwarding.lua compares: a switch with two pairs of nodes, made in one way or another, which is
--- there until somebody ends this process.
---
---     subject.lua KIND COUNT      COUNT rules about other pairs than the two
---
--- Prints one line: "ready", the two pairs as PID/DEVICE of a port and of a receiver, process 1 of the first pair's
--- nodes, and the address of the receiver. Or "refused" and why.
local kind, count = arg[1], tonumber(arg[2])
local probe = assert(os.getenv("PROVIUM_PROBE"), "PROVIUM_PROBE is not set: start this with tools/bench-forwarding")
local OPTIONS = { root = "shared" }
local NODES = { "a1", "b1", "a2", "b2" }
--- Dice are rolled, clocks are asked, and next to nothing is lost or waits.
local LOSS_PERCENT, RATE, DELAY_MS = 1e-7, "100Gbit", 1
local NEVER = "1000h"
--- More of them take minutes to make, and nothing for a frame.
local CLASSES = 1024

local nodes = {}

local function our_pid()
	local file <close> = assert(io.open("/proc/self/stat"))
	return file:read("n")
end

local function shell(line, ...)
	line = line:format(...)
	assert(os.execute(line), "this failed: " .. line)
end

--- A process that reads the lines that each() gives to its argument.
local function feed(command, each)
	local pipe = assert(io.popen(command, "w"))
	each(function(line, ...)
		pipe:write(line:format(...), "\n")
	end)
	assert(pipe:close(), "this failed: " .. command)
end

--- Process 1 of a node, which is called like the node.
local function pid_of(name)
	local pipe <close> = assert(io.popen(("pgrep -x -P %d %s"):format(our_pid(), name)))
	return assert(pipe:read("n"), "no process is called " .. name)
end

--- Rules about `pairs` pairs of names, both ways, in groups that a bridge has room for.
local function cut_elsewhere(lan, pairs)
	local bridges = math.max(1, math.ceil(pairs / 250000))
	for i = 1, bridges do
		local each, rows = pairs // bridges, 1
		for divisor = 1, math.floor(math.sqrt(each)) do
			rows = each % divisor == 0 and divisor or rows
		end
		local bridge, group, others = i == 1 and lan or provium:bridge("elsewhere" .. i), {}, {}
		for k = 1, rows do
			group[k] = "x" .. k
		end
		for k = 1, each // rows do
			others[k] = "y" .. k
		end
		bridge:partition(group, others)
	end
end

local ours = {
	none = function(lan)
		if count > 0 then
			cut_elsewhere(lan, count // 2)
		end
	end,
	delay = function(lan)
		lan:add_latency(DELAY_MS)
	end,
	loss = function(lan)
		lan:drop_rate(LOSS_PERCENT)
	end,
	rate = function(lan)
		lan:bandwidth_limit(RATE)
	end,
	all = function(lan)
		lan:add_latency(DELAY_MS)
		lan:drop_rate(LOSS_PERCENT)
		lan:bandwidth_limit(RATE)
	end,
}

local function make_ours(set)
	local lan = provium:bridge("lan")
	set(lan)
	local list = {}
	for i, name in ipairs(NODES) do
		nodes[name] = provium:vm(name, "netns", OPTIONS)
		list[i] = nodes[name]
	end
	lan:attach(list)
	provium:boot()
	return "%s-lan", nodes.b1:ip()
end

local function plug(name, address)
	local pid = pid_of(name)
	shell("ip link add p-%s type veth peer name eth0 netns %d", name, pid)
	shell("ip link set p-%s master lan0 up", name)
	shell("nsenter --net=/proc/%d/ns/net %s plain eth0", pid, probe)
	nodes[name]:run(("ip addr add %s/24 dev eth0 && ip link set eth0 up"):format(address)):assert_ok()
end

--- The same nodes on the same kind of bridge, without us.
local function make_plain(set)
	for _, name in ipairs(NODES) do
		nodes[name] = provium:vm(name, "netns", OPTIONS)
	end
	provium:boot()
	shell("ip link add lan0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0 && ip link set lan0 up")
	for i, name in ipairs(NODES) do
		plug(name, "10.9.0." .. i)
	end
	set()
	return "p-%s", "10.9.0.2"
end

--- A set of pairs of ports.
local function nft_set(match, kind_of_key, first, second)
	return function()
		feed("nft -f -", function(line)
			line("table bridge lab {")
			line("set cut { type %s . %s; size %d; }", kind_of_key, kind_of_key, math.max(count, 1))
			line("chain forward { type filter hook forward priority 0; meta %s . meta %s @cut drop; }",
				match:format("i"), match:format("o"))
			line("}")
			for i = 0, count - 1, 1000 do
				local list = {}
				for k = i, math.min(i + 1000, count) - 1 do
					list[#list + 1] = (first .. " . " .. second):format(k // 1000, k % 1000)
				end
				line("add element bridge lab cut { %s }", table.concat(list, ", "))
			end
		end)
	end
end

local function nft_rules()
	feed("nft -f -", function(line)
		line("table bridge lab { chain forward { type filter hook forward priority 0; }; }")
		for i = 0, count - 1 do
			line("add rule bridge lab forward meta iif %d meta oif %d drop", 100000 + i // 1000, 200000 + i % 1000)
		end
	end)
end

--- The i-th sender that is not one of ours: all of them differ in their last 16 bits, and are spread evenly.
local function sender(i)
	return ("10.10.%d.%d"):format(i // 256, i % 256)
end

--- A class for each sender, up to CLASSES, and a filter that finds it. The first pair's own are the last.
local function htb(device, add_filter)
	return function(line)
		line("qdisc add dev %s root handle 1: htb default ffff", device)
		line("class add dev %s parent 1: classid 1:ffff htb rate 100gbit quantum 60000", device)
		for i = 1, math.min(count, CLASSES) do
			line("class add dev %s parent 1: classid 1:%x htb rate 100gbit quantum 60000", device, i)
		end
		for i = 1, count do
			add_filter(line, i == count and "10.9.0.1" or sender(i - 1), (i - 1) % CLASSES + 1)
		end
	end
end

local function u32_list()
	for _, device in ipairs({ "p-b1", "p-b2" }) do
		feed("tc -batch -", htb(device, function(line, address, class)
			line("filter add dev %s parent 1: prio 1 protocol ip u32 match ip src %s flowid 1:%x", device, address, class)
		end))
	end
end

--- By the last byte of the address, which is as many lists as there can be.
local function u32_hash()
	for _, device in ipairs({ "p-b1", "p-b2" }) do
		local classes = htb(device, function(line, address, class)
			line("filter add dev %s parent 1: prio 1 protocol ip u32 ht 2:%x: match ip src %s flowid 1:%x", device,
				tonumber(address:match("%d+$")), address, class)
		end)
		feed("tc -batch -", function(line)
			local begun = false
			classes(function(text, ...)
				-- The table comes before the first filter, and after the qdisc.
				if not begun and text:match("^filter") then
					begun = true
					line("filter add dev %s parent 1: prio 1 handle 2: protocol ip u32 divisor 256", device)
					line("filter add dev %s parent 1: prio 1 protocol ip u32 ht 800:: match ip src 10.0.0.0/8 " ..
						"hashkey mask 0x000000ff at 12 link 2:", device)
				end
				line(text, ...)
			end)
		end)
	end
end

local function netem(words)
	return function()
		for _, device in ipairs({ "p-b1", "p-b2" }) do
			shell("tc qdisc add dev %s root netem limit 1000000 %s", device, words)
		end
	end
end

--- What a program costs that does nothing: two instructions on either side of each port.
local function empty_program()
	for _, name in ipairs(NODES) do
		shell("tc qdisc add dev p-%s clsact", name)
		for _, side in ipairs({ "ingress", "egress" }) do
			shell("tc filter add dev p-%s %s bpf da bytecode '1,6 0 0 0'", name, side)
		end
	end
end

local plain = {
	bare = function() end,
	["empty"] = empty_program,
	["nft-rules"] = nft_rules,
	["nft-names"] = nft_set("%sifname", "ifname", "x%d", "y%d"),
	--- The shortest key that there is for two ports.
	["nft-set"] = nft_set("%sif", "iface_index", "10%04d", "20%04d"),
	["u32-list"] = u32_list,
	["u32-hash"] = u32_hash,
	["netem-delay"] = netem("delay 1ms"),
	["netem-loss"] = netem(("loss %.7f%%"):format(LOSS_PERCENT)),
	["netem-rate"] = netem("rate 100gbit"),
	["netem-all"] = netem(("delay 1ms loss %.7f%% rate 100gbit"):format(LOSS_PERCENT)),
}

--- Returns what the ports are called and the receiver's address.
local function make()
	if ours[kind] then
		return make_ours(ours[kind])
	end
	return make_plain(assert(plain[kind], "there is no subject " .. kind))
end

local good, ports, address = pcall(make)
if not good then
	print("refused " .. tostring(ports):gsub("\n.*", ""))
	os.exit(false)
end
for _, name in ipairs(NODES) do
	nodes[name]:run("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"):assert_ok()
end
local words = { "ready" }
for _, pair in ipairs({ { "a1", "b1" }, { "a2", "b2" } }) do
	table.insert(words, ("%d/" .. ports):format(our_pid(), pair[1]))
	table.insert(words, pid_of(pair[2]) .. "/eth0")
end
print(table.concat(words, " "), pid_of("a1"), pid_of("b1"), address)
io.stdout:flush()
provium:sleep(NEVER)
