-- SPDX-License-Identifier: GPL-2.0-only
-- What Lua can do to a program of C: values that are not what their metatables say, finalizers that are called by
-- hand, tables that change while they are read. All that a script can call gets each of them in each place. It may
-- refuse or answer; this file is there to see it live.

local native = require "provium.native"

local GIGA = 1 << 30

-- Calls that are left out, and why.
local left_out = {
	-- It may wait for as long as it is told.
	sleep = true, wait = true, wait_for = true, keep = true, call = true, next = true, expect = true, read_until = true,
	-- It touches the machine itself, or its files.
	enable_uplink = true, attach_device = true, publish = true, push_file = true, save = true, snapshot = true,
	restore = true, make_folder = true, replace_file = true,
	-- They are the test's own frame.
	begin_scope = true, end_scope = true, guard = true, emit = true, remember_signal = true, forget_signal = true,
	seed = true,
}

-- Everything that a metatable can say, as a lie.
local function lie(extra)
	local meta = {
		__len = function() return GIGA end,
		__index = function() return {} end,
		__newindex = function() error("no") end,
		__pairs = function() return function() return 1, 1 end end,
		__tostring = function() return {} end,
		__name = 5,
		__eq = function() return true end,
		__lt = function() return true end,
		__le = function() return true end,
		__call = function() return nil end,
		__concat = function() return {} end,
		__close = function() error("closed") end,
	}
	for key, value in pairs(extra or {}) do
		meta[key] = value
	end
	return setmetatable({}, meta)
end

-- A table that loses and gains keys whenever there is room to be made.
local function changing(t)
	local function shake()
		for i = 1, 50 do
			t[i] = t[i] == nil and "x" .. i or nil
			t["k" .. i] = t["k" .. i] == nil and i or nil
		end
		setmetatable({}, { __gc = shake })
	end
	setmetatable({}, { __gc = shake })
	return t
end

local function deep()
	local inner = {}
	for _ = 1, 500 do
		inner = { inner }
	end
	return inner
end

local function circle()
	local t = {}
	t[1], t.self = t, t
	local meta = {}
	meta.__index = setmetatable(meta, meta)
	return setmetatable(t, meta)
end

local function new_world()
	local lab = provium:lab()
	local a = lab:vm("a", "netns")
	local lan = lab:bridge("lan"):attach({ a, "b" })
	a:boot()
	return { lab = lab, vm = a, bridge = lan, nic = a:nic(lan), process = a:run_async("cat"), result = a:run("true"),
		counters = lan:counters(a, "b"), path = lan:path(a, "b"), console = a:console() }
end

-- What has a metatable that is not its own, and which that is: without it nothing frees what the object holds.
local disguised = {}

local function disguise(object, meta)
	disguised[object] = debug.getmetatable(object)
	return debug.setmetatable(object, meta)
end

local function undisguise()
	for object, meta in pairs(disguised) do
		debug.setmetatable(object, meta)
	end
	disguised = {}
end

-- Our own metatables, under other things.
local function disguises(world)
	local list = {}
	for _, name in ipairs({ "lab", "vm", "bridge", "nic", "process" }) do
		local meta = debug.getmetatable(world[name])
		list[#list + 1] = disguise(assert(io.tmpfile()), meta)
		list[#list + 1] = setmetatable({}, { __index = world[name], __name = meta.__name })
		list[#list + 1] = debug.setmetatable({}, meta)
	end
	local other = new_world()
	list[#list + 1] = disguise(other.bridge, debug.getmetatable(world.vm))
	list[#list + 1] = disguise(other.process, debug.getmetatable(world.nic))
	list[#list + 1] = disguise(other.vm, nil)
	return list
end

local function nasty_values(world)
	local upvalue = select(2, debug.getupvalue(world.vm.boot, 2))
	local list = {
		"/tmp/hostile", "", "%s%n%d", "a\0b", "\xff\xfe", ("x"):rep(100000), 0, -1, 0 / 0, 1 / 0, -1 / 0, math.mininteger,
		math.maxinteger, 2 ^ 53, true, rawlen, coroutine.create(print), io.stdout, json.null, upvalue, {}, lie(),
		lie({ __len = function() return -1 end }), lie({ __len = function() return "x" end }), lie({ __metatable = false }),
		lie({ __name = "provium.json.array" }), lie({ __name = {} }), lie({ __index = function() error("index") end }),
		{ [1 << 40] = 1 }, { 1, 2, [1 << 31] = 3 }, { [0.5] = 1 }, { [{}] = 1 }, { [true] = false }, deep(), circle(),
		{ lie(), lie() }, { from = lie(), to = lie() }, { port = lie(), args = lie(), env = lie(), files = lie() },
		changing({ "a", "b", "c" }), changing({ from = "a", to = "b" }), world.vm,
		world.bridge, world.lab, world.nic, world.process,
	}
	table.move(disguises(world), 1, 1000, #list + 1, list)
	return list
end

-- However it ends, it does.
local function try(fn, ...)
	pcall(fn, ...)
end

-- After these there is less to attack.
local enders = { close = true, shutdown = true, pause = true, remove = true, kill = true, detach = true }

local function sorted(functions)
	local names = {}
	for name, fn in pairs(functions) do
		if type(name) == "string" and type(fn) == "function" and not left_out[name] then
			names[#names + 1] = name
		end
	end
	table.sort(names, function(one, other)
		if enders[one] ~= enders[other] then
			return not enders[one]
		end
		return one < other
	end)
	return names
end

-- What a node of this machine's files does is done to its own.
local function first_argument(name)
	return (name:find("file") or name:find("dir") or name:find("^run")) and "/tmp/a" or "a"
end

-- Every function of the table, as a method of the object (nil: of none).
local function attack(functions, object, values)
	for _, name in ipairs(sorted(functions)) do
		local fn = functions[name]
		try(fn)
		for _, value in ipairs(values) do
			try(fn, value)
			if object then
				try(fn, object, value)
				try(fn, object, first_argument(name), value)
				try(fn, object, value, value)
			end
		end
	end
end

local function methods_of(object)
	local meta = debug.getmetatable(object)
	return type(meta.methods) == "table" and meta.methods or meta
end

local names = { "lab", "vm", "bridge", "nic", "process", "result", "counters", "path", "console" }

for _, name in ipairs(names) do
	test("methods of a " .. name, { timeout = "30m" }, function(t)
		local victim, world = new_world(), new_world()
		attack(methods_of(victim[name]), victim[name], nasty_values(world))
		undisguise()
		t:assert(new_world().vm:run("true"):ok())
	end)
	-- Those of C, which trust what Lua calls them with.
	test("metamethods of a " .. name .. ", by hand", { timeout = "30m" }, function(t)
		local victim, world = new_world(), new_world()
		local meta, values = debug.getmetatable(victim[name]), nasty_values(world)
		for key, fn in pairs(meta) do
			if type(fn) == "function" and type(key) == "string" and key:find("^__") then
				try(fn)
				try(fn, victim[name])
				try(fn, victim[name])
				for _, value in ipairs(values) do
					try(fn, value)
					try(fn, value, value)
					try(fn, victim[name], value)
				end
			end
		end
		attack(methods_of(victim[name]), victim[name], { "/tmp/hostile", lie() })
		undisguise()
		t:assert(new_world().vm:run("true"):ok())
	end)
end

test("an object whose finalizer was called is still there", function(t)
	local a = provium:vm("a", "netns"):boot()
	debug.getmetatable(a).__gc(a)
	debug.getmetatable(a).__gc(a)
	t:assert(not pcall(a.name, a))
	t:assert_eq(provium.a:name(), "a")
	t:assert(provium.a:run("true"):ok())
end)

test("a pointer that has the metatable of a vm is none", function(t)
	local a = provium:vm("a", "netns")
	local light = select(2, debug.getupvalue(a.boot, 2))
	t:assert_eq(type(light), "userdata")
	debug.setmetatable(light, debug.getmetatable(a))
	local ok, text = pcall(a.name, light)
	debug.setmetatable(light, nil)
	t:assert(not ok and text:find("call it with a colon", 1, true))
	t:assert_eq(json.encode(json.null), "null")
end)

test("functions", { timeout = "30m" }, function()
	local values = nasty_values(new_world())
	attack(json, nil, values)
	attack(native, nil, values)
	for _, value in ipairs(values) do
		for _, fn in ipairs({ json.encode, json.decode, native.set_rules, native.nearest, native.duration, wait_until }) do
			try(fn, value, value)
			try(fn, "vm", value)
			try(fn, provium:bridge("lan"), value)
		end
	end
	undisguise()
end)

test("json.encode looks at what is there, and not at what metatables say", function(t)
	t:assert_eq(json.encode(lie()), "{}")
	t:assert_eq(json.encode(lie({ __name = "provium.json.array" })), "{}")
	t:assert_eq(json.encode(setmetatable({ 1, 2 }, getmetatable(lie()))), "[1,2]")
	t:assert_eq(json.encode(json.array({})), "[]")
	for _ = 1, 200 do
		local text = select(2, pcall(json.encode, changing({ a = {}, b = {}, c = {} })))
		t:assert_eq(type(text), "string")
	end
end)

-- What it is for is the end of the state.
test("the finalizer of the script itself", function(t)
	local found = 0
	for key, value in pairs(debug.getregistry()) do
		local meta = type(value) == "userdata" and type(key) == "userdata" and debug.getmetatable(value)
		if meta and meta.__gc and debug.getregistry()["provium.script"] == meta then
			found = found + 1
			meta.__gc(value)
			meta.__gc(5)
			coroutine.wrap(meta.__gc)(value)
		end
	end
	t:assert_eq(found, 1)
	t:assert(provium:vm("a", "netns"):boot():run("true"):ok())
end)
