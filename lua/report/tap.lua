-- SPDX-License-Identifier: GPL-2.0-only
-- The Test Anything Protocol (testanything.org), for prove and other harnesses. What is written is valid as version 14
-- too, but prove refuses a number that it does not know yet.
local text = require "provium.report.text"

local Tap = {}
Tap.__index = Tap

-- What would begin a directive, or end the line.
local function describe(words)
	return (text.plain(words):gsub("\\", "\\\\"):gsub("#", "\\#"):gsub("\n", " "))
end

function Tap:comment(words)
	for _, line in ipairs(text.lines(text.plain(words))) do
		self.write("# " .. line .. "\n")
	end
end

-- A block of text in YAML. Blank lines are indented too, for the reader in Perl's TAP::Parser takes one that is not as
-- the end of the block.
local function yaml_text(indent, name, whole)
	local parts = { ("%s%s: |\n"):format(indent, name) }
	for _, line in ipairs(text.lines((text.plain(whole):gsub("^%s+", "")))) do
		parts[#parts + 1] = ("%s  %s\n"):format(indent, line)
	end
	return table.concat(parts)
end

-- A string of JSON is one of YAML.
local function yaml_word(indent, name, value)
	return ("%s%s: %s\n"):format(indent, name, json.encode(value))
end

function Tap:diagnose(event)
	local parts = { "  ---\n", yaml_text("  ", "message", event.message or "failed") }
	parts[#parts + 1] = yaml_word("  ", "file", event.file)
	if event.line then
		parts[#parts + 1] = yaml_word("  ", "line", event.line)
	end
	parts[#parts + 1] = yaml_word("  ", "seed", self.seed)
	for _, name in ipairs { "values", "notes" } do
		if event[name] and #event[name] > 0 then
			parts[#parts + 1] = yaml_text("  ", name, table.concat(event[name], "\n"))
		end
	end
	if event.trace then
		parts[#parts + 1] = yaml_text("  ", "trace", text.trace(event))
	end
	for _, console in ipairs(text.consoles(event)) do
		parts[#parts + 1] = yaml_text("  ", "console_of_" .. console.node, table.concat(console.lines, "\n"))
	end
	self.write(table.concat(parts) .. "  ...\n")
end

function Tap:output(event)
	self:comment(event.text)
end

function Tap:test(event)
	local line = event.status == "passed" and "ok" or "not ok"
	local directive = ""
	self.count = self.count + 1
	if event.status == "skipped" or event.status == "todo" then
		directive = event.status == "todo" and " # TODO" or " # SKIP"
		line = event.status == "todo" and "not ok" or "ok"
		directive = directive .. (event.reason and " " .. describe(event.reason) or "")
	end
	self.write(("%s %d - %s: %s%s\n"):format(line, self.count, describe(event.file), describe(event.name), directive))
	if event.status == "failed" or event.status == "not_run" then
		self:diagnose(event)
	else
		self.write(("  ---\n  duration_ms: %.3f\n  ...\n"):format((event.seconds or 0) * 1000))
	end
end

function Tap:keep(event)
	self:comment(("stays up for a look: provium exec %d NODE sh; Ctrl-C ends it"):format(event.pid))
end

function Tap:finish(totals)
	if totals.failed > 0 or totals.interrupted then
		self:comment("again, with the same dice: " .. totals.repeat_command)
	end
	self.write(("1..%d\n"):format(self.count))
	self:comment(("%d passed, %d failed, %d skipped"):format(totals.passed, totals.failed, totals.skipped))
	if totals.interrupted then
		self.write(("Bail out! %s\n"):format(describe(totals.reason)))
	end
end

return function(options)
	local tap = setmetatable(options, Tap)
	tap.count = 0
	tap.write("TAP version 13\n")
	return tap
end
