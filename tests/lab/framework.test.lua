-- SPDX-License-Identifier: GPL-2.0-only
-- test(), its options and its t; wait_until(), todo(); the settings of a file.

local support = require "support"

-- Runs one script, and returns its tests by name and in order.
local function run(text, arguments)
	return support.run({ ["x.test.lua"] = text }, arguments)
end

local function statuses(tests)
	local list = {}
	for i, event in ipairs(tests) do
		list[i] = event.name .. " " .. event.status
	end
	return table.concat(list, ", ")
end

test("claims that hold", function(t)
	t:assert_eq(t:name(), "claims that hold")
	t:assert_eq(t.name, "claims that hold")
	t:assert_eq("« " .. t.name .. " »" .. #t.name .. t.name:upper(), "« claims that hold »16CLAIMS THAT HOLD")
	t:assert_eq(json.encode({ [t.name] = t.name }), '{"claims that hold":"claims that hold"}')
	t:assert_eq(t:assert(5), 5)
	t:assert_eq(1, 1.0)
	t:assert_eq({ 1, { a = { 2 } } }, { 1, { a = { 2 } } })
	t:assert_ne({ 1, 2 }, { 1 })
	t:assert_ne({ 1 }, { 1, 2 })
	t:assert_eq(json.decode("[1]"), { 1 })
	t:assert_eq(provium:bridge("lan"):members(), {})
	local x, y = {}, {}
	x[1], y[1] = x, y
	t:assert_eq(x, y)
	t:assert_ne(setmetatable({}, { __name = "one" }), setmetatable({}, { __name = "one" }))
	t:assert_ne("1", 1)
	t:assert_neq({ 1 }, { 2 })
	t:assert_contains("a.b", ".")
	t:assert_contains({ { 1 }, { 2 } }, { 2 })
	t:assert_eq(t:assert_raises(function()
		error({ 7 })
	end), { 7 })
	t:assert_eq(t:assert_raises(error, "not asked for"), nil)
	local message = t:assert_error(function()
		error("some text")
	end, "me te")
	t:assert(message:find("some text", 1, true))
	t:assert_eq(t:assert_error(function()
		error({ 1 })
	end):sub(1, 5), "table")
end)

test("claims that do not hold", function(t)
	local function fails(words, claim)
		local message = t:assert_error(claim)
		t:assert_eq((message:gsub("^[^:]*:%d+: ", "")), words)
		t:assert(message:find("^[^:]*framework%.test%.lua:%d+: "), message)
	end
	fails("assertion failed!", function()
		t:assert(false)
	end)
	fails("because", function()
		t:assert(nil, "because")
	end)
	fails("got 1, wanted 2", function()
		t:assert_eq(1, 2)
	end)
	fails('sum: got "a\\\nb", wanted nil', function()
		t:assert_eq("a\nb", nil, "sum")
	end)
	fails('got [1,2], wanted {"a":1}', function()
		t:assert_eq({ 1, 2 }, { a = 1 })
	end)
	fails("got 0.1, wanted 0.30000000000000004", function()
		t:assert_eq(0.1, 0.1 + 0.2)
	end)
	fails("got 5, wanted anything else", function()
		t:assert_ne(5, 5)
	end)
	fails('got [1,{"a":[2]}], wanted [1,{"a":[2,3]}]', function()
		t:assert_eq({ 1, { a = { 2 } } }, { 1, { a = { 2, 3 } } })
	end)
	fails("got [1], wanted anything else", function()
		t:assert_ne({ 1 }, { 1 })
	end)
	fails("true: got 1, wanted 2", function()
		t:assert_eq(1, 2, true)
	end)
	fails('t:assert_dropped: argument `lan` is "lan"; a bridge is accepted', function()
		t:assert_dropped("lan", "a", "b", "loss")
	end)
	fails("no error was raised", function()
		t:assert_error(function() end)
	end)
	fails('the error is "x", without "y" in it', function()
		t:assert_error(function()
			error("x", 0)
		end, "y")
	end)
	fails("assert_raises: expected to raise", function()
		t:assert_raises(function() end)
	end)
	fails('t:assert_error: argument `fn` is "x"; a function is accepted', function()
		t:assert_error("x")
	end)
	fails('"b" not found in: "a"', function()
		t:assert_contains("a", "b")
	end)
	fails("why: 3 not found in: [1,2]", function()
		t:assert_contains({ 1, 2 }, 3, "why")
	end)
	fails('t:assert_contains: "x" in nil; two strings, or a list and a value, are accepted', function()
		t:assert_contains(nil, "x")
	end)
	for _, method in ipairs({ "assert_eq", "assert_ne", "assert_neq", "assert_contains" }) do
		fails("t:" .. method .. ": the second argument is missing; nil is written as such", function()
			t[method](t, nil)
		end)
	end
	t:assert_eq(nil, nil)
	fails("t:assert_contains: the part is an empty text, which every text has in it", function()
		t:assert_contains("abc", "")
	end)
	fails("failed", function()
		t:fail()
	end)
	fails("words", function()
		t:fail("words")
	end)
end)

test("what is always true is no answer", function(t)
	local lan = provium:bridge("lan")
	local a = provium:vm("a", "netns"):boot()
	lan:attach({ a, "b" })
	local result = a:run("false")
	local stream = a:run_async("true"):stdout_stream()
	local function refused(words, claim)
		t:assert_contains(t:assert_error(claim), words)
	end
	local not_called = "the method result:ok, which is not called, and so true; call it: result:ok()"
	refused("t:assert: the value is " .. not_called, function()
		t:assert(result.ok)
	end)
	refused("t:assert: the value is the method bridge:is_partitioned, which is not called", function()
		t:assert(lan.is_partitioned)
	end)
	refused("the method stream:eof, which is not called", function()
		t:assert(stream.eof)
	end)
	refused("a function, which is not called", function()
		t:assert(function() end)
	end)
	refused("t:assert: the value is a result, which is true however the command ended; ask it: result:ok()", function()
		t:assert(result)
	end)
	refused("a table of counters, which is true whatever is in it; name one of its fields", function()
		t:assert(lan:counters(a, "b"))
	end)
	refused("assert: the value is " .. not_called, function()
		assert(result.ok)
	end)
	refused("assert: the value is a result", function()
		assert(result)
	end)
	t:assert_eq(assert(load("return 7"))(), 7)
	t:assert_eq(select("#", assert(true, nil, 3)), 3)
	for _, method in ipairs({ "assert_eq", "assert_ne" }) do
		refused(("t:%s: one of the two is the method result:ok"):format(method), function()
			t[method](t, result.ok, false)
		end)
		refused(("t:%s: one of the two is a result"):format(method), function()
			t[method](t, 0, result)
		end)
	end
	for words, what in pairs({ ["the method result:ok"] = result.ok, ["a result, which"] = result }) do
		refused("wait_until: the function returns " .. words, function()
			wait_until(function()
				return what
			end, { timeout = "50s" })
		end)
	end
	-- What is there, or not.
	t:assert_ne(a:run_async("true"):wait(), nil)
	t:assert_eq(stream.eof, stream.eof)
	t:assert_eq(result, a:run("false"))
end)

test("a claim that did not hold fails the test, whoever caught its error", function(t)
	local result = run([[
		test("assert", function(t) pcall(function() local x = 5
			t:assert(false, "should fail") end) end)
		test("fail", function(t) pcall(t.fail, t, "words") end)
		test("skip", function(t) pcall(t.skip, t, "reason") end)
		test("todo", function() pcall(todo, "reason") end)
		test("in a coroutine", function(t) coroutine.wrap(function() pcall(t.assert_eq, t, 1, 2) end)() end)
		test("the first", function(t) pcall(t.assert_eq, t, 1, 2) pcall(t.assert_eq, t, 3, 4) end)
		test("the one that is not caught", function(t) pcall(t.assert_eq, t, 1, 2) error("last") end)
		test("before it skips", function(t) pcall(t.fail, t, "words") t:skip() end)
		test("was to be raised", function(t)
			t:assert_error(function() t:assert(false, "as told") end, "as told")
			t:assert_raises(function() t:fail() end)
		end)
		test("a second look", function(t) local n = 0 wait_until(function() n = n + 1 t:assert(n > 1) return true end) end)
		test("caught where it was not to be", function(t) t:assert_error(function() pcall(t.fail, t, "words") end) end)
		test("deferred", function(t) t:defer(function() pcall(t.fail, t, "words") end) end)
		test("other errors are the script's", function(t) pcall(error, "x") pcall(provium.bridge, 1) end)
	]])
	t:assert_eq(statuses(result.tests), "assert failed, fail failed, skip skipped, todo todo, in a coroutine failed, "
		.. "the first failed, the one that is not caught failed, before it skips failed, was to be raised passed, "
		.. "a second look passed, caught where it was not to be failed, deferred failed, "
		.. "other errors are the script's passed")
	t:assert_eq(result.tests.assert.message, "./x.test.lua:2: should fail  (the script caught the error)")
	t:assert_eq(result.tests.assert.line, 2)
	t:assert_eq(result.tests.assert.values[1], "x = 5")
	t:assert_contains(result.tests["the first"].message, "got 1, wanted 2")
	t:assert_contains(result.tests["the one that is not caught"].message, "last")
	t:assert_eq(result.tests.skip.reason, "reason")
end)

test("no other string can be called", function(t)
	local name = t.name
	t:assert_contains(t:assert_error(function()
		name()
	end), "attempt to call a string value (upvalue 'name')")
	t:assert_contains(t:assert_error(function()
		local record = { field = "x" }
		record.field(t)
	end), "attempt to call a string value (field 'field')")
end)

test("meta: what is known is checked, the rest is passed on", function(t)
	local result = run([[
		local meta = {tags = "one", area = "net", owner = {"x", 1}, check = print, [1] = 2}
		test("all", meta, function(t) t:log("logged") t:assert(rawequal(t.meta, meta)) end)
		test("none", function(t) t:assert_eq(t.meta, {}) end)
		test("skip by a number", {skip = 1, area = "x"}, function() end)
		test("not by 0", {skip = 0, slow = 0}, function() end)
		local slips = {{timout = 1}, {tag = "x"}, {Slow = true}, {skipp = 1}, {tags = 5}, {slow = "yes"}, {skip = {}}}
		for _, meta in ipairs(slips) do
			print(select(2, pcall(test, "refused", meta, function() end)))
		end
	]])
	t:assert_eq(statuses(result.tests), "all passed, none passed, skip by a number skipped, not by 0 passed")
	t:assert_eq(result.tests.all.meta, { tags = "one", area = "net", owner = { "x", 1 } })
	t:assert_eq(result.tests.all.notes, { "logged" })
	t:assert_eq(result.tests["skip by a number"].meta.area, "x")
	t:assert_eq(result.tests.none.meta, nil)
	for _, words in ipairs({ "unknown key `timout`; the nearest that means something is `timeout`",
		"unknown key `tag`; the nearest that means something is `tags`", "`Slow`", "`skipp`",
		"`tags` is 5; a nil or string or table is accepted", '`slow` is "yes"', "`skip` is {}" }) do
		t:assert_contains(result.output, words)
	end
	t:assert_eq(statuses(run('test("x", {tags = "one"}, function() end)', "--tag one").tests), "x passed")
end)

test("Lua's own dice follow the seed and the name of the test", function(t)
	local text = [[
		print("body", math.random(1 << 40))
		test("first", function() math.random() end)
		print("behind", math.random(1 << 40))
		test("second", function() print("second", math.random(1 << 40)) end)
		test("third", function() print("third", math.random(1 << 40)) end)
	]]
	local function drawn(arguments, other_text)
		local numbers = {}
		for name, number in run(other_text or text, arguments).output:gmatch("(%l+)	(%d+)") do
			numbers[name] = number
		end
		return numbers
	end
	local all = drawn("--seed 5")
	t:assert(all.body and all.behind and all.third and all.second ~= all.third)
	t:assert_eq(drawn("--seed 5"), all)
	local one = drawn("--seed 5 --filter second")
	t:assert_eq(one, { body = all.body, behind = all.behind, second = all.second })
	-- Nor does it matter what stands before the test.
	one = drawn("--seed 5", 'test("third", function() print("third", math.random(1 << 40)) end)')
	t:assert_eq(one, { third = all.third })
	t:assert_ne(drawn("--seed 6").body, all.body)
	t:assert_ne(drawn("--seed 6").second, all.second)
end)

test("a limit that has passed says what was waited for", function(t)
	local result = run([[
		local a = provium:vm("a", "netns"):boot()
		-- What takes a while on a busy machine is done before the limits begin.
		local lan = provium:bridge("lan"):attach(a)
		local process = a:run_async("echo x; touch /tmp/said; sleep 100")
		local closed = a:run_async("sleep 100"):stdout_stream()
		closed:close()
		wait_until(function() return a:run("test -e /tmp/said"):ok() end, {timeout = "60s"})
		local META = {timeout = "300ms"}
		test("wait_until", META, function() wait_until(function() return false end, {desc = "the sun rises"}) end)
		test("in wait_until", META, function()
			wait_until(function() if wait then provium:sleep(100) end wait = true end, {desc = "the sun rises"})
		end)
		test("stream", META, function() process:stdout_stream():expect("ready") end)
		test("run", META, function() a:run("sleep 100") end)
		test("wait", META, function() process:wait(50) end)
		test("sleep", META, function() provium:sleep(100) end)
		test("frames", META, function() lan:wait_for({proto = "tcp", count = 3}) end)
		test("caught", META, function() pcall(a.run, a, "sleep 100") while true do end end)
		test("after a wait", META, function() wait_until(function() return true end, {desc = "x"}) while true do end end)
		local SHORT = {timeout = 0, desc = "x"}
		local function in_vain(name, wait)
			test(name .. " in vain", META, function() wait() provium:sleep(100) end)
		end
		in_vain("wait_until", function() pcall(wait_until, function() return false end, SHORT) end)
		in_vain("a refused value", function() pcall(wait_until, function() return print end, SHORT) end)
		in_vain("stream", function() pcall(function() process:stderr_stream():expect("x", 0) end) end)
		in_vain("closed stream", function() pcall(closed.expect, closed, "x") end)
		in_vain("next", function() process:stderr_stream():next(0) end)
	]])
	local function says(name, words)
		t:assert_contains(result.tests[name].message, words)
	end
	local passed = "the time limit of 0.3 s has passed"
	says("wait_until", passed .. " while waiting in wait_until: the sun rises; it returned false last; provium.timeout")
	says("in wait_until", passed .. " while waiting in wait_until: the sun rises; it returned nil last")
	local command = "`echo x; touch /tmp/said; sleep 100` in vm `a`"
	says("stream", passed .. ' while waiting in stdout:expect for "ready", of ' .. command .. '; last was "x')
	says("run", "vm:run: `sleep 100` in vm `a`: " .. passed)
	says("wait", "process:wait: " .. command .. ": " .. passed)
	says("sleep", "provium:sleep: " .. passed)
	says("frames", "bridge:wait_for: on bridge `lan`, where 0 of 3 such frames have arrived: " .. passed)
	says("caught", "vm:run: `sleep 100` in vm `a`: " .. passed)
	t:assert_eq(result.tests["after a wait"].message:find("waiting in", 1, true), nil)
	for _, wait in ipairs { "wait_until", "a refused value", "stream", "closed stream", "next" } do
		says(wait .. " in vain", "provium:sleep: " .. passed .. "; provium.timeout")
	end
end)

test("statuses, and what belongs to each", function(t)
	local result = run([[
		test("good", function() end)
		test("bad", function(t) t:note("a", 1, nil, { b = 2 }) local x = 7 t:assert(x == 8) end)
		test("raises", function() error({}) end)
		test("skips", function(t) t:skip("no time") end)
		test("is skipped", {skip = true}, function(t) t:fail() end)
		test("is skipped too", {skip = "reason"}, function(t) t:fail() end)
		test("is to do", function(t) t:todo("later") end)
		test("is to do too", function() todo("much later") end)
		test("skips deep inside", function(t) pcall(function() local _ <close> = setmetatable({}, {__close = function() end})
			t:assert_error(function() t:skip() end) end) end)
		test("after", function() end)
	]])
	t:assert_eq(statuses(result.tests), "good passed, bad failed, raises failed, skips skipped, is skipped skipped, "
		.. "is skipped too skipped, is to do todo, is to do too todo, skips deep inside skipped, after passed")
	t:assert_eq(result.status, 1)
	local bad = result.tests.bad
	t:assert_eq(bad.message, "./x.test.lua:2: assertion failed!  "
		.. 'test("bad", function(t) t:note("a", 1, nil, { b = 2 }) local x = 7 t:assert(x == 8) end)')
	t:assert_eq(bad.line, 2)
	t:assert_eq(bad.notes[1], 'a 1 nil {"b":2}')
	t:assert_eq(bad.values[1], "x = 7")
	t:assert(bad.trace:find("x.test.lua:2", 1, true))
	t:assert(result.tests.raises.message:find("table: ", 1, true))
	t:assert_eq(result.tests.skips.reason, "no time")
	t:assert_eq(result.tests["is skipped"].reason, nil)
	t:assert_eq(result.tests["is skipped too"].reason, "reason")
	t:assert_eq(result.tests["is to do"].reason, "later")
	t:assert_eq(result.tests["is to do too"].reason, "much later")
end)

test("a failure in a file that the script requires is shown where the script called it", function(t)
	local result = support.run({
		["x.test.lua"] = 'local helper = require "helper"\n\ntest("x", function()\n\thelper()\nend)\n',
		["helper.lua"] = 'return function()\n\terror("deep inside")\nend\n',
	})
	t:assert_eq(result.tests.x.line, 4)
	t:assert_eq(result.tests.x.message, "./helper.lua:2: deep inside")
end)

test("a file without tests is one", function(t)
	t:assert_eq(statuses(run("assert(true)").tests), "x.test.lua passed")
	t:assert_eq(statuses(run("error('x')").tests), "x.test.lua failed")
	t:assert_eq(statuses(run("todo('x')").tests), "x.test.lua todo")
	local result = run("this is no Lua")
	t:assert_eq(result.status, 2)
end)

test("a file that fails between its tests", function(t)
	local result = run([[
		test("first", function() end)
		error("between")
		test("never", function() end)
	]])
	t:assert_eq(statuses(result.tests), "first passed, x.test.lua failed, never not_run")
	t:assert_eq(result.tests["x.test.lua"].message, "./x.test.lua:2: between")
	t:assert(result.tests["x.test.lua"].broken)
	t:assert_eq(result.tests.never.message, "not run: the file did not come to its end: it failed between its tests")
	result = run('error("at once") test("never", function() end)')
	t:assert_eq(statuses(result.tests), "x.test.lua failed, never not_run")
end)

test("tests cannot be nested", function(t)
	t:assert_error(function()
		test("inner", function() end)
	end, "test: `inner` is inside of test `tests cannot be nested`; tests cannot be nested")
end)

test("deferred functions run in the end, the last one first, whatever happens", function(t)
	local result = run([[
		local order = {}
		test("bad", function(t)
			for i = 1, 3 do t:defer(function() order[#order + 1] = i end) end
			t:defer(function() order[#order + 1] = provium.a and "node" or "no node" end)
			provium:vm("a", "netns"):boot()
			error("x")
		end)
		test("order", function(t) t:assert_eq(table.concat(order, " "), "node 3 2 1") end)
		test("an error in one fails the test, and the others run", function(t)
			order = {}
			t:defer(function() order[#order + 1] = "first" end)
			t:defer(function() error("deferred") end)
			t:defer(function() error("is heard of") end)
		end)
		test("order 2", function(t) t:assert_eq(table.concat(order, " "), "first") end)
		test("the test's own error comes first", function(t)
			t:defer(function() error("deferred") end)
			error("own")
		end)
	]])
	t:assert_eq(statuses(result.tests), "bad failed, order passed, "
		.. "an error in one fails the test, and the others run failed, order 2 passed, "
		.. "the test's own error comes first failed")
	t:assert_contains(result.tests[3].message, "is heard of")
	t:assert_contains(result.tests[3].notes[1], "t:defer: ./x.test.lua:12: deferred")
	t:assert_contains(result.tests[5].message, "own")
	t:assert_contains(result.tests[5].notes[1], "t:defer: ./x.test.lua:17: deferred")
end)

test("which tests run", function(t)
	local text = [[
		test("one", {tags = {"x", "y"}}, function() end)
		test("two", {tags = {"y"}, slow = true}, function() end)
		test("three (3)", function() end)
	]]
	t:assert_eq(statuses(run(text, "--tag x").tests), "one passed")
	t:assert_eq(statuses(run(text, "--tag y").tests), "one passed, two passed")
	t:assert_eq(statuses(run(text, "--tag '!y'").tests), "three (3) passed")
	t:assert_eq(statuses(run(text, "--tag y --tag '!x'").tests), "two passed")
	t:assert_eq(statuses(run(text, "--tag slow").tests), "two passed")
	t:assert_eq(statuses(run(text, "--filter t").tests), "two passed, three (3) passed")
	t:assert_eq(statuses(run(text, "--filter '(3'").tests), "three (3) passed", "plain text")
	t:assert_eq(statuses(run(text, "--filter '^o'").tests), "one passed", "a pattern")
	t:assert_eq(statuses(run(text, "--shard 1/2").tests), "one passed, two passed, three (3) passed", "files are cut")
	t:assert_eq(statuses(run(text, "--shard 2/2").tests), "")
end)

test("time limits: of a test, of the file, of the command", function(t)
	-- That of the file is also that of what it does between its tests, which a busy machine takes its time for.
	local result = run([[
		provium.timeout = "2s"
		test("of the file", function() provium:sleep(10) end)
		test("of a test", {timeout = 0.1}, function() while true do end end)
		test("catches all errors", {timeout = "100ms"}, function() while true do pcall(error, "x") end end)
		test("in a coroutine", {timeout = "100ms"}, function()
			coroutine.wrap(function() while true do pcall(function() while true do end end) end end)()
		end)
		test("catches while it waits", {timeout = "100ms"}, function()
			while true do pcall(provium.sleep, provium, 100) end
		end)
		test("in wait_until", {timeout = "100ms"}, function()
			wait_until(function() while true do end end, {timeout = 100})
		end)
		test("in a claim", {timeout = "100ms"}, function(t)
			while true do t:assert_error(function() while true do end end) end
		end)
		test("a command in a node", {timeout = "100ms"}, function()
			provium:vm("a", "netns"):boot():run("sleep 100", {timeout = "50s"})
		end)
		test("deferred", {timeout = "100ms"}, function(t) t:defer(function() while true do end end) end)
		test("after", function() end)
	]])
	t:assert_eq(statuses(result.tests), "of the file failed, of a test failed, catches all errors failed, "
		.. "in a coroutine failed, catches while it waits failed, in wait_until failed, in a claim failed, "
		.. "a command in a node failed, deferred failed, after passed")
	for i, event in ipairs(result.tests) do
		local limit = (i == 1 or i == 9) and "2" or "0.1"
		t:assert(event.status == "passed" or event.message:find("the time limit of " .. limit
			.. " s has passed.*; provium.timeout or %-%-timeout sets another"), event.message)
		t:assert(event.seconds < 9, event.name .. " took " .. event.seconds)
		t:assert(event.status == "passed" or event.message:find("^%./x%.test%.lua:%d+: "), event.message)
	end
	t:assert(run("test('x', function() provium:sleep(9) end)", "--timeout 100ms").tests.x.message:find("0.1 s", 1, true))
	t:assert(run("provium.timeout = 0.1 while true do end").tests["x.test.lua"].message:find("0.1 s", 1, true))
	t:assert_eq(run("provium.timeout = 60 provium:sleep('2.2s')", "--timeout 2s").status, 0)
end)

test("--max-timeout: neither a test nor a file has more", function(t)
	local result = run([[
		provium.timeout = "50s"
		test("of the file", function() provium:sleep(50) end)
		test("of a test", {timeout = 50}, function() while true do end end)
		test("deferred", {timeout = 50}, function(t) t:defer(function() provium:sleep(50) end) end)
		test("quick", function() end)
		while true do provium.timeout = "50s" end
	]], "--timeout 40s --max-timeout 2s")
	t:assert_eq(statuses(result.tests), "of the file failed, of a test failed, deferred failed, quick passed, "
		.. "x.test.lua failed")
	for _, event in ipairs(result.tests) do
		t:assert(event.status == "passed" or event.message:find(
			"the time limit of 2 s has passed, which is that of --max-timeout", 1, true), event.message)
	end
	-- A shorter limit stays the one that it is.
	result = run("test('x', {timeout = '100ms'}, function() provium:sleep(50) end)", "--max-timeout 40s")
	t:assert(result.tests.x.message:find("the time limit of 0.1 s has passed; ", 1, true), result.tests.x.message)
end)

test("a script that waits in a library for ever is ended", { timeout = "30s" }, function(t)
	local result = run([[
		test("stuck", {timeout = "100ms"}, function()
			setmetatable({}, {__gc = function() while true do end end})
			collectgarbage()
		end)
	]])
	t:assert_eq(result.tests.stuck.status, "failed")
	t:assert(result.tests.stuck.message:find("SIGALRM", 1, true), result.tests.stuck.message)
end)

test("settings of a file", function(t)
	local before = provium.timeout
	provium.timeout = "1m"
	t:assert_eq(provium.timeout, 60)
	provium.timeout = 2.5
	t:assert_eq(provium.timeout, 2.5)
	provium.timeout = before
	t:assert_eq(provium.reset_between_tests, false)
	local result = run([[
		local lan = provium:bridge("lan")
		local a = provium:vm("a", "netns")
		lan:attach({a, "b"})
		test("breaks it", function(t)
			lan:drop_rate(5) lan:partition("a", "b") lan:isolate(a) lan:nic(a):disconnect()
		end)
		test("is still broken", function(t)
			t:assert(lan:is_isolated(a) and lan:is_partitioned("a", "b") and lan:drop_rate_pct() == 5)
			t:assert(not lan:nic(a):is_connected())
			provium.reset_between_tests = true
		end)
		test("is whole", function(t)
			t:assert(not (lan:is_isolated(a) or lan:is_partitioned("a", "b") or lan:drop_rate_pct() == 5))
			t:assert(lan:nic(a):is_connected())
		end)
	]])
	t:assert_eq(statuses(result.tests), "breaks it passed, is still broken passed, is whole passed")
end)

test("wait_until", function(t)
	local calls = 0
	local value = wait_until(function()
		calls = calls + 1
		return calls == 3 and "done"
	end, { interval = "10ms" })
	t:assert_eq(value, "done")
	t:assert_eq(calls, 3)
	calls = 0
	t:assert_eq(wait_until(function()
		calls = calls + 1
		assert(calls > 2, "not yet")
		return 7
	end, { interval = "1ms" }), 7, "an error counts as not yet")
	t:assert_eq(wait_until(function()
		return true
	end, { timeout = 0 }), true, "it is tried once at least")
	t:assert_error(function()
		wait_until(function()
			return nil
		end, { timeout = "20ms", interval = "5ms", desc = "the thing" })
	end, "wait_until: the thing not met within 0.02s; it returned nil")
	local result = run([[
		test("skips", function(t) wait_until(function() t:skip("in the middle") end) end)
	]])
	t:assert_eq(statuses(result.tests), "skips skipped")
end)

test("what a script prints", function(t)
	local result = run([[
		print("top")
		test("x", function() print("out") io.stderr:write("err\n") io.write("half") end)
		print("end")
	]])
	t:assert_eq(result.status, 0)
	local order = {}
	for _, event in ipairs(result.events) do
		order[#order + 1] = event.text or event.event
	end
	t:assert_eq(table.concat(order, " "), "start top begin out err half test end end summary")
	t:assert_eq(result.errors, "")
end)

-- The environment in which a stock interpreter finds the module. One that was built with sanitizers wants them first.
local WITH_MODULE = ("LUA_CPATH='%s'"):format(support.provium:gsub("provium$", "?.so"))
if support.provium:find("/san/provium$") then
	WITH_MODULE = WITH_MODULE
		.. " ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=" .. support.ask("gcc -print-file-name=libasan.so")
end

test("a stock interpreter", function(t)
	local script = os.tmpname()
	t:defer(function()
		os.remove(script)
	end)
	local file = io.open(script, "w")
	file:write([[
		local a = provium:vm("a", "netns"):boot()
		print(a:run("echo in the node").stdout)
		test("good", function(t) t:assert(true) end)
		test("bad", function(t) t:assert(false, "on purpose") end)
		print("never")
	]])
	file:close()
	local output = support.ask(("%s lua5.4 -e 'provium = require \"provium\"' %s 2>&1"):format(WITH_MODULE, script))
	t:assert(output:find("in the node", 1, true), output)
	t:assert(output:find("passed: good", 1, true), output)
	t:assert(output:find("test `bad` failed: ", 1, true), output)
	t:assert(output:find("on purpose", 1, true), output)
	t:assert(not output:find("never", 1, true), output)
end)

test("a stock interpreter is interrupted by Ctrl-C, whatever it does", function(t)
	-- One signal, once the handler is there: timeout(1) sends a second one to its group, which ends an interpreter
	-- that is done already.
	local command = "%s timeout -s KILL 300 lua5.4 -e 'provium = require \"provium\" "
		.. "os.execute(\"(sleep 0.2; kill -INT $PPID) >/dev/null 2>&1 &\") %s' 2>&1"
	for _, text in ipairs({
		"while true do end",
		"provium:sleep(100)",
		'provium:vm("a", "netns"):boot():run("sleep 100")',
	}) do
		local output = support.ask(command:format(WITH_MODULE, text))
		t:assert(output:find("interrupted", 1, true), text .. ": " .. output)
	end
end)

test("a name is given to one test of a file", function(t)
	local result = support.run({ ["x.test.lua"] = [[
		test("x", function() end)
		test("x", function() end)
		test("y", function() end)
	]] })
	t:assert_eq(result.status, 1)
	t:assert_eq(result.tests[1].status, "passed")
	t:assert(result.tests["x.test.lua"].message:find("test: duplicate name `x` in this file", 1, true))
	t:assert_ne((result.tests.y or {}).status, "passed")
end)

test("require finds modules beside the script, and below the roots of the configuration", function(t)
	local files = {
		["tests/deep/x.test.lua"] = [[
			test("x", function(t)
				t:assert_eq(require("beside"), "beside")
				t:assert_eq(require("own"), "own")
				t:assert_eq(require("helpers.net"), "net")
				t:assert_eq(require("helpers.folder"), "folder")
			end)
		]],
		["tests/deep/beside.lua"] = [[return "beside"]],
		["tests/deep/own/init.lua"] = [[return "own"]],
		["tests/helpers/net.lua"] = [[return "net"]],
		["lib/helpers/folder/init.lua"] = [[return "folder"]],
		["provium.lua"] = [[return { roots = { "tests", "lib" } }]],
	}
	t:assert_eq(support.run(files).status, 0)
	files["provium.lua"] = "return {}"
	local result = support.run(files)
	local message = result.tests.x.message
	t:assert(message:find("module 'helpers.net' not found", 1, true), message)
	files["helpers/net.lua"], files["helpers/folder.lua"] = files["tests/helpers/net.lua"], [[return "folder"]]
	t:assert_eq(support.run(files).status, 0, "the folder of the configuration is the root")
	files["provium.lua"] = [[return { roots = { "none" } }]]
	local events = support.run(files).events
	t:assert(json.encode(events):find("`roots` is ", 1, true), json.encode(events))
end)

test("what is true in Lua alone is no answer", function(t)
	for _, case in ipairs({
		{ 0, "the value is 0, which is true in Lua; compare it" },
		{ 0.0, "the value is 0, which is true in Lua" },
		{ "", "the value is an empty text" },
		{ {}, "the value is an empty table" },
		{ json.array({}), "the value is an empty table" },
		{ json.null, "the value is json.null" },
	}) do
		local value, text = table.unpack(case)
		t:assert_error(function()
			t:assert(value)
		end, "t:assert: " .. text)
		t:assert_error(function()
			wait_until(function()
				return value
			end)
		end, (text:gsub("the value is", "wait_until: the function returns")))
	end
	for _, value in ipairs({ 1, " ", { 1 }, setmetatable({}, {}), provium }) do
		t:assert_eq(t:assert(value), value)
	end
	t:assert_error(function()
		t:assert(5, 0)
	end, "t:assert: argument `message` is 0; a text is accepted; t:assert_eq(got, wanted) compares")
end)

test("an empty text and none at all prove nothing", function(t)
	for _, text in ipairs({ "", 5, false }) do
		t:assert_error(function()
			t:assert_error(error, text)
		end, "t:assert_error: argument `text` is ")
	end
	for _, n in ipairs({ 0, -1, 1.5, "1" }) do
		t:assert_error(function()
			t:assert_dropped(nil, "a", "b", "loss", n)
		end, "t:assert_dropped: argument `n` is ")
		t:assert_error(function()
			t:assert_not_dropped(nil, "a", "b", "loss", n)
		end, "t:assert_not_dropped: argument `n` is ")
	end
end)

test("what has ended defers and skips nothing any more", function(t)
	local tests = support.run({
		["x.test.lua"] = [[
			local kept
			test("deferred", function(t) t:defer(function() t:defer(function() t:fail() end) end) end)
			test("skipped", function(t) t:defer(function() t:skip() end) end)
			test("kept", function(t) kept = t end)
			test("later", function() kept:defer(function() error("never runs") end) end)
		]],
	}).tests
	t:assert_contains(tests["deferred"].message, "t:defer: the test `deferred` has ended")
	t:assert_contains(tests["skipped"].message, "t:skip: the test `skipped` has ended")
	t:assert_eq(tests["kept"].status, "passed")
	t:assert_contains(tests["later"].message, "t:defer: the test `kept` has ended")
end)
