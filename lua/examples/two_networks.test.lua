-- SPDX-License-Identifier: GPL-2.0-only
--
-- Machines with two networks, one to manage them and one for their data. The data network breaks; the other one must
-- not notice.
--
--     provium --profile peios=netns lua/examples/two_networks.test.lua

local mgmt = provium:bridge("mgmt")
local data = provium:bridge("data")
local a = provium:vm("a", "peios")
local b = provium:vm("b", "peios")

provium:boot()
mgmt:attach({ a, b })
data:attach({ a, b })

local function reaches(from, name)
	return from:run("ping -c 1 -W 1 " .. name):ok()
end

test("a partition of one network leaves the other whole", function(t)
	wait_until(function()
		return reaches(a, "b.mgmt") and reaches(a, "b.data")
	end, { desc = "both networks work" })

	data:partition(a, b)
	t:assert(not reaches(a, "b.data"), "the data network is not cut from a to b")
	t:assert(not reaches(b, "a.data"), "the data network is not cut from b to a")
	t:assert(reaches(a, "b.mgmt"), "the management network is cut from a to b")
	t:assert(reaches(b, "a.mgmt"), "the management network is cut from b to a")

	data:unpartition(a, b)
	wait_until(function()
		return reaches(a, "b.data")
	end, { desc = "the data network is whole again" })
end)
