-- SPDX-License-Identifier: GPL-2.0-only
-- Reading captures in tests: pcap by hand, to the byte; and all of it by Wireshark's own tools, which must have nothing
-- to complain about.

local support = require "support"

local pcap = {}

local MAGIC, HEADER_SIZE, FRAME_HEADER_SIZE = 0xa1b23c4d, 24, 16

-- The frames of a pcap stream, or of a list of its pieces: time in nanoseconds since 1970, bytes, length on the wire.
-- It must end with a frame.
function pcap.frames(bytes)
	bytes = type(bytes) == "table" and table.concat(bytes) or bytes
	local magic, major, minor, _, _, snaplen, link = ("<I4 I2 I2 I4 I4 I4 I4"):unpack(bytes)
	assert(magic == MAGIC and major == 2 and minor == 4 and link == 1, "this is no header of a pcap with nanoseconds")
	local frames, place = { snaplen = snaplen }, HEADER_SIZE + 1
	while place <= #bytes do
		local seconds, nanoseconds, captured, length = ("<I4 I4 I4 I4"):unpack(bytes, place)
		assert(nanoseconds < 1000000000)
		place = place + FRAME_HEADER_SIZE
		assert(place + captured - 1 <= #bytes, "the stream ends in the middle of a frame")
		table.insert(frames, {
			time = seconds * 1000000000 + nanoseconds,
			length = length,
			bytes = bytes:sub(place, place + captured - 1),
		})
		place = place + captured
	end
	return frames
end

-- What a tool of Wireshark's says about a file. What it says on stderr is a complaint.
local function ask_tool(command, path, arguments)
	local output = support.ask(("%s %s %s 2>%s.errors"):format(command, path, arguments or "", path))
	local complaints = io.open(path .. ".errors"):read("a"):gsub("Running as user [^\n]*\n", "")
	os.remove(path .. ".errors")
	assert(complaints == "", command .. " " .. path .. ": " .. complaints)
	return output
end

local FIELDS = { "frame.time_epoch", "frame.cap_len", "frame.len", "frame.interface_name",
	"frame.packet_flags_direction", "frame.comment", "frame.protocols", "vlan.id", "_ws.malformed", "data" }

local function split(line)
	local words = {}
	for word in (line .. "\t"):gmatch("([^\t]*)\t") do
		table.insert(words, word)
	end
	return words
end

-- "1.000000005" → nanoseconds
local function nanoseconds(text)
	local seconds, rest = text:match("^(%d+)%.(%d+)$")
	return seconds * 1000000000 + tonumber((rest .. "000000000"):sub(1, 9))
end

-- The frames of a file, pcap or pcapng, as tshark sees them, after it and capinfos have looked for flaws.
function pcap.read(path)
	local infos = ask_tool("capinfos -M", path)
	local lines = ask_tool("tshark -n -r", path, "-T fields -e " .. table.concat(FIELDS, " -e "))
	local frames = { infos = infos, type = infos:match("File type: +(%S+)") }
	for line in lines:gmatch("[^\n]+") do
		local words = split(line)
		assert(words[9] == "", "a malformed frame: " .. line)
		table.insert(frames, {
			time = nanoseconds(words[1]),
			captured = tonumber(words[2]),
			length = tonumber(words[3]),
			interface = words[4],
			direction = ({ ["0x00000001"] = "in", ["0x00000002"] = "out" })[words[5]],
			comment = words[6],
			protocols = words[7],
			vlan = tonumber(words[8]),
		})
	end
	assert(tonumber(infos:match("Number of packets: +(%d+)")) == #frames, infos)
	assert(#frames < 2 or infos:find("Strict time order: +True"), infos)
	return frames
end

-- The same for a capture or for bytes.
function pcap.look(capture)
	local path = os.tmpname()
	if type(capture) == "string" then
		local file <close> = assert(io.open(path, "w"))
		file:write(capture)
	else
		capture:save(path)
	end
	local good, frames = pcall(pcap.read, path)
	os.remove(path)
	return good and frames or error(frames, 2)
end

return pcap
