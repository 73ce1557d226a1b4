-- SPDX-License-Identifier: GPL-2.0-only
-- A line a test, what is needed to understand a failure below it, and the totals as the last line. What comes from
-- scripts, nodes and the names of files is shown so that it does nothing to the terminal, but for what a script
-- prints by itself.
local text = require "provium.report.text"
local utf8_bytes = require "provium.utf8"

local Human = {}
Human.__index = Human

local colors = { red = 31, green = 32, yellow = 33, dim = 2, bold = 1 }

local marks = {
	unicode = { passed = "✓", failed = "✗", skipped = "-", todo = "-" },
	ascii = { passed = "+", failed = "x", skipped = "-", todo = "-" },
}
local mark_colors = { passed = "green", failed = "red", skipped = "yellow", todo = "yellow" }

local function shown(words)
	return utf8_bytes.escape(words)
end

function Human:paint(color, words)
	return self.colors and ("\27[%dm%s\27[0m"):format(colors[color], words) or words
end

function Human:line(...)
	self.write(table.concat({ ... }) .. "\n")
end

-- Every line of a text, indented.
function Human:block(indent, whole, color)
	for _, line in ipairs(whole == "" and {} or text.lines((whole:gsub("\r+\n", "\n")))) do
		local words = utf8_bytes.escape(line, "\t")
		self:line(indent, color and self:paint(color, words) or words)
	end
end

-- Above the first of what a file has to say.
function Human:header(file)
	if self.file ~= file and not self.list_only then
		self:line(self:paint("bold", shown(file)))
	end
	self.file = file
end

function Human:start(event)
	self:header(event.file)
end

function Human:list(event)
	local tags = {}
	for i, tag in ipairs(event.tags or {}) do
		tags[i] = " #" .. shown(tag)
	end
	self:line(("%s:%d: %s"):format(shown(event.file), event.line or 0, shown(event.name)), table.concat(tags))
end

-- As it is: somebody printed it on purpose. But a list is for other programs to read.
function Human:output(event)
	if not self.list_only then
		self:header(event.file)
		self:line("    ", event.text)
	end
end

function Human:failure(event)
	local indent = "      "
	self:block(indent, event.message or "failed", "red")
	for _, value in ipairs(event.values or {}) do
		self:block(indent .. "  ", value)
	end
	self:block(indent, text.trace(event), "dim")
	for _, note in ipairs(event.notes or {}) do
		self:block(indent, note)
	end
	for _, console in ipairs(text.consoles(event)) do
		self:line(indent, ("the last of the console of %s:"):format(shown(console.node)))
		for _, line in ipairs(console.lines) do
			self:line(indent, self:paint("dim", "| " .. utf8_bytes.escape(line, "\t")))
		end
	end
	self:line(indent, ("seed %d"):format(self.seed))
end

function Human:test(event)
	if event.status == "not_run" then
		self.not_run = self.not_run + (event.line and 1 or 0)
		return
	end
	self:header(event.file)
	local mark = self:paint(mark_colors[event.status], self.marks[event.status])
	local parts = { "  ", mark, " ", shown(event.name) }
	if event.status == "skipped" or event.status == "todo" then
		local reason = event.reason and ": " .. shown(event.reason) or ""
		parts[#parts + 1] = ("  (%s%s)"):format(event.status, reason)
	end
	parts[#parts + 1] = self:paint("dim", ("  %.3f s"):format(event.seconds or 0))
	self:line(table.unpack(parts))
	if event.status == "failed" then
		table.insert(self.failures, event)
		self:failure(event)
	end
end

function Human:keep(event)
	self:line(self:paint("bold", "  stays up for a look:"), (" provium exec %d NODE sh; Ctrl-C ends it"):format(event.pid))
end

-- A person knows what stands in a file: how many tests are missing is enough.
function Human:ended(event)
	if self.not_run > 0 and event.seconds then
		self:line("  ", self:paint("yellow", ("%d more tests were not run"):format(self.not_run)))
	end
	self.not_run = 0
end

-- For a long run, whose failures have scrolled away, and how to see them again.
function Human:failures_again(totals)
	self:line("")
	self:line(self:paint("bold", "failed:"))
	for _, event in ipairs(self.failures) do
		local place = event.line and ("%s:%d"):format(event.file, event.line) or event.file
		self:line("  ", shown(place), ": ", shown(event.name))
	end
	self:line("again, with the same dice: ", shown(totals.repeat_command))
end

function Human:finish(totals)
	if #self.failures > 0 then
		self:failures_again(totals)
	end
	if totals.interrupted then
		local files = totals.files_not_run
		self:line(shown(totals.reason), files > 0 and ("; %d more files were not run"):format(files) or "")
	end
	if not self.list_only or totals.failed > 0 then
		self:line(("%d passed, %d failed, %d skipped"):format(totals.passed, totals.failed, totals.skipped))
	end
end

return function(options)
	local human = setmetatable(options, Human)
	human.failures = {}
	human.not_run = 0
	human.marks = marks[options.unicode and "unicode" or "ascii"]
	return human
end
