-- SPDX-License-Identifier: GPL-2.0-only
-- Nodes share tables of one kernel that are made for one machine: a run raises what its lab needs.

local support = require "support"

provium.timeout = "5m"

-- More pairs than the kernel has neighbours for by itself (1,024), all at once.
test("everybody talks to everybody", function(t)
	local lan, nodes, addresses = provium:bridge("lan"), {}, {}
	local COUNT = 60
	for i = 1, COUNT do
		nodes[i] = provium:vm("n" .. i, "netns")
	end
	lan:attach(nodes)
	provium:boot()
	for i, node in ipairs(nodes) do
		addresses[i] = node:ip()
		support.frame(node)
	end
	local sinks, sources = {}, {}
	for i, node in ipairs(nodes) do
		sinks[i] = node:run_async("/tmp/frame", { "sink", "7000", tostring(COUNT - 1) })
	end
	for _, node in ipairs(nodes) do
		wait_until(function()
			return node:run("grep -q :1B58 /proc/net/udp6"):ok() -- port 7000
		end, { timeout = "60s" })
	end
	for i, node in ipairs(nodes) do
		local others = { "scatter", "7000" }
		for k, address in ipairs(addresses) do
			if k ~= i then
				table.insert(others, address)
			end
		end
		sources[i] = node:run_async("/tmp/frame", others)
	end
	local arrived = 0
	for i in ipairs(nodes) do
		sources[i]:wait("60s"):assert_ok()
		arrived = arrived + tonumber(sinks[i]:wait("90s").stdout:match("(%d+)\n$"))
	end
	t:assert_eq(arrived, COUNT * (COUNT - 1))
end)

-- One user has 128 by himself.
test("every node gets an inotify instance", function()
	local nodes, waiting = {}, {}
	for i = 1, 140 do
		nodes[i] = provium:vm("n" .. i, "netns")
	end
	provium:boot()
	for i, node in ipairs(nodes) do
		waiting[i] = node:run_async("touch /dev/shm/log; exec tail -f /dev/shm/log")
	end
	for i, node in ipairs(nodes) do
		wait_until(function()
			return node:run("readlink /proc/[0-9]*/fd/* | grep -q inotify"):ok()
		end, { timeout = "60s", desc = "inotify in " .. node:name() })
		waiting[i]:kill()
	end
end)
