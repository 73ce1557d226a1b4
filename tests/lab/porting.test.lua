-- SPDX-License-Identifier: GPL-2.0-only
-- Scripts as they were written for the original of this tool, and not changed: run by --profile peios=netns. Keep them
-- so.

local support = require "support"

local SCRIPT = [[
provium.timeout = "45s"
provium.reset_between_tests = false
provium:claim({memory = "64M", cpus = 1})

local function pair()
    local lan = provium:bridge("lan")
    local a = provium:vm("a", "peios", {memory = "64m", cpus = 1})
    local b = provium:vm("b", "peios", {files = {{path = "/tmp/motd", content = "hi\n", mode = 420}}})
    lan:attach({a, b})
    provium:boot()
    return lan, a, b
end

test("names and members", {tags = {"smoke"}, spec = "NET-1"}, function(t)
    local lan, a, b = pair()
    t:assert_eq(provium.a:state(), "booted")
    t:assert_eq(provium.lan:name(), "lan")
    t:assert_eq(provium.nobody, nil)
    local kinds = {}
    for _, m in ipairs(provium:members()) do kinds[#kinds + 1] = m.kind .. "=" .. m.name end
    t:assert_eq(table.concat(kinds, " "), "vm=a vm=b bridge=lan")
    t:assert_eq(table.concat(lan:members(), ","), "a,b")
    t:assert_eq(t.meta.spec, "NET-1")
    t:log("members are as they should be")
end)

test("partition, wait, heal", function(t)
    local lan, a, b = pair()
    a:run("ping -c 1 -W 1 b.lan"):assert_ok()
    lan:partition("a", "b")
    t:assert(lan:is_partitioned("b", "a"))
    local r = a:run("ping", {"-c", "1", "-W", "1", "b.lan"})
    t:assert(not r:ok())
    t:assert_eq(r.exit_code, 1)
    t:assert_eq(r.status, "exited")
    lan:unpartition("a", "b")
    local tries = 0
    wait_until(function()
        tries = tries + 1
        return a:run("ping -c 1 -W 1 b.lan"):ok()
    end, {timeout = "10s", interval = 0.25, desc = "ARP re-converges"})
    lan:partition({from = "a", to = "b"})
    lan:restore_all()
    lan:isolate(a)
    t:assert(lan:is_isolated("a"))
    lan:unisolate(a)
    lan:drop_rate(150)
    t:assert_eq(lan:drop_rate_pct(), 100)
    lan:reset()
    t:assert_eq(lan:drop_rate_pct(), 0)
    local err = t:assert_raises(function() provium:vm("a", "peios") end)
    t:assert_contains(tostring(err), "already")
    t:assert_raises(function() lan:partition({from = "a", to = "nobody"}) end)
end)

test("cables and captures", function(t)
    local lan, a, b = pair()
    local cap = lan:capture()
    a:run("ping -c 3 -i 0.2 b.lan"):assert_ok()
    local frames = cap:drain("2s")
    t:assert(#table.concat(frames) > 24)
    t:assert(not cap:eof())
    cap:close()
    local nic = a:nic("eth0")
    t:assert_eq(nic:bridge(), "lan")
    t:assert_eq(nic:vm_name(), "a")
    nic:disconnect()
    t:assert_eq(a:run("cat /sys/class/net/eth0/carrier").stdout, "0\n")
    nic:reconnect()
    local c = nic:counters()
    for _, key in ipairs({"rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "errors"}) do
        t:assert(math.type(c[key]) == "integer", key)
    end
end)

test("commands, files and processes", function(t)
    local lan, a, b = pair()
    t:assert_eq(b:read_file("/tmp/motd"), "hi\n")
    t:assert_eq(b:stat("/tmp/motd").perm, 420)
    b:mkdir("/tmp/d/e", {parents = true})
    b:write_file("/tmp/d/e/x", "1")
    b:rename("/tmp/d/e/x", "/tmp/d/e/y")
    t:assert_eq(b:listdir("/tmp/d/e")[1].name, "y")
    b:unlink("/tmp/d/e/y")
    t:assert_eq(a:run("cat", {args = {}, stdin = "in"}).stdout, "in")
    t:assert_eq(a:run("echo $K", {env = {K = "v"}, cwd = "/tmp"}).stdout, "v\n")
    local p = a:run_async("trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    p:stdout_stream():expect("ready", "10s")
    t:assert(p:pid() > 0)
    t:assert_eq(p:status(), "running")
    p:kill("term")
    t:assert_eq(p:wait(10).exit_code, 0)
    local r = a:run("kill -9 $$")
    t:assert_eq(r.signal, 9)
    t:assert_eq(r.timed_out, false)
    t:assert_contains(tostring(r), "RunResult{ status=signalled")
end)

test("federated labs", function(t)
    local dc1, dc2 = provium:lab("dc1"), provium:lab()
    for _, dc in ipairs({dc1, dc2}) do
        dc:vm("a", "peios")
        dc:bridge("lan"):attach(dc.a)
    end
    provium:boot()
    t:assert_eq(provium.dc1.a:state(), "booted")
    t:assert_eq(dc2:name(), "__lab_0")
    t:assert_eq(table.concat(provium:sub_lab_names(), " "), "__lab_0 dc1")
    provium:pause()
    t:assert_eq(dc2.a:state(), "paused")
    provium:resume()
    dc1:include({dc2:vm("b", "peios")})
    provium:remove("dc1")
    provium:remove("nothing")
    provium:shutdown()
    t:assert_eq(dc2.a:state(), "shutdown")
    t:assert_eq(provium:unpack("<I2", provium:pack("<I2", 770)), 770)
end)
]]

test("a script of many lines", function(t)
	local run = support.run({ ["stranger.test.lua"] = SCRIPT }, "--profile peios=netns")
	for _, outcome in ipairs(run.tests) do
		t:assert_eq(outcome.status, "passed", outcome.name .. ": " .. tostring(outcome.message))
	end
	t:assert_eq(#run.tests, 5)
	t:assert_eq(run.status, 0)
end)
