-- SPDX-License-Identifier: GPL-2.0-only
-- What lan:capture() and nic:capture() return: a stream of pcap or pcapng bytes. The handle is the C side of it.

local class = require "provium.class"
local native = require "provium.native"
local stream = require "provium.stream"

local capture = setmetatable({}, { __index = stream })
capture.__index = capture
capture.__name = "provium.capture"

local DRAIN_TIMEOUT, QUIET = 0.5, 100000000

-- The end of its scope closes the handle.
for _, method in ipairs { "next", "read_until", "expect", "eof" } do
	capture[method] = function(self, ...)
		self.closed = self.closed or self.handle:is_closed()
		return stream[method](self, ...)
	end
end

--- What has come until now and what comes within the time; returns early once it is quiet and nothing is on its way.
--- That the stream has begun is no sign that something came.
function capture:drain(timeout)
	local duration = native.duration(timeout == nil and DRAIN_TIMEOUT or timeout, "capture:drain", "timeout")
	local deadline = native.now() + duration
	local handle, pieces, came = self.handle, { self.rest }, self.rest ~= ""
	self.rest = ""
	while not handle:is_closed() and not self.ended do
		local left = math.max(0, deadline - native.now())
		local piece, failure = self.source(came and math.min(QUIET, left) or left)
		if failure then
			self.failed = true
			error("capture: " .. failure, 2)
		end
		self.ended = piece == nil
		if piece then
			came = came or handle:frames() > 0
			pieces[#pieces + 1] = piece
		elseif left == 0 or (came and handle:held() == 0) then
			break
		end
	end
	return table.concat(pieces)
end

function capture:close()
	self.closed = true
	self.handle:close()
end

--- The file and line of the script that opened it.
function capture:creation_site()
	return self.handle:site()
end

--- How many frames were lost because the ring was full.
function capture:lost()
	return self.handle:lost()
end

--- Writes all that came since it was opened to a file of this machine, whatever was read of it.
function capture:save(path)
	if type(path) ~= "string" then
		error("capture:save: argument `path` is " .. tostring(path) .. "; a string is accepted", 2)
	end
	local failure = self.handle:save(path)
	if failure then
		error("capture:save: " .. failure, 2)
	end
end

function capture:__close()
	self:close()
end

function capture:__tostring()
	return "capture of " .. self.handle:site()
end

class.seal("capture", capture)

function capture.new(handle)
	local self = stream.new(function(timeout)
		return handle:read(timeout)
	end, "capture")
	self.handle = handle
	return setmetatable(self, capture)
end

return capture
