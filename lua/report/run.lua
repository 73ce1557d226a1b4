-- SPDX-License-Identifier: GPL-2.0-only
--
-- What a run tells, from all its files, brought into order and counted, then told to the reporters. Files are shown one
-- after the other, in the order in which they were named: the first that has not ended is shown as it goes, what later
-- ones say meanwhile is kept until it is their turn.
--
-- A reporter is a table with a function for each event that it wants, called with itself and the event:
--
--     start, list, begin, test, keep      as script/script.h defines them; the line of JSON comes as a third argument,
--                                         unless the event is of this file's making
--     output {file, text}                 a line that the script printed
--     ended {file, error}                 of a file; error: why it could not be run
--     finish {passed, failed, skipped, broken, listed, interrupted, not_run, seconds, seed, repeat_command}
--
-- A test event may also have broken = true: not a test failed, but the file could not be run, or its process crashed.
local text = require "provium.report.text"

local Run = {}
Run.__index = Run

local counted_as = { passed = "passed", failed = "failed", skipped = "skipped", todo = "skipped" }

local function new(options)
	local run = setmetatable({
		files = {},
		front = 1,
		reporters = {},
		totals = {
			passed = 0,
			failed = 0,
			skipped = 0,
			broken = 0,
			listed = 0,
			seed = options.seed,
			repeat_command = options.repeat_command,
		},
	}, Run)
	for i, path in ipairs(options.files) do
		run.files[i] = { path = path, waiting = {} }
	end
	for i, reporter in ipairs(options.reporters) do
		reporter.list_only = options.list
		reporter.seed = options.seed
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

function take.start(_, file)
	file.started = true
end

function take.begin(_, file, event)
	file.running = event.name
end

function take.test(run, file, event)
	local count = counted_as[event.status]
	file.running = nil
	run.totals[count] = run.totals[count] + 1
end

function take.list(run)
	run.totals.listed = run.totals.listed + 1
end

function take.keep() end

take["end"] = function(_, file, event)
	file.finished = true
	file.error = event.error
end

-- A line of the event pipe of file number.
function Run:event(number, line)
	local file = self.files[number]
	local understood, event = pcall(json.decode, line)
	local kind = understood and type(event) == "table" and event.event
	if not take[kind] or (kind == "test" and not counted_as[event.status]) then
		file.garbled = file.garbled or text.plain(line:sub(1, 200))
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

-- A failure that the script did not tell itself. Without the name of a test it is the file's.
function Run:break_file(number, message, name)
	local file = self.files[number]
	self.totals.failed = self.totals.failed + 1
	self:show(number, "test", {
		event = "test",
		file = file.path,
		name = name or "the whole file",
		status = "failed",
		seconds = 0,
		message = message,
		broken = true,
	})
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
	if file.error then
		self.totals.broken = self.totals.broken + 1
		self:break_file(number, "could not be run: " .. file.error)
	elseif file.running then
		self:break_file(number, how_it_ended(how) .. " in the middle of the test", file.running)
	elseif not file.finished then
		self:break_file(number, how_it_ended(how) .. " before the end of the file")
	elseif how.killed or how.signal or how.status ~= 0 then
		self:break_file(number, how_it_ended(how) .. " after the end of the file")
	end
	if file.garbled then
		self:break_file(number, "its process wrote an event that is none: " .. file.garbled)
	end
	self:show(number, "ended", { event = "end", file = file.path, error = file.error })
	file.over = true
	while self.files[self.front] and self.files[self.front].over do
		self.front = self.front + 1
		if self.files[self.front] then
			self:show_waiting()
		end
	end
end

-- After the last file. Returns the totals.
function Run:finish(interrupted, seconds)
	local totals = self.totals
	totals.interrupted = interrupted
	totals.seconds = seconds
	totals.not_run = 0
	for _, file in ipairs(self.files) do
		totals.not_run = totals.not_run + (file.over and 0 or 1)
	end
	self:tell("finish", totals)
	return totals
end

return { new = new }
