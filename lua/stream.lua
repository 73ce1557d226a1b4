-- SPDX-License-Identifier: GPL-2.0-only
-- A stream of bytes that a script reads piece by piece, waiting for what it looks for.
--
-- source(timeout_ns) gives the next piece, false if none came in time, nil at the end, nil and a text if it failed.

local class = require "provium.class"
local native = require "provium.native"

local stream = {}

local DEFAULT_TIMEOUT, DRAIN_TIMEOUT = 10, 0.5
-- A stream that never runs dry must not keep drain() for longer than that, behind its deadline.
local SWEEP_NS = 1000000000

local function last_of(self)
	return (("%q"):format(self.rest:sub(-200)):gsub("\\\n", "\\n"))
end

-- The next piece, false when the deadline has passed, nil at the end; nil and a text if the source failed.
local function fetch(self, deadline)
	if self.ended or self.closed then
		return nil
	end
	local piece, failure = self.source(math.max(0, deadline - native.now()))
	self.failed = self.failed or failure ~= nil
	self.ended = piece == nil and not failure
	return piece, failure
end

-- One more piece into self.rest. True if there was one, false when the deadline has passed or the stream has ended; and
-- a text if the source failed.
local function fill(self, deadline)
	local piece, failure = fetch(self, deadline)
	self.rest = self.rest .. (piece or "")
	return piece and true or false, failure
end

-- The level is that of the script, as in error().
local function deadline_after(self, method, timeout, default, level)
	return native.now()
		+ native.duration(timeout == nil and default or timeout, self.name .. ":" .. method, "timeout", level + 1)
end

local function take(self, last)
	local taken = self.rest:sub(1, last)
	self.rest = self.rest:sub(last + 1)
	return taken
end

--- The next bytes, whatever there is; nil when none came in time, or at the end (see eof()).
function stream:next(timeout)
	local deadline = deadline_after(self, "next", timeout, DEFAULT_TIMEOUT, 2)
	if self.closed then
		return nil
	end
	if self.rest == "" then
		local outer = native.set_waiting(("%s:next, of %s"):format(self.name, self.origin))
		local _, failure = fill(self, deadline)
		native.set_waiting(outer)
		if failure then
			error(self.name .. ": " .. failure, 2)
		end
	end
	if self.rest ~= "" then
		return take(self, #self.rest)
	end
	return nil
end

-- nil and why if it does not come: what waits ends before it raises, for the script may go on and wait for something
-- else.
local function find(self, method, text, deadline)
	local searched = 1
	while true do
		if self.closed then
			return nil, self.name .. " closed"
		end
		local _, last = self.rest:find(text, searched, true)
		if last then
			return take(self, last)
		end
		searched = math.max(1, #self.rest - #text + 2)
		native.set_waiting(("%s:%s for %q, of %s; last was %s"):format(self.name, method, text, self.origin, last_of(self)))
		local came, failure = fill(self, deadline)
		if failure then
			return nil, self.name .. ": " .. failure
		elseif not came then
			local why = self.ended and ": the stream ended before it came," or " timed out"
			return nil, ("%s:%s%s waiting for `%s`, of %s; last was %s"):format(self.name, method, why, text, self.origin,
				last_of(self))
		end
	end
end

local function await(self, method, text, timeout)
	if type(text) ~= "string" or text == "" then
		error(("%s:%s: argument `text` is a string of one byte or more"):format(self.name, method), 2)
	end
	local deadline = deadline_after(self, method, timeout, DEFAULT_TIMEOUT, 2)
	local outer = native.set_waiting(nil)
	local found, why = find(self, method, text, deadline)
	native.set_waiting(outer)
	return found or error(why, 2)
end

--- All bytes up to and with the text, which is plain text. Bytes behind it stay for the next call. Raises if it does
--- not come; what was read stays, too.
function stream:read_until(text, timeout)
	return await(self, "read_until", text, timeout)
end

--- The same, under the name that says what is meant: the text is to come.
function stream:expect(text, timeout)
	return await(self, "expect", text, timeout)
end

--- All that is there and that comes within the time, as a list of pieces. Returns early only at the end of the stream.
function stream:drain(timeout)
	local deadline = deadline_after(self, "drain", timeout, DRAIN_TIMEOUT, 2)
	local pieces = {}
	if self.rest ~= "" and not self.closed then
		pieces[1] = take(self, #self.rest)
	end
	local outer = native.set_waiting(("%s:drain, of %s"):format(self.name, self.origin))
	repeat
		local piece, failure = fetch(self, deadline)
		if failure then
			self.rest = table.concat(pieces)
			native.set_waiting(outer)
			error(self.name .. ":drain: " .. failure, 2)
		end
		pieces[#pieces + 1] = piece or nil
	until not piece or native.now() > deadline + SWEEP_NS
	native.set_waiting(outer)
	return pieces
end

function stream:close()
	self.closed = true
	self.rest = ""
	if self.on_close then
		self.on_close()
	end
end

--- True when nothing more will come.
function stream:eof()
	return self.closed or (self.ended and self.rest == "")
end

--- The file and line of the script that opened it: {file=, line=}.
function stream:creation_site()
	return { file = self.site.file, line = self.site.line }
end

function stream:__close()
	self:close()
end

class.seal("stream", stream)

--- A stream over a source. For error texts, the name ("stdout", "capture") and what it comes from; site is that of
--- creation_site(). on_close(), if given, ends the source.
function stream.new(source, name, origin, site, on_close)
	return setmetatable({
		source = source,
		name = name,
		origin = origin,
		site = site,
		on_close = on_close or false,
		rest = "",
		ended = false,
		failed = false,
		closed = false,
	}, stream)
end

return stream
