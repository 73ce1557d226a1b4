-- SPDX-License-Identifier: GPL-2.0-only
-- lab:snapshot() and lab:restore(): the state of every guest, and of every bridge its members, cables and rules.

local class = require "provium.class"
local native = require "provium.native"

local FORMAT = "provium lab 1"

local snapshot = { __name = "provium.lab_snapshot" }

--- Bytes of all guests' states.
function snapshot:size()
	local sum = 0
	for _, state in pairs(self.states) do
		sum = sum + state:size()
	end
	return sum
end

--- Safe twice.
function snapshot:delete()
	for _, state in pairs(self.states) do
		state:delete()
	end
end

function snapshot:__tostring()
	return "lab snapshot"
end

class.seal("snapshot", snapshot)

local function is_up(vm)
	return vm:state() == "booted" or vm:state() == "paused"
end

local function describe_bridge(bridge)
	local site = native.capture_site(bridge)
	if site then -- what it has seen cannot be taken back
		error(("cannot snapshot with 1 open stream: a capture of bridge `%s`, opened at %s; close it first"):format(
			bridge:name(), site), 0)
	end
	local pulled = native.array {}
	for _, name in ipairs(bridge:members()) do
		if not bridge:nic(name):is_connected() then
			pulled[#pulled + 1] = name
		end
	end
	return { name = bridge:name(), members = native.array(bridge:members()), pulled = pulled,
		rules = native.array(native.rules(bridge)) }
end

-- What the lab and those below it hold.
local function describe(lab)
	local described = { nodes = native.array {}, bridges = native.array {}, labs = native.array {} }
	for _, member in ipairs(lab:members()) do
		local object = member.object
		if member.kind == "vm" then
			table.insert(described.nodes, { name = member.name, profile = object:profile(),
				state = object:state() })
		elseif member.kind == "bridge" then
			table.insert(described.bridges, describe_bridge(object))
		else
			local below = describe(object)
			below.name = member.name
			table.insert(described.labs, below)
		end
	end
	return described
end

-- fn(lab, its description, what its names begin with) for the lab and those below it, which are made if need be.
local function each_lab(lab, described, fn, prefix)
	prefix = prefix or ""
	fn(lab, described, prefix)
	for _, below in ipairs(described.labs) do
		each_lab(lab:lab(below.name), below, fn, prefix .. below.name .. ".")
	end
end

-- The name of a node has those of its sub-labs in front: "dc1.a".
local function state_path(folder, name)
	return ("%s/%s.snap"):format(folder, name)
end

local function save_states(self, lab)
	each_lab(lab, self.described, function(part, described, prefix)
		for _, node in ipairs(described.nodes) do
			local vm, name = part:vm(node.name), prefix .. node.name
			if is_up(vm) and not self.states[name] then
				self.states[name] = native.save(vm, self.folder and state_path(self.folder, name) or nil)
			end
		end
	end)
	if not self.folder then
		return
	end
	-- What was there before stays until all is saved.
	for _, state in pairs(self.states) do
		native.put_in_place(state)
	end
	native.replace_file(self.folder .. "/lab.json", native.encode(self.described, true) .. "\n")
end

-- Puts every node into the state that is described, as far as that is booted or paused.
local function set_states(lab, described)
	each_lab(lab, described, function(part, list)
		for _, node in ipairs(list.nodes) do
			local vm = part:vm(node.name)
			if node.state == "booted" and vm:state() == "paused" then
				vm:resume()
			end
		end
	end)
end

local module = {}

--- All guests are stopped meanwhile, so that what they have of each other fits together.
function module.save(lab, folder)
	local self = setmetatable({ described = describe(lab), states = {}, folder = folder or false }, snapshot)
	self.described.format = FORMAT
	if folder then
		native.make_folder(folder)
	end
	lab:pause()
	local ok, message = pcall(save_states, self, lab)
	set_states(lab, self.described)
	if not ok then
		for _, state in pairs(self.states) do
			state:close()
		end
		error(message, 0)
	end
	return folder or self
end

-- Names are those of nodes and bridges that are made or found: what is none is refused there.
local function is_list(list, is_good)
	if type(list) ~= "table" then
		return false
	end
	for _, entry in ipairs(list) do
		if type(entry) ~= "table" or type(entry.name) ~= "string" or not is_good(entry) then
			return false
		end
	end
	return true
end

-- The file comes from elsewhere.
local function is_whole(described)
	return type(described) == "table"
		and is_list(described.nodes, function(node) return type(node.profile) == "string" end)
		and is_list(described.bridges, function(bridge)
			return type(bridge.members) == "table" and type(bridge.pulled) == "table"
		end)
		and is_list(described.labs, is_whole)
end

local function load_folder(folder)
	local file <close> = assert(io.open(folder .. "/lab.json"))
	local described = native.decode(file:read("a"))
	if not is_whole(described) or described.format ~= FORMAT then
		error(folder .. "/lab.json is no snapshot of this version of provium", 0)
	end
	return described
end

local function restore_bridge(lab, saved)
	local bridge = lab:bridge(saved.name)
	local attached = {}
	for _, name in ipairs(bridge:members()) do
		attached[name] = true
	end
	for _, name in ipairs(saved.members) do
		if not attached[name] then
			bridge:attach(name)
		end
	end
	native.set_rules(bridge, saved.rules)
	bridge:flush() -- what is on its way was sent in a time that is taken back
	local pulled = {}
	for _, name in ipairs(saved.pulled) do
		pulled[name] = true
	end
	for _, name in ipairs(saved.members) do
		local nic = bridge:nic(name)
		if nic:is_connected() == (pulled[name] or false) then
			nic[pulled[name] and "disconnect" or "reconnect"](nic)
		end
	end
end

--- What is not there any more is made: sub-labs, nodes, bridges. What came since stays.
function module.restore(lab, what)
	local folder = type(what) == "string" and what or nil
	if not folder and getmetatable(what) ~= snapshot then
		error("lab:restore: argument `snapshot` is what snapshot() returned, or the path of its folder", 0)
	end
	local described = folder and load_folder(folder) or what.described
	each_lab(lab, described, function(part, saved)
		for _, node in ipairs(saved.nodes) do
			if not pcall(part.vm, part, node.name) then
				part:vm(node.name, node.profile)
			end
		end
		for _, bridge in ipairs(saved.bridges) do
			restore_bridge(part, bridge)
		end
	end)
	each_lab(lab, described, function(part, saved, prefix)
		for _, node in ipairs(saved.nodes) do
			local vm, name = part:vm(node.name), prefix .. node.name
			if node.state == "booted" or node.state == "paused" then
				vm:restore(folder and state_path(folder, name) or what.states[name])
				vm:pause()
			end
		end
	end)
	set_states(lab, described)
end

return module
