-- SPDX-License-Identifier: GPL-2.0-only
-- A rule or a filter about nobody proves nothing: the test that made it fails, unless somebody of that name comes.

local support = require "support"

local HEAD = 'local lan = provium:bridge("lan")\nlocal a = provium:vm("a", "netns")\nlan:attach(a)\n'

local function outcome(body)
	return support.run({ ["x.test.lua"] = HEAD .. body })
end

local function in_test(body)
	return outcome('test("it", function(t)\n' .. body .. '\nend)\ntest("the next", function() end)').tests
end

test("the test that names nobody fails, in one line for all", function(t)
	for _, body in ipairs({
		'lan:partition(a, "bb")',
		'lan:partition({"cc", a}, "bb")',
		'lan:isolate("bb")',
		'lan:nic("bb"):disconnect()',
		'lan:nic("bb"):capture():close()',
		'lan:capture({filter = {from = "bb"}}):close()',
		'pcall(lan.wait_for, lan, {from = "bb"}, 0.01)',
		'provium:bridge("other"):isolate("bb")',
		'local other = provium:bridge("other"); other:isolate("bb"); other:close()',
		'local sub = provium:lab(); sub:bridge("lan"):isolate("bb"); sub:close()',
		'provium:lab():bridge("lan"):isolate("bb")',
		'lan:partition(a, "bb"); lan:unpartition(a, "bb")',
	}) do
		local tests = in_test(body)
		t:assert_eq(tests["it"].status, "failed", body)
		t:assert(tests["it"].message:find("never attached, and so mean nobody: ", 1, true), body)
		t:assert(tests["it"].message:find("`bb` (bridge `", 1, true), body)
		t:assert_eq(select(2, tests["it"].message:gsub("never attached", "")), 1)
		t:assert_eq(tests["the next"].status, "passed", body)
	end
end)

test("a failure tells of both, and what is skipped of nothing", function(t)
	local tests = in_test('lan:isolate("bb"); error("also this")')
	t:assert(tests["it"].message:find("also this", 1, true))
	t:assert(tests["it"].message:find("`bb`", 1, true))
	t:assert_eq(in_test('lan:isolate("bb"); t:skip()')["it"].status, "skipped")
end)

test("somebody who comes later is no stranger", function(t)
	for _, body in ipairs({
		'lan:isolate("b"); lan:attach(provium:vm("b", "netns"))',
		'lan:isolate("b"); lan:attach("b")',
		'lan:attach("b"); lan:detach("b"); lan:isolate("b")',
		'lan:partition(a, "router")',
		'lan:nic("b"):counters()',
		'lan:nic("b"):disconnect(); lan:attach("b")',
		'pcall(lan.partition, lan, "b", "b c")',
		'lan:unpartition(a, "b"); lan:unisolate("b")',
	}) do
		t:assert_eq(in_test(body)["it"].status, "passed", body)
	end
end)

test("what the file names may come until its end", function(t)
	local run = outcome('lan:isolate("b")\ntest("it", function() end)\nlan:attach("b")')
	t:assert_eq(run.status, 0)
	run = outcome('lan:isolate("b")\ntest("it", function() lan:attach("b") end)')
	t:assert_eq(run.status, 0)
	run = outcome('lan:isolate("b")\ntest("it", function() end)')
	t:assert_eq(run.status, 1)
	t:assert_eq(run.tests["it"].status, "passed")
	t:assert_eq(run.tests["x.test.lua"].status, "failed")
	t:assert(run.tests["x.test.lua"].message:find("`b` (bridge `lan`)", 1, true))
	-- Closed before the end.
	run = outcome('lan:isolate("b")\nlan:close()')
	t:assert_eq(run.status, 1)
end)
