-- SPDX-License-Identifier: GPL-2.0-only
-- The conversation of `provium repl`: read(prompt) gives a line, false if the line was given up, nil at the end.
local native = require "provium.native"
local utf8_bytes = require "provium.utf8"

local function compile(text)
	local expression = load("return " .. text, "=stdin", "t")
	if expression then
		return expression
	end
	return load(text, "=stdin", "t")
end

-- Lua says that a chunk ends too early by naming <eof> last.
local function read_chunk(read)
	local text = read("> ")
	local chunk, message
	while text do
		chunk, message = compile(text)
		if chunk or not message:find("<eof>$") then
			return chunk, message
		end
		local more = read(">> ")
		text = more and text .. "\n" .. more
	end
	return nil, nil, text == nil
end

local function describe(value, depth)
	if type(value) == "string" then
		return ("%q"):format(value)
	elseif type(value) ~= "table" or getmetatable(value) or depth > 3 then
		return tostring(value)
	end
	local parts, keys = {}, {}
	for key in pairs(value) do
		keys[#keys + 1] = key
	end
	table.sort(keys, function(a, b)
		return math.type(a) and math.type(b) and a < b or tostring(a) < tostring(b)
	end)
	for i, key in ipairs(keys) do
		local name = type(key) == "string" and key or ("[%s]"):format(tostring(key))
		parts[i] = key == i and describe(value[key], depth + 1) or name .. " = " .. describe(value[key], depth + 1)
	end
	return "{" .. table.concat(parts, ", ") .. "}"
end

local function show(values)
	local parts = {}
	for i = 1, values.n do
		parts[i] = type(values[i]) == "table" and describe(values[i], 0) or tostring(values[i])
	end
	if values.n > 0 then
		print(table.concat(parts, "\t"))
	end
end

-- Without what is below the line that was typed.
local function explain(message)
	return (debug.traceback(tostring(message), 2):gsub("\n[^\n]*provium/repl%.lua.*", ""))
end

local function evaluate(chunk)
	local ok, message = native.call(0, explain, function()
		show(table.pack(chunk()))
	end)
	if not ok then
		print(utf8_bytes.escape(message, "\n\t"))
	end
end

return function(read)
	while true do
		local chunk, message, ended = read_chunk(read)
		if ended then
			return
		elseif chunk then
			evaluate(chunk)
		elseif message then
			print(message)
		end
	end
end
