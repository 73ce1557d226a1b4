-- SPDX-License-Identifier: GPL-2.0-only
-- What a pause is for the programs in a namespace node: nothing that they could see.

local a = provium:vm("a", "netns"):boot()

-- Says what its child does, which runs the command; first of all the child's number.
local PARENT = [=[
import os, sys
child = os.fork()
if not child:
    os.execvp("sh", ["sh", "-c", sys.argv[1]])
print(child, flush=True)
while True:
    status = os.waitpid(child, os.WUNTRACED | os.WCONTINUED)[1]
    if os.WIFSTOPPED(status):
        print("stopped", flush=True)
    elif os.WIFCONTINUED(status):
        print("continued", flush=True)
    else:
        sys.exit("ended")
]=]

local function supervise(command)
	local parent = a:run_async("python3", { "-c", PARENT, command })
	local output = parent:stdout_stream()
	return parent, output, output:read_until("\n"):match("%d+")
end

local function pause()
	a:pause()
	a:resume()
end

local function state_of(pid)
	return a:read_file("/proc/" .. pid .. "/stat"):match("%) (%a)")
end

test("a parent that waits for its child hears nothing", function(t)
	local parent, _, child = supervise("exec sleep 1000")
	for _ = 1, 5 do
		pause()
	end
	a:run("kill " .. child):assert_ok()
	local result = parent:wait()
	t:assert_eq(result.stdout, child .. "\n")
	t:assert_eq(result.stderr, "ended\n")
end)

test("a process that had stopped stays so", function(t)
	local _, output, child = supervise("kill -STOP $$; exec sleep 1000")
	output:read_until("stopped\n")
	pause()
	t:assert_eq(state_of(child), "T")
	a:run("kill -CONT " .. child):assert_ok()
	output:read_until("continued\n")
end)

test("processes that are born all the time", function(t)
	local births = a:run_async("while :; do (:); echo; done")
	local output = births:stdout_stream()
	for _ = 1, 20 do
		output:read_until("\n")
		a:pause()
		output:drain("50ms")
		t:assert_eq(output:next("50ms"), nil, "one of them still runs")
		a:resume()
	end
end)

test("signals during a pause", function(t)
	local sleep = a:run_async("sleep 1000")
	local handler = a:run_async("trap 'exit 7' TERM; echo; while :; do sleep 0.01; done")
	handler:stdout_stream():read_until("\n")
	a:pause()
	sleep:kill("KILL")
	t:assert_eq(sleep:wait().signal_name, "SIGKILL")
	-- One that would not end it is for when it goes on.
	handler:kill("TERM")
	t:assert_eq(select(2, handler:wait("50ms")), "timed out")
	a:resume()
	t:assert_eq(handler:wait().exit_code, 7)
end)

test("a node that is paused ends with all that runs in it", function(t)
	local b = provium:vm("b", "netns"):boot()
	local sleep = b:run_async("sleep 1000")
	b:pause()
	b:shutdown()
	t:assert_eq(sleep:wait().signal_name, "SIGKILL")
	b:boot()
	b:run("true"):assert_ok()
end)
