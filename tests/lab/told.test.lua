-- SPDX-License-Identifier: GPL-2.0-only
-- What a script is told about rules, and what calls that fail leave behind: nothing.

local support = require "support"

-- What path() and is_partitioned() say is what becomes of a frame, whatever rules there are together.
test("the rules as they are told are the rules as they hold", function(t)
	local lan, a, b, c = support.network(3)
	local data = provium:bridge("data")
	lan:route(data)
	support.silence(a, b, c)
	local rules = {
		{ "all", function() lan:partition_all() end },
		{ "all, a and b lifted", function() lan:partition_all(); lan:unpartition(a, b) end },
		{ "all, a to c lifted", function() lan:partition_all(); lan:unpartition({ from = a, to = c }) end },
		{ "all, the router lifted", function() lan:partition_all(); lan:unpartition(a, "router") end },
		{ "a pair", function() lan:partition(a, b) end },
		{ "one way", function() lan:partition({ from = a, to = b }) end },
		{ "the router", function() lan:partition(a, "router") end },
		{ "all, and the router", function() lan:partition_all(); lan:partition("router", a) end },
		{ "to the router", function() lan:partition({ from = a, to = "router" }) end },
		{ "all, then cut again", function()
			lan:partition_all()
			lan:unpartition(a, b)
			lan:partition({ from = a, to = b })
		end },
		{ "nothing", function() end },
	}
	local isolations = { {}, { a }, { b }, { a, b } }
	local function verdict(from, to)
		local before = lan:counters(from, to)
		support.send(from, { from = 1, kinds = "broadcast" })
		local after = lan:counters(from, to)
		return after.dropped.partition > before.dropped.partition, after.dropped.isolation > before.dropped.isolation
	end
	for _, rule in ipairs(rules) do
		for _, isolated in ipairs(isolations) do
			rule[2]()
			for _, node in ipairs(isolated) do
				lan:isolate(node)
			end
			for _, to in ipairs({ b, c, "router" }) do
				local what = ("%s, %d isolated, to %s"):format(rule[1], #isolated, tostring(to))
				local partitioned, isolation = verdict(a, to)
				local path = lan:path(a, to)
				t:assert_eq(path.partitioned, partitioned, what)
				t:assert_eq(lan:is_partitioned(a, to), partitioned, what)
				-- A partition is what is counted of the two.
				t:assert_eq(path.isolated and not path.partitioned, isolation, what)
				for _, link in ipairs(path) do
					t:assert(not link.partitioned or path.partitioned, what .. ", " .. link.link)
					t:assert(not link.isolated or path.isolated, what .. ", " .. link.link)
				end
			end
			lan:restore_all()
			for _, node in ipairs(isolated) do
				lan:unisolate(node)
			end
		end
	end
	t:assert(not lan:is_partitioned(a, a))
end)

test("partition_all leaves a cut from the router as it is", function(t)
	local lan, a, b = support.network(2)
	local data = provium:bridge("data")
	lan:route(data)
	local gateway = a:ip():gsub("%d+$", "1")
	lan:partition(a, "router")
	lan:partition_all()
	t:assert(lan:is_partitioned(a, "router"))
	t:assert(not support.reaches(a, gateway))
	t:assert(support.reaches(b, gateway, 20))
	lan:unpartition(a, "router")
	t:assert(support.reaches(a, gateway, 20))
	t:assert(lan:is_partitioned(a, b))
end)

test("isolation of a name that is attached later", function(t)
	local lan, a = support.network(1)
	lan:isolate("b")
	t:assert(lan:is_isolated("b"))
	local b = provium:vm("b", "netns"):boot()
	lan:attach(b)
	t:assert(not support.reaches(a, b))
	t:assert_dropped(lan, a, b, "isolation")
	lan:unisolate(b)
	t:assert(support.reaches(a, b, 20))
end)

test("a partition that finds no room changes nothing", function(t)
	local small = provium:bridge("small", { subnet = "10.77.0.0/29" })
	small:attach({ "a", "b", "c", "d" })
	local function refuses(what, ...)
		local arguments = table.pack(...)
		t:assert_error(function()
			small[what](small, table.unpack(arguments, 1, arguments.n))
		end, "has no place for")
	end
	-- One place is left, which stays free for the next that asks.
	refuses("partition", "e", { "a", "f" })
	refuses("partition", { "a", "e" }, { "b", "f" })
	refuses("capture", { filter = { from = "e", to = "f" } })
	refuses("attach", { "e", "f" })
	t:assert(not small:is_partitioned("a", "b"))
	t:assert_error(function() small:path("a", "e") end, "`e` was never attached")
	small:attach("f")
	refuses("isolate", "e")
	refuses("nic", "e")
end)
