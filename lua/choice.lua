-- SPDX-License-Identifier: GPL-2.0-only
-- Which tests --filter and --tag let through.

local choice = {}

--- The tags of a test, from its meta: a list of strings.
function choice.tags_of(meta)
	local tags = {}
	for i, tag in ipairs(type(meta.tags) == "string" and { meta.tags } or meta.tags or {}) do
		tags[i] = tostring(tag)
	end
	if meta.slow and meta.slow ~= 0 then
		tags[#tags + 1] = "slow"
	end
	return tags
end

local function has_tag(tags, wanted)
	for _, tag in ipairs(tags) do
		if tag == wanted then
			return true
		end
	end
	return false
end

-- Plain text or a Lua pattern.
local function matches(name, filter)
	if name:find(filter, 1, true) then
		return true
	end
	local ok, found = pcall(string.find, name, filter)
	return ok and found ~= nil
end

--- options: {filter, tags} of the command line.
function choice.is_chosen(options, name, tags)
	if options.filter and not matches(name, options.filter) then
		return false
	end
	local wanted, found = false, false
	for _, tag in ipairs(options.tags) do
		if tag:sub(1, 1) == "!" then
			if has_tag(tags, tag:sub(2)) then
				return false
			end
		else
			wanted = true
			found = found or has_tag(tags, tag)
		end
	end
	return found or not wanted
end

return choice
