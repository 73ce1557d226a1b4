-- SPDX-License-Identifier: GPL-2.0-only
-- A stream of bytes that a script reads piece by piece, waiting for what it looks for.
--
-- source(timeout_ns) gives the next piece, false if none came in time, nil at the end, nil and a text if it failed.

local class = require "provium.class"
local native = require "provium.native"

local stream = {}
stream.__index = stream

local DEFAULT_TIMEOUT, DRAIN_TIMEOUT, QUIET = 10, 0.5, 0.1

-- One more piece into self.rest. True if there was one, false when the deadline has passed or the stream has ended.
local function fill(self, deadline)
	if self.ended or self.closed then
		return false
	end
	local piece, failure = self.source(math.max(0, deadline - native.now()))
	if failure then
		self.failed = true
		error(self.name .. ": " .. failure, 3)
	end
	if piece == nil then
		self.ended = true
	end
	self.rest = self.rest .. (piece or "")
	return piece and true or false
end

local function deadline_after(self, method, timeout, default)
	return native.now() + native.duration(timeout == nil and default or timeout, self.name .. ":" .. method, "timeout")
end

local function take(self, last)
	local taken = self.rest:sub(1, last)
	self.rest = self.rest:sub(last + 1)
	return taken
end

--- The next bytes, whatever there is; nil when none came in time, or at the end (see eof()).
function stream:next(timeout)
	local deadline = deadline_after(self, "next", timeout, DEFAULT_TIMEOUT)
	if self.closed then
		return nil
	end
	if self.rest == "" then
		fill(self, deadline)
	end
	if self.rest ~= "" then
		return take(self, #self.rest)
	end
	return nil
end

--- All bytes up to and with the text, which is plain text. Bytes behind it stay for the next call.
function stream:read_until(text, timeout)
	if type(text) ~= "string" or text == "" then
		error(self.name .. ":read_until: argument `text` is a string of one byte or more", 2)
	end
	local deadline = deadline_after(self, "read_until", timeout, DEFAULT_TIMEOUT)
	local searched = 1
	while true do
		if self.closed then
			error(self.name .. " closed", 2)
		end
		local _, last = self.rest:find(text, searched, true)
		if last then
			return take(self, last)
		end
		searched = math.max(1, #self.rest - #text + 2)
		if not fill(self, deadline) then
			local why = self.ended and "the stream ended" or "the time has passed"
			error(("%s:read_until: %s before %q came; last was %q"):format(self.name, why, text,
				self.rest:sub(-200)), 2)
		end
	end
end

--- True if the text came in time; the bytes up to it are read. False, and nothing is read, if not.
function stream:expect(text, timeout)
	local kept = self.rest
	local ok, answer = pcall(stream.read_until, self, text, timeout)
	if ok then
		return true
	end
	if self.closed or self.failed or type(text) ~= "string" or #self.rest < #kept then
		error(answer, 2)
	end
	return false
end

--- What arrives within the time; returns early once it is quiet.
function stream:drain(timeout)
	local deadline = deadline_after(self, "drain", timeout, DRAIN_TIMEOUT)
	while native.now() < deadline and not self.ended and not self.closed do
		local quiet = math.min(deadline, native.now() + math.tointeger(QUIET * 1e9 // 1))
		if not fill(self, quiet) and (self.rest ~= "" or native.now() >= deadline) then
			break
		end
	end
	return take(self, #self.rest)
end

function stream:close()
	self.closed = true
end

--- True when nothing more will come.
function stream:eof()
	return self.closed or (self.ended and self.rest == "")
end

class.seal("stream", stream)

--- A stream over a source. The name is for error texts: "stdout", "capture".
function stream.new(source, name)
	return setmetatable({ source = source, name = name, rest = "", ended = false, closed = false }, stream)
end

return stream
