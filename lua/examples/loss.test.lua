-- SPDX-License-Identifier: GPL-2.0-only
--
-- A network that loses three frames of ten. TCP sends them again, so most requests are answered in the end.
--
--     provium --profile peios=netns lua/examples/loss.test.lua
--
-- The dice fall the same way again with the same seed: a run that failed prints it, and --seed takes it.

local lan = provium:bridge("lan")
local server = provium:vm("server", "peios")
local client = provium:vm("client", "peios")

provium:boot()
lan:attach({ server, client })

server:write_file("/tmp/www/index.html", "hello\n")
server:run("busybox httpd -p 80 -h /tmp/www"):assert_ok()

local function answers()
	return client:run("curl --silent --max-time 5 http://server.lan/"):ok()
end

test("requests survive the loss of 30 %", { timeout = "3m" }, function(t)
	wait_until(answers, { desc = "the server answers" })

	lan:drop_rate(30)

	local tries, answered = 20, 0
	for _ = 1, tries do
		if answers() then
			answered = answered + 1
		end
	end
	t:note(answered, "of", tries, "requests were answered")
	t:assert(answered >= 5, "fewer than 5 of 20 requests were answered")
	t:assert_dropped(lan, client, server, "loss")
end)
