-- SPDX-License-Identifier: GPL-2.0-only
-- Where a node cannot have a root of its own, the error says why, and what can be done.
local support = require("support")

local SHARED = 'root="shared" takes the machine\'s own file system'

local SCRIPT = [[
	local a = provium:vm("a", "netns")
	print(select(2, pcall(a.boot, a)))
	print(provium:vm("b", "netns", { root = "shared" }):boot():run("echo it runs").stdout)
]]

-- Runs that where the shell lines lead to; they get the command as their arguments.
local function refused(t, prepare, reason)
	local file = support.ask("f=$(mktemp /var/tmp/XXXXXX.lua); echo $f")
	local script = assert(io.open(file, "w"))
	script:write(SCRIPT)
	script:close()
	local output = support.ask(("unshare -m sh -c '%s' sh %s run %s 2>&1"):format(prepare, support.provium, file))
	os.remove(file)
	t:assert(output:find(reason .. ")", 1, true) and output:find(SHARED, 1, true), output)
	t:assert(output:find("it runs", 1, true), output)
end

test("a machine whose root is an overlay on an overlay", function(t)
	refused(t, [[d=$(mktemp -d); mount -t tmpfs d $d; cd $d; mkdir u1 w1 m1 u2 w2 m2
		mount -t overlay o m1 -o lowerdir=/,upperdir=u1,workdir=w1
		mount -t overlay o m2 -o lowerdir=m1,upperdir=u2,workdir=w2
		for i in proc sys dev; do mount --rbind /$i m2/$i; done
		mkdir m2/old; cd m2; pivot_root . old; umount -l /old; exec "$@"]],
		"that is an overlay itself, and as many as the kernel takes")
end)

test("in a chroot", function(t)
	refused(t, [[d=$(mktemp -d); mount --rbind / $d; exec chroot $d "$@"]],
		"which a process in a chroot may not, and a security module may forbid")
end)

test("no user namespaces", { tags = { "hostile" } }, function(t)
	local limit = "/proc/sys/user/max_user_namespaces"
	local before = support.ask("cat " .. limit)
	os.execute("echo 0 >" .. limit)
	local ok, message = pcall(refused, t, [[exec "$@"]], "user.max_net_namespaces and their like")
	os.execute("echo " .. before .. " >" .. limit)
	t:assert(ok, message)
end)

-- What the kernel starts for core dumps is a program of the machine, as its root.
test("no core dump of a node for a program of the machine", { tags = { "hostile" } }, function(t)
	local pattern, folder = "/proc/sys/kernel/core_pattern", support.ask("mktemp -d")
	local helper = assert(io.open(folder .. "/helper", "w"))
	helper:write(("#!/bin/sh\necho crash of $1 >>%s/told\n"):format(folder))
	helper:close()
	local before = support.ask("chmod +x " .. folder .. "/helper; cat " .. pattern)
	os.execute(("echo '|%s/helper %%h' >%s"):format(folder, pattern))
	local crash = "ulimit -c unlimited; perl -e 'kill 11, $$'"
	provium:vm("a", "netns"):boot():run(crash)
	os.execute(crash)
	os.execute(("echo '%s' >%s"):format(before, pattern))
	wait_until(function() return support.ask("cat " .. folder .. "/told") ~= "" end, { timeout = "2m" })
	t:assert_eq(support.ask("cat " .. folder .. "/told"), "crash of " .. support.ask("hostname"))
	os.execute("rm -r " .. folder)
end)
