-- SPDX-License-Identifier: GPL-2.0-only
-- More bridges than a byte counts.

local BYTE = 256

test("addresses of cards do not come twice", function(t)
	local seen = {}
	for i = 1, 2 * BYTE + 2 do
		local lan = provium:bridge("lan" .. i)
		local mac = lan:nic("a"):mac()
		t:assert(not seen[mac], ("bridges %d and %s: %s"):format(i, seen[mac], mac))
		seen[mac] = i
		lan:close()
	end
end)

test("subnets that are given need none of the run's", function(t)
	provium:bridge("first")
	for i = 2, BYTE + 2 do
		local net, net6 = ("172.%d.%d.0/24"):format(16 + i // BYTE, i % BYTE), ("fd00:%x::/64"):format(i)
		local lan = provium:bridge("lan" .. i, { subnet = net, subnet6 = net6 })
		t:assert_eq(lan:subnet(), net)
		t:assert_eq(lan:nic("a"):ip6(), ("fd00:%x::2"):format(i))
	end
	t:assert_error(function() provium:bridge("open") end, "both a `subnet` and a `subnet6`")
end)
