-- SPDX-License-Identifier: GPL-2.0-only
-- What run() takes, for a node of whatever kind.

return function(a)
	test("a list of arguments goes on behind a hole", function(t)
		local loud = false
		t:assert_eq(a:run("printf", { "%s,", "a", loud and "-v" or nil, "b" }).stdout, "a,b,")
		local list = { "x,%s" }
		list[3] = "y"
		t:assert_eq(a:run("printf", list).stdout, "x,y")
		t:assert_eq(a:run("printf", { args = { nil, "z" } }).stdout, "z")
		t:assert_eq(a:run("true", {}).exit_code, 0)
		for _, bad in ipairs({ { [0] = "x" }, { [1.5] = "x" }, { [1 << 40] = "x" } }) do
			t:assert_error(function()
				a:run("true", bad)
			end, "a list of strings is accepted")
		end
		t:assert_error(function()
			a:run("true", { "a", nil, false })
		end, "argument `args[3]` is false")
		t:assert_error(function()
			a:run("true", { "a", timeout = 1 })
		end, "unknown key 1")
	end)

	test("an environment of its own", function(t)
		t:assert(a:run("env").stdout:find("PATH=", 1, true))
		t:assert_eq(a:run("env", { env_clear = true, args = {} }).stdout, "")
		t:assert_eq(a:run("env", { env_clear = true, env = { X = "1 2" }, args = {} }).stdout, "X=1 2\n")
		t:assert_eq(a:run("echo $name-$out", { env = { name = "a", out = "b" } }).stdout, "a-b\n")
		t:assert_eq(a:run("echo $X-$HOME", { env_clear = true, env = { X = "1" } }).stdout, "1-\n")
		t:assert_error(function()
			a:run("no-such-program", { env_clear = true, args = {} })
		end, "No such file")
	end)

	test("a time limit in milliseconds", function(t)
		t:assert_eq(a:run("sleep 60", { timeout_ms = 20 }).status, "timed_out")
		t:assert_eq(a:run("sleep 60", { timeout_ms = 20, timeout = "50s" }).timed_out, true)
		t:assert_eq(a:run("true", { timeout_ms = 30000, timeout = "1ns" }).status, "exited")
	end)

	test("a result as text", function(t)
		t:assert_eq(tostring(a:run("echo abc; echo >&2 x; exit 3")), "RunResult{ status=exited, stdout=<4B>, stderr=<2B> }")
	end)
end
