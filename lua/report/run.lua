-- SPDX-License-Identifier: GPL-2.0-only
--
-- What a run tells, from all its files, brought into order and counted, then told to the reporters. Files are shown one
-- after the other, in the order in which they were named: the first that has not ended is shown as it goes, what later
-- ones say meanwhile is kept until it is their turn.
--
-- A reporter is a table with a function for each event that it wants, called with itself and the event:
--
--     start, list, begin, test, keep, loss
--                                         as script/script.h defines them; the line of JSON comes as a third argument,
--                                         unless the event is of this file's making
--     output {file, text}                 a line that the script printed
--     ended {file, seconds, complete, error}
--                                         of a file; error: why it could not be run; seconds: nil if it was never begun
--     finish {passed, failed, skipped, broken, listed, not_run, files_not_run, interrupted, reason, seconds, seed,
--             repeat_command, losses: [{file, cause, frames}]}
--                                         reason: why the run was interrupted
--
-- A test event may also have broken = true: not a test failed, but the file could not be run, or its process crashed.
-- And status = "not_run", with a message: a test that stands in a file which ended before it, or all of such a file.
local choice = require "provium.choice"
local source = require "provium.source"
local text = require "provium.report.text"
local utf8_bytes = require "provium.utf8"

local Run = {}
Run.__index = Run

local counted_as = { passed = "passed", failed = "failed", skipped = "skipped", todo = "skipped" }

local function new(options)
	local run = setmetatable({
		choice = options.choice,
		list_only = options.list,
		files = {},
		front = 1,
		reporters = {},
		totals = {
			passed = 0,
			failed = 0,
			skipped = 0,
			broken = 0,
			listed = 0,
			not_run = 0,
			files_not_run = 0,
			losses = json.array {},
			seed = options.seed,
			repeat_command = options.repeat_command,
		},
	}, Run)
	for i, file in ipairs(options.files) do
		run.files[i] = { path = file.path, text = file.text, waiting = {}, named = {}, lines = {} }
	end
	for i, reporter in ipairs(options.reporters) do
		reporter.list_only = options.list
		reporter.seed = options.seed
		reporter.hostname = options.hostname
		reporter.repeat_command = options.repeat_command
		run.reporters[i] = require("provium.report." .. reporter.format)(reporter)
	end
	return run
end

function Run:tell(kind, event, line)
	for _, reporter in ipairs(self.reporters) do
		local hear = reporter[kind]
		if hear then
			hear(reporter, event, line)
		end
	end
end

function Run:show(number, kind, event, line)
	if number == self.front then
		self:tell(kind, event, line)
	else
		table.insert(self.files[number].waiting, { kind, event, line })
	end
end

-- What a file that has come to the front has said so far.
function Run:show_waiting()
	local file = self.files[self.front]
	for _, said in ipairs(file.waiting) do
		self:tell(said[1], said[2], said[3])
	end
	file.waiting = {}
end

local take = {}

function take.start() end

-- That the call of test() was come to.
local function reach(file, event)
	file.named[event.name] = (file.named[event.name] or 0) + 1
	file.lines[event.line or 0] = true
end

function take.begin(_, file, event)
	file.running = event.name
	reach(file, event)
end

function take.test(run, file, event)
	local count = counted_as[event.status]
	if not file.running then
		reach(file, event)
		file.has_failed = event.status == "failed"
	end
	file.running = nil
	run.totals[count] = run.totals[count] + 1
end

function take.list(run)
	run.totals.listed = run.totals.listed + 1
end

function take.keep() end

function take.loss(run, _, event)
	table.insert(run.totals.losses, { file = event.file, cause = event.cause, frames = event.frames })
end

take["end"] = function(_, file, event)
	file.finished = true
	file.complete = event.complete
	file.interrupted = event.interrupted
	file.error = event.error
end

-- A line of the event pipe of file number.
function Run:event(number, line)
	local file = self.files[number]
	local understood, event = pcall(json.decode, line)
	local kind = understood and type(event) == "table" and event.event
	if not take[kind] or (kind == "test" and not counted_as[event.status]) then
		file.garbled = file.garbled or text.plain(utf8_bytes.cut(line, 200))
		return
	end
	take[kind](self, file, event)
	-- That a file has ended is shown when its process has.
	if kind ~= "end" then
		self:show(number, kind, event, line)
	end
end

-- A line that the script of file number printed.
function Run:output(number, line)
	self:show(number, "output", { event = "output", file = self.files[number].path, text = line })
end

local WHOLE_FILE <const> = "the whole file"

-- A failure that the script did not tell itself. Without the name of a test it is the file's.
function Run:break_file(number, message, name)
	local file = self.files[number]
	file.has_failed = file.has_failed or not name
	self.totals.failed = self.totals.failed + 1
	self:show(number, "test", {
		event = "test",
		file = file.path,
		name = name or WHOLE_FILE,
		status = "failed",
		seconds = 0,
		message = message,
		broken = true,
	})
end

function Run:say_not_run(number, name, line, message)
	self:show(number, "test", {
		event = "test",
		file = self.files[number].path,
		name = name,
		line = line,
		status = "not_run",
		seconds = 0,
		message = message,
		broken = true,
	})
end

-- Of the tests that stand in the file, those that were chosen and not come to. A name that is put together while the
-- script runs is not known: such a call counts as one test.
function Run:tests_not_run(file)
	local seen, left = {}, {}
	for _, test in ipairs(source.tests(file.text)) do
		local reached
		if test.name then
			seen[test.name] = (seen[test.name] or 0) + 1
			reached = seen[test.name] <= (file.named[test.name] or 0)
		else
			reached = file.lines[test.line] or self.choice.filter
		end
		if not reached and choice.is_chosen(self.choice, test.name or "", choice.tags_of(test.meta)) then
			table.insert(left, test)
		end
	end
	return left
end

-- A file that did not come to its end: it has an error of its own, and so has each test that did not run.
function Run:break_off(number, reason)
	local file = self.files[number]
	if self.list_only then
		return
	end
	if not file.has_failed then
		self:say_not_run(number, WHOLE_FILE, nil, reason)
	end
	for _, test in ipairs(self:tests_not_run(file)) do
		self.totals.not_run = self.totals.not_run + 1
		self:say_not_run(number, test.name or "the test in line " .. test.line, test.line, "not run: " .. reason)
	end
end

local function how_it_ended(how)
	if how.killed then
		return "killed: " .. how.killed
	elseif how.signal then
		return "crashed: the process was ended by " .. how.signal
	end
	return ("crashed: the process ended with exit status %d"):format(how.status)
end

-- The process of file number has ended: how.status or how.signal, how.killed: why it was killed.
function Run:ended(number, how)
	local file = self.files[number]
	local reason = "the file did not come to its end: "
	if file.error then
		self.totals.broken = self.totals.broken + 1
		self:break_file(number, "could not be run: " .. file.error)
		reason = "the file could not be run"
	elseif file.running then
		self:break_file(number, how_it_ended(how) .. " in the middle of the test", file.running)
		reason = reason .. how_it_ended(how)
	elseif not file.finished then
		self:break_file(number, how_it_ended(how) .. " before the end of the file")
		reason = reason .. how_it_ended(how)
	elseif how.killed or how.signal or how.status ~= 0 then
		self:break_file(number, how_it_ended(how) .. " after the end of the file")
		reason = reason .. "it was interrupted"
	else
		reason = reason .. (file.interrupted and "it was interrupted" or "it failed between its tests")
	end
	if not file.complete then
		self:break_off(number, reason)
	end
	if file.garbled then
		self:break_file(number, "its process wrote an event that is none: " .. file.garbled)
	end
	self:show(number, "ended", {
		event = "end",
		file = file.path,
		seconds = how.seconds,
		complete = file.complete or false,
		error = file.error,
	})
	file.over = true
	while self.files[self.front] and self.files[self.front].over do
		self.front = self.front + 1
		if self.files[self.front] then
			self:show_waiting()
		end
	end
end

-- After the last file. reason: nil, or why there are files that were not run. Returns the totals.
function Run:finish(reason, seconds)
	local totals = self.totals
	totals.interrupted = reason ~= nil
	totals.reason = reason
	totals.seconds = seconds
	for number, file in ipairs(self.files) do
		if not file.over then
			self.front = number
			self:show_waiting()
			totals.files_not_run = totals.files_not_run + 1
			self:break_off(number, "the run ended before the file did: " .. tostring(reason))
			self:show(number, "ended", { event = "end", file = file.path, complete = false })
		end
	end
	self:tell("finish", totals)
	return totals
end

return { new = new }
