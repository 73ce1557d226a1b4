-- SPDX-License-Identifier: GPL-2.0-only
-- What lan:capture() and nic:capture() return: a stream of pcap or pcapng bytes. The handle is the C side of it.

local class = require "provium.class"
local stream = require "provium.stream"

local capture = setmetatable({}, { __index = stream })
capture.__name = "provium.capture"

-- The end of its scope closes the handle.
for _, method in ipairs { "next", "read_until", "expect", "drain", "eof" } do
	capture[method] = function(self, ...)
		self.closed = self.closed or self.handle:is_closed()
		return stream[method](self, ...)
	end
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
	return ("capture(%s)"):format(self.whose)
end

class.seal("capture", capture)

--- whose: the bridge's name, or that of a NIC.
function capture.new(handle, site, whose)
	local function source(timeout)
		return handle:read(timeout)
	end
	local function close()
		handle:close()
	end
	local self = stream.new(source, "capture", ("%s:%d"):format(site.file, site.line), site, close)
	self.handle, self.whose = handle, whose
	return setmetatable(self, capture)
end

return capture
