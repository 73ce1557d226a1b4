-- SPDX-License-Identifier: GPL-2.0-only
-- Text from scripts and machines may be any bytes; reports are text.
local utf8_bytes = require "provium.utf8"

local text = {}

local REPLACEMENT <const> = "\u{FFFD}"

-- Valid UTF-8: what is not becomes U+FFFD.
text.utf8 = utf8_bytes.repair

-- Valid UTF-8 that does nothing to a terminal and that YAML allows: no escape sequences, no control characters but
-- newline and tab.
function text.plain(bytes)
	local clean = text.utf8(bytes)
		:gsub("\27%[[0-?]*[ -/]*[@-~]", "")
		:gsub("\27%][^\7\27]*\7?", "")
		:gsub("\27[@-Z\\^_]", "")
		:gsub("\r+\n", "\n")
		:gsub("\r", "\n")
		:gsub("[\0-\8\11-\31\127]", "")
		:gsub("\xC2[\x80-\x9F]", "")
		:gsub("\u{FFFE}", REPLACEMENT)
		:gsub("\u{FFFF}", REPLACEMENT)
	return clean
end

-- A list of lines, without the empty end of a text that ends with a newline.
function text.lines(whole)
	local lines = {}
	for line in (whole:gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do
		lines[#lines + 1] = line
	end
	return lines
end

-- The last count lines that are not blank.
function text.last_lines(whole, count)
	local lines = {}
	for _, line in ipairs(text.lines(whole)) do
		if line:find("%S") then
			lines[#lines + 1] = line
		end
	end
	return table.move(lines, math.max(1, #lines - count + 1), #lines, 1, {})
end

-- The beginning and the end of what is longer than that, and between them how much is missing.
function text.shorten(whole, limit)
	if #whole <= limit then
		return whole
	end
	local head = utf8_bytes.cut(whole, limit // 2)
	local tail = whole:sub(-(limit // 2)):gsub("^[\x80-\xBF]+", "")
	return ("%s\n[%d bytes are left out here]\n%s"):format(head, #whole - #head - #tail, tail)
end

-- A stack traceback up to where the test began.
function text.trace(event)
	local trace = event.trace or ""
	local from = trace:find("\n[^\n]*'provium%.native%.call'")
	return from and trace:sub(1, from - 1) or trace
end

-- The lines of what a node's console showed last, of all consoles of a failure: a list of {node, lines}.
function text.consoles(event)
	local consoles = {}
	for _, console in ipairs(event.consoles or {}) do
		local lines = text.last_lines(text.plain(console.text), 15)
		if #lines > 0 then
			consoles[#consoles + 1] = { node = console.node, lines = lines }
		end
	end
	return consoles
end

return text
