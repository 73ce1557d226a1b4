-- SPDX-License-Identifier: GPL-2.0-only
-- What a test can claim: the methods of t, and how a test ends before its last line.

local class = require "provium.class"
local native = require "provium.native"

local module = {}

-- How a test ends before its last line: raised as an error.
local ending = { __name = "provium.ending" }

function module.end_with(status, reason)
	error(setmetatable({ status = status, reason = reason }, ending), 0)
end

function module.is_ending(value)
	return getmetatable(value) == ending
end

-- A value as a person would write it.
function module.show(value)
	if type(value) == "string" then
		return ("%q"):format(value)
	end
	if math.type(value) == "float" and tonumber(tostring(value)) ~= value then
		return ("%.17g"):format(value)
	end
	local meta = getmetatable(value)
	-- A record, such as a result of run(), is worth reading too.
	if type(value) == "table" and (not meta or meta.record) then
		local ok, text = pcall(native.encode, value)
		return ok and text or tostring(value)
	end
	return tostring(value)
end

local end_with, is_ending, show = module.end_with, module.is_ending, module.show

local assertions = {}

-- A claim that does not hold fails the test, also if the script catches the error.
local function fail(self, message, level)
	self.failure = self.failure or self.explain(message)
	error(message, level + 1)
end

-- What has ended cannot end otherwise, and runs nothing any more.
local function check_open(self, method)
	if self.over then
		error(("t:%s: the test `%s` has ended"):format(method, self.name), 3)
	end
end

-- Ends the test, also if the script catches it.
local function finish(self, status, reason)
	reason = reason and tostring(reason)
	self.ending = self.ending or { status = status, reason = reason }
	end_with(status, reason)
end

-- Tables that are what is in them, lists such as lan:members() and records too; others with a metatable are what they
-- are.
local function is_plain(value)
	local meta = getmetatable(value)
	return type(value) == "table"
		and (meta == nil or type(meta) == "table" and (meta.__name == "provium.json.array" or meta.record == true))
end

-- What is true whatever has happened, where somebody means to ask: why, and what to write.
local function why_always_true(value)
	if type(value) == "function" then
		local name = class.name_of(value)
		return name and ("the method %s, which is not called, and so true; call it: %s()"):format(name, name)
			or "a function, which is not called, and so true"
	end
	local meta = type(value) == "table" and getmetatable(value)
	if meta and meta.record then
		local name = meta.__name:match("[^.]*$")
		return name == "result" and "a result, which is true however the command ended; ask it: result:ok()"
			or ("a table of %s, which is true whatever is in it; name one of its fields"):format(name)
	end
	return nil
end
module.why_always_true = why_always_true

-- What Lua takes for true, and who asks for false: nothing was counted, printed, found.
local function why_true(value)
	if value == 0 then
		return "0, which is true in Lua; compare it, as in n > 0"
	elseif value == "" then
		return "an empty text, which is true in Lua; compare it"
	elseif type(value) == "userdata" and not getmetatable(value) then
		return "json.null, which is true; compare it"
	elseif is_plain(value) and next(value) == nil then
		return "an empty table, which is true in Lua; ask for #list > 0"
	end
	return why_always_true(value)
end
module.why_true = why_true

function assertions:assert(condition, message)
	local why = why_true(condition)
	if why then
		fail(self, "t:assert: the value is " .. why, 2)
	end
	-- t:assert(result.exit_code, 0) says nothing about 0. Other numbers are the end of what text:find() found.
	if message == 0 then
		fail(self, "t:assert: argument `message` is 0; a text is accepted; t:assert_eq(got, wanted) compares", 2)
	end
	if not condition then
		fail(self, message and tostring(message) or "assertion failed!", 2)
	end
	return condition
end

-- In front of what was found.
local function prefix(message)
	return message and (type(message) == "string" and message or show(message)) .. ": " or ""
end

local function same(x, y, seen)
	if x == y then
		return true
	elseif not is_plain(x) or not is_plain(y) then
		return false
	elseif seen[x] == y then -- a table in itself
		return true
	end
	seen[x] = y
	for key, value in pairs(x) do
		if not same(value, rawget(y, key), seen) then
			return false
		end
	end
	for key in pairs(y) do
		if rawget(x, key) == nil then
			return false
		end
	end
	return true
end

-- A method or a result beside what it can never be equal to: a claim about nothing.
local function check_comparable(self, method, x, y)
	local why = type(x) ~= type(y) and (why_always_true(x) or why_always_true(y))
	if why then
		fail(self, ("t:%s: one of the two is %s"):format(method, why), 3)
	end
end

function assertions:assert_eq(got, wanted, message)
	if not same(got, wanted, {}) then
		if got ~= nil and wanted ~= nil then
			check_comparable(self, "assert_eq", got, wanted)
		end
		fail(self, ("%sgot %s, wanted %s"):format(prefix(message), show(got), show(wanted)), 2)
	end
end

function assertions:assert_ne(got, unwanted, message)
	if got ~= nil and unwanted ~= nil then
		check_comparable(self, "assert_ne", got, unwanted)
	end
	if same(got, unwanted, {}) then
		fail(self, ("%sgot %s, wanted anything else"):format(prefix(message), show(got)), 2)
	end
end

assertions.assert_neq = assertions.assert_ne

--- A text contains another one, as it is written; a list contains a value.
function assertions:assert_contains(whole, part, message)
	local found = false
	if type(whole) == "string" and type(part) == "string" then
		if part == "" then
			fail(self, "t:assert_contains: the part is an empty text, which every text has in it", 2)
		end
		found = whole:find(part, 1, true) ~= nil
	elseif type(whole) == "table" then
		for _, value in ipairs(whole) do
			found = found or same(value, part, {})
		end
	else
		fail(self, ("t:assert_contains: %s in %s; two strings, or a list and a value, are accepted"):format(show(part),
			show(whole)), 2)
	end
	if not found then
		fail(self, ("%s%s not found in: %s"):format(prefix(message), show(part), show(whole)), 2)
	end
end

-- What the function raises. Claims that it made and that did not hold are forgiven then: they were to be raised.
local function raised_by(self, method, fn)
	if type(fn) ~= "function" then
		fail(self, ("t:%s: argument `fn` is %s; a function is accepted"):format(method, show(fn)), 3)
	end
	local before = self.failure
	local ok, value = pcall(fn)
	native.check() -- pcall may have caught the interruption
	if is_ending(value) then
		error(value, 0)
	end
	if not ok then
		self.failure = before
	end
	return not ok, value
end

--- The function must raise an error whose text contains the given plain text. Returns the text.
function assertions:assert_error(fn, text)
	if text ~= nil and (type(text) ~= "string" or text == "") then
		fail(self, ("t:assert_error: argument `text` is %s; a text of one byte or more is accepted"):format(
			show(text)), 2)
	end
	local raised, message = raised_by(self, "assert_error", fn)
	if not raised then
		fail(self, "no error was raised", 2)
	end
	message = tostring(message)
	if text and not message:find(text, 1, true) then
		fail(self, ("the error is %q, without %q in it"):format(message, text), 2)
	end
	return message
end

--- The function must raise an error, which is returned as it is.
function assertions:assert_raises(fn, message)
	local raised, value = raised_by(self, "assert_raises", fn)
	if not raised then
		fail(self, prefix(message or "assert_raises") .. "expected to raise", 2)
	end
	return value
end

local CAUSES = { partition = true, isolation = true, loss = true, queue = true, error = true, flushed = true,
	disconnected = true }

local function dropped(self, method, bridge, from, to, cause, n)
	if n ~= nil and (math.type(n) ~= "integer" or n < 1) then
		fail(self, ("t:%s: argument `n` is %s; a whole number from 1 is accepted"):format(method, show(n)), 3)
	end
	if not CAUSES[cause] then
		fail(self, ("t:%s: argument `cause` is %s; partition, isolation, loss, queue, error, flushed or disconnected is "
			.. "accepted"):format(method, show(cause)), 3)
	end
	local ok, is_bridge = pcall(function()
		return bridge.counters and bridge.partition and true
	end)
	if not (ok and is_bridge) then
		fail(self, ("t:%s: argument `lan` is %s; a bridge is accepted"):format(method, show(bridge)), 3)
	end
	return bridge:counters(from, to).dropped[cause]
end

local function pair_text(from, to)
	local function name(x)
		return type(x) == "string" and x or x:name()
	end
	return name(from) .. "→" .. name(to)
end

--- Frames from a to b were dropped for this cause: at least n (1) of them since the bridge was made.
function assertions:assert_dropped(bridge, from, to, cause, n)
	local count = dropped(self, "assert_dropped", bridge, from, to, cause, n)
	if count < (n or 1) then
		fail(self, ("%s on %s: %d frames dropped by %s, wanted at least %d"):format(pair_text(from, to), bridge:name(),
			count, cause, n or 1), 2)
	end
end

--- None was, or fewer than n.
function assertions:assert_not_dropped(bridge, from, to, cause, n)
	local count = dropped(self, "assert_not_dropped", bridge, from, to, cause, n)
	if count >= (n or 1) then
		fail(self, ("%s on %s: %d frames dropped by %s, wanted fewer than %d"):format(pair_text(from, to), bridge:name(),
			count, cause, n or 1), 2)
	end
end

function assertions:fail(message)
	fail(self, message and tostring(message) or "failed", 2)
end

function assertions:skip(reason)
	check_open(self, "skip")
	finish(self, "skipped", reason)
end

function assertions:todo(reason)
	check_open(self, "todo")
	finish(self, "todo", reason)
end

--- A line that the report shows if the test fails.
function assertions:note(...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = type(words[i]) == "string" and words[i] or show(words[i])
	end
	self.notes[#self.notes + 1] = table.concat(words, " ")
end

assertions.log = assertions.note

--- Runs the function when the test ends, passed or failed; the last given runs first.
function assertions:defer(fn)
	if type(fn) ~= "function" then
		fail(self, "t:defer: argument `fn` is " .. show(fn) .. "; a function is accepted", 2)
	end
	check_open(self, "defer")
	self.deferred[#self.deferred + 1] = fn
end

class.seal("t", assertions)

-- What is not given is nil, and so is a value that is not there: assert_eq(x) would hold for it.
for _, name in ipairs { "assert_eq", "assert_ne", "assert_neq", "assert_contains" } do
	local method = assertions[name]
	assertions[name] = function(self, ...)
		if getmetatable(self) == assertions and select("#", ...) < 2 then
			fail(self, ("t:%s: the second argument is missing; nil is written as such"):format(name), 2)
		end
		return method(self, ...)
	end
end

-- Lua's own is a claim, too. Functions that are not ours may be what it is to hand on: assert(load(text)).
local lua_assert = assert
function _G.assert(...)
	local value = ...
	local why = (type(value) ~= "function" or class.name_of(value)) and why_always_true(value)
	if why then
		error("assert: the value is " .. why, 2)
	end
	return lua_assert(...)
end

-- t.name is a string, and t:name() calls it. No other string can be called.
getmetatable("").__call = function(text, t)
	if getmetatable(t) == assertions and rawequal(text, t.name) then
		return text
	end
	local info = debug.getinfo(1, "n")
	local which = info.name and (" (%s '%s')"):format(info.namewhat, info.name) or ""
	error(("attempt to call a string value%s"):format(which), 2)
end

--- The t of a test. meta: what the test was declared with. explain(message) makes of an error what reports show.
function module.new(name, meta, explain)
	return setmetatable({
		name = name,
		meta = meta,
		explain = explain,
		notes = {},
		deferred = {},
		failure = false,
		ending = false,
		over = false,
	}, assertions)
end

return module
