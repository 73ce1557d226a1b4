-- SPDX-License-Identifier: GPL-2.0-only
-- JUnit's XML, as CI servers read it: a suite a file. Written at the end, for the numbers come first.
local text = require "provium.report.text"

local Junit = {}
Junit.__index = Junit

-- Parsers that are built on libxml2 refuse a file with a text or an attribute of more than 10 MB.
local MAX_MESSAGE <const>, MAX_TEXT <const> = 4096, 1 << 20

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
		suite = { file = file, cases = {}, output = {}, tests = 0, failed = 0, broken = 0, skipped = 0, in_tests = 0 }
		self.suites[file] = suite
		table.insert(self.suites, suite)
	end
	return suite
end

local function output_element(lines)
	return #lines > 0 and element("system-out", "", xml(text.shorten(table.concat(lines, "\n"), MAX_TEXT))) or ""
end

-- From here on it is the test that prints.
function Junit:begin(event)
	self:suite(event.file).test_output = {}
end

function Junit:output(event)
	local suite = self:suite(event.file)
	table.insert(suite.test_output or suite.output, event.text)
end

local kinds = { failed = "failure", broken = "error" }

function Junit:test(event)
	local suite = self:suite(event.file)
	local content = ""
	if event.status == "failed" or event.status == "not_run" then
		local count = event.broken and "broken" or "failed"
		local message = text.shorten(event.message or "failed", MAX_MESSAGE)
		local about = attribute("type", event.status) .. attribute("message", message)
		content = element(kinds[count], about, xml(text.shorten(details(event, self.seed), MAX_TEXT)))
		suite[count] = suite[count] + 1
	elseif event.status ~= "passed" then
		content = element("skipped", attribute("message", text.shorten(event.reason or event.status, MAX_MESSAGE)), "")
		suite.skipped = suite.skipped + 1
	end
	local seconds = event.seconds or 0
	suite.tests = suite.tests + 1
	suite.in_tests = suite.in_tests + seconds
	content = content .. output_element(suite.test_output or {})
	suite.test_output = nil
	local about = attribute("name", event.name) .. attribute("classname", event.file)
	table.insert(suite.cases, element("testcase", about .. attribute("time", ("%.3f"):format(seconds)), content))
end

-- The time of a file is more than that of its tests: what stands outside of them takes time, too.
function Junit:ended(event)
	local suite = self:suite(event.file)
	suite.seconds = (suite.seconds or 0) + (event.seconds or 0)
	suite.begun = suite.begun or os.time() - math.floor(event.seconds or 0)
end

local function counts(of)
	return attribute("tests", of.tests)
		.. attribute("failures", of.failed)
		.. attribute("errors", of.broken)
		.. attribute("time", ("%.3f"):format(of.seconds))
end

local function properties(values)
	local parts = { "\n" }
	for _, pair in ipairs(values) do
		parts[#parts + 1] = ("<property%s%s/>\n"):format(attribute("name", pair[1]), attribute("value", pair[2]))
	end
	return element("properties", "", table.concat(parts))
end

function Junit:suite_element(suite)
	local about = attribute("name", suite.file)
		.. counts(suite)
		.. attribute("skipped", suite.skipped)
		.. attribute("timestamp", os.date("!%Y-%m-%dT%H:%M:%S", suite.begun))
		.. attribute("hostname", self.hostname)
		.. attribute("file", suite.file)
	local known = properties {
		{ "seed", self.seed },
		{ "seconds_outside_of_tests", ("%.3f"):format(math.max(0, suite.seconds - suite.in_tests)) },
		{ "repeat_command", self.repeat_command },
	}
	return element("testsuite", about, "\n" .. known .. table.concat(suite.cases) .. output_element(suite.output))
end

function Junit:finish(totals)
	local all = { tests = 0, failed = 0, broken = 0, seconds = totals.seconds }
	local parts = {}
	for _, suite in ipairs(self.suites) do
		for _, count in ipairs { "tests", "failed", "broken" } do
			all[count] = all[count] + suite[count]
		end
		parts[#parts + 1] = self:suite_element(suite)
	end
	self.write('<?xml version="1.0" encoding="UTF-8"?>\n')
	self.write(element("testsuites", attribute("name", "provium") .. counts(all), "\n" .. table.concat(parts)))
end

return function(options)
	local junit = setmetatable(options, Junit)
	junit.suites = {}
	return junit
end
