-- SPDX-License-Identifier: GPL-2.0-only
--
-- What was on the wire while something happened, as a file that any reader of pcap takes: `tshark -r ping.pcap`.
--
--     provium --profile peios=netns lua/examples/capture.test.lua

local lan = provium:bridge("lan")
local a = provium:vm("a", "peios")
local b = provium:vm("b", "peios")

provium:boot()
lan:attach({ a, b })

-- How many frames a pcap has: 24 bytes of header, then 16 in front of each frame (draft-ietf-opsawg-pcap).
local function count_frames(pcap)
	local count, position = 0, 25
	while position < #pcap do
		position = position + 16 + string.unpack("<I4", pcap, position + 8)
		count = count + 1
	end
	return count
end

test("a capture has every frame that was sent while it was open", function(t)
	wait_until(function()
		return a:run("ping -c 1 -W 1 b.lan"):ok()
	end, { desc = "b answers" })

	local capture = lan:capture({ filter = { proto = "icmp" } })
	a:run("ping -4 -c 5 -i 0.2 b.lan"):assert_ok()
	local chunks = capture:drain("1s")
	capture:close()
	t:assert_eq(count_frames(table.concat(chunks)), 10, "five questions and five answers")
end)

test("a machine whose cable is pulled sees that it has no carrier", function(t)
	local nic = a:nic("eth0")
	t:assert_eq(nic:bridge(), "lan")
	t:assert_eq(nic:vm_name(), "a")

	nic:disconnect()
	t:assert_eq(a:run("cat /sys/class/net/eth0/carrier").stdout, "0\n")
	t:assert(not a:run("ping -c 1 -W 1 b.lan"):ok(), "a reaches b without a cable")

	nic:reconnect()
	t:assert_eq(a:run("cat /sys/class/net/eth0/carrier").stdout, "1\n")
	a:run("ping -c 1 -W 2 b.lan"):assert_ok()
end)
