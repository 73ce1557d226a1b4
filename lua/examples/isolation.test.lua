-- SPDX-License-Identifier: GPL-2.0-only
--
-- One machine drops out of a cluster, as if its switch port had died, and comes back.
--
--     provium --profile peios=netns lua/examples/isolation.test.lua

local lan = provium:bridge("lan")
local nodes = {}
for _, name in ipairs({ "a", "b", "c" }) do
	nodes[#nodes + 1] = provium:vm(name, "peios")
end
local a, b, c = table.unpack(nodes)

provium:boot()
lan:attach(nodes)

local function reaches(from, to)
	return from:run("ping -c 1 -W 1 " .. to:name() .. ".lan"):ok()
end

test("an isolated machine is alone, and the others are not", function(t)
	wait_until(function()
		return reaches(a, b) and reaches(b, c) and reaches(c, a)
	end, { desc = "all reach each other" })

	lan:isolate(a)
	t:assert(lan:is_isolated(a))
	t:assert(not reaches(a, b), "a still reaches b")
	t:assert(not reaches(c, a), "a can still be reached")
	t:assert(reaches(b, c), "b no longer reaches c")
	t:assert_dropped(lan, a, b, "isolation")

	lan:unisolate(a)
	t:assert(reaches(a, b), "the first frame after it does not reach b")
	t:assert(reaches(c, a), "the first frame after it does not reach a")
end)
