-- SPDX-License-Identifier: GPL-2.0-only
--- What does a switch take for a frame? All subjects (subject.lua) are there at the same time and take turns, so what
--- the machine does beside meets all of them alike. Started by tools/bench-forwarding.
---
---     forwarding.lua machine|kernel FOLDER [--rounds N] [--ms N] [--counts LIST]
---
--- Prints a table, which is also FOLDER/NAME.txt; what plots are made of is in FOLDER/NAME-*.dat.
local where, folder = arg[1], arg[2]
local probe, forward = assert(os.getenv("PROVIUM_PROBE")), assert(os.getenv("PROVIUM_FORWARD"))
local SIZES, TCP_MS, TCP_SKIP_MS = { 64, 512, 1400 }, 400, 100
local options = { rounds = "5", ms = "200", counts = "0,1024,32768,1000000" }
if where == "kernel" then
	options.rounds, options.counts = "3", "0,1024"
end
for i = 3, #arg, 2 do
	options[assert(arg[i]:match("^%-%-(%a+)$"))] = assert(arg[i + 1], arg[i] .. " needs a value")
end
local rounds, counts = assert(tonumber(options.rounds)), {}
for count in options.counts:gmatch("%d+") do
	counts[#counts + 1] = tonumber(count)
end

--- What there is, in the order of the table. `only`: the kernel that it is for, by this script's first argument, for
--- the test kernel is slow, and asked for what this machine's cannot do. `at_most`: more rules are not tried, and why.
local KINDS = {
	{ kind = "bare", name = "bare bridge" },
	{ kind = "empty", name = "programs that only return", only = "machine" },
	{ kind = "none", name = "provium", counted = true },
	{ kind = "loss", name = "provium, loss" },
	{ kind = "delay", name = "provium, delay" },
	{ kind = "rate", name = "provium, rate" },
	{ kind = "all", name = "provium, all three" },
	{ kind = "nft-rules", name = "nft, rules", counted = true, at_most = 32768, why = "each frame is asked all of them",
		only = "machine" },
	{ kind = "nft-names", name = "nft, a set of names", counted = true, only = "machine" },
	{ kind = "nft-set", name = "nft, a set of indexes", counted = true },
	{ kind = "u32-list", name = "htb and u32, a list", counted = true, at_most = 2047, why = "a list of u32 holds 2,047",
		only = "machine" },
	{ kind = "u32-hash", name = "htb and u32, hashed", counted = true, at_most = 65000, why = "htb has 65,535 classes" },
	{ kind = "netem-loss", name = "netem, loss", only = "kernel" },
	{ kind = "netem-delay", name = "netem, delay", only = "kernel" },
	{ kind = "netem-rate", name = "netem, rate", only = "kernel" },
	{ kind = "netem-all", name = "netem, all three", only = "kernel" },
}

local output = assert(io.open(("%s/%s.txt"):format(folder, where), "w"))

local function say(line, ...)
	line = line:format(...):gsub("%s+$", "") .. "\n"
	output:write(line)
	output:flush()
	io.write(line)
	io.flush()
end

local function grouped(number)
	local text = ("%.0f"):format(number)
	return text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
end

local function median(values)
	local sorted = table.move(values, 1, #values, 1, {})
	table.sort(sorted)
	local middle = (#sorted + 1) // 2
	return #sorted % 2 == 1 and sorted[middle] or (sorted[middle] + sorted[middle + 1]) / 2
end

local function ask(line, ...)
	local pipe <close> = assert(io.popen(line:format(...)))
	local text = pipe:read("a")
	assert(pipe:close(), "this failed: " .. line:format(...))
	return text
end

--- Words and numbers of a line, as a table.
local function parse(text)
	local values = {}
	for key, value in text:gmatch("(%a+) (-?[%d.]+)") do
		values[key] = tonumber(value)
	end
	return values
end

local processors = tonumber(ask("nproc"))
local subjects, refused = {}, {}

--- It ends with us, whatever happens.
local function start(kind, count)
	local subject = { kind = kind.kind, count = count, results = {}, pipe = assert(io.popen(
		("exec setpriv --pdeathsig KILL lua5.4 -e 'provium = require \"provium\"' tools/bench/subject.lua %s %d 2>&1")
		:format(kind.kind, count))) }
	subject.name = kind.name .. (kind.counted and (", %s rules"):format(grouped(count)) or "")
	local line = subject.pipe:read("l") or "it ended"
	local first, second, sender, receiver, address =
		line:match("^ready (%S+ %S+) (%S+ %S+)%s+(%d+)%s+(%d+)%s+(%S+)")
	if not first then
		-- Without the place in the script, and without advice.
		line = line:gsub("^refused ", ""):gsub("^tools%S+ ", ""):gsub(";.*", "")
		refused[#refused + 1] = ("%s: %s"):format(subject.name, line)
		return
	end
	subject.sender, subject.receiver, subject.address = sender, receiver, address
	subject.one, subject.two = first, first .. " " .. second
	subject.from_node = ("%s/eth0 %s"):format(sender, first:match("%S+$"))
	subjects[#subjects + 1] = subject
end

local function start_all()
	for _, kind in ipairs(KINDS) do
		for _, count in ipairs(kind.counted and counts or { 0 }) do
			if kind.only == "kernel" and where == "machine" then
				refused[#refused + 1] = kind.name .. ": see the test kernel"
			elseif kind.only and kind.only ~= where then
				goto continue
			elseif kind.at_most and count > kind.at_most then
				refused[#refused + 1] = ("%s, %s rules: %s"):format(kind.name, grouped(count), kind.why)
			else
				start(kind, count)
			end
			::continue::
		end
	end
end

--- What comes from the two ports of one direction is to arrive, all of it: else it is not forwarding that was measured.
local function run(subject, column, source, size, pairs)
	local result = parse(ask("%s %s %d %s %s", forward, source, size, options.ms, pairs))
	assert(result.lost <= result.frames / 1000, ("%s: %d of %d frames were lost"):format(subject.name, result.lost,
		result.frames + result.lost))
	if where == "kernel" then
		-- It counts processor time by ticks, and has one processor, which does nothing else.
		result.cpu = 1e9 / result.speed
	end
	subject.results[column] = subject.results[column] or {}
	table.insert(subject.results[column], result)
end

--- Between the nodes of the first pair, Gbit/s; sender and receiver each on a processor of its own where there are two.
local function tcp(subject)
	local enter = ("taskset -c %d nsenter --net=/proc/%s/ns/net %s"):format(processors - 1, subject.receiver, probe)
	local pipe <close> = assert(io.popen(("%s tcp-sink 9001 0 %d %d"):format(enter, TCP_SKIP_MS, TCP_MS)))
	assert(pipe:read("l") == "ready")
	os.execute(("taskset -c 0 nsenter --net=/proc/%s/ns/net %s tcp-send %s 9001 0 >/dev/null"):format(subject.sender,
		probe, subject.address))
	local result = parse(pipe:read("a"))
	subject.results.tcp = subject.results.tcp or {}
	table.insert(subject.results.tcp, { speed = result.bytes * 8 / result.ns })
end

--- With thousands of rules to ask, TCP does not get anywhere.
local function is_slow(subject)
	return subject.results[64][1].cpu > 100000
end

local function take_turns()
	for _ = 1, rounds do
		for _, size in ipairs(SIZES) do
			for _, subject in ipairs(subjects) do
				run(subject, size, "port", size, subject.one)
			end
		end
		for _, subject in ipairs(subjects) do
			run(subject, "node", "node", 64, subject.from_node)
			if processors > 1 then
				run(subject, "two", "port", 64, subject.two)
			end
		end
		for _, subject in ipairs(subjects) do
			if not is_slow(subject) then
				tcp(subject)
			end
		end
	end
end

--- A column of results: the values of each round, by the field, or by a function of the results of ours and of another.
local function values(subject, column, field, other)
	local list = {}
	for i, result in ipairs(subject.results[column] or {}) do
		list[i] = other and other.results[column][i][field] / result[field] or result[field]
	end
	return list
end

local function middle(subject, column, field)
	local list = values(subject, column, field)
	return #list > 0 and median(list)
end

local function spread(list, format)
	return (format .. " to " .. format):format(math.min(table.unpack(list)), math.max(table.unpack(list)))
end

local function whole(value)
	return value and grouped(value) or "-"
end

--- How many of the bare bridge's frames it has in the same processor time: the median, and the rounds' spread.
local function of_bare(subject, column, bare)
	local ratios = values(subject, column, "cpu", bare)
	return ("%.3f"):format(median(ratios)), spread(ratios, "%.3f")
end

local SWITCH = "%-38s %10s %8s %8s  %6s %-14s %9s %9s"

local function print_switch(bare)
	say(SWITCH, "64 bytes, come in at a port", "frames/s", "ns", "CPU ns", "of the", "of the", "512 bytes", "1,400")
	say(SWITCH, "", "", "a frame", "a frame", "bare", "rounds", "CPU ns", "CPU ns")
	for _, subject in ipairs(subjects) do
		local speed, ratio, ratios = middle(subject, 64, "speed"), of_bare(subject, 64, bare)
		say(SWITCH, subject.name, whole(speed), whole(1e9 / speed), whole(middle(subject, 64, "cpu")), ratio, ratios,
			whole(middle(subject, 512, "cpu")), whole(middle(subject, 1400, "cpu")))
	end
end

local NODES = "%-38s %10s %8s  %6s %-14s %11s %8s %8s"

local function print_nodes(bare)
	say(NODES, "64 bytes, sent by a node", "frames/s", "CPU ns", "of the", "of the", "at 2 ports:", "CPU ns", "TCP,")
	say(NODES, "", "", "a frame", "bare", "rounds", "frames/s", "a frame", "Gbit/s")
	for _, subject in ipairs(subjects) do
		local ratio, ratios = of_bare(subject, "node", bare)
		local tcp_speed = middle(subject, "tcp", "speed")
		say(NODES, subject.name, whole(middle(subject, "node", "speed")), whole(middle(subject, "node", "cpu")), ratio,
			ratios, whole(middle(subject, "two", "speed")), whole(middle(subject, "two", "cpu")),
			tcp_speed and ("%.2f"):format(tcp_speed) or "-")
	end
end

local function find(kind, count)
	for _, subject in ipairs(subjects) do
		if subject.kind == kind and (not count or subject.count == count) then
			return subject
		end
	end
end

local missed = 0

--- At least `target` times as many frames as the other.
local function goal(name, ratios, target)
	local good = median(ratios) >= target
	missed = missed + (good and 0 or 1)
	say("%-62s %6.3f  %-14s  at least %.2f  %s", name, median(ratios), spread(ratios, "%.3f"), target,
		good and "ok" or "MISSED")
end

local function goals(bare)
	local ours, most, set, loss = find("none", 0), nil, find("nft-names", 32768), find("loss")
	for _, count in ipairs(counts) do
		most = find("none", count) or most
	end
	if where ~= "machine" or not ours then
		return
	end
	say("")
	say("%-62s %6s  %-14s  %s", "frames that a node sends, in the same processor time", "ratio", "of the rounds", "target")
	goal("provium without a rule, of the bare bridge's", values(ours, "node", "cpu", bare), 0.87)
	goal(("provium with %s rules, of those without one"):format(grouped(most.count)), values(most, "node", "cpu",
		ours), 0.97)
	if set then
		goal("provium with 32,768 rules, of those of a set of as many names", values(find("none", 32768) or most, "node",
			"cpu", set), 1.0)
	end
	if processors > 1 and loss then
		local ratios = {}
		for i, result in ipairs(loss.results.two) do
			ratios[i] = result.speed / loss.results[64][i].speed
		end
		goal("a lossy medium with two processors, of those with one", ratios, 1.0)
	end
end

--- Beside them no other bar would be seen.
local LINEAR = { ["nft-rules"] = true, ["u32-list"] = true }

--- For gnuplot: a block for each that has rules, and a line for each that has none.
local function write_plots()
	local curves = assert(io.open(("%s/%s-rules.dat"):format(folder, where), "w"))
	local bars = assert(io.open(("%s/%s-bars.dat"):format(folder, where), "w"))
	local blocks = {}
	for _, kind in ipairs(KINDS) do
		local points = {}
		for _, subject in ipairs(subjects) do
			if subject.kind == kind.kind then
				local list = values(subject, 64, "cpu")
				local line = ("%g %g %g"):format(median(list), math.min(table.unpack(list)), math.max(table.unpack(list)))
				points[#points + 1] = math.max(subject.count, 1) .. " " .. line
				bars:write(LINEAR[subject.kind] and "" or ("%q %s\n"):format(subject.name, line))
			end
		end
		if kind.counted and #points > 0 then
			blocks[#blocks + 1] = ("%q\n%s\n"):format(kind.name, table.concat(points, "\n"))
		end
	end
	curves:write(table.concat(blocks, "\n\n"))
	curves:close()
	bars:close()
end

local function main()
	start_all()
	take_turns()
	local bare = find("bare")
	say("Linux %s, medians of %d rounds", ask("uname -r"):gsub("\n", ""), rounds)
	say("")
	print_switch(bare)
	say("")
	print_nodes(bare)
	goals(bare)
	if #refused > 0 then
		say("")
		say("Not measured:")
		for _, line in ipairs(refused) do
			say("  %s", (line:gsub("%%", "%%%%")))
		end
	end
	write_plots()
end

--- At once: closing the pipes would wait for subjects, which end when this process has.
local good, problem = xpcall(main, debug.traceback)
if not good then
	io.stderr:write("bench-forwarding: ", problem, "\n")
end
os.exit(good and missed == 0)
