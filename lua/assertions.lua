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
assertions.__index = assertions

local function fail(message, level)
	error(message, level + 1)
end

function assertions:assert(condition, message)
	if not condition then
		fail(message and tostring(message) or "assertion failed!", 2)
	end
	return condition
end

-- In front of what was found.
local function prefix(message)
	return message and (type(message) == "string" and message or show(message)) .. ": " or ""
end

-- Lists such as lan:members() and records are equal if what is in them is; other things with a metatable are what they are.
local function is_plain(value)
	local meta = getmetatable(value)
	return type(value) == "table"
		and (meta == nil or type(meta) == "table" and (meta.__name == "provium.json.array" or meta.record == true))
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

function assertions:assert_eq(got, wanted, message)
	if not same(got, wanted, {}) then
		fail(("%sgot %s, wanted %s"):format(prefix(message), show(got), show(wanted)), 2)
	end
end

function assertions:assert_ne(got, unwanted, message)
	if same(got, unwanted, {}) then
		fail(("%sgot %s, wanted anything else"):format(prefix(message), show(got)), 2)
	end
end

--- The function must raise an error whose text contains the given plain text. Returns the text.
function assertions:assert_error(fn, text)
	local ok, message = pcall(fn)
	if is_ending(message) then
		error(message, 0)
	end
	if ok then
		fail("no error was raised", 2)
	end
	message = tostring(message)
	if text and not message:find(text, 1, true) then
		fail(("the error is %q, without %q in it"):format(message, text), 2)
	end
	return message
end

local CAUSES = { partition = true, isolation = true, loss = true, queue = true, error = true }

local function dropped(method, bridge, from, to, cause)
	if not CAUSES[cause] then
		fail(("t:%s: argument `cause` is %s; partition, isolation, loss, queue or error is accepted"):format(
			method, show(cause)), 3)
	end
	local ok, is_bridge = pcall(function()
		return bridge.counters and bridge.partition and true
	end)
	if not (ok and is_bridge) then
		fail(("t:%s: argument `lan` is %s; a bridge is accepted"):format(method, show(bridge)), 3)
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
	local count = dropped("assert_dropped", bridge, from, to, cause)
	if count < (n or 1) then
		fail(("%s on %s: %d frames dropped by %s, wanted at least %d"):format(pair_text(from, to), bridge:name(),
			count, cause, n or 1), 2)
	end
end

--- None was, or fewer than n.
function assertions:assert_not_dropped(bridge, from, to, cause, n)
	local count = dropped("assert_not_dropped", bridge, from, to, cause)
	if count >= (n or 1) then
		fail(("%s on %s: %d frames dropped by %s, wanted fewer than %d"):format(pair_text(from, to), bridge:name(),
			count, cause, n or 1), 2)
	end
end

function assertions:fail(message)
	fail(message and tostring(message) or "failed", 2)
end

function assertions:skip(reason)
	end_with("skipped", reason and tostring(reason))
end

function assertions:todo(reason)
	end_with("todo", reason and tostring(reason))
end

--- A line that the report shows if the test fails.
function assertions:note(...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = type(words[i]) == "string" and words[i] or show(words[i])
	end
	self.notes[#self.notes + 1] = table.concat(words, " ")
end

--- Runs the function when the test ends, passed or failed; the last given runs first.
function assertions:defer(fn)
	if type(fn) ~= "function" then
		fail("t:defer: argument `fn` is " .. show(fn) .. "; a function is accepted", 2)
	end
	self.deferred[#self.deferred + 1] = fn
end

function assertions:name()
	return self.test_name
end

class.seal("t", assertions)

--- The t of a test.
function module.new(name)
	return setmetatable({ test_name = name, notes = {}, deferred = {} }, assertions)
end

return module
