-- SPDX-License-Identifier: GPL-2.0-only
-- Debian's packages in nodes: what is installed in one is there alone, and its servers run as they come, with the same
-- paths and ports in every node.
local support = require "support"

local SLOW = { timeout = "20m" }
-- Made by tools/mkpackages.
local REPOSITORY = (os.getenv("PROVIUM_CACHE") or "/var/cache/provium") .. "/packages"

-- ---- A package of the test's own, which no machine has.

local CONTROL = [[
Package: provium-probe
Version: 1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: a package that only nodes have
]]

local POSTINST = [[
#!/bin/sh
set -e
useradd --system --no-create-home provium-probe
echo configured >/etc/provium-probe.conf
for folder in /run /var/lib /var/log; do
	install -d -o provium-probe $folder/provium-probe
done
]]

local PROGRAM = [[
#!/bin/sh
id -un
cat /etc/provium-probe.conf
touch /run/provium-probe/x
]]

-- Prints what of the package is there.
local TRACES = [[
	ls -d /etc/provium-probe* /run/provium-probe /var/*/provium-probe /usr/bin/provium-probe 2>/dev/null
	ls -d /var/lib/dpkg/info/provium-probe* 2>/dev/null
	grep -s provium-probe /etc/passwd /etc/shadow /etc/group /var/lib/dpkg/status /var/log/dpkg.log
]]

local function traces(node)
	return node and node:run(TRACES).stdout or support.ask(TRACES)
end

-- If the node's folders are the machine's after all, nothing is installed.
local function check_private(t, node)
	node:write_file("/etc/provium-probe.private", "")
	t:assert_eq(traces(), "")
end

local function install(node, packages)
	return node:run_async([[
		set -e
		export DEBIAN_FRONTEND=noninteractive
		echo "deb [trusted=yes] file:$REPOSITORY ./" >/etc/apt/sources.list.d/nodes.list
		only="-o Dir::Etc::SourceList=/etc/apt/sources.list.d/nodes.list -o Dir::Etc::SourceParts=/dev/null"
		apt-get $only -o APT::Get::List-Cleanup=0 update
		apt-get $only -y --no-install-recommends install ]] .. packages, { env = { REPOSITORY = REPOSITORY } })
end

local function installed(process)
	local result = process:wait()
	if not result:ok() then
		error(("%s%s\nif a package is missing: tools/setup packages"):format(result.stdout, result.stderr))
	end
end

test("a package is where it was installed, and nowhere else", SLOW, function(t)
	local a, b = provium:vm("a", "netns"):boot(), provium:vm("b", "netns"):boot()
	t:assert_eq(traces(), "")
	check_private(t, a)
	a:write_file("/root/probe/DEBIAN/control", CONTROL)
	a:write_file("/root/probe/DEBIAN/postinst", POSTINST)
	a:write_file("/root/probe/usr/bin/provium-probe", PROGRAM)
	a:run("cd /root && chmod +x probe/DEBIAN/postinst probe/usr/bin/* && dpkg-deb --build probe"):assert_ok()
	installed(install(a, "/root/probe.deb"))
	t:assert_eq(a:run("dpkg-query --show provium-probe").stdout, "provium-probe\t1\n")
	t:assert_eq(a:run("su -s /bin/sh -c provium-probe provium-probe"):assert_ok().stdout, "provium-probe\nconfigured\n")
	t:assert_ne(traces(a), "")
	t:assert_eq(traces(b), "")
	t:assert_eq(traces(), "")
	a:reboot()
	t:assert_contains(traces(a), "/usr/bin/provium-probe")
	a:run("apt-get -y purge provium-probe"):assert_ok()
	t:assert_eq(a:run("test -e /usr/bin/provium-probe").exit_code, 1)
	t:assert_eq(traces(), "")
end)

-- ---- Databases

-- So that others reach them. A machine that has postgres already may have no cluster `main`.
local CONFIGURE = [[
	set -e
	version=$(ls /usr/lib/postgresql | sort -V | tail -n 1)
	test -d /etc/postgresql/$version/main || pg_createcluster $version main
	cd /etc/postgresql/$version/main
	sed -i "s/^#*listen_addresses .*/listen_addresses = '*'/; s/^port .*/port = 5432/" postgresql.conf
	echo "host all all samenet trust" >>pg_hba.conf
	cd /etc/redis
	sed -i "s/^bind .*/bind * -::*/; s/^protected-mode .*/protected-mode no/; s/^# *unixsocket /unixsocket /" redis.conf
]]

-- A package's postinst may have started them already, or may not: that is for the machine's policy-rc.d(8) to say.
local START = [[
	set -e
	pg_ctlcluster $(ls /usr/lib/postgresql | sort -V | tail -n 1) main restart
	service redis-server restart
	until redis-cli -s /run/redis/redis-server.sock ping; do sleep 0.1; done
]]

-- By the Unix socket, or by the name of another node, which has as long as `patience` says, in seconds.
local function psql(node, query, host, patience)
	local args = { "-u", "postgres", "--", "psql", "-qAt", "-c", query, host and "--host=" .. host }
	return node:run("runuser", { args = args, env = { PGCONNECT_TIMEOUT = patience or 600 } })
end

local function redis(node, command, host, patience)
	local where = host and "-h " .. host or "-s /run/redis/redis-server.sock"
	return node:run(("timeout %d redis-cli %s %s"):format(patience or 600, where, command))
end

local function owner(node, host, patience)
	return psql(node, "select name from owner", host, patience).stdout .. redis(node, "get owner", host, patience).stdout
end

local function both(name)
	return ("%s\n%s\n"):format(name, name)
end

local function on_all(nodes, what)
	local processes = {}
	for i, node in ipairs(nodes) do processes[i] = node:run_async(what) end
	for _, process in ipairs(processes) do process:wait():assert_ok() end
end

-- The namespace, kept open: the number of one that is gone is at once another's.
local function hold_namespace(node)
	return io.open(("/proc/%s/ns/pid"):format(support.init_of(node)))
end

-- Processes of the node that the machine still has.
local function left(namespace)
	return support.ask(("readlink /proc/[0-9]*/ns/pid | grep -cF '%s'"):format(namespace))
end

test("three postgres and three redis with Debian's paths", SLOW, function(t)
	local lan, nodes, processes = provium:bridge("lan"), {}, {}
	for i, name in ipairs({ "a", "b", "c" }) do nodes[i] = provium:vm(name, "netns") end
	local a, b, c = table.unpack(nodes)
	provium:boot()
	lan:attach(nodes)
	check_private(t, a)
	for i, node in ipairs(nodes) do processes[i] = install(node, "postgresql redis-server") end
	for _, process in ipairs(processes) do installed(process) end
	on_all(nodes, CONFIGURE)
	on_all(nodes, START)
	for _, node in ipairs(nodes) do
		psql(node, ("create table owner(name text); insert into owner values ('%s')"):format(node:name())):assert_ok()
		redis(node, "set owner " .. node:name()):assert_ok()
	end
	for _, node in ipairs(nodes) do t:assert_eq(owner(node), both(node:name()), "by its Unix sockets") end
	t:assert_eq(owner(a, "b"), both("b"), "by name")

	lan:partition(a, b)
	t:assert_eq(owner(a, "b", 2), "", "through a partition")
	t:assert_eq(owner(a), both("a"), "its Unix sockets lead to its own servers, partition or not")
	t:assert_eq(owner(c, "b"), both("b"))
	lan:unpartition(a, b)
	t:assert_eq(owner(b, "a"), both("a"))

	-- As by a power failure: pid files and sockets are left in the middle of it all.
	redis(a, "save"):assert_ok()
	local held <close> = hold_namespace(a)
	local namespace = a:run("readlink /proc/self/ns/pid").stdout:gsub("\n", "")
	t:assert(held and left(namespace) ~= "0")
	a:shutdown()
	t:assert_eq(left(namespace), "0")
	t:assert_eq(owner(b, "a", 2), "")
	t:assert_eq(owner(b), both("b"))
	a:boot()
	t:assert_eq(a:run("ls /run/postgresql/*.pid /run/redis/*").stdout, "")
	on_all({ a }, START)
	t:assert_eq(owner(a), both("a"))
	t:assert_eq(owner(c, "a"), both("a"))
end)
