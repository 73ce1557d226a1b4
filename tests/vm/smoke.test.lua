-- SPDX-License-Identifier: GPL-2.0-only
-- All that a lab does to a virtual machine, in one go, for a kernel in which a guest takes minutes.

provium.timeout = "45m"

test("a virtual machine among the others: names, partition, delay, cable, cards", { tags = { "vmsmoke" } }, function(t)
	local lan = provium:bridge("lan")
	local v, n = provium:vm("v", "vm"), provium:vm("n", "netns")
	lan:attach({ v, n })
	provium:boot({ timeout = "30m" })

	local function ping(from, options)
		return from:run("ping -n -c 1 " .. options, { timeout = "60s" })
	end
	-- Kernels that are so slow give each other up before an answer has come.
	local function reaches(from, options)
		return wait_until(function()
			local answer = ping(from, "-W 30 " .. options)
			return answer:ok() and answer.stdout
		end, { timeout = "10m", desc = "an answer to ping " .. options })
	end
	reaches(n, "-4 v.lan")
	reaches(v, "-6 n.lan")

	local before = lan:counters(n, v).packets
	lan:partition({ from = v, to = n })
	t:assert(not ping(n, "-W 2 -4 v.lan"):ok())
	t:assert(lan:counters(n, v).packets > before, "the other way is open")
	wait_until(function() return lan:counters(v, n).dropped.partition > 0 end, { timeout = "10m" })
	lan:unpartition(v, n)

	lan:add_latency({ from = n, to = v, ms = 300 })
	lan:add_latency({ from = v, to = n, ms = 200 })
	local rtt = tonumber(reaches(n, "-4 v.lan"):match("time=([%d.]+) ms"))
	t:assert(rtt >= 500, rtt .. " ms")
	lan:reset()

	v:nic("lan"):disconnect()
	t:assert_eq(v:run("cat /sys/class/net/eth0/carrier").stdout, "0\n")
	t:assert(not ping(n, "-W 2 -4 v.lan"):ok())
	v:nic("lan"):reconnect()
	wait_until(function() return v:run("cat /sys/class/net/eth0/carrier").stdout == "1\n" end, { timeout = "60s" })
	reaches(n, "-4 v.lan")

	local data = provium:bridge("data")
	data:attach({ v, n })
	reaches(n, "-4 v.data")
	data:detach(v)
	wait_until(function() return not v:run("test -e /sys/class/net/eth1"):ok() end, { timeout = "60s" })
	reaches(n, "-4 v.lan") -- the other card works on
end)
