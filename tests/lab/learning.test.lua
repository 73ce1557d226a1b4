-- SPDX-License-Identifier: GPL-2.0-only
-- A node that is cut off from all others says nothing to the bridge either: an address that has moved to another node
-- stays there, whatever the old one goes on claiming.

local support = require "support"

provium.reset_between_tests = true

-- As VRRP has it: RFC 9568, section 7.3.
local MAC, ADDRESS = "00:00:5e:00:01:07", "10.1.200.1"

local lan, a, b, c = support.network(3)

-- The address is on a device with the virtual MAC, above the card; c has heard of it.
for _, node in ipairs({ a, b }) do
	node:run(("ip link add vip link eth0 address %s type macvlan mode bridge && ip link set vip up && "
		.. "echo 1 >/proc/sys/net/ipv6/conf/vip/disable_ipv6"):format(MAC)):assert_ok()
end
c:run(("ip neigh replace %s lladdr %s dev eth0 nud permanent"):format(ADDRESS, MAC)):assert_ok()

local function port_of(name)
	return support.ask("bridge -d link show dev " .. name .. "-lan")
end

local function learns(name)
	return port_of(name):find("learning on", 1, true) ~= nil
end

-- A master announces itself, many times a second.
local function become_master(node, number)
	node:run("ip addr add " .. ADDRESS .. "/32 dev vip"):assert_ok()
	return support.start_sending(node, { device = "vip", from = number, count = 100000, gap = 10000, kinds = "broadcast" })
end

-- Once it has announced itself.
local function answers()
	wait_until(function()
		return support.reaches(c, ADDRESS, 0.3)
	end, { timeout = "40s" })
end

-- How many pings of c to the address get no answer, when the old master has not heard that there is a new one.
local function lost(cut)
	local old = become_master(a, 1)
	answers()
	cut()
	local new = become_master(b, 2)
	answers()
	local report = c:run("ping -q -n -i 0.01 -c 200 -W 5 " .. ADDRESS).stdout
	for _, process in ipairs({ old, new }) do
		process:close()
	end
	for _, node in ipairs({ a, b }) do
		node:run("ip addr flush dev vip")
	end
	return 200 - tonumber(report:match("(%d+) received"))
end

test("an isolated node takes no address from another", { tags = { "smoke" } }, function(t)
	t:assert_eq(lost(function()
		lan:isolate(a)
	end), 0)
end)

test("nor one that a partition of all cuts off", function(t)
	t:assert_eq(lost(function()
		lan:partition_all()
		lan:unpartition(b, c)
	end), 0)
end)

test("nor one that was isolated before it came", function(t)
	local d = provium:vm("d", "netns")
	lan:isolate(d)
	lan:attach(d)
	d:boot()
	t:assert(not learns("d"))
	d:reboot()
	t:assert(not learns("d"))
	lan:detach(d)
	lan:attach(d)
	t:assert(learns("d"))
	lan:isolate(d)
	t:assert(not learns("d"))
end)

test("who is heard again is learned again", function(t)
	local function check(wanted)
		for name, learning in pairs(wanted) do
			t:assert_eq(learns(name), learning, name)
		end
	end
	check({ a = true, b = true, c = true })
	lan:isolate(a)
	check({ a = false, b = true, c = true })
	lan:partition_all()
	check({ a = false, b = false, c = false })
	lan:unpartition({ from = b, to = c })
	check({ a = false, b = true, c = false })
	lan:unpartition(a, c)
	check({ a = false, b = true, c = true })
	lan:unisolate(a)
	check({ a = true, b = true, c = true })
	lan:partition(a, c)
	check({ a = false, b = true, c = false })
	lan:partition({ from = b, to = c })
	check({ a = false, b = false, c = false })
	lan:unpartition(a, b)
	lan:partition_all()
	check({ a = false, b = false, c = false })
	lan:restore_all()
	check({ a = true, b = true, c = true })
	lan:partition_all()
	lan:reset()
	check({ a = true, b = true, c = true })
	-- A partition of pairs is no such thing, however many it cuts.
	lan:partition(a, { "b", "c" })
	check({ a = true, b = true, c = true })
end)

test("saved rules bring it back", function(t)
	local native = require "provium.native"
	lan:partition_all()
	lan:unpartition(b, c)
	local rules = native.rules(lan)
	lan:reset()
	t:assert(learns("a"))
	native.set_rules(lan, rules)
	t:assert(not learns("a"))
	t:assert(learns("b") and learns("c"))
	native.set_rules(lan, {})
	t:assert(learns("a"))
end)

test("a node that is detached leaves the others as they are", function(t)
	local d = provium:vm("d", "netns"):boot()
	lan:attach(d)
	lan:partition_all()
	lan:unpartition(d, a)
	t:assert(learns("a") and learns("d"))
	lan:detach(d)
	t:assert(learns("a"))
	lan:attach(d)
	t:assert(learns("d"))
	t:assert(support.reaches(d, a))
end)

-- The router stays in reach, and nobody else hears what it says.
test("what the router says to an isolated node is not flooded", function(t)
	local d, e = provium:vm("d", "netns"), provium:vm("e", "netns"):boot()
	local other = provium:bridge("other")
	other:attach(e)
	lan:route(other)
	lan:isolate(d)
	lan:attach(d)
	d:boot()
	-- Who has known the others before does not ask anybody.
	t:assert(support.reaches(d, e:ip()))
	t:assert(support.reaches(a, e:ip()))
	lan:isolate(a)
	for _, node in ipairs({ a, d }) do
		local before = lan:counters("router", c).packets
		node:run("ping -q -n -i 0.01 -c 50 -W 5 " .. e:ip()):assert_ok()
		local flooded = lan:counters("router", c).packets - before
		t:assert(flooded < 25, ("%d of 50 answers"):format(flooded))
		t:assert(port_of(node:name()):find("learning off", 1, true) ~= nil)
		t:assert(support.ask("bridge fdb show dev " .. node:name() .. "-lan"):find(node:mac("lan") .. " [^\n]*static"))
	end
end)

test("an address that another node has taken is not taken back", function(t)
	support.send(b, { from = 2, kinds = "forged", forge = a:mac("lan") })
	lan:isolate(a)
	t:assert(support.ask("bridge fdb show dev b-lan"):find(a:mac("lan"), 1, true))
	lan:unisolate(a)
	support.send(a, { from = 1, kinds = "broadcast" })
	lan:isolate(a)
	support.send(b, { from = 2, kinds = "forged", forge = a:mac("lan") })
	t:assert(support.ask("bridge fdb show dev b-lan"):find(a:mac("lan"), 1, true))
end)
