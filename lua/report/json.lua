-- SPDX-License-Identifier: GPL-2.0-only
-- A line of JSON an event, as the script sent it, and a summary as the last line.
local Json = {}
Json.__index = Json

local function pass_on(self, event, line)
	self.write((line or json.encode(event)) .. "\n")
end

Json.start = pass_on
Json.list = pass_on
Json.begin = pass_on
Json.test = pass_on
Json.output = pass_on
Json.keep = pass_on
Json.loss = pass_on
Json.ended = pass_on

function Json:finish(totals)
	local summary = { event = "summary" }
	for name, value in pairs(totals) do
		summary[name] = value
	end
	pass_on(self, summary)
end

return function(options)
	return setmetatable(options, Json)
end
