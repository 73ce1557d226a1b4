-- SPDX-License-Identifier: GPL-2.0-only
-- What vm:console() returns: what a node prints on its console, as a text and as a stream, and a way to type there.
--
-- handle: text() → all that is kept; source() → a source of a stream (see stream.lua); write(data, timeout_ns).

local class = require "provium.class"
local native = require "provium.native"
local stream = require "provium.stream"

local console = {}
console.__name = "provium.console"

local EXPECT_TIMEOUT, WRITE_TIMEOUT = 30, 10

--- All that was printed and is kept.
function console:read_log()
	return self.handle.text()
end

--- A stream of it, and of what is printed from now on.
function console:read()
	return stream.new(self.handle.source(), "console", self.origin, self.handle.site())
end

--- The text is to be printed, or to have been. Returns it.
function console:expect(text, timeout)
	self:read():expect(text, timeout == nil and EXPECT_TIMEOUT or timeout)
	return text
end

--- Types.
function console:write(data, options)
	if type(data) ~= "string" then
		error("console:write: argument `data` is " .. tostring(data) .. "; a string is accepted", 2)
	end
	for key in pairs(options or {}) do
		if key ~= "timeout" then
			error(("console:write: unknown key `%s`; the key is: timeout"):format(key), 2)
		end
	end
	local timeout = options and options.timeout or WRITE_TIMEOUT
	local failure = self.handle.write(data, native.duration(timeout, "console:write", "timeout"))
	if failure then
		error("console:write: " .. failure, 2)
	end
end

--- There is nothing to be closed.
function console.close(_) end

-- It is a text wherever one is wanted.
for _, method in ipairs { "find", "match", "gmatch", "sub" } do
	console[method] = function(self, ...)
		return string[method](self.handle.text(), ...)
	end
end

function console:__tostring()
	return self.handle.text()
end

function console:__len()
	return #self.handle.text()
end

function console.__concat(a, b)
	return tostring(a) .. tostring(b)
end

class.seal("console", console)

function console.new(handle, origin)
	return setmetatable({ handle = handle, origin = origin }, console)
end

return console
