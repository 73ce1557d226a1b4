-- SPDX-License-Identifier: GPL-2.0-only
-- Namespace nodes are machines of their own: what each has of the machine's files, and what is its own.
local support = require("support")

local ask = support.ask

-- A folder of the machine that the test may write to, seen by nodes, for it is a part of the machine's file system.
local function folder(t)
	local path = ask("mktemp -d /var/tmp/provium.XXXXXX")
	t:defer(function() os.execute("rm -rf " .. path) end)
	return path
end

local function write(path, text)
	local file <close> = assert(io.open(path, "w"))
	file:write(text)
end

-- A root file system: Debian's busybox, with its libraries, under the names of what is used.
local function make_root(path)
	os.execute(([[mkdir -p ROOT/bin; cp $(command -v busybox) ROOT/bin
		for l in $(ldd ROOT/bin/busybox | grep -o '/[^ ]*'); do mkdir -p ROOT$(dirname $l); cp -L $l ROOT$l; done
		for name in sh cat ls tr find; do ln -s busybox ROOT/bin/$name; done]]):gsub("ROOT", path))
end

local function output(node, command)
	return node:run(command):assert_ok().stdout
end

test("what a node writes is its own", function(t)
	local a, b = provium:vm("a", "netns"):boot(), provium:vm("b", "netns"):boot()
	local mark = "provium-mark-" .. math.random(1 << 40)
	for place in ("/etc /var /var/lib /run /tmp /home /root /usr/bin / /dev /dev/shm /opt"):gmatch("%S+") do
		local path = place .. "/" .. mark
		output(a, "echo mine >" .. path)
		t:assert_eq(output(a, "cat " .. path), "mine\n")
		t:assert(not b:run("test -e " .. path):ok(), path .. " of the other node")
		t:assert_eq(ask("ls " .. path .. " 2>/dev/null"), "")
	end
	local passwd = ask("cat /etc/passwd")
	output(a, "echo mine >>/etc/passwd; rm /etc/group; chmod 700 /etc; chown 1:1 /usr/bin; mv /usr/share /usr/other")
	t:assert_eq(ask("cat /etc/passwd"), passwd)
	t:assert_eq(output(b, "stat -c '%a %u' /etc /usr/bin; ls -d /usr/share /etc/group"),
		ask("stat -c '%a %u' /etc /usr/bin; ls -d /usr/share /etc/group") .. "\n")
	t:assert_eq(output(a, "ls /usr/other | head -n 1"), ask("ls /usr/share | head -n 1") .. "\n")
end)

test("what the machine has is there to be read", function(t)
	local shown, path = os.tmpname(), folder(t)
	t:defer(function() os.remove(shown) end)
	write(shown, "of the machine")
	write(path .. "/x", "of the machine, too")
	os.execute("chmod 640 " .. path .. "/x; chown daemon " .. path .. "/x")
	local a = provium:vm("a", "netns"):boot()
	t:assert_eq(a:read_file(shown), "of the machine")
	t:assert_eq(a:read_file(path .. "/x"), "of the machine, too")
	t:assert_eq(output(a, "stat -c '%a %U' " .. path .. "/x"), "640 daemon\n")
	a:write_file(path .. "/x", "of the node")
	t:assert_eq(a:read_file(path .. "/x") .. ask("cat " .. path .. "/x"), "of the nodeof the machine, too")
	for _, place in ipairs({ "/", "/tmp", "/root", "/home", "/etc", "/var", "/usr/bin" }) do
		t:assert_eq(output(a, "stat -c '%a %u %g' " .. place), ask("stat -c '%a %u %g' " .. place) .. "\n")
	end
end)

-- Mounted by a run that has a mount namespace of its own, so that the machine never sees it.
test("every mount of the machine", function(t)
	local path = folder(t)
	write(path .. "/script.lua", ([[
		local path = %q
		assert(os.execute("cd " .. path .. " && mkdir m && mount -t tmpfs t m && mkdir m/deep && mount -t tmpfs t m/deep && "
			.. "chmod 1777 m && echo outer >m/x && echo inner >m/deep/x && echo file >f && touch g && mount --bind f g"))
		local a = provium:vm("a", "netns"):boot()
		print("read " .. a:run("cat m/x m/deep/x g; stat -c %%a m", { cwd = path }).stdout:gsub("\n", " "))
		print("wrote " .. a:run("echo new >m/x; echo new >m/deep/x; echo new >m/deep/y; cat m/x m/deep/x m/deep/y",
			{ cwd = path }).stdout:gsub("\n", " "))
		print("machine " .. io.popen("cd " .. path .. "; cat m/x m/deep/x; ls m/deep"):read("a"):gsub("\n", " "))
		print("file " .. a:run("echo new >g", { cwd = path }).stderr)
	]]):format(path))
	local out = ask(("%s %s/script.lua 2>&1"):format(support.provium, path))
	t:assert_contains(out, "read outer inner file 1777")
	t:assert_contains(out, "wrote new new new")
	t:assert_contains(out, "machine outer inner x")
	t:assert_contains(out, "Read-only file system")
end)

-- Packages start servers, or do not, by what these say.
test("what the machine's init says of itself", function(t)
	local path = folder(t)
	make_root(path .. "/root")
	os.execute("cd " .. path .. " && mkdir -p root/run/systemd/system && touch root/run/utmp root/run/x")
	write(path .. "/script.lua", [[
		local a, b = provium:vm("a", "netns"), provium:vm("b", "netns", { root = "root" })
		assert(os.execute("mount -t tmpfs t /run && cp -r root/run/. /run"))
		for _, node in ipairs({ a, b }) do
			node:boot()
			print(node:name(), node:run("echo $(find /run/systemd /run/utmp /run/x)").stdout)
		end
		print("may be made", a:run("echo mine >/run/utmp; mkdir /run/systemd/system; cat /run/utmp").stdout)
	]])
	local out = ask(("cd %s; %s script.lua 2>&1"):format(path, support.provium))
	t:assert_contains(out, "a\t/run/systemd /run/x")
	t:assert_contains(out, "b\t/run/systemd /run/x")
	t:assert_contains(out, "may be made\tmine")
end)

test("devices", function(t)
	local a = provium:vm("a", "netns"):boot()
	t:assert_eq(output(a, "cd /dev; find . -type c ! -path './pts/*' | sort | tr '\n' ' '; find . -type b"),
		"./full ./net/tun ./null ./random ./tty ./urandom ./zero ")
	output(a, "echo >/dev/null; head -c 1 /dev/zero /dev/urandom; [ -w /dev/shm ] && [ -d /dev/pts ] && [ -e /dev/ptmx ]")
	t:assert_eq(output(a, "script -qc 'tty; exit 3' /dev/null"), "/dev/pts/0\r\n")
	output(a, "ip tuntap add tap0 mode tap && ip link show tap0")
	t:assert(not a:run("mknod /tmp/null c 1 3"):ok())
	t:assert(not a:run("mount -t devtmpfs x /mnt"):ok())
end)

test("the kernel's settings are the machine's, those of the network the node's", function(t)
	local a = provium:vm("a", "netns"):boot()
	for file in ("/proc/sys/kernel/panic /proc/sys/vm/swappiness /sys/kernel/uevent_seqnum"):gmatch("%S+") do
		t:assert(not a:run("echo 1 >" .. file):ok(), file)
	end
	for _, act in ipairs({ "mount -o remount,rw /proc/sys", "mount -o remount,bind,rw /proc/sys", "umount /proc/sys",
		"umount -l /proc", "mount -o remount,bind,rw /sys", "umount -l /sys", "mount -t proc x /mnt",
		"mount -t sysfs x /mnt" }) do
		t:assert(not a:run(act):ok(), act)
	end
	output(a, "sysctl -w net.ipv4.ip_forward=1")
	output(a, "ip link add br0 type bridge && echo 1 >/sys/class/net/br0/bridge/stp_state")
	output(a, "mount -t tmpfs x /mnt && touch /mnt/x && umount /mnt && mount --bind /usr /mnt && umount /mnt")
	output(a, "ip netns add inner")
	output(a, "hostname other && unshare -Ur id && unshare -pf sh -c 'exit 0'")
end)

test("what root may not", function(t)
	local a = provium:vm("a", "netns"):boot()
	local set = tonumber(output(a, "cat /proc/self/status"):match("CapBnd:%s*(%x+)"), 16)
	-- CAP_SYS_MODULE, RAWIO, BOOT, TIME, MKNOD, AUDIT_WRITE, AUDIT_CONTROL, MAC_OVERRIDE, MAC_ADMIN, AUDIT_READ
	for _, number in ipairs({ 16, 17, 22, 25, 27, 29, 30, 32, 33, 37 }) do
		t:assert_eq(set >> number & 1, 0)
	end
	-- CAP_NET_ADMIN, NET_RAW, SYS_ADMIN, SYS_PTRACE, CHOWN
	for _, number in ipairs({ 12, 13, 21, 19, 0 }) do
		t:assert_eq(set >> number & 1, 1)
	end
	for _, act in ipairs({ "date -s @0", "modprobe dummy", "cat /proc/1/environ", "cat /proc/1/maps", "ls /proc/1/root/",
		"ls -L /proc/1/fd/3", "readlink /proc/1/exe", "unshare -C true", "mount -t cgroup2 x /mnt", "dmesg -C" }) do
		t:assert(not a:run(act):ok(), act)
	end
end)

test("other users", function(t)
	local a = provium:vm("a", "netns"):boot()
	t:assert_eq(output(a, "su daemon -s /bin/sh -c 'id -un; touch /tmp/provium.x; cat /etc/shadow 2>/dev/null | wc -c'"),
		"daemon\n0\n")
	t:assert_eq(output(a, "stat -c %U /tmp/provium.x"), "daemon\n")
	output(a, "useradd -m new && su new -c 'touch ~/x' && [ -e /home/new/x ]")
	t:assert_eq(ask("id new 2>/dev/null"), "")
end)

test("commands begin where the script lies, with an environment of their own", function(t)
	local path = folder(t)
	write(path .. "/beside", "found")
	write(path .. "/script.lua", [[
		local a = provium:vm("a", "netns"):boot()
		local shared = provium:vm("b", "netns", { root = "shared" }):boot()
		print("in " .. a:run("pwd; cat beside").stdout:gsub("\n", " ") .. shared:run("pwd").stdout)
		print("other " .. a:run("pwd", { cwd = "/usr" }).stdout)
		print("secrets " .. a:run("env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout)
	]])
	local out = ask(("cd /; SECRET=hidden %s run --seed 4242 %s/script.lua"):format(support.provium, path))
	t:assert_contains(out, "in " .. path .. " found/\n")
	t:assert_contains(out, "other /usr")
	t:assert_contains(out, "PATH=")
	t:assert(not out:find("hidden") and not out:find("4242"), out)
end)

test("a life later", function(t)
	local a = provium:vm("a", "netns"):boot()
	output(a, "echo kept | tee /var/x /etc/x; echo gone | tee /tmp/provium.x /run/x /dev/shm/x; rm -rf /etc/passwd /tmp/*")
	for _, act in ipairs({ "reboot", "reset" }) do
		a[act](a)
		t:assert_eq(output(a, "cat /var/x /etc/x"), "kept\nkept\n")
		t:assert_eq(a:run("cat /tmp/provium.x /run/x /dev/shm/x").stdout, "")
		t:assert(not a:run("test -e /etc/passwd"):ok())
		output(a, "rm -rf /run; mkdir /run; echo gone >/run/x; ln -sf /var /tmp/provium.x; rm -rf /tmp; ln -s /var /tmp")
	end
	-- A boot that fails takes nothing away.
	t:assert_error(function()
		a:reboot({ files = { { path = "/proc/no/such", content = "" } } })
	end, "/proc/no/such")
	a:boot()
	t:assert_eq(output(a, "cat /var/x"), "kept\n")
	t:assert(not a:run("cat /run/x"):ok())
	support.kill(a)
	t:assert_eq(a:state(), "dead")
	a:boot()
	t:assert_eq(output(a, "cat /var/x"), "kept\n")
	t:assert(not provium:vm("b", "netns"):boot():run("test -e /var/x"):ok())
end)

test("hosts and resolv.conf", function(t)
	local lan, a, b = provium:bridge("lan"), provium:vm("a", "netns"):boot(), provium:vm("b", "netns"):boot()
	local machine = ask("cat /etc/hosts")
	lan:attach(a)
	-- As editors and package scripts do it: another file in its place. Later names are in that.
	output(a, "sed -i 's/localhost/localhost changed/' /etc/hosts && grep -q changed /etc/hosts")
	lan:attach(b)
	t:assert_contains(a:read_file("/etc/hosts"), "b.lan")
	for i, act in ipairs({ "rm /etc/hosts", "ln -sf /usr/evil /etc/hosts", "rm /etc/hosts; mkfifo /etc/hosts",
		"rm /etc/hosts; ln /etc/group /etc/hosts" }) do
		output(a, act)
		lan:attach(provium:vm("n" .. i, "netns"):boot())
		t:assert_contains(a:read_file("/etc/hosts"), "n" .. i .. ".lan")
		t:assert(not a:run("test -e /usr/evil"):ok())
	end
	t:assert_eq(ask("cat /etc/hosts"), machine)
end)

test("binds", function(t)
	local path = folder(t)
	os.execute(("mkdir -p %s/in/deep %s/other; echo x >%s/in/x; echo f >%s/f"):format(path, path, path, path))
	local binds = { path .. "/in:/data/new", path .. "/other:/seen:ro", path .. "/f:/etc/f" }
	local a = provium:vm("a", "netns", { binds = binds }):boot()
	output(a, "echo written >/data/new/y; echo changed >/etc/f")
	t:assert_eq(ask("cat " .. path .. "/in/y " .. path .. "/f"), "written\nchanged")
	write(path .. "/in/z", "later")
	t:assert_eq(a:read_file("/data/new/z"), "later")
	t:assert_contains(a:run("touch /seen/x").stderr, "Read-only file system")
	t:assert(not a:run("mount -o remount,bind,rw /seen"):ok() and not a:run("umount /seen"):ok())
	t:assert_eq(ask("ls -d /data /seen 2>/dev/null"), "")
	-- A place is made in what is the node's, and never in a folder of the machine.
	t:assert_error(function()
		provium:vm("b", "netns", { binds = { path .. "/in:/data", path .. "/other:/data/none" } }):boot()
	end, "bind " .. path .. "/other to /data/none in the node: No such file or directory")
	t:assert_eq(ask("ls " .. path .. "/in"), "deep\nx\ny\nz")
	local c = provium:vm("c", "netns", { root = "shared", binds = { path .. "/in:" .. path .. "/other" } }):boot()
	t:assert_eq(c:read_file(path .. "/other/x"), "x\n")
	t:assert_error(function()
		provium:vm("d", "netns", { root = "shared", binds = { path .. "/in:" .. path .. "/none" } }):boot()
	end, "No such file or directory")
	t:assert_eq(ask("ls " .. path), "f\nin\nother")
end)

test("the machine's file system, shared", function(t)
	local path, a = folder(t), provium:vm("a", "netns", { root = "shared" }):boot()
	output(a, "echo shared >" .. path .. "/x; echo mine >/tmp/provium.x")
	t:assert_eq(ask("cat " .. path .. "/x"), "shared")
	-- On the machine it is root, and only its network, processes and names are its own.
	t:assert_eq(output(a, "readlink /proc/self/ns/user"), ask("readlink /proc/self/ns/user") .. "\n")
	t:assert_eq(output(a, "pwd"), "/\n")
	a:reboot()
	t:assert_eq(output(a, "cat " .. path .. "/x"), "shared\n")
	t:assert(not a:run("cat /tmp/provium.x"):ok())
end)

test("a root file system of its own", function(t)
	local path = folder(t)
	local root = path .. "/root"
	make_root(root)
	os.execute("cd " .. root .. " && mkdir etc tmp && echo mine >etc/mark")
	local a = provium:vm("a", "netns", { root = root }):boot()
	local lan = provium:bridge("lan")
	lan:attach(a)
	local out = output(a, "echo $(cat /etc/mark; pwd); echo new >/etc/mark; ls / | tr '\n' ' '; cat /etc/mark /etc/hosts")
	t:assert_contains(out, "mine /\nbin dev etc lib lib64 proc sys tmp new\n")
	t:assert_contains(out, "lan a\n")
	t:assert_eq(ask("cat " .. root .. "/etc/mark; ls " .. root .. "/etc"), "mine\nmark")
	t:assert_error(function()
		provium:vm("b", "netns", { root = path .. "/none" }):boot()
	end, "No such file or directory")
end)

test("a disk in a folder of the machine", function(t)
	local path = folder(t)
	local a = provium:vm("a", "netns", { disk = path }):boot()
	local b = provium:vm("b", "netns", { disk = path }):boot()
	output(a, "echo a >/var/x")
	output(b, "echo b >/var/x")
	t:assert_eq(ask("ls " .. path .. " | wc -l"), "2")
	t:assert_eq(ask("cat " .. path .. "/*/*/var/x | sort | tr -d '\\n'"), "ab")
	a:reboot()
	t:assert_eq(a:read_file("/var/x"), "a\n")
	a:shutdown()
	b:shutdown()
	t:assert_eq(ask("ls " .. path .. " | wc -l"), "2")
	a:boot()
	t:assert_eq(a:read_file("/var/x"), "a\n")
	provium:remove(b)
	t:assert_eq(ask("ls " .. path .. " | wc -l"), "1")
	provium:remove(a)
	t:assert_eq(ask("ls " .. path .. " | wc -l"), "0")
	-- What a run has left that was killed is taken away by the next; what another one uses, and what is not ours, is not.
	os.execute(("cd %s && mkdir -p mine provium-abcdef/deep && chmod 700 provium-abcdef"):format(path))
	local c = provium:vm("c", "netns", { disk = path }):boot()
	t:assert_eq(ask("ls " .. path .. " | grep -c provium-; ls " .. path .. " | grep mine"), "1\nmine")
	provium:remove(c)
end)
