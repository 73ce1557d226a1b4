-- SPDX-License-Identifier: GPL-2.0-only
-- A call that says more than its method takes is an error, and so is a field that is not there.

local lan = provium:bridge("lan")
local a, b, c = provium:vm("a", "netns"):boot(), provium:vm("b", "netns"):boot(), provium:vm("c", "netns"):boot()
lan:attach({ a, b, c })

local function refused(t, fn, text)
	local before = json.encode(lan:path(a, b)) .. tostring(lan:is_isolated(a)) .. tostring(lan:is_partitioned(b, c))
	t:assert_error(fn, text)
	local after = json.encode(lan:path(a, b)) .. tostring(lan:is_isolated(a)) .. tostring(lan:is_partitioned(b, c))
	t:assert_eq(after, before, text .. " changed something")
end

test("a surplus argument is named", function(t)
	refused(t, function() lan:partition(a, b, c) end,
		"bridge:partition: argument 3 is a provium.vm; at most 2 are accepted")
	refused(t, function() lan:isolate(a, b) end, "bridge:isolate: argument 2 is a provium.vm; at most 1 is accepted")
	refused(t, function() lan:drop_rate(5, { from = a, to = b }) end, "bridge:drop_rate: argument 2 is a table")
	refused(t, function() lan:partition(a, b, { port = 2380 }) end, "bridge:partition: argument 3 is a table")
	refused(t, function() lan:restore_all(a) end, "bridge:restore_all: argument 1 is a provium.vm; none is accepted")
	refused(t, function() lan:reset(a) end, "bridge:reset: argument 1")
	refused(t, function() a:run("sleep", { "1" }, { timeout = "100ms" }) end, "vm:run: argument 3 is a table")
	refused(t, function() json.decode("1", "2") end, "json.decode: argument 2 is \"2\"; at most 1 is accepted")
	refused(t, function() t:assert_eq(1, 1, "x", 2) end, "t:assert_eq: argument 4 is 2; at most 3 are accepted")
	refused(t, function() wait_until(function() return true end, {}, "5s") end, 'wait_until: argument 3 is "5s"')
	refused(t, function() test("x", {}, print, 1) end, "test: argument 4 is 1")
end)

test("nil behind the others is none", function(t)
	lan:partition(a, b, nil)
	t:assert(lan:is_partitioned(a, b))
	lan:unpartition(a, b, nil, nil)
	t:assert_eq(lan:is_partitioned(a, b, nil), false)
	t:assert_eq(1, 1, nil, nil)
end)

-- All methods that an object has, from its class and those that this is built on.
local function methods_of(object)
	local found, class = {}, debug.getmetatable(object)
	while class do
		local methods = class.methods or class
		for name, method in pairs(methods) do
			if type(method) == "function" and name:sub(1, 2) ~= "__" and name ~= "new" then
				found[name] = found[name] or method
			end
		end
		local base = debug.getmetatable(methods)
		class = base and base.__index
	end
	return found
end

test("every method of every class knows how many it takes", function(t)
	local process = a:run_async("cat")
	local objects = { provium, lan, a, a:nic("lan"), process, process:stdout_stream(), lan:capture(), t }
	local count = 0
	for _, object in ipairs(objects) do
		for name, method in pairs(methods_of(object)) do
			if not ("note log pack"):find(name, 1, true) then -- these take any number
				local ok, message = pcall(method, object, 1, 2, 3, 4, 5, 6, 7, 8, 9)
				t:assert(not ok and message:find("argument %d+ is 9; "), name .. ": " .. tostring(message))
				count = count + 1
			end
		end
	end
	t:assert(count > 80, count)
end)

test("a dot for a colon", function(t)
	t:assert_error(function() t.assert(1 == 2, "numbers differ") end, "call it with a colon: t:assert(…)")
	t:assert_error(function() t.assert() end, "call it with a colon: t:assert(…)")
	t:assert_error(function() lan.partition(a, b) end, "call it with a colon: bridge:partition(…)")
	local stream = a:run_async("cat"):stdout_stream()
	t:assert_error(function() stream.next("1s") end, "call it with a colon: stream:next(…)")
	local capture = lan:capture()
	t:assert_error(function() capture.drain("1s") end, "call it with a colon: capture:drain(…)")
	t:assert_error(function() capture.expect("x") end, "call it with a colon: capture:expect(…)")
end)

test("a field that is not there", function(t)
	local result = a:run("true")
	t:assert_error(function() return result.exitcode end,
		"result: there is no field `exitcode`; the nearest is `exit_code`; the fields are: ")
	t:assert_error(function() return result.code end, "the nearest is `exit_code`")
	t:assert_error(function() return result.stdot end, "the nearest is `stdout`")
	t:assert_error(function() return result.zzzzzz end, "result: there is no field `zzzzzz`; the fields are: "
		.. "assert_ok, command, exit_code, killed, node, ok, signal, signal_name, status, stderr, stdout, timed_out")
	t:assert_eq(a:run("kill -9 $$").killed, nil)
	t:assert_eq(result.signal, nil)
	t:assert_error(function() return lan:counters(a, b).dropped.partitions end, "the nearest is `partition`")
	t:assert_error(function() return lan:counters(a, b).packet end, "the nearest is `packets`")
	t:assert_error(function() return a:nic("lan"):counters().rx_packet end, "the nearest is `rx_packets`")
	t:assert_error(function() return lan:path(a, b).latency end, "the nearest is `latency_ms`")
	lan:drop_rate(3)
	t:assert_error(function() return lan:path(a, b)[1].drop_rate end, "the nearest is `drop_rate_pct`")
	t:assert_eq(lan:path(a, b)[2], nil)
	lan:reset()
end)

-- Nil is false: `not process.runing` would hold for ever.
test("a field that an object does not have", function(t)
	local process = a:run_async("cat")
	local batch = a:batch(function(list) list:run("false") end)
	for _, case in ipairs({
		{ lan, "bridge", "is_partitoned", "is_partitioned" },
		{ a, "vm", "paus", "pause" },
		{ a:nic("lan"), "nic", "is_conected", "is_connected" },
		{ a:console(), "console", "expct", "expect" },
		{ process, "process", "runing", "running" },
		{ process:stdout_stream(), "stream", "drains", "drain" },
		{ lan:capture(), "capture", "losts", "lost" },
		{ lan:capture(), "capture", "read_untill", "read_until" },
		{ t, "t", "asert_eqq", "assert_eq" },
	}) do
		local object, name, field, nearest = table.unpack(case)
		t:assert_error(function() return object[field] end,
			("%s: there is no field `%s`; the nearest is `%s`; the fields are: "):format(name, field, nearest))
	end
	t:assert_error(function() return batch[1].error end, "outcome: there is no field `error`; the fields are: err, ok")
	t:assert_eq(batch[1].err, nil)
	t:assert_eq(batch[2], nil)
	t:assert_eq(provium.nobody, nil)
end)

test("a misspelt key of an options table", function(t)
	t:assert_error(function() a:run("true", { tiemout = 1 }) end,
		'unknown key "tiemout"; the nearest is "timeout"; the keys are:')
	t:assert_error(function() a:run("true", { xyzzy = 1 }) end, 'unknown key "xyzzy"; the keys are: args')
	t:assert_error(function() lan:add_latency({ MS = 1 }) end, 'the nearest is "ms"')
end)
