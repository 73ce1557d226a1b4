-- SPDX-License-Identifier: GPL-2.0-only
-- Every node finds every other by its name, and addresses are the same in every run.

local support = require "support"

local function resolves(node, name, family)
	return node:run(("getent ahosts%s %s | cut -d' ' -f1 | sort -u"):format(family, name)).stdout:gsub("\n$", "")
end

test("b.lan and b, over IPv4 and IPv6", function(t)
	local lan, a, b = support.network(2)
	for _, name in ipairs({ "b.lan", "b" }) do
		t:assert_eq(resolves(a, name, "v4"), b:ip())
		t:assert_eq(resolves(a, name, "v6"), b:ip6())
		a:run("ping", { "-4", "-c1", "-W1", name }):assert_ok()
		a:run("ping", { "-6", "-c1", "-W1", name }):assert_ok()
	end
	t:assert_eq(resolves(a, "a.lan", "v4"), a:ip(), "a node knows itself")
	t:assert_eq(lan:nic(b):ip(), b:ip())
	t:assert_eq(lan:nic(b):ip6(), b:ip6())
	t:assert_contains(a:run("ip -4 addr show dev eth0").stdout,
		("inet %s/16 brd %s.255.255"):format(a:ip(), a:ip():match("^%d+%.%d+")))
end)

test("a name is found without a network", function(t)
	local lan, a, b = support.network(2)
	lan:nic(a):disconnect()
	t:assert_eq(resolves(a, "b.lan", "v4"), b:ip())
	t:assert_eq(resolves(a, "b", "v6"), b:ip6())
end)

test("names come and go with attach, detach, and later nodes", function(t)
	local lan, a = support.network(1)
	t:assert_eq(resolves(a, "b.lan", "v4"), "")
	local b = provium:vm("b", "netns"):boot()
	t:assert_eq(resolves(a, "b.lan", "v4"), "")
	lan:attach(b)
	t:assert_eq(resolves(a, "b.lan", "v4"), b:ip())
	t:assert_eq(resolves(b, "a.lan", "v4"), a:ip())
	lan:detach(b)
	t:assert_eq(resolves(a, "b.lan", "v4"), "")
	lan:attach(b)
	t:assert_eq(resolves(a, "b.lan", "v4"), b:ip())
	lan:attach("later")
	t:assert_eq(resolves(a, "later.lan", "v4"), lan:nic("later"):ip(), "a reserved place has a name")
end)

test("a paused node learns names, too", function(t)
	local lan, a = support.network(1)
	a:pause()
	lan:attach("b")
	a:resume()
	t:assert_eq(resolves(a, "b.lan", "v4"), lan:nic("b"):ip())
end)

test("several bridges: each its own domain, and the short name means one that both are on", function(t)
	local zoo, ape = provium:bridge("zoo"), provium:bridge("ape")
	local a, b, c = provium:vm("a", "netns"), provium:vm("b", "netns"), provium:vm("c", "netns")
	provium:boot()
	zoo:attach({ a, b })
	ape:attach({ b, c })
	t:assert_eq(resolves(a, "b.zoo", "v4"), b:ip("zoo"))
	t:assert_eq(resolves(a, "b.ape", "v4"), b:ip("ape"))
	t:assert_eq(resolves(a, "b", "v4"), b:ip("zoo"), "a is not on ape")
	t:assert_eq(resolves(c, "b", "v4"), b:ip("ape"))
	t:assert_eq(b:ip(), b:ip("ape"), "the first bridge by name")
	t:assert_eq(b:ip(zoo), b:ip("zoo"))
end)

test("where no bridge is called lan, b.lan is as good as b", function(t)
	local net = provium:bridge("net")
	local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
	provium:boot()
	net:attach({ a, b })
	t:assert_eq(resolves(a, "b.lan", "v4"), b:ip())
	provium:bridge("lan"):attach(b)
	t:assert_eq(resolves(a, "b.lan", "v4"), b:ip("lan"))
end)

test("addresses follow the order in which names were first heard", function(t)
	local lan = provium:bridge("lan", { subnet = "10.99.0.0/24", subnet6 = "fd99::/64" })
	t:assert_error(function()
		lan:partition({ "first", "second" }, { "third", "fo urth" })
	end, "the name `fo urth`") -- which gives nobody a place
	lan:partition("second", "third")
	local third, second = provium:vm("third", "netns"), provium:vm("second", "netns")
	lan:attach({ third, second })
	t:assert_eq(second:ip(), "10.99.0.2")
	t:assert_eq(third:ip(), "10.99.0.3")
	t:assert_eq(second:ip6(), "fd99::2")
	t:assert_eq(lan:subnet(), "10.99.0.0/24")
	t:assert_eq(lan:subnet6(), "fd99::/64")
	lan:detach(third)
	lan:attach(third)
	t:assert_eq(third:ip(), "10.99.0.3", "a place is kept")
end)

test("no two of many nodes have the same addresses", function(t)
	local lan, names, seen = provium:bridge("lan"), {}, {}
	for i = 1, 600 do
		names[i] = "n" .. i
	end
	lan:attach(names)
	for _, name in ipairs(names) do
		local nic = lan:nic(name)
		for _, address in ipairs({ nic:mac(), nic:ip(), nic:ip6() }) do
			t:assert_eq(seen[address], nil, name .. " has " .. address .. ", which is also that of")
			seen[address] = name
		end
	end
end)

test("a bridge is full when its subnet is", function(t)
	local tiny = provium:bridge("tiny", { subnet = "10.98.0.0/29" })
	tiny:attach({ "a", "b", "c" })
	t:assert_error(function()
		tiny:attach({ "d", "e", "f" })
	end, "element 3 of the list: bridge `tiny` has no place for `f`: 5 names and the router are on it already; nothing")
	t:assert_eq(table.concat(tiny:members(), " "), "a b c")
	tiny:attach({ "g", "h" })
	t:assert_eq(tiny:nic("h"):ip(), "10.98.0.6")
end)

test("long names, and names with dashes", function(t)
	local lan = provium:bridge(("L"):rep(32))
	local a = provium:vm(("a"):rep(32), "netns")
	local b = provium:vm("b-b_b", "netns")
	provium:boot()
	lan:attach({ a, b })
	t:assert(support.reaches(b, a:name() .. "." .. lan:name()))
	t:assert(support.reaches(a, "b-b_b"))
	local same = provium:bridge(("L"):rep(31))
	same:attach({ a, b })
	t:assert(support.reaches(a, "b-b_b." .. same:name()))
end)

test("names of devices that the kernel keeps for itself", function(t)
	for _, name in ipairs({ "all", "default", "lo" }) do
		local bridge = provium:bridge(name)
		local a, b = provium:vm("a-" .. name, "netns"), provium:vm("b-" .. name, "netns")
		provium:boot()
		bridge:attach({ a, b })
		t:assert(support.reaches(a, "b-" .. name))
	end
end)

test("the host name of a node", function(t)
	local a = provium:vm("some-node", "netns"):boot()
	t:assert_eq(a:run("hostname").stdout, "some-node\n")
	t:assert_eq(a:run("getent hosts localhost"):ok(), true)
end)

test("a node knows itself, on a bridge or on none", function(t)
	-- getaddrinfo(3) may find no address as long as a node has none but loopback's.
	local function finds(node, name)
		return node:run("getent hosts " .. name).stdout:match("%S+")
	end
	local a, b = provium:vm("a", "netns"):boot(), provium:vm("b", "netns"):boot()
	local lan = provium:bridge("lan")
	for _, node in ipairs({ a, b }) do
		t:assert_eq(finds(node, node:name()), "127.0.1.1")
		t:assert_eq(node:run("hostname -f").stdout, node:name() .. "\n")
	end
	lan:attach(b)
	t:assert_eq(finds(a, "a"), "127.0.1.1")
	t:assert_eq(resolves(b, "b", "v4"), b:ip())
	t:assert_eq(finds(b, "a"), nil)
	lan:detach(b)
	t:assert_eq(finds(b, "b"), "127.0.1.1")
	provium:lab("x"):bridge("other"):attach(provium:lab("x"):vm("c", "netns"):boot())
	t:assert_eq(resolves(provium:lab("x").c, "c", "v4"), provium:lab("x").c:ip())
end)
