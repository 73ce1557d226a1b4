-- SPDX-License-Identifier: GPL-2.0-only
-- Captures beside tcpdump: two nodes, frames at a rate, and everybody looks at the same frames at the same time. And
-- what the wire program takes for a frame with and without them. Called by tools/bench-capture.

-- Their programs widen the queues of their sockets beyond what a root without rights on the machine may.
local OPTIONS = { root = "shared" }

local flood, command = os.getenv("PROVIUM_FLOOD"), os.getenv("PROVIUM")
local RATES, SIZES, SECONDS = { 10000, 50000, 100000, 200000 }, { 64, 1400 }, 2

local lan = provium:bridge("lan")
local a, b = provium:vm("a", "netns", OPTIONS), provium:vm("b", "netns", OPTIONS)
lan:attach({ a, b })
provium:boot()
-- What nodes say by themselves is not to be in it.
for _, node in ipairs({ a, b }) do
	node:run("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"):assert_ok()
end
b:run("ping -c 1 " .. a:ip()):assert_ok()
a:push_file(flood, "/tmp/flood")

local work = os.tmpname()

local function ask(line)
	local pipe <close> = assert(io.popen(line))
	return (pipe:read("a"):gsub("\n$", ""))
end

local function read(path)
	local file <close> = assert(io.open(path))
	return file:read("a")
end

-- Nanoseconds on a CPU, of all threads of a process, or of those with that name.
local function cpu_ns(pid, name)
	local sum = 0
	for task in ask(("ls -d /proc/%s/task/*"):format(pid)):gmatch("%S+") do
		if not name or read(task .. "/comm") == name .. "\n" then
			sum = sum + tonumber(read(task .. "/schedstat"):match("%d+"))
		end
	end
	return sum
end

local own = ask("echo $PPID")

-- A process beside us, with a pipe behind it. stop() returns what it says at its end.
local function start(line)
	os.execute(("sh -c 'echo $$ >%s.pid; exec %s 2>%s' | cat >/dev/null &"):format(work, line, work))
	provium:sleep(1)
	local process = { pid = read(work .. ".pid"):match("%d+") }
	process.start_ns = cpu_ns(process.pid)
	function process.stop()
		process.cpu_ns = cpu_ns(process.pid) - process.start_ns
		os.execute(("kill -INT %s; while kill -0 %s 2>/dev/null; do sleep 0.05; done"):format(process.pid, process.pid))
		return read(work)
	end
	return process
end

-- The same frames for tcpdump and for a reader of ours. Returns how many there were, and what became of each.
local function measure(rate, size, ours)
	local dump = start("tcpdump -i lan -U -w -")
	local reader = ours()
	local before = a:nic(lan):counters().tx_packets
	a:run(("/tmp/flood eth0 %s %d %d %d"):format(b:mac(lan), rate, size, SECONDS)):assert_ok()
	-- tcpdump may sit on frames for a second.
	provium:sleep(1.5)
	local frames = a:nic(lan):counters().tx_packets - before
	reader.stop()
	local captured = dump.stop():match("(%d+) packets captured")
	return frames, { lost = frames - captured, us = dump.cpu_ns / captured / 1000 }, {
		lost = frames - reader.captured,
		us = reader.cpu_ns / reader.captured / 1000,
	}
end

-- A capture in this script, which reads all of it at the end: the costs are those of its thread.
local function in_a_script()
	local capture = lan:capture({ limit = "4G" })
	capture:next()
	local start_ns = cpu_ns(own, "capture")
	local reader = { captured = 0 }
	function reader.stop()
		reader.cpu_ns = cpu_ns(own, "capture") - start_ns
		local place, bytes = 1, table.concat(capture:drain(5))
		while place <= #bytes do
			place = place + 16 + ("<I4"):unpack(bytes, place + 8)
			reader.captured = reader.captured + 1
		end
		capture:close()
	end
	return reader
end

-- The command, with both of its threads.
local function from_outside()
	local process = start(command .. " capture " .. own .. " lan -w -")
	local stop = process.stop
	function process.stop()
		process.captured = tonumber(stop():match("(%d+) frames"))
	end
	return process
end

local failures = 0

local function verdict(dump, ours)
	local good = ours.us < dump.us and (ours.lost == 0 or ours.lost < dump.lost)
	failures = failures + (good and 0 or 1)
	return good and "" or "  MISSED"
end

-- What the two programs take for a frame, in nanoseconds, as the kernel counts it.
local function forwarding()
	local switch = "/proc/sys/kernel/bpf_stats_enabled"
	local ids = json.decode(ask(command .. " inspect --json " .. own))[1].bpf
	local function totals(program)
		local info = json.decode(ask("bpftool -j prog show id " .. math.tointeger(ids[program])))
		return info.run_time_ns or 0, info.run_cnt or 0
	end
	os.execute("echo 1 >" .. switch)
	local in_ns, in_count = totals("wire_ingress")
	local out_ns, out_count = totals("wire_egress")
	a:run(("/tmp/flood eth0 %s 50000 64 %d"):format(b:mac("lan"), SECONDS)):assert_ok()
	local in_ns_after, in_count_after = totals("wire_ingress")
	local out_ns_after, out_count_after = totals("wire_egress")
	os.execute("echo 0 >" .. switch)
	return (in_ns_after - in_ns) / (in_count_after - in_count), (out_ns_after - out_ns) / (out_count_after - out_count)
end

local function print_forwarding(name)
	print(("%-42s %8.0f %8.0f"):format(name, forwarding()))
end

print(("%-42s %8s %8s"):format("ns a frame of 64 bytes", "ingress", "egress"))
print_forwarding("no capture")
for _, case in ipairs({
	{ "a capture of another bridge", provium:bridge("elsewhere"), {} },
	{ "a capture with a filter that none passes", lan, { filter = { proto = "tcp", port = 80 } } },
	{ "a capture of the bridge: sent", lan, {} },
	{ "a capture of the bridge: outcomes", lan, { format = "pcapng" } },
}) do
	local capture = case[2]:capture(case[3])
	print_forwarding(case[1])
	capture:close()
end
print()

local LINE = "%-28s %8d %6d %9d %11d %10.2f %11d %10.2f%s"
print(("%-28s %8s %6s %9s %11s %10s %11s %10s"):format("", "frames/s", "bytes", "frames", "tcpdump", "us/frame",
	"provium", "us/frame"))
print(("%-28s %8s %6s %9s %11s %10s %11s %10s"):format("", "", "", "", "lost", "", "lost", ""))
for name, ours in pairs({ ["lan:capture()"] = in_a_script, ["provium capture -w -"] = from_outside }) do
	for _, size in ipairs(SIZES) do
		for _, rate in ipairs(RATES) do
			local frames, dump, reader = measure(rate, size, ours)
			print(LINE:format(name, rate, size, frames, dump.lost, dump.us, reader.lost, reader.us,
				verdict(dump, reader)))
		end
	end
end
os.remove(work)
os.remove(work .. ".pid")
os.exit(failures == 0, true)
