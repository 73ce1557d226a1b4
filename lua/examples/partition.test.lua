-- SPDX-License-Identifier: GPL-2.0-only
--
-- Two machines on one network. The network breaks between them, and heals.
--
--     provium --profile peios=netns lua/examples/partition.test.lua

local lan = provium:bridge("lan")
local a = provium:vm("a", "peios")
local b = provium:vm("b", "peios")

-- Machines may be attached before or after they have booted. Here their NICs are plugged in while they run.
provium:boot()
lan:attach({ a, b })

-- One packet is enough of a question. Every machine is known to every other as NAME.BRIDGE.
local function a_reaches_b()
	return a:run("ping -c 1 -W 1 b.lan"):ok()
end

test("a partition cuts, and lifting it heals", function(t)
	wait_until(a_reaches_b, { timeout = "10s", desc = "a reaches b" })

	lan:partition(a, b)
	t:assert(not a_reaches_b(), "a reaches b through a partition")
	-- That ping failed could have many reasons. That frames were dropped by the partition has one.
	t:assert_dropped(lan, a, b, "partition")

	lan:unpartition(a, b)
	wait_until(a_reaches_b, { timeout = "10s", desc = "a reaches b again" })
end)
