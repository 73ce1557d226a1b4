-- SPDX-License-Identifier: GPL-2.0-only
-- A node that comes back is the same: its places, addresses, rules, and what was said about its cable.

local support = require "support"

local function carrier(node)
	return node:run("cat /sys/class/net/eth0/carrier").stdout
end

-- What a script can ask about a, before and behind the act.
local function same_node(t, act)
	local lan, a, b, c = support.network(3)
	local data = provium:bridge("data")
	data:attach({ a, c })
	lan:drop_rate({ from = a, p = 7 })
	lan:partition(a, c)
	data:isolate(a)
	data:nic(c):disconnect()
	lan:partition({ from = b, to = a })
	lan:unpartition({ from = b, to = a })
	a:run("ping -n -c 3 -i 0.01 -W 5 b")
	local capture = lan:capture()
	local nics = {}
	local function everything()
		for _, bridge in ipairs({ lan, data }) do
			nics[bridge:name()] = { a:ip(bridge), a:ip6(bridge), a:mac(bridge), bridge:nic(a):is_connected(),
				bridge:is_isolated(a), bridge:is_partitioned(a, c), json.encode(bridge:path(a, c)) }
		end
		return json.encode(nics)
	end
	local before, sent = everything(), lan:counters(a, b).packets
	act(a)
	t:assert_eq(a:state(), "booted")
	t:assert_eq(everything(), before)
	t:assert_eq(carrier(a), "1\n")
	t:assert_eq(carrier(c), "1\n")
	lan:drop_rate({ from = a, p = 0 })
	t:assert(support.reaches(a, "b.lan", 20), "the others by their names")
	t:assert(support.reaches(b, "a.lan", 20), "by its name")
	t:assert(lan:counters(a, b).packets > sent)
	t:assert(not support.reaches(a, "c.lan"))
	t:assert(not support.reaches(a, "c.data"))
	t:assert_eq(a:run("cat /sys/class/net/eth0/address").stdout, a:nic("eth0"):mac() .. "\n")
	if capture then
		t:assert(#capture:next("20s") > 24)
		capture:close()
	end
end

test("shut down and booted", { tags = { "smoke" } }, function(t)
	same_node(t, function(a)
		a:shutdown()
		t:assert_eq(a:state(), "shutdown")
		a:boot()
	end)
end)

test("booted with its lab", function(t)
	same_node(t, function(a)
		a:shutdown()
		provium:boot()
	end)
end)

test("rebooted, and reset", function(t)
	same_node(t, function(a)
		t:assert_eq(a:reboot(), a)
		t:assert_eq(a:reset(), a)
	end)
end)

test("booted after it died", function(t)
	same_node(t, function(a)
		support.kill(a)
		t:assert_error(function() a:run("true") end, "VM is dead: it ended by itself; boot() starts it again (cannot run)")
		a:boot()
	end)
end)

test("a node is dead when its processes have ended with it", function(t)
	local a = provium:vm("a", "netns"):boot()
	for _ = 1, 20 do
		local process = a:run_async("sleep 1000")
		os.execute("kill -9 " .. support.init_of(a))
		t:assert_eq(process:wait().signal, 9)
		t:assert_eq(a:state(), "dead")
		a:boot()
	end
end)

test("a cable that is out, and a pair that is cut, when the node is not there", function(t)
	local lan, a, b = support.network(2)
	a:shutdown()
	lan:nic(a):disconnect()
	lan:partition(a, b)
	a:boot()
	t:assert_eq(carrier(a), "0\n")
	lan:nic(a):reconnect()
	t:assert(not support.reaches(b, a))
	lan:unpartition(a, b)
	t:assert(support.reaches(b, a, 20))
end)

test("shutdown, from every state", function(t)
	local a = provium:vm("a", "netns")
	for _, state in ipairs({ "created", "booted", "paused", "dead", "shutdown" }) do
		if state ~= "created" and a:state() ~= "booted" and state ~= "shutdown" then
			a:boot()
		end
		if state == "paused" then
			a:pause()
		elseif state == "dead" then
			support.kill(a)
		end
		t:assert_eq(a:state(), state)
		a:shutdown()
		t:assert_eq(a:state(), "shutdown")
	end
	t:assert_error(function() a:reboot() end, "VM is shutdown; boot() starts it again (cannot reboot)")
	a:boot()
	t:assert_error(function() a:boot() end, "VM already booted")
end)

test("processes, streams and values of a life before", function(t)
	local _, a = support.network(1)
	local process = a:run_async("echo hello; sleep 1000")
	local stream = process:stdout_stream()
	t:assert_eq(stream:read_until("\n"), "hello\n")
	local nic = a:nic("eth0")
	a:reboot()
	t:assert_eq(process:wait().signal_name, "SIGKILL")
	t:assert_eq(stream:next(), nil)
	t:assert(stream:eof())
	t:assert(not process:running())
	process:kill()
	t:assert(nic:is_connected())
	t:assert_eq(nic, a:nic("eth0"))
	t:assert_eq(a:run("pidof sleep").stdout, "")
end)

test("files of the options are there in every life, and options that a boot failed with in none", function(t)
	local _, a = support.network(1)
	a:reboot({ files = { { path = "/tmp/x", content = "one" } } })
	a:write_file("/tmp/x", "changed")
	a:write_file("/tmp/y", "its own")
	a:reboot()
	t:assert_eq(a:read_file("/tmp/x"), "one")
	t:assert(not a:run("test -e /tmp/y"):ok(), "memory of a life before")
	a:shutdown()
	t:assert_error(function()
		a:boot({ files = { { path = "/proc/no/such", content = "two" } } })
	end, "/proc/no/such")
	t:assert_eq(a:state(), "shutdown")
	t:assert_eq(a:boot():read_file("/tmp/x"), "one")
end)

test("what is routed and published", function(t)
	local lan, a = support.network(1)
	local data, c = provium:bridge("data"), provium:vm("c", "netns"):boot()
	data:attach(c)
	lan:route(data)
	local _, port = lan:publish(a, { port = 80 })
	a:reboot()
	t:assert(support.reaches(a, "c.data", 20))
	t:assert(support.reaches(c, "a.lan", 20))
	a:run("echo hello >/tmp/page")
	a:run_async("exec busybox httpd -f -p 80 -h /tmp")
	wait_until(function()
		return support.ask("curl -s --max-time 5 http://127.0.0.1:" .. port .. "/page") == "hello"
	end)
end)

test("a lab boots all or none, and leaves those that it did not boot as they were", function(t)
	local a, b, c = provium:vm("a", "netns"):boot(), provium:vm("b", "netns"):boot(), provium:vm("c", "netns")
	a:shutdown()
	support.kill(b)
	c:boot()
	c:shutdown()
	local d = provium:vm("d", "netns", { files = { { path = "/proc/no/such", content = "" } } })
	t:assert_error(function() provium:boot() end, "/proc/no/such")
	t:assert_eq(a:state() .. b:state() .. c:state() .. d:state(), "shutdowndeadshutdowncreated")
	provium:remove(d)
	provium:boot()
	t:assert_eq(a:state() .. b:state() .. c:state(), "bootedbootedbooted")
	provium:shutdown()
	provium:shutdown()
	t:assert_eq(a:state() .. b:state() .. c:state(), "shutdownshutdownshutdown")
end)

test("a name reserved for a node that is down, in hosts of one that is paused", function(t)
	local lan, a, b = support.network(2)
	a:pause()
	local c = provium:vm("c", "netns"):boot()
	lan:attach(c)
	b:shutdown()
	a:resume()
	t:assert(support.reaches(a, "c.lan", 20), "a name that came while it was paused")
	b:boot()
	t:assert(support.reaches(a, "b.lan", 20))
end)
