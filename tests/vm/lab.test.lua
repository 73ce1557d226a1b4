-- SPDX-License-Identifier: GPL-2.0-only
-- Virtual machines in a lab: equal to namespace nodes in every way. Both kinds are on the same bridges here.

provium.timeout = "3m"

local lan = provium:bridge("lan")
local v, w = provium:vm("v", "vm"), provium:vm("w", "vm")
local n = provium:vm("n", "netns")
provium:boot()
lan:attach({ v, w, n })

local function reaches(from, name, timeout)
	return from:run(("ping -c 1 -W %g %s"):format(timeout or 30, name)):ok()
end

local function cut_off(from, name)
	return not reaches(from, name, 2)
end

local function carrier(node, device)
	return node:run("cat /sys/class/net/" .. (device or "eth0") .. "/carrier").stdout
end

test("everybody finds everybody, over IPv4 and IPv6", function(t)
	for _, from in ipairs({ v, w, n }) do
		for _, to in ipairs({ v, w, n }) do
			t:assert(reaches(from, "-4 " .. to:name() .. ".lan"), from:name() .. " to " .. to:name())
			t:assert(reaches(from, "-6 " .. to:name()), from:name() .. " to " .. to:name() .. " over IPv6")
		end
	end
	t:assert_eq(v:run("hostname").stdout, "v\n")
	t:assert_eq(v:run("cat /sys/class/net/eth0/address").stdout, v:mac("lan") .. "\n")
	t:assert_eq(v:profile(), "vm")
end)

test("partitions between kinds, and within one", function(t)
	for _, pair in ipairs({ { v, n }, { v, w } }) do
		local a, b = pair[1], pair[2]
		lan:partition(a, b)
		t:assert(cut_off(a, b:name()))
		t:assert(cut_off(b, a:name()))
		lan:unpartition(a, b)
		t:assert(reaches(a, b:name()))
		t:assert_dropped(lan, a, b, "partition")
		t:assert_dropped(lan, b, a, "partition")
	end
	lan:partition({ from = v, to = n })
	n:run("ping -c 1 -W 1 v.lan")
	t:assert(lan:counters(n, v).packets > 0)
	t:assert(reaches(w, "n.lan"))
	lan:restore_all()
	lan:isolate(w)
	t:assert(cut_off(w, "v.lan"))
	t:assert(reaches(v, "n.lan"))
	lan:unisolate(w)
	t:assert(reaches(w, "v.lan"))
end)

-- As tests/lab/healing.test.lua: a kernel repeats its question for an address after a minute here.
test("when a cut is lifted the very next packet gets through", function(t)
	local function heals(cut, lift)
		for _, family in ipairs({ "-4", "-6" }) do
			for _, node in ipairs({ v, w, n }) do
				node:run("ip neigh flush all; for f in 4 6; do "
					.. "echo 60000 >/proc/sys/net/ipv$f/neigh/eth0/retrans_time_ms; done"):assert_ok()
			end
			cut()
			for _, pair in ipairs({ { v, "w" }, { w, "v" }, { n, "v" } }) do
				pair[1]:run("ping", { family, "-n", "-c", 1, "-W", 0.1, pair[2] })
			end
			lift()
			for _, pair in ipairs({ { v, "w" }, { w, "v" }, { n, "v" } }) do
				t:assert(pair[1]:run("ping", { family, "-n", "-c", 1, "-W", 30, pair[2] }):ok(),
					pair[1]:name() .. " to " .. pair[2] .. family)
			end
		end
	end
	heals(function() lan:partition(v, { w, n }) end, function() lan:unpartition(v, { w, n }) end)
	heals(function() lan:isolate(v) end, function() lan:unisolate(v) end)
	heals(function() lan:partition_all() end, function() lan:restore_all() end)
	heals(function() lan:drop_rate(100) end, function() lan:reset() end)
	heals(function() v:nic("lan"):disconnect() end, function() v:nic("lan"):reconnect() end)
	n:run("ip neigh flush all"):assert_ok()
	v:pause()
	n:run("ping -4 -n -c 1 -W 0.1 v")
	v:resume()
	n:run("ping -4 -n -c 1 -W 30 v"):assert_ok()
end)

test("the guest sees its cable pulled and put back, at once", function(t)
	v:nic("lan"):disconnect()
	t:assert_eq(carrier(v), "0\n")
	t:assert(cut_off(n, "v.lan"))
	v:nic("lan"):reconnect()
	t:assert_eq(carrier(v), "1\n")
	t:assert(reaches(n, "v.lan"))
	t:assert_eq(carrier(w), "1\n", "w's cable was not touched")
end)

test("a card that is attached to a running guest works soon", function(t)
	local data = provium:bridge("data")
	data:attach({ v, n })
	wait_until(function() return v:run("ping -c 1 -W 1 n.data"):ok() end, { timeout = "60s", interval = "50ms" })
	t:assert_eq(v:nic("data"):device(), "eth1")
	t:assert_eq(carrier(v, "eth1"), "1\n")
	data:detach(v)
	wait_until(function() return not v:run("test -e /sys/class/net/eth1"):ok() end, { timeout = "60s" })
	t:assert(reaches(v, "n.lan"), "the other card works on")
	data:attach(v)
	wait_until(function() return v:run("ping -c 1 -W 1 n.data"):ok() end, { timeout = "60s" })
end)

test("a card that is attached before boot", function(t)
	local early = provium:bridge("early")
	local x = provium:vm("x", "vm")
	early:attach({ x, n })
	x:boot()
	t:assert(reaches(x, "n.early"))
	t:assert_eq(table.concat(early:members(), " "), "n x")
end)

test("commands: streams, status, signals, environment, input, time limits", function(t)
	local result = v:run("echo out; echo err >&2; exit 3")
	t:assert_eq(result.stdout .. result.stderr .. result.exit_code, "out\nerr\n3")
	t:assert_eq(v:run("kill -KILL $$").signal_name, "SIGKILL")
	t:assert_eq(v:run("cat; echo $A; pwd", { stdin = "in ", env = { A = "b" }, cwd = "/tmp" }).stdout, "in b\n/tmp\n")
	t:assert_eq(v:run("printf", { "%s|", "a b", "'$x" }).stdout, "a b|'$x|")
	result = v:run("sleep 600 & sleep 600", { timeout = "1s" })
	t:assert(result.timed_out)
	t:assert_eq(v:run("pidof sleep").stdout, "", "killed in the guest")
	t:assert_error(function() v:run("/no/such", { "x" }) end, "no/such")
	local process = v:run_async("for i in 1 2 3; do echo $i; sleep 0.3; done")
	process:stdout_stream():expect("2\n", "20s")
	t:assert_eq(process:wait("20s").stdout, "1\n2\n3\n")
	process = v:run_async("exec sleep 1000", { timeout = "1s" })
	t:assert_eq(v:run(("cat /proc/%d/comm"):format(process:pid())).stdout, "sleep\n")
	t:assert_eq(process:wait("50s").status, "timed_out")
	t:assert_error(function() process:write("x") end, "gives a process in vm `v` its standard input when it starts")
	process:close_stdin()
end)

test("files of any bytes, and large ones", function(t)
	local bytes = string.char(0, 255, 10, 13, 128) .. ("x"):rep(3000000)
	v:write_file("/tmp/deep/er/file", bytes)
	t:assert(v:read_file("/tmp/deep/er/file") == bytes)
	t:assert_error(function() v:read_file("/none") end, "/none")
end)

test("pause stops a guest, and resume lets it go on", function(t)
	v:pause()
	t:assert_eq(v:state(), "paused")
	t:assert(not n:run("ping -c 1 -W 1 v.lan"):ok())
	t:assert_error(function() v:run("true") end, "VM is paused; use resume()")
	v:resume()
	t:assert_eq(v:state(), "booted")
	wait_until(function() return reaches(n, "v.lan", 1) end, { timeout = "60s" })
end)

test("snapshot, change, restore: memory, files, cards", function(t)
	v:write_file("/tmp/state", "before")
	local saved = v:snapshot()
	v:write_file("/tmp/state", "after")
	v:restore(saved)
	t:assert_eq(v:read_file("/tmp/state"), "before")
	wait_until(function() return reaches(v, "n.lan", 1) and reaches(n, "v.lan", 1) end, { timeout = "60s" })
	local path = os.tmpname()
	t:defer(function() os.remove(path) end)
	v:snapshot(path)
	v:write_file("/tmp/state", "after")
	v:restore(path)
	t:assert_eq(v:read_file("/tmp/state"), "before")
	t:assert_error(function() n:snapshot() end, "use profile \"vm\"")
	t:assert_error(function() v:restore("/none") end, "/none")
	t:assert_eq(v:state(), "booted")
end)

test("a guest that comes back is the same", function(t)
	local x = provium:vm("x", "vm")
	local data = provium:bridge("data")
	data:attach({ x, n })
	lan:attach(x)
	lan:partition(x, n)
	x:boot()
	local mac, ip = x:mac("lan"), x:ip("lan")
	local process = x:run_async("sleep 1000")
	for _, act in ipairs({
		function() x:shutdown(); x:boot() end,
		function() x:run_async("poweroff -f"); wait_until(function() return x:state() == "dead" end); x:boot() end,
		function() x:reset({ memory = "320M" }) end,
	}) do
		act()
		t:assert_eq(x:state() .. x:mac("lan") .. x:ip("lan"), "booted" .. mac .. ip)
		t:assert_eq(x:run("cat /sys/class/net/" .. x:nic("lan"):device() .. "/address").stdout, mac .. "\n")
		t:assert_eq(x:nic(x:nic("lan"):device()), x:nic("lan"))
		t:assert(reaches(x, "n.data") and reaches(x, "v.lan") and reaches(n, "x.data"))
		t:assert(not n:run("ping -c 1 -W 1 x.lan"):ok())
	end
	t:assert_error(function() process:wait("1s") end, "node `x` was shut down")
	t:assert_error(function() x:reboot({ cpus = 200 }) end, "200 CPUs are more than 64")
	t:assert_eq(x:state(), "shutdown")
end)

test("no snapshot while a capture is open", function(t)
	local capture = lan:capture()
	t:assert_error(function() v:snapshot() end, "lab.test.lua:")
	capture:close()
	v:snapshot()
end)

test("routes reach guests", function(t)
	local data = provium:bridge("data")
	local c = provium:vm("c", "netns"):boot()
	data:attach(c)
	lan:route(data)
	t:assert(reaches(v, "-4 c.data"))
	t:assert(reaches(c, "-6 v.lan"))
	data:unroute(lan)
	t:assert(not v:run("ping -4 -c 1 -W 1 c.data"):ok())
end)

test("latency holds for guests, one way, for every frame", { tags = { "fq" } }, function(t)
	lan:add_latency({ from = v, to = n, ms = 300 })
	local time = tonumber(v:run("ping -c 3 -i 1 n.lan").stdout:match("= ([%d.]+)/"))
	t:assert(time >= 300, time .. " ms")
	lan:add_latency(300)
	time = tonumber(v:run("ping -c 3 -i 1 w.lan").stdout:match("= ([%d.]+)/"))
	t:assert(time >= 600, time .. " ms")
	lan:reset()
end)

test("a guest that floods leaves the others working", function(t)
	local data = provium:bridge("data")
	data:attach({ v, n })
	n:run_async("iperf3 -s")
	v:run_async("iperf3 -s")
	local out = v:run_async("iperf3 -u -b 0 -t 100 -c n.data")
	local back = n:run_async("iperf3 -u -b 0 -t 100 -c v.data")
	provium:sleep("2s")
	t:assert(reaches(n, "w.lan"))
	t:assert(w:run("true"):ok())
	out:kill()
	back:kill()
	wait_until(function() return v:run("true"):ok() end, { timeout = "60s" })
end)

test("a guest that powers itself off is dead, and nobody else is", function(t)
	local x = provium:vm("x", "vm"):boot()
	lan:attach(x)
	t:assert_error(function() x:run("busybox poweroff -f; sleep 30") end, "x")
	wait_until(function() return x:state() == "dead" end, { timeout = "60s" })
	t:assert_error(function() x:run("true") end, "VM is dead")
	t:assert(reaches(v, "n.lan"))
end)

test("a guest that kills its agent gives an error within its time", function(t)
	local x = provium:vm("x", "vm"):boot()
	x:run_async("sleep 0.5; kill -STOP $(pidof qemu-ga)")
	provium:sleep("2s")
	t:assert_error(function() x:run("true", { timeout = "3s" }) end, "x")
	t:assert_eq(x:state(), "booted")
end)
