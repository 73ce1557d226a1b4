-- SPDX-License-Identifier: GPL-2.0-only
--
-- How require finds modules: as the manual of Lua has it, but that a file which somebody else could have put in
-- the way is an error, not the module. So what a folder of others holds is not run as root because the script lies
-- there, or because root works there.
local found = require "provium.found"

local search = {}

-- Calls take(file) for each file that may be the module, until it returns something. Else returns nil and what was
-- tried.
local function each_file(name, path, take)
	local tried = {}
	for template in path:gmatch "[^;]+" do
		local file = template:gsub("%?", (name:gsub("%.", "/"):gsub("%%", "%%%%")))
		local result = table.pack(take(file))
		if result[1] ~= nil then
			return table.unpack(result, 1, result.n)
		end
		tried[#tried + 1] = ("no file '%s'"):format(file)
	end
	return nil, table.concat(tried, "\n\t")
end

local function load_module(name)
	local at
	local chunk, message = each_file(name, package.path, function(file)
		at = file
		return found.load(file)
	end)
	if chunk == false then
		error(("error loading module '%s' from file '%s':\n\t%s"):format(name, at, message), 0)
	end
	return chunk or message, chunk and at
end

-- The linker opens the file anew, but by a path that nobody else can change.
local function checked(searcher, file_name)
	return function(name)
		each_file(file_name(name), package.cpath, found.check)
		return searcher(name)
	end
end

--- For the rest of this Lua state.
function search.install()
	local searchers = package.searchers
	searchers[2] = load_module
	searchers[3] = checked(searchers[3], function(name) return name end)
	-- One file with several modules has the name of their root.
	searchers[4] = checked(searchers[4], function(name) return name:match "^[^.]*" end)
end

return search
