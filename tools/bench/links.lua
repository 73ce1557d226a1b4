-- SPDX-License-Identifier: GPL-2.0-only
--- What is compared: a link from a to b that provium shapes, and one that netem shapes, between nodes of the same kind.
--- Both have set{delay_ms, rate, queue, loss}: delay both ways; rate (bit/s), its queue (bytes) and loss (percent) from
--- a to b.

-- Their programs widen the queues of their sockets beyond what a root without rights on the machine may.
local OPTIONS = { root = "shared" }
local probe = assert(os.getenv("PROVIUM_PROBE"), "PROVIUM_PROBE is not set: start this with tools/bench-fidelity")
local links = {}

local FRAME = 1514
local count = 0

local function shell(line, ...)
	line = line:format(...)
	assert(os.execute(line), "this failed: " .. line)
end

--- Words and numbers of a probe's line, as a table.
local function parse(text)
	local values = {}
	for key, value in text:gmatch("(%w+) (%d+)") do
		values[key] = tonumber(value)
	end
	return values
end

local PROBE = "/tmp/probe"
local pushed = setmetatable({}, { __mode = "k" })

--- The path of the probe in a node, which sees no /tmp but its own. It is put there when it is first asked for.
local function probe_in(node)
	if not pushed[node] then
		node:push_file(probe, PROBE)
		pushed[node] = true
	end
	return PROBE
end

--- Starts a probe in a node.
function links.start(node, ...)
	return node:run_async(probe_in(node), { ... })
end

--- The same, and returns when it is ready for what the other side sends.
function links.listen(node, ...)
	local process = links.start(node, ...)
	process:stdout_stream():read_until("ready\n")
	return process
end

function links.finish(process)
	return parse(process:wait(40):assert_ok().stdout)
end

local ours = { name = "provium" }

function ours:set(what)
	local lan, a, b = self.lan, self.a, self.b
	lan:reset()
	if what.delay_ms then
		lan:add_latency { from = a, to = b, ms = what.delay_ms }
		lan:add_latency { from = b, to = a, ms = what.delay_ms }
	end
	if what.rate then
		lan:bandwidth_limit { from = a, to = b, bps = what.rate, queue = what.queue }
	end
	if what.loss then
		lan:drop_rate { from = a, to = b, p = what.loss }
	end
end

--- opts: of the bridge.
function links.ours(opts)
	count = count + 1
	local lan = provium:bridge("lan" .. count, opts)
	local a, b = provium:vm("a" .. count, "netns", OPTIONS), provium:vm("b" .. count, "netns", OPTIONS)
	lan:attach { a, b }
	provium:boot()
	return setmetatable({ lan = lan, a = a, b = b, ip = b:ip() }, { __index = ours })
end

local netem = { name = "netem" }

--- A frame that is delayed counts against netem's limit too.
local function limit(what)
	if not what.rate then
		return 1000000
	end
	return math.ceil((what.queue + (what.delay_ms or 0) / 1000 * what.rate / 8) / FRAME)
end

local function arguments(what, is_receiver)
	local words = { "limit " .. (is_receiver and limit(what) or 1000000) }
	if what.delay_ms then
		table.insert(words, ("delay %dms"):format(what.delay_ms))
	end
	if is_receiver and what.rate then
		table.insert(words, ("rate %dbit"):format(what.rate))
	end
	if is_receiver and what.loss then
		table.insert(words, ("loss %g%%"):format(what.loss))
	end
	return table.concat(words, " ")
end

--- On the ports of the bridge, which is where provium has its own: what is dropped there is lost, as on a wire. On the
--- sender's own device the kernel would tell TCP of it at once.
function netem:set(what)
	shell("tc qdisc replace dev p-%s root netem %s", self.a:name(), arguments(what, false))
	shell("tc qdisc replace dev p-%s root netem %s", self.b:name(), arguments(what, true))
end

local function our_pid()
	local file <close> = assert(io.open("/proc/self/stat"))
	return file:read("n")
end

--- The namespaces of a node are those of its process 1, which is called like the node.
local function plug(node, bridge, address, opts)
	local name, mtu = node:name(), opts.mtu or 1500
	local pid = ("$(pgrep -x -P %d %s)"):format(our_pid(), name)
	shell("ip link add p-%s mtu %d type veth peer name eth0 mtu %d netns %s", name, mtu, mtu, pid)
	shell("ip link set p-%s master %s up", name, bridge)
	if not opts.offload then
		node:run(probe_in(node), { "plain", "eth0" }):assert_ok()
	end
	node:run(("ip addr add %s/24 dev eth0 && ip link set eth0 up"):format(address)):assert_ok()
end

function links.netem(opts)
	count = count + 1
	local bridge, subnet = "plain" .. count, ("10.250.%d."):format(count)
	local a, b = provium:vm("na" .. count, "netns", OPTIONS), provium:vm("nb" .. count, "netns", OPTIONS)
	provium:boot()
	shell("ip link add %s mtu %d type bridge forward_delay 0 stp_state 0 mcast_snooping 0", bridge, opts.mtu or 1500)
	shell("ip link set %s up", bridge)
	plug(a, bridge, subnet .. 1, opts)
	plug(b, bridge, subnet .. 2, opts)
	return setmetatable({ a = a, b = b, ip = subnet .. 2 }, { __index = netem })
end

return links
