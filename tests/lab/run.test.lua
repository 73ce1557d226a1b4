-- SPDX-License-Identifier: GPL-2.0-only
-- Commands in nodes: all ways to say what is to run, and all ways in which it may end.

local a = provium:vm("a", "netns"):boot()

test("a shell line", function(t)
	local result = a:run("echo out; echo err >&2; exit 3")
	t:assert_eq(result.stdout, "out\n")
	t:assert_eq(result.stderr, "err\n")
	t:assert_eq(result.exit_code, 3)
	t:assert_eq(result.status, "exited")
	t:assert_eq(result.signal, nil)
	t:assert_eq(result.timed_out, false)
	t:assert_eq(result.command, "echo out; echo err >&2; exit 3")
	t:assert_eq(result.node, "a")
	t:assert(not result:ok())
	t:assert(a:run("true"):ok())
end)

test("a program and its arguments, which no shell sees", function(t)
	local result = a:run("printf", { "%s|", "$HOME", "a b", "*", "", "'\"" })
	t:assert_eq(result.stdout, "$HOME|a b|*||'\"|")
	t:assert_eq(result.command, "printf %s| $HOME a b *  '\"")
	t:assert_eq(a:run("printf", { "%s|", 5, 2.5 }).stdout, "5|2.5|")
	t:assert_eq(a:run("/bin/echo", {}).stdout, "\n")
	t:assert_eq(a:run("echo", { args = { "a", "b" } }).stdout, "a b\n")
end)

test("a shell line with options", function(t)
	local result = a:run('echo "$A $B $(pwd) $(cat)"', {
		env = { A = "1 2", B = 3 },
		cwd = "/usr",
		stdin = "in",
		timeout = "5s",
	})
	t:assert_eq(result.stdout, "1 2 3 /usr in\n")
end)

test("what is not there", function(t)
	local function refuses(call, words)
		local message = t:assert_error(call, words)
		t:assert_eq(message:sub(-#words), words)
	end
	refuses(function()
		a:run("no-such-program", {})
	end, "vm:run: run `no-such-program` in node `a`: No such file or directory")
	refuses(function()
		a:run("/etc/passwd", {})
	end, "vm:run: run `/etc/passwd` in node `a`: Permission denied")
	refuses(function()
		a:run("pwd", { cwd = "/no/such" })
	end, "vm:run: run `/bin/sh` in node `a` (with cwd /no/such): No such file or directory")
	local shell = a:run("no-such-program")
	t:assert_eq(shell.exit_code, 127)
	t:assert_eq(shell.status, "exited")
end)

test("the environment is the node's, not that of provium", function(t)
	local variables = {}
	for name in a:run("env").stdout:gmatch("([^\n=]+)=") do
		variables[name] = true
	end
	t:assert(variables.PATH, "no PATH")
	for name in pairs(variables) do
		t:assert(("PATH HOME USER LOGNAME SHELL TERM LANG TZ PWD OLDPWD SHLVL _"):find(name, 1, true) or name:find("^LC_"),
			name .. " is passed on")
	end
	t:assert_eq(a:run("echo $PATH", { env = { PATH = "/x" } }).stdout, "/x\n")
end)

test("what programs leave lying about is a node's own", function(t)
	local b = provium:vm("b", "netns"):boot()
	for _, folder in ipairs({ "/tmp", "/dev/shm" }) do
		local path = folder .. "/provium-run-test"
		a:run("touch " .. path):assert_ok()
		t:assert(a:run("test -e " .. path):ok())
		local seen_by_b, seen_here = b:run("test -e " .. path):ok(), os.remove(path)
		t:assert(not seen_by_b and not seen_here, path)
	end
end)

test("signals", function(t)
	local result = a:run("kill -SEGV $$")
	t:assert_eq(result.status, "signalled")
	t:assert_eq(result.signal_name, "SIGSEGV")
	t:assert_eq(result.signal, 11)
	t:assert_eq(result.exit_code, 128 + 11)
	t:assert(not result:ok())
	t:assert_eq(a:run("kill -40 $$").exit_code, 128 + 40)
end)

test("signals are as a program expects them to be", function(t)
	-- None blocked, SIGPIPE not ignored.
	local status = a:run("cat", { "/proc/self/status" }).stdout
	t:assert_eq(status:match("SigBlk:%s*(%x+)"), ("0"):rep(16))
	t:assert_eq(tonumber(status:match("SigIgn:%s*(%x+)"), 16) & 1 << 12, 0)
end)

test("a time limit kills all that was started", function(t)
	local result = a:run("echo before; sleep 1000 & sleep 1000; echo after", { timeout = "1s" })
	t:assert_eq(result.status, "timed_out")
	t:assert_eq(result.timed_out, true)
	t:assert_eq(result.exit_code, 124)
	t:assert_eq(result.stdout, "before\n")
	t:assert(not result:ok())
	t:assert(not a:run("pgrep -x sleep"):ok(), "a sleep is left")
	-- Each takes the kernel a moment.
	for _ = 1, 10 do
		t:assert(a:run("for _ in $(seq 50); do sleep 1000 & done; sleep 1000", { timeout = "200ms" }).timed_out)
		t:assert_eq(a:run("pgrep -cx sleep").stdout, "0\n")
	end
	t:assert_eq(a:run("trap '' TERM INT; sleep 1000", { timeout = 0.1 }).status, "timed_out")
end)

test("assert_ok tells all", function(t)
	local result = a:run("true")
	t:assert_eq(result:assert_ok(), result)
	local function message(...)
		local ended = a:run(...)
		return t:assert_error(function()
			ended:assert_ok()
		end):gsub("^[^:]*:%d+: ", "")
	end
	t:assert_eq(message("echo x; echo y >&2; exit 9"),
		"command failed: status=exited code=9: `echo x; echo y >&2; exit 9` in vm `a`\nstdout: x\n\nstderr: y\n")
	t:assert_eq(message("kill -9 $$"),
		"command failed: status=signalled signal=SIGKILL: `kill -9 $$` in vm `a`\nstdout: \nstderr: ")
	t:assert_eq(message("sleep", { args = { 5 }, timeout = 0.05 }),
		"command failed: status=timed_out code=124: `sleep 5` in vm `a`\nstdout: \nstderr: ")
end)

test("ten megabytes each way, at once", { tags = { "smoke" } }, function(t)
	local big = ("0123456789abcde\n"):rep(10 << 16)
	local result = a:run("tee /dev/stderr", { stdin = big, timeout = "60s" }):assert_ok()
	t:assert(result.stdout == big, "stdout has " .. #result.stdout .. " bytes")
	t:assert(result.stderr == big, "stderr has " .. #result.stderr .. " bytes")
end)

test("bytes of every kind", function(t)
	local bytes = {}
	for i = 0, 255 do
		bytes[#bytes + 1] = string.char(i)
	end
	bytes = table.concat(bytes)
	t:assert_eq(a:run("cat", { stdin = bytes }).stdout, bytes)
	t:assert_eq(a:run("cat", { stdin = "" }).stdout, "")
	t:assert_eq(a:run("cat").stdout, "", "without stdin there is none")
end)

test("a program that does not read its input", function(t)
	local result = a:run("true", { stdin = ("x"):rep(1 << 24), timeout = "20s" })
	t:assert_eq(result.status, "exited")
	t:assert_eq(a:run("exec <&-; sleep 0.05; echo done", { stdin = ("x"):rep(1 << 20) }).stdout, "done\n")
end)

test("a program that closes its output, and goes on", function(t)
	t:assert_eq(a:run("exec >&- 2>&-; sleep 0.1; exit 4").exit_code, 4)
end)

test("children in the background hold nobody up, and live on", function(t)
	local result = a:run("sleep 1000 & echo $!")
	t:assert_eq(result.status, "exited")
	local pid = result.stdout:match("%d+")
	t:assert(a:run("test -d /proc/" .. pid):ok(), "the child is gone")
	a:run("setsid sleep 2000 & echo x"):assert_ok()
	a:run("kill " .. pid):assert_ok()
	-- By its whole line, which neither setsid nor the zombie of the other one has.
	wait_until(function()
		return a:run("pkill -x -f 'sleep 2000'"):ok()
	end, { timeout = "60s", interval = "10ms", desc = "a child in a session of its own lives on" })
end)

test("a child in the background that prints without end", { timeout = "20s" }, function(t)
	local result = a:run("yes & sleep 0.1")
	t:assert_eq(result.status, "exited")
	t:assert_eq(result.stdout:sub(1, 2), "y\n")
	a:run("pkill yes")
	-- What was written before the end is all there, though.
	t:assert_eq(#a:run("head -c 60000 /dev/zero").stdout, 60000)
end)

test("orphans are reaped", function()
	a:run("for i in 1 2 3 4 5; do (sleep 0.01 &) ; done")
	wait_until(function()
		return not a:run("pgrep -x sleep"):ok()
	end, { timeout = "60s", interval = "20ms", desc = "no process, and no zombie, is left" })
end)

test("more output than anybody wants", { timeout = "2m" }, function(t)
	t:assert_error(function()
		a:run("cat /dev/zero", { timeout = "100s" })
	end, "`cat /dev/zero` in vm `a`: more than 256 MiB of output; write it to a file in the node")
	wait_until(function()
		return not a:run("pgrep -x cat"):ok()
	end, { timeout = "60s", interval = "20ms", desc = "it is ended" })
end)

test("more on standard error than anybody wants", { timeout = "5m" }, function(t)
	t:assert_error(function()
		a:run("cat /dev/zero >&2", { timeout = "4m" })
	end, "`cat /dev/zero >&2` in vm `a`: more than 256 MiB of output")
end)

-- As much as a pipe holds is still in it when the program has ended.
test("the last words of a program, on both outputs", function(t)
	for _ = 1, 20 do
		local result = a:run("head -c 65000 /dev/zero | tr '\\0' e >&2; head -c 65000 /dev/zero | tr '\\0' o")
		t:assert(result.stdout == ("o"):rep(65000), #result.stdout)
		t:assert(result.stderr == ("e"):rep(65000), #result.stderr)
	end
end)

test("many commands side by side", function(t)
	local processes = {}
	for i = 1, 100 do
		processes[i] = a:run_async("sleep 0.1; echo " .. i)
	end
	for i = 1, 100 do
		t:assert_eq(processes[i]:wait("20s").stdout, i .. "\n")
	end
end)

-- The same for both kinds of nodes.
require("run_forms")(a)
