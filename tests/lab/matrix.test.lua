-- SPDX-License-Identifier: GPL-2.0-only
-- Every kind of cut, against every kind of frame: nothing crosses that should not, and all else does.

local support = require "support"

local ONE = { "ipv4", "ipv6", "vlan", "made-up", "stranger" }
local GROUP = { "arp", "broadcast", "multicast", "multicast6", "lldp", "forged" }
local NAMES = { "a", "b", "c", "d" }

local lan = provium:bridge("lan")
local nodes = {}
for i, name in ipairs(NAMES) do
	nodes[i] = provium:vm(name, "netns")
end
provium:boot()
lan:attach(nodes)
provium.reset_between_tests = true

-- Every node sends every kind to all others. First as somebody else, from whose address the bridge then expects to
-- hear on the wrong port until the last groups were sent. From one that nobody hears it would never learn better.
local function send_everything(is_heard)
	for i, node in ipairs(nodes) do
		local victim = i % #nodes + 1
		local forged = is_heard(victim) and nodes[victim]:mac("lan") or "02:ba:d1:00:00:0" .. i
		support.send(node, { from = i, kinds = "forged", forge = forged })
	end
	for i, node in ipairs(nodes) do
		support.send(node, { from = i, kinds = "group" })
	end
	for i, node in ipairs(nodes) do
		local to = {}
		for k, other in ipairs(nodes) do
			to[k] = k ~= i and other:mac("lan") or nil
		end
		support.send(node, { from = i, kinds = "one", to = to })
	end
end

-- Compares what came with what may: allowed(from, to) of the names.
local function check(t, allowed)
	local listeners, wrong = {}, {}
	for i, node in ipairs(nodes) do
		listeners[i] = support.listen(node)
	end
	send_everything(function(from)
		for to = 1, #nodes do
			if to ~= from and allowed(NAMES[from], NAMES[to]) then
				return true
			end
		end
	end)
	provium:sleep("20ms")
	for to, listener in ipairs(listeners) do
		listener:stop()
		for from = 1, #nodes do
			local open = from ~= to and allowed(NAMES[from], NAMES[to])
			local function expect(kind, count)
				if count ~= (open and 1 or 0) then
					table.insert(wrong, ("%s %s→%s: %d frames"):format(kind, NAMES[from], NAMES[to], count))
				end
			end
			for _, kind in ipairs(ONE) do
				-- Through a cut nothing is to be heard, not even what the bridge flooded for somebody else.
				expect(kind, open and listener:total(kind, from, to).count or listener:heard(kind, from))
			end
			for _, kind in ipairs(GROUP) do
				expect(kind, listener:total(kind, from, 0).count)
			end
		end
	end
	t:assert_eq(table.concat(wrong, "\n"), "")
end

local function set(list)
	local found = {}
	for _, word in ipairs(list) do
		found[word] = true
	end
	return found
end

-- All pairs but those of the list, like "ab" for a→b.
local function all_but(...)
	local cut = set({ ... })
	return function(from, to)
		return not cut[from .. to]
	end
end

test("without rules everything arrives, once", function(t)
	check(t, all_but())
end)

test("a partition cuts both ways and nothing else", { tags = { "smoke" } }, function(t)
	lan:partition("a", "b")
	check(t, all_but("ab", "ba"))
	t:assert_dropped(lan, "a", "b", "partition", #ONE + #GROUP)
	t:assert_dropped(lan, "b", "a", "partition", #ONE + #GROUP)
	t:assert_not_dropped(lan, "a", "c", "partition")
	lan:unpartition("b", "a")
	check(t, all_but())
end)

test("a partition of one direction leaves the other whole", function(t)
	lan:partition({ from = "a", to = "b" })
	check(t, all_but("ab"))
	lan:unpartition({ from = "a", to = "b" })
	check(t, all_but())
end)

test("two partitions of one direction each", function(t)
	lan:partition({ from = "a", to = "b" })
	lan:partition({ from = "c", to = "a" })
	check(t, all_but("ab", "ca"))
	lan:unpartition({ from = "a", to = "b" })
	check(t, all_but("ca"))
end)

test("a partition of groups cuts every pair across them, and none within", function(t)
	lan:partition({ "a", "b" }, { "c", "d" })
	check(t, all_but("ac", "ca", "ad", "da", "bc", "cb", "bd", "db"))
	lan:unpartition("a", { "c", "d" })
	check(t, all_but("bc", "cb", "bd", "db"))
end)

test("an isolated node hears nobody and is heard by nobody", function(t)
	lan:isolate("c")
	check(t, all_but("ca", "ac", "cb", "bc", "cd", "dc"))
	t:assert_dropped(lan, "a", "c", "isolation", #ONE + #GROUP)
	t:assert_dropped(lan, "c", "a", "isolation", #ONE + #GROUP)
	lan:unisolate("c")
	check(t, all_but())
end)

test("two isolated nodes do not hear each other", function(t)
	lan:isolate("a")
	lan:isolate("b")
	check(t, function(from, to)
		return set({ "cd", "dc" })[from .. to]
	end)
	lan:unisolate("a")
	check(t, all_but("ab", "ba", "bc", "cb", "bd", "db"))
end)

test("a partition of all leaves nobody, until a pair is made whole", function(t)
	lan:partition_all()
	check(t, function()
		return false
	end)
	lan:unpartition("a", "c")
	check(t, function(from, to)
		return set({ "ac", "ca" })[from .. to]
	end)
	lan:unpartition({ from = "b", to = "d" })
	check(t, function(from, to)
		return set({ "ac", "ca", "bd" })[from .. to]
	end)
	lan:restore_all()
	check(t, all_but())
end)

test("restore_all lifts single ones too, but no isolation", function(t)
	lan:partition("a", "b")
	lan:partition({ from = "c", to = "b" })
	lan:isolate("d")
	lan:restore_all()
	check(t, all_but("ad", "da", "bd", "db", "cd", "dc"))
end)

test("partition and isolation do not depend on each other", function(t)
	lan:isolate("a")
	lan:partition("a", "b")
	lan:unisolate("a")
	check(t, all_but("ab", "ba"))
	lan:isolate("a")
	lan:unpartition("a", "b")
	check(t, all_but("ab", "ba", "ac", "ca", "ad", "da"))
end)
