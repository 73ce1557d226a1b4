-- SPDX-License-Identifier: GPL-2.0-only
-- vm:batch(fn): operations that are written down first and done then, each whatever becomes of the others.

local class = require "provium.class"

local batch = {}

for _, name in ipairs {
	"run", "read_file", "write_file", "push_file", "stat", "listdir", "mkdir", "unlink", "rename",
} do
	batch[name] = function(self, ...)
		self[#self + 1] = { name = name, arguments = table.pack(...) }
	end
end

class.seal("batch", batch)

-- What became of one: a record, as those of the C side are.
local outcome = { __name = "provium.outcome", record = true }

function outcome.__index(_, key)
	if key ~= "ok" and key ~= "err" and type(key) == "string" then
		error(("outcome: there is no field `%s`; the fields are: err, ok"):format(key), 2)
	end
	return nil
end

--- A list with {ok = value} or {err = text} for each operation. If fn raises, none is done.
return function(vm, fn)
	local wanted = setmetatable({}, batch)
	fn(wanted)
	local results = {}
	for i, operation in ipairs(wanted) do
		local ok, value = pcall(vm[operation.name], vm, table.unpack(operation.arguments, 1, operation.arguments.n))
		results[i] = setmetatable(ok and { ok = value } or { err = value }, outcome)
	end
	return results
end
