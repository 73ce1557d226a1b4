-- SPDX-License-Identifier: GPL-2.0-only
-- What the tests of this folder share: frames sent and counted inside of nodes, and provium run by a test.

local native = require "provium.native"

local support = {}

-- The output of a command on this machine, without its last newline.
local function ask(command)
	local pipe <close> = assert(io.popen(command))
	return (pipe:read("a"):gsub("\n$", ""))
end
support.ask = ask

-- Seconds, of a clock that nobody sets.
function support.now()
	return native.now() / 1e9
end

-- How many files the run has open. Not by reading from the child: popen() closes its copy of the child's end when the
-- child may have looked already.
function support.descriptors()
	local answer = os.tmpname()
	local look = assert(io.popen(("read -r _; ls /proc/$PPID/fd | wc -l >%s"):format(answer), "w"))
	look:write("now\n")
	look:close()
	local file <close> = assert(io.open(answer))
	os.remove(answer)
	return file:read("n")
end

-- The command that runs this file, for tests that run it again. A stock interpreter may be in its place.
support.provium = ask("readlink /proc/$PPID/exe")
if not support.provium:find("/provium$") then
	local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
	support.provium = ask("realpath " .. here .. "../../build/provium")
end

local FRAME = support.provium:match("^.*/") .. "tests/lab/frame"

local pushed = setmetatable({}, { __mode = "k" })

-- The path of tests/lab/frame in a node. It is put there when it is first asked for.
function support.frame(node)
	if not pushed[node] then
		node:push_file(FRAME, "/tmp/frame")
		pushed[node] = "/tmp/frame"
	end
	return pushed[node]
end

local Listener = {}
Listener.__index = Listener

-- Counts frames in a node until stop(). options: device, log.
function support.listen(node, options)
	options = options or {}
	local arguments = { "listen", "--device", options.device or "eth0" }
	if options.log then
		table.insert(arguments, "--log")
	end
	local process = node:run_async(support.frame(node), arguments)
	local output = process:stdout_stream()
	output:read_until("ready\n")
	return setmetatable({ process = process, output = output }, Listener)
end

-- Waits until no frame is held any more, and what was let go is there. What was flushed waits for nobody.
function support.settle()
	wait_until(function()
		return native.held() == 0
	end, { timeout = "2m", interval = "10ms", desc = "no frame is held" })
	provium:sleep("20ms")
end

local COLUMNS = { "count", "bytes", "shortest", "longest", "first", "last", "sent" }

local function read_total(line)
	local words = {}
	for word in line:gmatch("%S+") do
		words[#words + 1] = word
	end
	local total = { kind = words[1], from = tonumber(words[2]), to = tonumber(words[3]) }
	for i, column in ipairs(COLUMNS) do
		total[column] = tonumber(words[i + 3])
	end
	return total
end

-- All that came: totals by kind, sender and receiver; with log also each frame, in order.
function Listener:stop()
	self.process:kill("TERM")
	local result = self.process:wait("20s"):assert_ok()
	self.totals, self.frames = {}, {}
	for line in result.stdout:gmatch("[^\n]+") do
		local kind, from, to, number, delay = line:match("^frame (%S+) (%d+) (%d+) (%d+) (%d+)$")
		if kind then
			table.insert(self.frames, {
				kind = kind,
				from = tonumber(from),
				to = tonumber(to),
				number = tonumber(number),
				delay = tonumber(delay),
			})
		elseif line ~= "ready" then
			table.insert(self.totals, read_total(line))
		end
	end
	return self
end

local NOTHING = { count = 0, bytes = 0, first = 0, last = 0 }

-- The total of a kind of frame from a sender to a receiver; 0 for frames to a group.
function Listener:total(kind, from, to)
	for _, total in ipairs(self.totals) do
		if total.kind == kind and total.from == from and total.to == to then
			return total
		end
	end
	return NOTHING
end

-- How many frames of a kind came from a sender, whoever they were for.
function Listener:heard(kind, from)
	local count = 0
	for _, total in ipairs(self.totals) do
		if total.kind == kind and total.from == from then
			count = count + total.count
		end
	end
	return count
end

-- Arguments of `frame send`: from (a number), kinds, count, gap (µs), size, forge, device, to = {[number] = mac}.
local function send_arguments(options)
	local arguments = { "send", "--from", options.from or 1 }
	for _, key in ipairs({ "kinds", "count", "gap", "size", "forge", "device" }) do
		if options[key] then
			table.insert(arguments, "--" .. key)
			table.insert(arguments, options[key])
		end
	end
	for number, mac in pairs(options.to or {}) do
		table.insert(arguments, number .. "=" .. mac)
	end
	return arguments
end

function support.send(node, options)
	return node:run(support.frame(node), { args = send_arguments(options), timeout = "60s" }):assert_ok()
end

function support.start_sending(node, options)
	return node:run_async(support.frame(node), send_arguments(options))
end

-- On the first processor, or the last one. A sender that moves to another in the midst of it overtakes itself: what it
-- has sent on the one is still in the queue there.
function support.start_sending_on(processor, node, options)
	local count = tonumber(support.ask("nproc"))
	return node:run_async("taskset",
		{ "-c", processor == "first" and 0 or count - 1, support.frame(node), table.unpack(send_arguments(options)) })
end

-- n booted namespace nodes on a bridge: bridge, then nodes a, b, c, …
function support.network(n, options)
	local lan = provium:bridge(options and options.name or "lan")
	local nodes = {}
	for i = 1, n do
		nodes[i] = provium:vm(string.char(96 + i), "netns")
	end
	provium:boot()
	lan:attach(nodes)
	return lan, table.unpack(nodes)
end

-- From here on the kernels of these nodes say nothing by themselves: all frames on the wire are those of the test. The
-- bridge has heard of each node, so that it floods nothing.
function support.silence(...)
	for i, node in ipairs({ ... }) do
		node:run("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6"):assert_ok()
		support.send(node, { from = i, kinds = "broadcast" })
	end
end

-- One ping is answered, however busy the machine is.
function support.reaches(from, to, timeout)
	local name = type(to) == "string" and to or to:name()
	return from:run("ping", { "-n", "-c", 1, "-W", timeout or 20, name }):ok()
end

-- One ping is not: it is waited for no longer than an answer takes.
function support.cut_off(from, to)
	return not support.reaches(from, to, 0.3)
end

-- The process 1 of a node, as this machine numbers it: from inside no signal reaches it.
function support.init_of(node)
	local space = node:run("readlink /proc/self/ns/net").stdout:gsub("\n", "")
	return ask("for p in /proc/[0-9]*; do [ \"$(readlink $p/ns/net)\" = '" .. space
		.. "' ] && echo ${p#/proc/}; done | head -n1")
end

-- The node dies without having been asked to.
function support.kill(node)
	ask("kill -9 " .. support.init_of(node))
	wait_until(function()
		return node:state() == "dead"
	end, { interval = "10ms" })
end

-- Runs scripts by the command: events as tables, what they printed, the exit status. files: {[name] = text}.
function support.run(files, arguments)
	local folder = ask("mktemp -d")
	for name, text in pairs(files) do
		os.execute(("mkdir -p %s/%s"):format(folder, name:match("^.*/") or ""))
		local file <close> = assert(io.open(folder .. "/" .. name, "w"))
		file:write(text)
	end
	local command = ("cd %s && timeout 300 %s --format json %s . >events 2>errors; echo $?"):format(folder,
		support.provium, arguments or "")
	local run = { status = tonumber(ask(command)), events = {}, tests = {}, output = "" }
	for line in io.lines(folder .. "/events") do
		local event = json.decode(line)
		table.insert(run.events, event)
		if event.event == "output" then
			run.output = run.output .. event.text .. "\n"
		elseif event.event == "test" then
			run.tests[event.name] = event
			table.insert(run.tests, event)
		end
	end
	run.errors = io.open(folder .. "/errors"):read("a")
	os.execute("rm -rf " .. folder)
	return run
end

return support
