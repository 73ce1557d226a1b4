-- SPDX-License-Identifier: GPL-2.0-only
-- What the C side's classes have too: a method that is called with a dot for a colon, or with one argument too many,
-- says so. See dispatch() in src/script/class.c.

local native = require "provium.native"

local class = {}

local function describe(value)
	return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

--- What a script calls the function, "result:ok", if it is a method of ours; else nil.
function class.name_of(fn)
	for i = 1, debug.getinfo(fn, "u").nups do
		local upvalue, value = debug.getupvalue(fn, i)
		-- Those of C have no names, and begin with it.
		if type(value) == "string" and (upvalue == "name" or upvalue == "") and value:find("^%l[%w_]*[:.][%w_]+$") then
			return value
		end
	end
	return nil
end

-- The place of the first that is more than nil behind the most that are taken, or nil.
local function find_surplus(most, ...)
	for i = select("#", ...), most + 1, -1 do
		if (select(i, ...)) ~= nil then
			return i
		end
	end
	return nil
end

local function refuse(name, most, surplus, ...)
	local accepted = most == 0 and "none is accepted"
		or ("at most %d %s accepted"):format(most, most == 1 and "is" or "are")
	error(("%s: argument %d is %s; %s"):format(name, surplus, describe((select(surplus, ...))), accepted), 3)
end

--- The function, which refuses more arguments than it has parameters. The call is a tail call, so that levels of errors
--- are as if it was called itself.
function class.strict(name, fn)
	local info = debug.getinfo(fn, "u")
	local most = info.nparams
	if info.isvararg then
		return fn
	end
	return function(...)
		local surplus = find_surplus(most, ...)
		if surplus then
			refuse(name, most, surplus, ...)
		end
		return fn(...)
	end
end

-- No class is built on another that is built on a third; a metatable that leads to itself is somebody else's.
local MOST_BASES = 4

local function is_instance(value, methods)
	local own = debug.getmetatable(value)
	for _ = 1, MOST_BASES do
		if not own or rawequal(own, methods) then
			break
		end
		local base = debug.getmetatable(own)
		own = base and rawget(base, "__index")
	end
	return rawequal(own, methods)
end

local function strict_method(name, fn, methods)
	local info = debug.getinfo(fn, "u")
	local most = info.isvararg and math.maxinteger or info.nparams - 1
	return function(self, ...)
		if not is_instance(self, methods) then
			error(("call it with a colon: %s(…)"):format(name), 2)
		end
		local surplus = select("#", ...) > most and find_surplus(most, ...)
		if surplus then
			refuse(name, most, surplus, ...)
		end
		return fn(self, ...)
	end
end

-- The names of the methods of each class, sorted, those of the class that it is built on included.
local names_of = {}

local function list_names(methods)
	local base = getmetatable(methods)
	local names = base and { table.unpack(names_of[base.__index]) } or {}
	for key in pairs(methods) do
		local inherited = base and base.__index[key]
		if not inherited and key:sub(1, 2) ~= "__" then
			names[#names + 1] = key
		end
	end
	table.sort(names)
	return names
end

local function refuse_field(name, key, names)
	local nearest = native.nearest(key, names)
	local hint = nearest and ("; the nearest is `%s`"):format(nearest) or ""
	local list = table.concat(names, ", ")
	error(("%s: there is no field `%s`%s; the fields are: %s"):format(name, key, hint, list), 3)
end

--- Makes all functions of a table of methods strict, and the reading of anything else of an instance an error. The
--- table is the metatable of the instances, or that of a class that is built on this one. The name is what a script
--- writes: "t", "stream".
function class.seal(name, methods)
	local names = list_names(methods)
	names_of[methods] = names
	for key, value in pairs(methods) do
		if type(value) == "function" and key:sub(1, 2) ~= "__" then
			methods[key] = strict_method(name .. ":" .. key, value, methods)
		end
	end
	function methods.__index(_, key)
		local value = methods[key]
		if value == nil and type(key) == "string" then
			refuse_field(name, key, names)
		end
		return value
	end
	return methods
end

return class
