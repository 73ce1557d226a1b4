-- SPDX-License-Identifier: GPL-2.0-only
-- test(), todo(), wait_until(): what scripts are made of beside the lab. A test runs where it stands in the file.

local assertions = require "provium.assertions"
local choice = require "provium.choice"
local class = require "provium.class"
local native = require "provium.native"
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

local META = { tags = "table", timeout = true, skip = true, slow = "boolean" }

local function check_meta(meta)
	if type(meta) ~= "table" then
		error("test: argument `meta` is " .. show(meta) .. "; a table is accepted", 3)
	end
	for key, value in pairs(meta) do
		if not META[key] then
			error(("test: unknown key %s; the keys are: skip, slow, tags, timeout"):format(show(key)), 3)
		end
		if type(META[key]) == "string" and type(value) ~= META[key] then
			error(("test: `%s` is %s; a %s is accepted"):format(key, show(value), META[key]), 3)
		end
	end
	return choice.tags_of(meta)
end

local function report(name, status, outcome, seconds, line, notes)
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
		reason = outcome.reason,
		message = outcome.message,
		trace = outcome.trace,
		values = outcome.values and #outcome.values > 0 and outcome.values or nil,
		notes = notes and #notes > 0 and notes or nil,
		consoles = status == "failed" and native.consoles() or nil,
	}
	if status == "failed" and not file.interrupted and native.options.keep then
		native.keep()
	end
end

local function run_deferred(t, status, outcome)
	for i = #t.deferred, 1, -1 do
		local how, what = attempt(native.timeout(), t.deferred[i])
		if how == "failed" and status ~= "failed" then
			status, outcome = how, what
		end
	end
	return status, outcome
end

local function run_test(name, limit, fn, line)
	local t = assertions.new(name)
	-- What begins is to end: the file's body, which this is a part of, is not interrupted here, only the test is.
	local guarded = native.guard(false)
	emit { event = "begin", file = file.name, name = name, line = line }
	local start = native.now()
	native.begin_scope()
	running = t
	local status, outcome = attempt(limit, fn, t)
	status, outcome = run_deferred(t, status, outcome)
	running = nil
	report(name, status, outcome, (native.now() - start) / 1e9, line, t.notes)
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
		error(("test: `%s` is inside of test `%s`; tests cannot be nested"):format(name, running.test_name), 2)
	end
	local line = debug.getinfo(2, "l").currentline
	file.tests = file.tests + 1
	if file.interrupted or not choice.is_chosen(native.options.choice, name, tags) then
		return
	end
	if native.options.list then
		emit { event = "list", file = file.name, name = name, tags = native.array(tags), line = line }
		return
	end
	if meta.skip then
		local reason = type(meta.skip) == "string" and meta.skip or nil
		report(name, "skipped", { reason = reason }, 0, line)
		return
	end
	local status, outcome = run_test(name, limit, fn, line)
	if status == "failed" and file.raises then
		error(("test `%s` failed: %s"):format(name, outcome.message), 2)
	end
	if file.interrupted then
		end_with("interrupted")
	end
end

--- This is known not to work yet: ends the test, or outside of one the file.
function framework.todo(reason)
	end_with("todo", reason and tostring(reason) or nil)
end

local WAIT = { timeout = true, interval = true, desc = true }

--- Calls fn until it returns something true, and returns that. An error in fn counts as false.
function framework.wait_until(fn, options)
	options = options or {}
	if type(fn) ~= "function" then
		error("wait_until: argument `fn` is " .. show(fn) .. "; a function is accepted", 2)
	end
	if type(options) ~= "table" then
		error("wait_until: argument `options` is " .. show(options) .. "; a table is accepted", 2)
	end
	for key in pairs(options) do
		if not WAIT[key] then
			error(("wait_until: unknown key %s; the keys are: desc, interval, timeout"):format(show(key)), 2)
		end
	end
	local timeout = native.duration(options.timeout == nil and 10 or options.timeout, "wait_until", "timeout")
	local interval = native.duration(options.interval == nil and 0.1 or options.interval, "wait_until", "interval")
	local deadline = native.now() + timeout
	while true do
		local ok, value = pcall(fn)
		if is_ending(value) then
			error(value, 0)
		end
		native.check() -- pcall may have caught the interruption
		if ok and value then
			return value
		end
		if native.now() >= deadline then
			local last = ok and "it returned " .. show(value) or "it raised: " .. tostring(value)
			error(("wait_until: %s: not true within %g s; %s"):format(options.desc or "the condition", timeout / 1e9,
				last), 2)
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
		outcome.broken = status == "failed" and has_tests or nil
		report(name, status, outcome, (native.now() - start) / 1e9, 1)
	end
end

-- As loadfile() does it: without a byte order mark, and without a first line for the shell.
local function load_script(path, text)
	return load(text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", ""), "@" .. path, "t")
end

--- Runs a script and reports events. In --list mode a file without tests is run too: only so it is known.
function framework.run_file(path, folder, text)
	file = { name = path, text = text, tests = 0 }
	-- require finds what lies beside the script.
	package.path = folder .. "?.lua;" .. package.path
	emit { event = "start", file = path, seed = native.seed() }
	local body, message = load_script(path, text)
	if body then
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
		io.stderr:write(("%s: %s%s\n"):format(event.status, event.name, why))
	end
end

--- For a stock interpreter and the prompt: a failed test raises.
function framework.interactive()
	emit = print_event
	file = { name = "stdin", tests = 0, raises = true }
end

return framework
