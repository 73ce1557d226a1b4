-- SPDX-License-Identifier: GPL-2.0-only
-- Which tests a script has, by its text alone: the calls of test() that stand in it. Nothing is run for it, so it is
-- known of a script that crashed, and of one that never began.

local source = {}

-- The last byte of a string in quotes that begins at that place.
local function end_of_string(text, at)
	local quote, place = text:sub(at, at), at
	repeat
		place = text:find("[\\\n" .. quote .. "]", place + 1) or #text
		local byte = text:sub(place, place)
		if byte == "\\" then
			place = place + 1
		end
	until byte ~= "\\" or place >= #text
	return place
end

-- The last byte of a long bracket of that level, as in [==[ ]==].
local function end_of_long(text, at, level)
	local _, last = text:find("]" .. level .. "]", at, true)
	return last or #text
end

-- The kind of the token that begins there, and its last byte.
local function token_at(text, at)
	local level = text:match("^%-%-%[(=*)%[", at)
	if level then
		return "comment", end_of_long(text, at, level)
	elseif text:find("^%-%-", at) then
		return "comment", (text:find("\n", at, true) or #text + 1) - 1
	end
	level = text:match("^%[(=*)%[", at)
	if level then
		return "string", end_of_long(text, at, level)
	elseif text:find("^[\"']", at) then
		return "string", end_of_string(text, at)
	end
	local _, last = text:find("^[%w_]+", at)
	return last and "word" or "sign", last or at
end

-- A list of {kind, text, line, first, last}, without comments.
local function tokens_of(text)
	local tokens, line, at = {}, 1, text:find("%S")
	local counted = 1
	while at do
		local kind, last = token_at(text, at)
		local _, lines = text:sub(counted, at - 1):gsub("\n", "")
		line, counted = line + lines, at
		if kind ~= "comment" then
			table.insert(tokens, { kind = kind, text = text:sub(at, last), line = line, first = at, last = last })
		end
		at = text:find("%S", last + 1)
	end
	return tokens
end

-- The value of an expression that is made of constants, else nil. It finds nothing that it could call.
local function constant(expression)
	local chunk = load("return " .. expression, "=constant", "t", {})
	local ok, value = pcall(chunk or error)
	return ok and value or nil
end

-- The number of the token that is the partner of bracket i, or nil.
local function partner(tokens, i)
	local depth = 0
	for k = i, #tokens do
		local sign = tokens[k].kind == "sign" and tokens[k].text
		if sign == "{" or sign == "(" or sign == "[" then
			depth = depth + 1
		elseif sign == "}" or sign == ")" or sign == "]" then
			depth = depth - 1
			if depth == 0 then
				return k
			end
		end
	end
end

local function is(token, ...)
	for _, wanted in ipairs { ... } do
		if token and token.kind ~= "string" and token.text == wanted then
			return true
		end
	end
	return false
end

local function is_call(tokens, i)
	return is(tokens[i], "test") and is(tokens[i + 1], "(") and not is(tokens[i - 1], ".", ":", "function")
end

-- The table that begins at token i, if it is one of constants.
local function constant_table(text, tokens, i)
	local last = is(tokens[i], "{") and partner(tokens, i)
	return last and constant(text:sub(tokens[i].first, tokens[last].last))
end

--- A list of {line, name, meta}. name: nil where it is put together while the script runs. meta: a table, empty where
-- that is so of it.
function source.tests(text)
	local tokens, tests, i = tokens_of(text), {}, 1
	while tokens[i] do
		local last = i
		if is_call(tokens, i) then
			local test = { line = tokens[i].line, meta = {} }
			local name = tokens[i + 2]
			if name and name.kind == "string" and is(tokens[i + 3], ",") then
				test.name = constant(name.text)
				test.meta = constant_table(text, tokens, i + 4) or test.meta
			end
			table.insert(tests, test)
			-- Tests cannot be nested.
			last = partner(tokens, i + 1) or i
		end
		i = last + 1
	end
	return tests
end

return source
