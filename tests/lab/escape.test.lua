-- SPDX-License-Identifier: GPL-2.0-only
-- What a node leaves behind for its next boot, and what an image brings along, must not lead the run, which is the
-- machine's root, to files of the machine; nor may what runs in a node hold up the run. What is the machine's in these
-- tests is made for them: a folder in which `home` is a mount.
local support = require("support")

-- Runs a script on such a machine, which finds the folder as TOP. Returns what is in `home` then, and what was printed.
local function on_machine(prepare, script)
	local top = support.ask("mktemp -d")
	local file = assert(io.open(top .. "/x.lua", "w"))
	file:write(("local TOP = %q\n"):format(top), script)
	file:close()
	local output = support.ask(([[exec 2>&1; unshare -m sh -c 'cd %s; mkdir image home
		mount -t tmpfs home home; mkdir home/user
		%s
		%s run x.lua; echo "status $?"; find home | sort | tr "\n" " "']]):format(top, prepare, support.provium))
	os.execute("rm -r " .. top)
	return output:match("status 0\n(.*)"), output
end

local UNTOUCHED = "home home/user "

test("links in a root for what is mounted there", function(t)
	for _, name in ipairs({ "dev", "proc", "sys", "etc" }) do
		for _, target in ipairs({ "$PWD/home/user", "$PWD/home/user/none", "../../../../../$PWD/home/user" }) do
			local seen, output = on_machine(("ln -s %s image/%s"):format(target, name),
				[[provium:vm("a", { root = TOP .. "/image" }):boot()]])
			t:assert_eq(seen, UNTOUCHED, name .. " to " .. target .. ": " .. output)
		end
	end
end)

-- Mount points can neither be removed nor renamed; but where they are not mounted any more they are none.
local REPLACE = [[
	my ($target, @names) = @ARGV;
	my ($type, $new, $old) = ("tmpfs", "/p", "old");
	mkdir $new; syscall(165, $type, $new, $type, 0, 0) == 0 or die "mount: $!";
	chdir $new; mkdir $old; syscall(155, $new, $old) == 0 or die "pivot_root: $!";
	chdir $old; syscall(166, my $here = ".", 2) == 0 or die "umount: $!";
	for (@names) { rename $_, "gone-$_"; symlink $target, $_ or die "$_: $!" }
]]

local REBOOT = [[
	local a = provium:vm("a", "netns", { disk = DISK })
	provium:bridge("lan"):attach(a)
	a:boot():run("unshare", { "-m", "perl", "-e", REPLACE, TARGET, "dev", "proc", "sys", "etc", "run", "tmp" }):assert_ok()
	a:reboot()
	a:run("test -c /dev/null && test -d /proc/self && test -d /sys/class/net && grep a.lan /etc/hosts"):assert_ok()
]]

test("links that a node puts where its next boot mounts", function(t)
	for _, disk in ipairs({ "nil", "TOP" }) do
		for _, target in ipairs({ "TOP .. '/home/user'", "'/none'" }) do
			local given = ("local REPLACE, DISK, TARGET = %q, %s, %s\n"):format(REPLACE, disk, target)
			local seen, output = on_machine("", given .. REBOOT)
			t:assert_eq(seen, UNTOUCHED, output)
		end
	end
end)

-- So deep that it has no path.
local DEEP = [[cd /run && perl -e 'for (1 .. 50) { mkdir "d" x 200; chdir "d" x 200 or die }']]

test("what a node has in /run does not outlive it, however deep", function(t)
	local a = provium:vm("a", "netns"):boot()
	for _ = 1, 2 do
		a:run(DEEP):assert_ok()
		a:reboot()
	end
	t:assert_eq(a:run("ls -A /run | grep ddd").stdout, "")
end)

test("a link in the place where systemd is hidden", function(t)
	local seen, output = on_machine("mount -t tmpfs run /run; mkdir -p /run/systemd/system", [[
		local a = provium:vm("a", "netns"):boot()
		a:run("test ! -e /run/systemd/system"):assert_ok()
		a:run(]] .. ("%q"):format(DEEP) .. [[):assert_ok()
		a:reboot()
		a:run("rm -rf /run/* || true; ln -sT " .. TOP .. "/home/user /run/systemd"):assert_ok()
		a:reboot()
		a:run("test ! -e /run/systemd/system"):assert_ok()
	]])
	t:assert_eq(seen, UNTOUCHED, output)
end)

-- A folder of this machine with that mode, and in it one that looks like what a node has left, of some user.
local function disk_folder(mode)
	local folder = support.ask("mktemp -d /tmp/disk.XXXXXX")
	os.execute(("chmod %s %s; mkdir %s/provium-ABCDEF"):format(mode, folder, folder))
	os.execute(("touch %s/provium-ABCDEF/file; chown -R 12345 %s/provium-ABCDEF"):format(folder, folder))
	return setmetatable({ path = folder }, { __close = function() os.execute("rm -r " .. folder) end })
end

test("a disk in a folder where others could put something in its way", function(t)
	local folder <close> = disk_folder("777")
	local a = provium:vm("a", "netns", { disk = folder.path })
	local ok, message = pcall(a.boot, a)
	t:assert(not ok and tostring(message):find("others can write to the folder " .. folder.path, 1, true), message)
end)

test("a disk in a folder like /tmp leaves alone what others have there", function(t)
	local folder <close> = disk_folder("1777")
	local a = provium:vm("a", "netns", { disk = folder.path }):boot()
	a:run("echo kept >/etc/mine"):assert_ok()
	a:reboot()
	a:run("cat /etc/mine"):assert_ok()
	t:assert_eq(support.ask("cd " .. folder.path .. "/provium-ABCDEF && ls"), "file")
end)

test("a device in what is bound to be read", function(t)
	local folder <close> = disk_folder("755")
	os.execute(("mkdir %s/below; mount -t tmpfs x %s/below; mknod %s/null c 1 3; mknod %s/below/null c 1 3"):format(
		folder.path, folder.path, folder.path, folder.path))
	local a = provium:vm("a", "netns", { binds = { folder.path .. ":/ro:ro", folder.path .. ":/rw" } }):boot()
	os.execute("umount " .. folder.path .. "/below")
	for _, name in ipairs({ "null", "below/null" }) do
		a:run("test -c /ro/" .. name .. " && echo x >/rw/" .. name):assert_ok()
		t:assert(a:run("echo x >/ro/" .. name).stderr:find("Permission denied"), name)
	end
end)

-- One that was stopped before it became its program would be waited for.
test("a node that stops all its processes, over and over", function(t)
	local file = support.ask("f=$(mktemp /tmp/XXXXXX.lua); echo $f")
	local script = assert(io.open(file, "w"))
	script:write([[
		local a = provium:vm("a", "netns"):boot()
		a:run_async("perl", { "-e", "print qq(begun\n); $| = 1; kill 19, -1 while 1" }):stdout_stream():read_until("begun")
		for _ = 1, 50 do a:run("true", { timeout = "100ms" }) end
	]])
	script:close()
	local output = support.ask(support.provium .. " run --timeout 10s " .. file .. " 2>&1")
	os.remove(file)
	t:assert(not output:find("the script does not end", 1, true), output)
end)

test("something else in the place of /etc/hosts", function(t)
	local a = provium:vm("a", "netns"):boot()
	for _, act in ipairs({ "mkdir -p /etc/hosts/below", "mkfifo /etc/hosts", "ln -s /none /etc/hosts", "true" }) do
		a:run("rm -r /etc/hosts; " .. act):assert_ok()
		a:reboot()
		t:assert_eq(a:run("grep -c localhost /etc/hosts && test ! -L /etc/hosts").exit_code, 0, act)
	end
end)

-- Opened through an overlay, they are opened with the rights of the machine's root.
test("the kernel's own file systems, wherever they are mounted", function(t)
	local seen, output = on_machine("mkdir bpf; mount -t bpf bpf bpf; mkdir bpf/below", [[
		print(provium:vm("a", "netns"):boot():run("find " .. TOP .. "/bpf").stdout)
	]])
	t:assert_eq(seen, UNTOUCHED)
	t:assert(output:find("/bpf\n", 1, true) and not output:find("/bpf/below", 1, true), output)
end)
