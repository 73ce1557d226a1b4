-- SPDX-License-Identifier: GPL-2.0-only
-- JUnit's XML, as CI servers read it: a suite a file. Written at the end, for the numbers come first.
local text = require "provium.report.text"

local Junit = {}
Junit.__index = Junit

-- Characters that XML 1.0 has no way to write are replaced, not only escaped.
local function xml(words)
	return (
		text.utf8(words)
			:gsub("[\0-\8\11\12\14-\31]", "\u{FFFD}")
			:gsub("\u{FFFE}", "\u{FFFD}")
			:gsub("\u{FFFF}", "\u{FFFD}")
			:gsub("[&<>\"\r]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\r"] = "&#13;" })
	)
end

-- In an attribute a bare newline or tab would be read as a space.
local function attribute(name, value)
	return (' %s="%s"'):format(name, (xml(tostring(value)):gsub("[\n\t]", { ["\n"] = "&#10;", ["\t"] = "&#9;" })))
end

local function element(name, attributes, content)
	return ("<%s%s>%s</%s>\n"):format(name, attributes, content, name)
end

local function details(event, seed)
	local parts = { event.message or "failed" }
	for _, name in ipairs { "values", "notes" } do
		table.move(event[name] or {}, 1, #(event[name] or {}), #parts + 1, parts)
	end
	parts[#parts + 1] = event.trace and text.trace(event)
	for _, console in ipairs(text.consoles(event)) do
		parts[#parts + 1] = ("the last of the console of %s:"):format(console.node)
		parts[#parts + 1] = table.concat(console.lines, "\n")
	end
	parts[#parts + 1] = ("seed %d"):format(seed)
	return table.concat(parts, "\n")
end

function Junit:suite(file)
	local suite = self.suites[file]
	if not suite then
		suite = { file = file, cases = {}, output = {}, tests = 0, failed = 0, broken = 0, skipped = 0, seconds = 0 }
		self.suites[file] = suite
		table.insert(self.suites, suite)
	end
	return suite
end

function Junit:output(event)
	table.insert(self:suite(event.file).output, event.text)
end

function Junit:test(event)
	local suite = self:suite(event.file)
	local place = attribute("name", event.name) .. attribute("classname", event.file)
	local content = ""
	place = place .. attribute("time", ("%.3f"):format(event.seconds or 0))
	if event.line then
		place = place .. attribute("file", event.file) .. attribute("line", event.line)
	end
	if event.status == "failed" then
		local kind = event.broken and "error" or "failure"
		local count = event.broken and "broken" or "failed"
		content = element(kind, attribute("message", event.message or "failed"), xml(details(event, self.seed)))
		suite[count] = suite[count] + 1
	elseif event.status ~= "passed" then
		content = element("skipped", attribute("message", event.reason or event.status), "")
		suite.skipped = suite.skipped + 1
	end
	suite.tests = suite.tests + 1
	suite.seconds = suite.seconds + (event.seconds or 0)
	table.insert(suite.cases, element("testcase", place, content))
end

local function counts(of)
	return attribute("tests", of.tests)
		.. attribute("failures", of.failed)
		.. attribute("errors", of.broken)
		.. attribute("skipped", of.skipped)
		.. attribute("time", ("%.3f"):format(of.seconds))
end

function Junit:finish(totals)
	local all = { tests = 0, failed = 0, broken = 0, skipped = 0, seconds = totals.seconds }
	local parts = {}
	for _, suite in ipairs(self.suites) do
		for _, count in ipairs { "tests", "failed", "broken", "skipped" } do
			all[count] = all[count] + suite[count]
		end
		local seed = ("<property%s%s/>"):format(attribute("name", "seed"), attribute("value", self.seed))
		local content = "\n" .. element("properties", "", seed) .. table.concat(suite.cases)
		if #suite.output > 0 then
			content = content .. element("system-out", "", xml(table.concat(suite.output, "\n")))
		end
		parts[#parts + 1] = element("testsuite", attribute("name", suite.file) .. counts(suite), content)
	end
	self.write('<?xml version="1.0" encoding="UTF-8"?>\n')
	self.write(element("testsuites", attribute("name", "provium") .. counts(all), "\n" .. table.concat(parts)))
end

return function(options)
	local junit = setmetatable(options, Junit)
	junit.suites = {}
	return junit
end
