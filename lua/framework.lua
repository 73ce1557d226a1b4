-- SPDX-License-Identifier: GPL-2.0-only
-- test(), todo(), wait_until(): what scripts are made of beside the lab. A test runs where it stands in the file.

local assertions = require "provium.assertions"
local choice = require "provium.choice"
local class = require "provium.class"
local native = require "provium.native"
local search = require "provium.search"
local source = require "provium.source"
local utf8_bytes = require "provium.utf8"

local framework = {}

local end_with, is_ending, show = assertions.end_with, assertions.is_ending, assertions.show

local emit = native.emit
local running -- the test that runs now
local file -- { name, number of tests so far, ... }

-- The line of the script in which an error arose, and the local variables there, for the report.
local MAX_LOCALS, MAX_TEXT = 12, 200

local function locals_of(level)
	local list, i = {}, 1
	while #list < MAX_LOCALS do
		local name, value = debug.getlocal(level + 1, i)
		if not name then
			return list
		end
		if not name:find("^%(") and type(value) ~= "function" and value ~= running then
			list[#list + 1] = utf8_bytes.cut(("%s = %s"):format(name, show(value)), MAX_TEXT)
		end
		i = i + 1
	end
	return list
end

local function read_source(path)
	if path == file.name then
		return file.text
	end
	local handle <close> = io.open(path)
	return handle and handle:read("a")
end

local function source_line(path, number)
	for line in ((read_source(path) or "") .. "\n"):gmatch("(.-)\r?\n") do
		number = number - 1
		if number == 0 then
			return (line:gsub("^%s+", ""))
		end
	end
	return ""
end

-- The frame that a person wants to see: the innermost of the script itself, or else of a file that it requires.
local function find_frame(level)
	local other, other_level
	for i = level, level + 50 do
		local info = debug.getinfo(i, "Sl")
		if not info then
			break
		end
		if info.source == "@" .. file.name and info.currentline > 0 then
			return info, i - 1
		end
		if not other and info.source:sub(1, 1) == "@" and info.currentline > 0 then
			other, other_level = info, i - 1
		end
	end
	return other, other_level
end

-- The message handler: runs where the error arose.
local function explain(message)
	if is_ending(message) then
		return message
	end
	-- Without the frames of what raised it, which are ours or in C.
	local trace = debug.traceback(nil, 2)
		:gsub("\n\t%[C%]:[^\n]*", "")
		:gsub("\n\tprovium/[^\n]*", "")
		:gsub("\n\t%(%.%.%.tail calls%.%.%.%)", "")
	local failure = { message = tostring(message), trace = trace, values = {} }
	local frame, level = find_frame(3)
	if frame then
		-- Where a claim was made, and not where we found it wrong.
		failure.message = failure.message:gsub("^provium/[%w_/]+%.lua:%d+: ", "")
		failure.line = frame.currentline
		failure.values = locals_of(level)
		-- Errors of Lua have their place in front; what else is raised may have none.
		if not failure.message:find("^[^\n]*:%d+: ") then
			failure.message = ("%s:%d: %s"):format(frame.short_src, frame.currentline, failure.message)
		end
		if failure.message:find("assertion failed!", 1, true) then
			failure.message = failure.message .. "  " .. source_line(frame.source:sub(2), frame.currentline)
		end
	end
	return failure
end

-- Runs the function under the time limit. Returns the status, and the table with reason or message.
local function attempt(limit, fn, ...)
	local ok, outcome = native.call(limit, explain, fn, ...)
	if ok then
		return "passed", {}
	end
	if is_ending(outcome) then
		return outcome.status, outcome
	end
	if type(outcome) ~= "table" then -- an error in the handler itself, or out of memory
		outcome = { message = tostring(outcome), values = {} }
	end
	return "failed", outcome
end

local META = { "skip", "slow", "spec", "tags", "timeout" }

local function check_meta_type(key, value, accepted)
	for kind in accepted:gmatch("%a+") do
		if type(value) == kind then
			return
		end
	end
	error(("test: `%s` is %s; a %s is accepted"):format(key, show(value), accepted), 4)
end

-- Keys of their own mean something to whoever reads the reports. One that is nearly ours is a slip of the pen.
local function check_meta(meta)
	if type(meta) ~= "table" then
		error("test: argument `meta` is " .. show(meta) .. "; a table is accepted", 3)
	end
	for key in pairs(meta) do
		local nearest = type(key) == "string" and native.nearest(key, META)
		if nearest and nearest ~= key then
			error(("test: unknown key `%s`; the nearest that means something is `%s`"):format(key, nearest), 3)
		end
	end
	check_meta_type("tags", meta.tags, "nil or string or table")
	check_meta_type("slow", meta.slow, "nil or boolean or number")
	check_meta_type("skip", meta.skip, "nil or boolean or number or string")
	return choice.tags_of(meta)
end

-- What is said by true, or by a number that is not 0.
local function is_set(value)
	return value and value ~= 0
end

-- For reports: what JSON has a form for.
local function reported_meta(meta)
	local known = {}
	for key, value in pairs(meta) do
		if type(key) == "string" and pcall(native.encode, value) then
			known[key] = value
		end
	end
	return next(known) and known or nil
end

local function report(name, status, outcome, seconds, line, t)
	local notes = t and t.notes
	if status == "failed" and native.is_interrupted() then
		file.interrupted = true
	end
	emit {
		event = "test",
		file = file.name,
		name = name,
		status = status,
		seconds = seconds,
		line = outcome.line or line,
		broken = outcome.broken,
		meta = t and reported_meta(t.meta),
		reason = outcome.reason,
		message = outcome.message,
		trace = outcome.trace,
		values = outcome.values and #outcome.values > 0 and outcome.values or nil,
		notes = notes and #notes > 0 and notes or nil,
		consoles = status == "failed" and native.consoles() or nil,
	}
end

-- After a failure, with --keep: until a signal comes.
local function is_kept(status)
	return status == "failed" and native.options.keep and not native.is_interrupted()
end

-- What is deferred runs also when a signal ends the run, for at most so long, of which each has its share; a second
-- signal ends that as well.
local CLEAN_UP_NS = 5000000000

local function run_deferred(t, told)
	t.over = true
	local signal = native.forget_signal()
	local deadline = signal ~= 0 and native.now() + CLEAN_UP_NS
	for i = #t.deferred, 1, -1 do
		local limit = deadline and math.max(1, (deadline - native.now()) // i) or native.timeout()
		t.failure = false
		local status, outcome = attempt(limit, t.deferred[i])
		if status == "failed" or t.failure then
			told(status == "failed" and outcome or t.failure)
		end
	end
	native.remember_signal(signal)
end

-- How a test ended: by what it raised, or else by a claim that did not hold, or by t:skip(), whose error it caught.
local function judge(t, status, outcome)
	if status == "failed" or (status == "passed" and not t.failure and not t.ending) then
		return status, outcome
	elseif t.failure then
		t.failure.message = t.failure.message .. "  (the script caught the error)"
		return "failed", t.failure
	end
	return t.ending and t.ending.status or status, t.ending or outcome
end

-- Names in rules and filters that meant nobody: what they were to prove is not proved.
local function judge_names(status, outcome)
	local text = native.strangers()
	if text and status == "passed" then
		return "failed", { message = text, values = {} }
	elseif text and status == "failed" then
		outcome.message = outcome.message .. "\n" .. text
	end
	return status, outcome
end

-- Reports a test, with what its deferred functions raised: each of it, and the first fails a test that has not failed.
-- With --keep the lab is looked at before they run, and so after the report; what they raise then is printed.
local function finish_test(t, status, outcome, start, line)
	local function seconds()
		return (native.now() - start) / 1e9
	end
	status, outcome = judge_names(judge(t, status, outcome))
	if is_kept(status) then
		report(t.name, status, outcome, seconds(), line, t)
		native.keep()
		file.interrupted = file.interrupted or native.is_interrupted()
		run_deferred(t, function(error_of)
			io.stderr:write(("provium: t:defer: %s\n"):format(utf8_bytes.escape(error_of.message, "\n\t")))
		end)
		return status, outcome
	end
	run_deferred(t, function(error_of)
		if status == "failed" then
			t:note("t:defer: " .. error_of.message)
		else
			status, outcome = "failed", error_of
		end
	end)
	report(t.name, status, outcome, seconds(), line, t)
	return status, outcome
end

local randomseed = math.randomseed

-- Lua's own dice: those of a test are its own, whatever ran before it. In somebody else's interpreter they are theirs.
local function seed_random(part)
	if not file.raises then
		randomseed(native.seed(), native.hash(file.name:match("[^/]*$") .. "\n" .. part))
	end
end

local function run_test(name, meta, limit, fn, line)
	local t = assertions.new(name, meta, explain)
	-- What begins is to end: the file's body, which this is a part of, is not interrupted here, only the test is.
	local guarded = native.guard(false)
	emit { event = "begin", file = file.name, name = name, line = line, meta = reported_meta(meta) }
	local start = native.now()
	native.begin_scope()
	running = t
	seed_random(name)
	local status, outcome = attempt(limit, fn, t)
	status, outcome = finish_test(t, status, outcome, start, line)
	running = nil
	native.end_scope()
	native.guard(guarded)
	return status, outcome
end

--- test(name, [meta,] fn): see docs/reference.md.
function framework.test(name, meta, fn)
	if fn == nil then
		meta, fn = {}, meta
	end
	if type(name) ~= "string" or name == "" then
		error("test: argument `name` is " .. show(name) .. "; a string is accepted", 2)
	end
	if type(fn) ~= "function" then
		error("test: the last argument is " .. show(fn) .. "; a function is accepted", 2)
	end
	local tags = check_meta(meta)
	local limit = native.timeout()
	if meta.timeout ~= nil then
		limit = native.duration(meta.timeout, "test", "timeout")
		if limit == 0 then
			error("test: `timeout` is 0; a duration of more than 0 is accepted", 2)
		end
	end
	if running then
		error(("test: `%s` is inside of test `%s`; tests cannot be nested"):format(name, running.name), 2)
	end
	if file.names and file.names[name] then
		error(("test: duplicate name `%s` in this file; reports and --filter know tests by their names"):format(name), 2)
	end
	if file.names then
		file.names[name] = true
	end
	local line = debug.getinfo(2, "l").currentline
	file.tests = file.tests + 1
	-- What the file draws behind a test does not depend on whether the test ran.
	local _ <close> = setmetatable({}, { __close = function()
		seed_random("behind " .. file.tests)
	end })
	if file.interrupted or not choice.is_chosen(native.options.choice, name, tags) then
		return
	end
	if native.options.list then
		emit { event = "list", file = file.name, name = name, tags = native.array(tags), line = line }
		return
	end
	if is_set(meta.skip) then
		local reason = type(meta.skip) == "string" and meta.skip or nil
		report(name, "skipped", { reason = reason }, 0, line, assertions.new(name, meta))
		return
	end
	local status, outcome = run_test(name, meta, limit, fn, line)
	if status == "failed" and file.raises then
		error(("test `%s` failed: %s"):format(name, outcome.message), 2)
	end
	if file.interrupted then
		end_with("interrupted")
	end
end

--- This is known not to work yet: ends the test, or outside of one the file.
function framework.todo(reason)
	if running then
		running:todo(reason)
	end
	end_with("todo", reason and tostring(reason) or nil)
end

local WAIT = { "desc", "interval", "timeout" }

local function check_wait(fn, options)
	if type(fn) ~= "function" then
		error("wait_until: argument `fn` is " .. show(fn) .. "; a function is accepted", 3)
	end
	if type(options) ~= "table" then
		error("wait_until: argument `options` is " .. show(options) .. "; a table is accepted", 3)
	end
	for key in pairs(options) do
		local nearest = type(key) == "string" and native.nearest(key, WAIT)
		if nearest ~= key then
			local hint = nearest and ("the nearest is %s; "):format(show(nearest)) or ""
			error(("wait_until: unknown key %s; %sthe keys are: %s"):format(show(key), hint, table.concat(WAIT, ", ")), 3)
		end
	end
	if options.desc ~= nil and type(options.desc) ~= "string" then
		error("wait_until: argument `desc` is " .. show(options.desc) .. "; a string is accepted", 3)
	end
end

-- One look. A claim in fn that does not hold is no failure: it is looked at again.
local function look(fn)
	local before = running and running.failure
	local ok, value = pcall(fn)
	if is_ending(value) then
		error(value, 0)
	end
	native.check() -- pcall may have caught the interruption
	if running then
		running.failure = before
	end
	return ok and value, ok and "it returned " .. show(value) or "it raised: " .. tostring(value)
end

--- Calls fn until it returns something true, and returns that. An error in fn counts as false.
function framework.wait_until(fn, options)
	options = options or {}
	check_wait(fn, options)
	local timeout = native.duration(options.timeout == nil and 10 or options.timeout, "wait_until", "timeout")
	local interval = native.duration(options.interval == nil and 0.1 or options.interval, "wait_until", "interval")
	local deadline = native.now() + timeout
	local desc = options.desc or "condition"
	local outer = native.set_waiting("wait_until: " .. desc)
	while true do
		local value, last = look(fn)
		if value then
			local why = assertions.why_true(value)
			native.set_waiting(outer)
			return why and error("wait_until: the function returns " .. why, 2) or value
		end
		native.set_waiting(("wait_until: %s; %s last"):format(desc, last))
		if native.now() >= deadline then
			native.set_waiting(outer)
			error(("wait_until: %s not met within %gs; %s"):format(desc, timeout / 1e9, last), 2)
		end
		native.sleep(math.min(interval, math.max(0, deadline - native.now())))
	end
end

for _, name in ipairs { "test", "todo", "wait_until" } do
	framework[name] = class.strict(name, framework[name])
end

local function run_body(body)
	local start = native.now()
	local status, outcome = attempt(native.timeout(), body)
	file.complete = status ~= "failed" and status ~= "interrupted" and not file.interrupted
	local broke_off = status == "failed"
	status, outcome = judge_names(status, outcome)
	-- An interruption between tests is told by the end of the file, and fails none.
	if status == "interrupted" or (file.tests > 0 and (status == "passed" or native.is_interrupted())) then
		return
	end
	-- A file without tests is one test itself; one that fails outside of its tests says so as one.
	local name = file.name:match("[^/]*$")
	if file.tests == 0 and native.options.list then
		emit { event = "list", file = file.name, name = name, tags = native.array {}, line = 1 }
	elseif file.tests > 0 or status ~= "passed" or choice.is_chosen(native.options.choice, name, {}) then
		local has_tests = file.tests > 0 or #source.tests(file.text) > 0
		outcome.broken = broke_off and has_tests or nil
		report(name, status, outcome, (native.now() - start) / 1e9, 1)
		if is_kept(status) then
			native.keep()
		end
	end
end

-- As loadfile() does it: without a byte order mark, and without a first line for the shell.
local function load_script(path, text)
	return load(text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", ""), "@" .. path, "t")
end

--- Runs a script and reports events. In --list mode a file without tests is run too: only so it is known.
function framework.run_file(path, folder, text, roots)
	file = { name = path, text = text, tests = 0, names = {} }
	-- require finds what lies beside the script, and below the roots of the configuration.
	search.install()
	package.path = folder .. "?.lua;" .. folder .. "?/init.lua;" .. roots .. package.path
	emit { event = "start", file = path, seed = native.seed() }
	local body, message = load_script(path, text)
	if body then
		seed_random("")
		run_body(body)
	end
	emit {
		event = "end",
		file = path,
		interrupted = native.is_interrupted(),
		complete = file.complete or false,
		error = message,
	}
end

local function print_event(event)
	if event.event == "test" then
		local why = event.reason and ": " .. event.reason or ""
		io.stderr:write(utf8_bytes.escape(("%s: %s%s"):format(event.status, event.name, why)), "\n")
	end
end

--- For a stock interpreter and the prompt: a failed test raises.
function framework.interactive()
	emit = print_event
	file = { name = "stdin", tests = 0, raises = true }
end

return framework
