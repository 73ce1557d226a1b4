-- SPDX-License-Identifier: GPL-2.0-only
-- Processes that run beside the script, and the streams of what they print.

local support = require "support"

local a = provium:vm("a", "netns"):boot()

test("wait gives the result, as often as it is asked for", function(t)
	local process = a:run_async("sleep 0.2; echo x; exit 5")
	t:assert(process:running())
	local result, why = process:wait("20ms")
	t:assert_eq(result, nil)
	t:assert_eq(why, "timed out")
	t:assert_eq(process:wait("5s").exit_code, 5)
	t:assert_eq(process:wait().stdout, "x\n")
	t:assert(not process:running())
end)

test("the arguments are those of run", function(t)
	t:assert_eq(a:run_async("echo", { "$x", 1 }):wait().stdout, "$x 1\n")
	t:assert_eq(a:run_async("cat; echo $A; pwd", { env = { A = "b" }, stdin = "in ", cwd = "/usr" }):wait().stdout,
		"in b\n/usr\n")
end)

test("kill, by name, by number and without either", function(t)
	local function killed_by(...)
		local process = a:run_async("sleep", { 1000 })
		process:kill(...)
		return process:wait("5s").signal_name
	end
	t:assert_eq(killed_by(), "SIGTERM")
	t:assert_eq(killed_by("KILL"), "SIGKILL")
	t:assert_eq(killed_by("SIGINT"), "SIGINT")
	t:assert_eq(killed_by(1), "SIGHUP")
	t:assert_eq(killed_by("kill"), "SIGKILL")
	t:assert_eq(killed_by("sigUsr2"), "SIGUSR2")
	for _, wrong in ipairs({ "NONE", "SIG", "", 0, 1000, true }) do
		t:assert_error(function()
			killed_by(wrong)
		end, "process:kill: argument `signal` is")
	end
	local process = a:run_async("trap 'echo got it; exit 0' USR1; echo ready; while :; do sleep 0.01; done")
	process:stdout_stream():read_until("ready")
	process:signal("usr1")
	t:assert_eq(process:wait("5s").stdout, "ready\ngot it\n")
	process:kill() -- of what has ended: nothing to do
end)

test("a time limit ends it, and all that it started", function(t)
	local process = a:run_async("echo x; sleep 1000 & sleep 1000", { timeout = "1s" })
	local start = support.now()
	local result = process:wait("50s")
	t:assert_eq(result.status, "timed_out")
	t:assert_eq(result.stdout, "x\n")
	t:assert(result.timed_out and not result:ok())
	t:assert_eq(process:status(), "exited")
	-- Whether it is looked at, its output is, or neither.
	process = a:run_async("exec sleep 1000", { timeout = "300ms" })
	t:assert_eq(process:stdout_stream():next("50s"), nil)
	t:assert(not process:running())
	-- By its number: what the shell becomes has its name a little later.
	local unseen = ("/proc/%d"):format(a:run_async("exec sleep 1000", { timeout = "300ms" }):pid())
	wait_until(function()
		return not a:run("test", { "-e", unseen }):ok()
	end, { timeout = "50s" })
	t:assert(support.now() - start >= 1.6, "not before their time")
	t:assert_eq(a:run_async("exit 3", { timeout = "100s" }):wait().exit_code, 3)
end)

test("what it is told while it runs", function(t)
	local process = a:run_async("cat")
	local out = process:stdout_stream()
	process:write("one\n")
	out:expect("one\n")
	process:stdin_write("two\0three")
	out:expect("two\0three")
	t:assert_eq(process:status(), "running")
	process:close_stdin()
	process:close_stdin()
	t:assert_eq(process:wait("50s").stdout, "one\ntwo\0three")
	local function refused(other, words)
		t:assert_error(function()
			other:write("x")
		end, words)
	end
	refused(process, "process:write: `cat` in vm `a`: it has ended")
	local closed = a:run_async("sleep 1000")
	closed:close_stdin()
	refused(closed, "its standard input was closed")
	refused(a:run_async("sleep 1000", { stdin = "x" }), "its standard input was closed, or given by `stdin`")
	t:assert_error(function()
		closed:write(5)
	end, "process:write: argument `data` is 5; a string is accepted")
end)

test("more than a pipe holds, to one that reads late, or never", function(t)
	local much = ("0123456789"):rep(200000)
	local process = a:run_async("sleep 0.2; wc -c")
	process:write(much)
	process:write(much)
	process:close_stdin()
	t:assert_eq(process:wait("50s").stdout, "4000000\n")
	local deaf = a:run_async("exec sleep 1000")
	deaf:write(much)
	deaf:kill()
	t:assert_eq(deaf:wait("50s").signal_name, "SIGTERM")
	local hasty = a:run_async("exec <&-; echo closed; exec sleep 1000")
	hasty:stdout_stream():expect("closed")
	wait_until(function()
		return not pcall(hasty.write, hasty, much)
	end)
	t:assert_error(function()
		hasty:write("x")
	end, "it has closed its standard input")
end)

test("its number in the node, and its close", function(t)
	local process = a:run_async("sleep", { "1000" })
	t:assert_eq(a:run(("cat /proc/%d/comm"):format(process:pid())).stdout, "sleep\n")
	process:close()
	process:close()
	t:assert(not a:run("pgrep -x sleep"):ok())
	t:assert_error(function()
		process:wait()
	end, "`sleep 1000` was closed")
end)

test("kill reaches the whole process group", function()
	local process = a:run_async("sleep 1000 & sleep 1000 & wait")
	wait_until(function()
		return a:run("pgrep -cx sleep").stdout == "2\n"
	end, { interval = "10ms" })
	process:kill("TERM")
	process:wait("5s")
	wait_until(function()
		return not a:run("pgrep -x sleep"):ok()
	end, { timeout = "60s", interval = "10ms" })
end)

test("what is killed is gone", function(t)
	for _ = 1, 10 do
		local process = a:run_async("for _ in $(seq 50); do sleep 1000 & done; echo started; wait")
		process:stdout_stream():expect("started")
		process:kill("KILL")
		t:assert_eq(a:run("pgrep -cx sleep").stdout, "0\n")
		t:assert(not process:running())
		t:assert_eq(process:wait("5s").signal_name, "SIGKILL")
	end
end)

test("what is killed and cannot go is not waited for long", function(t)
	-- A member of the group whose parent has left the group and does not wait for it.
	local process = a:run_async([[exec python3 -c '
import os, time
if os.fork() == 0:
    if os.fork():
        os.setsid()
        print("left", flush=True)
    time.sleep(1000)
time.sleep(1000)']])
	process:stdout_stream():expect("left")
	process:kill("KILL")
	t:assert_eq(process:wait("5s").signal_name, "SIGKILL")
	t:assert_eq(a:run("ps -e -o stat=,comm= | grep -c '^Z.*python3'").stdout, "1\n")
	t:assert(a:run("pkill -KILL python3"):ok())
end)

test("a process is not ended because nobody looks at it", function()
	a:run_async("sleep 0.3; echo done >/tmp/done")
	collectgarbage()
	collectgarbage()
	wait_until(function()
		return a:run("cat /tmp/done").stdout == "done\n"
	end, { timeout = "60s", interval = "50ms" })
end)

test("a process that nobody reads from is not held up", function(t)
	local process = a:run_async("head -c 3000000 /dev/zero; echo >/tmp/finished")
	wait_until(function()
		provium:sleep("50ms")
		return a:run("test -e /tmp/finished"):ok()
	end, { timeout = "20s", desc = "it has printed all" })
	t:assert_eq(#process:wait().stdout, 3000000)
end)

test("a thousand processes that nobody waits for hold nothing", { timeout = "2m" }, function(t)
	local before = support.descriptors()
	for _ = 1, 1200 do
		a:run_async("true", {})
	end
	wait_until(function()
		return support.descriptors() <= before
	end, { timeout = "20s", desc = "their descriptors are closed" })
	t:assert_eq(a:run("pgrep -x true | wc -l").stdout, "0\n")
end)

-- Both pipes are empty until then, and nobody has looked into them since.
test("the last words of a process whose end is heard while another one is waited for", function(t)
	local process = a:run_async("until [ -e /tmp/go ]; do sleep 0.01; done; echo out; echo err >&2")
	a:run(("touch /tmp/go; while kill -0 %d; do sleep 0.01; done 2>&-"):format(process:pid()))
	local result = process:wait("60s")
	t:assert_eq(result.stdout, "out\n")
	t:assert_eq(result.stderr, "err\n")
end)

test("a stream that has ended is not at its end while something of it is unread", function(t)
	local out = a:run_async("echo one; echo two"):stdout_stream()
	t:assert_error(function() out:read_until("three") end, "the stream ended")
	t:assert(not out:eof())
	t:assert_eq(out:read_until("one\n"), "one\n")
	t:assert_eq(out:next(), "two\n")
	t:assert(out:eof())
end)

test("a stream gives what is printed as it is printed", function(t)
	local process = a:run_async("echo one; until test -e /tmp/second; do sleep 0.01; done;"
		.. " echo two; echo three; echo error >&2")
	local out = process:stdout_stream()
	t:assert_eq(out:next(), "one\n")
	t:assert_eq(out:next("10ms"), nil)
	t:assert(not out:eof())
	a:write_file("/tmp/second", "")
	t:assert_eq(out:read_until("wo"), "two")
	t:assert_eq(out:read_until("\n"), "\n")
	t:assert_eq(out:read_until("three\n"), "three\n")
	t:assert_eq(out:next(), nil)
	t:assert(out:eof())
	t:assert_eq(process:stderr_stream():next(), "error\n")
	t:assert_eq(process:wait().stdout, "one\ntwo\nthree\n", "the result has all of it")
end)

test("bytes behind a match stay", function(t)
	local out = a:run_async("printf 'abcabc\\0def'"):stdout_stream()
	t:assert_eq(out:read_until("c"), "abc")
	t:assert_eq(out:read_until("c"), "abc")
	t:assert_eq(out:read_until("\0"), "\0")
	t:assert_eq(out:next(), "def")
end)

test("a match across pieces, and over megabytes", function(t)
	local out = a:run_async("printf nee; sleep 0.1; printf dle; sleep 0.1; printf x"):stdout_stream()
	t:assert_eq(out:read_until("needle"), "needle")
	out = a:run_async("head -c 5000000 /dev/zero; echo end"):stdout_stream()
	t:assert_eq(#out:read_until("end\n"), 5000004)
end)

test("read_until and expect say why they gave up, and lose nothing", function(t)
	local process = a:run_async("echo something else; sleep 1000")
	local out = process:stdout_stream()
	for _, method in ipairs({ "read_until", "expect" }) do
		t:assert_error(function()
			out[method](out, "else\nneedle", "100ms")
		end, ("stdout:%s timed out waiting for `else\nneedle`, of `echo something else; sleep 1000` in vm `a`; "
			.. [[last was "something else\n"]]):format(method))
	end
	t:assert_eq(out:read_until("else\n"), "something else\n")
	process:kill()
	t:assert_error(function()
		out:read_until("needle")
	end, "stdout:read_until: the stream ended before it came, waiting for `needle`")
	for _, text in ipairs({ "", false }) do
		local message = t:assert_error(function()
			out:expect(text)
		end, "stdout:expect: argument `text` is a string of one byte or more")
		t:assert(message:find("^[^:]*process%.test%.lua:%d+: "), message)
	end
	for _, method in ipairs({ "next", "drain" }) do
		local message = t:assert_error(function()
			out[method](out, "x")
		end, ('stdout:%s: argument `timeout` is "x"'):format(method))
		t:assert(message:find("^[^:]*process%.test%.lua:%d+: "), message)
	end
end)

test("a text that comes in two parts, between two calls", function(t)
	local out = a:run_async("printf nee; while ! [ -e /tmp/second_part ]; do sleep 0.01; done; printf dle"):stdout_stream()
	t:assert_error(function()
		out:expect("needle", "50ms")
	end, "timed out")
	a:write_file("/tmp/second_part", "")
	t:assert_eq(out:expect("needle"), "needle")
end)

-- Ended by their scope: these wait for what a server says, with a limit that would be noticed.
local function says_ready()
	return a:run_async("echo ready; exec sleep 1000")
end

test("what another wait has taken in is there at once", { timeout = "60s" }, function(t)
	for _, method in ipairs({ "next", "read_until", "expect" }) do
		local out = says_ready():stdout_stream()
		provium:sleep("200ms") -- in which the output is collected
		t:assert_eq(out[method](out, method ~= "next" and "ready\n" or "50s", method ~= "next" and "50s" or nil), "ready\n")
		-- Nor does what the script computes meanwhile matter.
		local start = os.clock()
		out = says_ready():stdout_stream()
		while os.clock() - start < 0.1 do
		end
		t:assert_eq(out[method](out, method ~= "next" and "ready\n" or "50s", method ~= "next" and "50s" or nil), "ready\n")
	end
end)

test("25 servers, started and then waited for", { timeout = "60s" }, function()
	for _ = 1, 8 do
		local processes = {}
		for i = 1, 25 do
			processes[i] = says_ready()
		end
		for _, process in ipairs(processes) do
			process:stdout_stream():read_until("ready", "50s")
		end
		for _, process in ipairs(processes) do
			process:kill()
		end
	end
end)

test("output on stderr does not end the wait for stdout", function(t)
	local process = a:run_async("for i in 1 2 3; do echo $i >&2; sleep 0.02; done; echo x")
	t:assert_eq(process:stdout_stream():next(), "x\n")
	t:assert_eq(table.concat(process:stderr_stream():drain(0)), "1\n2\n3\n")
end)

test("drain collects for the whole time, as a list", function(t)
	local process = a:run_async("for i in 1 2 3; do echo $i; sleep 0.3; done; sleep 1000")
	local out = process:stdout_stream()
	local start = support.now()
	local pieces = out:drain("3s")
	t:assert(support.now() - start >= 3, "it does not end while nothing comes")
	t:assert_eq(table.concat(pieces), "1\n2\n3\n")
	t:assert(#pieces > 1, "pieces as they came")
	t:assert_eq(out:drain("50ms"), {})
	out = a:run_async("printf abc; sleep 1000"):stdout_stream()
	out:read_until("a")
	t:assert_eq(out:drain(0), { "bc" }, "what was read already is the first")
	process:kill()
	-- Well before its time, for the stream ends.
	t:assert_eq(table.concat(a:run_async("echo x"):stdout_stream():drain("50s")), "x\n")
	-- However quickly it is read: no process is sure to be quicker.
	local endless = require("provium.stream").new(function()
		provium:sleep("1ms")
		return "x"
	end, "endless", "nowhere", {})
	t:assert(#endless:drain("1ms") > 1, "one that never runs dry ends, too")
end)

test("where a stream was opened", function(t)
	local process = a:run_async("true")
	local site = process:stdout_stream():creation_site()
	t:assert_eq(site, { file = "process.test.lua", line = debug.getinfo(1, "l").currentline - 1 })
end)

test("a closed stream", function(t)
	local out = a:run_async("echo x; sleep 1000"):stdout_stream()
	out:close()
	out:close()
	t:assert_eq(out:next(), nil)
	t:assert(out:eof())
	t:assert_error(function()
		out:read_until("x")
	end, "stdout closed")
	t:assert_error(function()
		out:expect("x")
	end, "stdout closed")
	t:assert_eq(out:drain(), {})
end)

test("two streams of one output each get all of it", function(t)
	local process = a:run_async("echo x; sleep 0.05; echo y")
	local first, second = process:stdout_stream(), process:stdout_stream()
	t:assert_eq(first:read_until("y\n"), "x\ny\n")
	t:assert_eq(second:read_until("y\n"), "x\ny\n")
end)

test("a namespace node has no console to type on", function(t)
	t:assert_error(function()
		a:console():write("x")
	end, "console:write: vm `a` has no console")
	t:assert(a:console():read():eof() == false, "nobody has looked yet")
end)

test("a file that grows", function(t)
	local function append(text)
		a:run("cat >>/tmp/log", { stdin = text }):assert_ok()
	end
	append("abcdef\n")
	local function first(options)
		local stream <close> = a:tail_file("/tmp/log", options)
		return table.concat(stream:drain("300ms"))
	end
	t:assert_eq(first(), "")
	t:assert_eq(first({ start = "end" }), "")
	t:assert_eq(first({ start = "beginning" }), "abcdef\n")
	t:assert_eq(first({ start = 2 }), "cdef\n")
	t:assert_eq(first({ start = -3 }), "ef\n")
	t:assert_eq(first({ start = -100 }), "abcdef\n")
	t:assert(not a:run("pgrep -x tail"):ok(), "closed, they end")
	local log = a:tail_file("/tmp/log")
	append("between the call and what it starts\n")
	t:assert_eq(log:read_until("\n", "50s"), "between the call and what it starts\n")
	append("more")
	t:assert_eq(log:next("50s"), "more")
	t:assert(not log:eof())
	a:run("mv /tmp/log /tmp/log.1; echo rotated >/tmp/log"):assert_ok()
	t:assert_eq(log:read_until("rotated\n", "50s"), "rotated\n")
	t:assert_eq(log:creation_site().file, "process.test.lua")
	t:assert_error(function()
		log:expect("never", "50ms")
	end, "tail:expect timed out waiting for `never`, of `tail -c +8 -F -- /tmp/log` in vm `a`")
	for path, words in pairs({ ["/tmp/missing"] = "No such file", ["/tmp"] = "Is a directory" }) do
		local message = t:assert_error(function()
			a:tail_file(path)
		end, words)
		t:assert_contains(message, "vm:tail_file: vm `a`: read " .. path)
	end
	for _, start in ipairs({ "middle", false, 0 / 0, 1e300 }) do
		t:assert_error(function()
			a:tail_file("/tmp/log", { start = start })
		end, "vm:tail_file: argument `start` is")
	end
end)
