-- SPDX-License-Identifier: GPL-2.0-only
--
-- A web server moves to the other side of the world, and a client that is in a hurry gives up on it.
--
--     provium --profile peios=netns lua/examples/latency.test.lua
--
-- Holding frames back needs a kernel with the fq queueing discipline, hence the tag: `provium doctor` says whether this
-- machine has it, and tools/testkernel runs a command in a kernel that does.

local lan = provium:bridge("lan")
local server = provium:vm("server", "peios")
local client = provium:vm("client", "peios")

provium:boot()
lan:attach({ server, client })

server:write_file("/tmp/www/index.html", "hello\n")
server:run("busybox httpd -p 80 -h /tmp/www"):assert_ok()

test("half a second each way is too far", { tags = { "fq" } }, function(t)
	wait_until(function()
		return client:run("curl --silent --max-time 5 http://server.lan/").stdout == "hello\n"
	end, { desc = "the server answers" })

	-- One way: a question and its answer take a second.
	lan:add_latency(500)
	local hurried = client:run("curl --silent --max-time 0.5 http://server.lan/")
	t:assert(not hurried:ok(), "an answer in half a second, over a network that needs a whole one")

	lan:reset()
	client:run("curl --silent --max-time 0.5 http://server.lan/"):assert_ok()
end)
