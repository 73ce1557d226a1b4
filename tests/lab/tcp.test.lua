-- SPDX-License-Identifier: GPL-2.0-only
-- TCP over links that are far, slow or lossy: as fast as it should be.

local support = require "support"

provium.reset_between_tests = true

local lan, a, b, c = support.network(3)

for _, node in ipairs({ b, c }) do
	node:run("iperf3 --server --daemon"):assert_ok()
end

local function throughput(to, options)
	local done = a:run("iperf3 --json --client " .. to .. " " .. (options or "--time 2"), { timeout = "40s" }):assert_ok()
	return json.decode(done.stdout)["end"].sum_received.bits_per_second
end

-- With its socket attached to each frame that fq holds, a connection from a namespace node crawls at 2 Mbit/s, however
-- fast the machine: it waits for frames to be "sent" before it hands over more.
test("a long way makes no crawl", { tags = { "fq", "smoke" } }, function(t)
	local free = throughput("c.lan")
	lan:add_latency({ from = a, to = b, ms = 20 })
	local far = throughput("b.lan", "--time 4")
	t:note(("free %.0f Mbit/s, with 20 ms %.0f Mbit/s"):format(free / 1e6, far / 1e6))
	t:assert(far > 20e6, "less than ten times the crawl")
	t:assert(far > free / 20, "less than a twentieth of what an unimpaired peer gets")
end)

test("a rate is used to the full", { tags = { "fq" } }, function(t)
	lan:bandwidth_limit({ from = a, to = b, bps = "10Mbit" })
	local got = throughput("b.lan", "--time 4")
	t:assert(got > 8.5e6 and got < 10e6, got)
end)

test("a rate and a latency, both ways", { tags = { "fq" } }, function(t)
	lan:bandwidth_limit("8Mbit")
	lan:add_latency(10)
	local got = throughput("b.lan", "--time 4")
	t:assert(got > 5.5e6 and got < 8e6, got)
end)

test("loss slows it down, and breaks nothing", { tags = { "fq" } }, function(t)
	lan:add_latency(5)
	lan:drop_rate({ from = b, to = a, p = 2 })
	b:run("mkdir -p /tmp/www && seq 1 100000 >/tmp/www/numbers && busybox httpd -p 80 -h /tmp/www"):assert_ok()
	a:run("curl --silent --max-time 30 http://b.lan/numbers >/tmp/numbers", { timeout = "40s" }):assert_ok()
	t:assert_eq(a:run("sha1sum </tmp/numbers").stdout, b:run("sha1sum </tmp/www/numbers").stdout)
	t:assert_dropped(lan, b, a, "loss", 3)
end)
