-- SPDX-License-Identifier: GPL-2.0-only
-- A node whose root does all that he can think of, and a machine on which nothing is different afterwards (tag
-- "hostile": in a test kernel, where nobody else changes anything).
local support = require("support")

local HOSTILE = { tags = { "hostile" }, timeout = "30m" }

-- What the machine is like. The run has a mount namespace of its own, so by way of the machine's first process. Left
-- out is what moves by itself.
local LOOKS = {
	-- Few enough for a kernel whose files are the machine's: it keeps open what it has once opened.
	files = [[find /etc /home /root /usr/bin /usr/sbin /boot /srv /opt /var/lib/dpkg /run -xdev -maxdepth 3 \
		! -path '/run/provium*' 		-printf '%p %y %m %U:%G %s %T@ %C@ %l\n' | sort]],
	content = "find /etc -xdev -type f -exec sha256sum {} + | sort",
	-- Labels of folders alone: what is in them is another test's.
	folders = "stat -c '%n %A %u %g' / /tmp /dev /dev/* /proc/sys /sys /var /usr",
	settings = [[nsenter -t 1 -n find /proc/sys -type f -perm -u+r ! -path '*/random/*' ! -name '*-nr' ! -name '*-state' \
		! -name 'ns_last_pid' ! -name '*count' ! -path '*/pty/nr' ! -path '*/fs/quota/*' ! -path '*/binfmt_misc/*' \
		-exec grep -H '' {} + 2>&1 | sort]],
	knobs = [[cat /sys/kernel/mm/*/enabled /sys/kernel/mm/ksm/run /sys/block/*/queue/scheduler \
		/sys/block/*/queue/nr_requests /sys/module/*/parameters/* 2>&1]],
	mounts = "sed 's/ shared:[0-9]*//' /proc/1/mountinfo",
	links = "nsenter -t 1 -n ip -o link; nsenter -t 1 -n ip -o address; nsenter -t 1 -n ip route show table all",
	modules = "cut -d ' ' -f 1 /proc/modules 2>/dev/null | sort",
	swaps = "cat /proc/swaps",
	names = "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname",
	cgroups = "find /sys/fs/cgroup -type d 2>/dev/null | sort; "
		.. "grep -H '' /dev/null $(find /sys/fs/cgroup -name '*.max') 2>/dev/null",
	processes = "ps -o pid=,comm=,ni= -p 1,2",
	programs = "bpftool prog list 2>/dev/null | grep -o '^[0-9]*: [a-z_]* *name [a-z_]*'; "
		.. "bpftool map list 2>/dev/null | grep -c ''",
	filters = "nsenter -t 1 -n nft list ruleset 2>&1",
}

local function look()
	local seen = {}
	for name, command in pairs(LOOKS) do
		seen[name] = support.ask(command)
	end
	return seen
end

-- Seconds by which the clock of the day is ahead of the one that nobody sets.
local function ahead()
	return os.time() - support.now()
end

-- The first line that is not in the other.
local function difference(one, other)
	local lines = {}
	for line in one:gmatch("[^\n]+") do lines[line] = true end
	for line in other:gmatch("[^\n]+") do
		if not lines[line] then return line end
	end
	return "a line less"
end

-- Some of this succeeds, for it is about the node's own.
local ACTS = {
	"date -s 2001-01-01", "hwclock --systohc",
	"perl -e '$t = \"\\x01\\x80\".\"\\0\"x300; syscall(159, $t) < 0 and die $!'",
	"hostname evil; echo evil >/proc/sys/kernel/hostname; echo evil >/proc/sys/kernel/domainname",
	"for f in $(find /proc/sys -type f -perm -u+w); do echo 1 >$f; done",
	"for f in $(find /proc/sys/net -type f -name '*f*'); do echo 1 >$f; done",
	"for k in kernel.panic=7 vm.swappiness=3 fs.file-max=77 kernel.core_pattern=/tmp/core kernel.modprobe=/tmp/x; do "
		.. "sysctl -w $k; done",
	"mount -o remount,rw /proc/sys; mount -o remount,bind,rw /proc/sys; umount /proc/sys; "
		.. "umount -l /proc/sys; sysctl -w kernel.panic=8",
	"mkdir /p; mount -t proc p /p; echo 9 >/p/sys/kernel/panic; "
		.. "unshare -pf --mount-proc sh -c 'echo 9 >/proc/sys/kernel/panic'",
	"unshare -Urm sh -c 'umount /proc/sys; mount -t proc p /proc; echo 9 >/proc/sys/kernel/panic; "
		.. "mount -o remount,rw /sys'",
	"for x in h s b c o; do echo $x >/proc/sysrq-trigger; done",
	"for f in $(find /proc -maxdepth 3 -type f -not -path '/proc/[0-9]*' -perm -u+w); do echo 0 >$f; done",
	"mkdir /s; mount -t sysfs s /s; for f in $(find /sys /s -type f -perm -u+w | head -n 3000); do echo 1 >$f; done",
	"mount -o remount,rw /sys; echo never >/sys/kernel/mm/transparent_hugepage/enabled; "
		.. "echo 1 >/sys/kernel/mm/ksm/run",
	"modprobe dummy; insmod /lib/modules/*/kernel/drivers/net/dummy.ko; rmmod -f overlay; rmmod tun",
	"mkdir /d; mount -t devtmpfs d /d && dd if=/dev/zero of=/d/vda count=1",
	"for n in '1 0' '8 0' '98 0' '254 0' '7 0'; do mknod /tmp/x b $n && dd if=/dev/zero of=/tmp/x count=1; "
		.. "rm -f /tmp/x; done",
	"mknod /tmp/mem c 1 1 && dd if=/tmp/mem count=1; dd if=/dev/mem count=1; "
		.. "dd if=/proc/kcore count=1 of=/dev/null; cat /dev/kmsg",
	"losetup -f /etc/passwd; swapoff -a; dd if=/dev/zero of=/swap bs=1M count=1; mkswap /swap; swapon /swap",
	[[mkdir /c /c1; mount -t cgroup2 c /c; mount -t cgroup -o freezer c /c1; unshare -C mount -t cgroup2 c /c
		mkdir /c/evil /sys/fs/cgroup/evil; echo 0 >/c/cgroup.procs; echo 1 >/c/cgroup.freeze]],
	"for t in debugfs tracefs securityfs bpf; do mkdir -p /m/$t; mount -t $t $t /m/$t; done",
	"echo 0 >/m/tracefs/tracing_on; echo 1 >/m/debugfs/evil; echo 0 >/sys/kernel/tracing/tracing_on",
	"reboot -f; poweroff -f; halt -f; telinit 0; kexec -e; "
		.. "perl -e 'syscall(169, 0xfee1dead, 672274793, 0x1234567, 0)'",
	"systemctl stop ssh; systemctl reboot; loginctl terminate-user root; hostnamectl set-hostname evil; "
		.. "timedatectl set-time 2001-01-01",
	[[perl -MIO::Socket::UNIX -e 'for (`find /run /var /tmp /dev -type s 2>/dev/null`) { chomp;
		IO::Socket::UNIX->new(Peer => $_) and print "connected: $_\n" }']],
	"kill -9 -1; kill -STOP 1; kill -9 1; renice -n 19 1 2; pkill -9 provium",
	"cat /proc/1/environ /proc/1/mem /proc/1/maps; ls -l /proc/1/fd /proc/1/root/; strace -p 1; gdb -p 1 -batch",
	"chmod 4777 /proc/1/exe; chmod 4777 /proc/*/exe; chown 12345 /proc/1/exe; for p in /proc/[0-9]*; "
		.. "do echo evil >$p/exe; done",
	[[printf '#!/proc/self/exe\n' >/bin/evil; chmod +x /bin/evil; /bin/evil; cp /bin/sh /tmp/sh
		printf '#!/proc/self/exe\n' >/bin/sh
		/bin/evil & sleep 0.1; chmod 4777 /proc/$!/exe; echo evil >/proc/$!/exe; cp /tmp/sh /bin/sh]],
	"nsenter -t 1 -a true; nsenter -t 1 -m true; chroot /proc/1/root true; ls -l /proc/*/root/ /proc/*/cwd/",
	[[mkdir -p /jail; perl -e 'chroot "/jail"; chdir ".." for 1 .. 64; chroot "."; open F, ">etc/evil"; mkdir "evil"']],
	"mkdir -p /new/old; mount --bind /new /new; cd /new; pivot_root . old; umount -l /; umount -a -l; "
		.. "mount -o remount,ro /",
	"for i in $(seq 5); do umount -l /; umount -l /etc; umount -l /tmp; umount -l /run; umount -l /dev; "
		.. "umount /sys; done",
	"mkdir -p /o/u /o/w /o/m; mount -t overlay o /o/m -o lowerdir=/etc,upperdir=/o/u,workdir=/o/w; rm -rf /o/m/*",
	"echo '6.6.6.6 evil' >>/etc/hosts; mv /etc/passwd /etc/hosts; ln -sf /etc/shadow /etc/resolv.conf; "
		.. "mkfifo /etc/evil; ln /etc/group /etc/g2",
	"setfattr -n trusted.overlay.opaque -v y /etc; setfattr -n user.evil -v 1 /etc/group; "
		.. "setcap cap_sys_admin+ep /bin/ls; chattr +i /etc/group",
	"keyctl add user evil x @s; keyctl add user evil x @u; keyctl clear @s; keyctl show",
	"dmesg -C; dmesg -n 1; accton /tmp/acct; quotaon -a; ulimit -c unlimited; perl -e 'kill 11, $$'",
	"bpftool prog list; bpftool map list; for i in $(seq 40); do bpftool map dump id $i; "
		.. "bpftool map delete id $i key 0 0 0 0; done",
	"ip link del lo; ip link set eth0 netns 1; ip link set lo down; ip link del eth0; nft flush ruleset; "
		.. "ip route flush table all",
	"chrt -f 99 true; ionice -c 1 -p 1; echo -1000 >/proc/self/oom_score_adj; "
		.. "echo -1000 >/proc/1/oom_score_adj; prlimit --pid 1 --nofile=1",
	"chmod -R 777 /etc /boot /srv; chown -R 12345 /etc /srv; touch -d 2001-01-01 /usr/bin/* /etc/*",
	"rm -rf /tmp/* /var/lib/dpkg /run/* /boot /srv /etc/[a-l]*; : >/etc/shadow; rm -rf /usr/sbin",
	"cd / && find etc usr/bin usr/sbin usr/lib -depth -delete; rm -rf /bin /lib /sbin",
}

test("whatever a node does, the machine is as before", HOSTILE, function(t)
	local lan, victim = provium:bridge("lan"), provium:vm("victim", "netns"):boot()
	-- What the run and the looks themselves need of the kernel is loaded by that.
	lan:attach({ victim, provium:vm("other", "netns"):boot() })
	look()
	local before, before_ahead = look(), ahead()
	for i, act in ipairs(ACTS) do
		local node = provium:vm("n" .. i, "netns"):boot()
		lan:attach(node)
		-- Not where it would do harm.
		t:assert(node:run("readlink /proc/self/ns/user").stdout ~= support.ask("readlink /proc/self/ns/user") .. "\n")
		t:assert_eq(node:run(act, { timeout = "5m" }).stdout:match("connected: [^\n]*"), nil)
		node:shutdown()
	end
	for name, seen in pairs(before) do
		local after = support.ask(LOOKS[name])
		t:assert(after == seen, name .. ": " .. difference(seen, after) .. ", or " .. difference(after, seen))
	end
	t:assert(math.abs(ahead() - before_ahead) < 10, "the clock")
	victim:run("cat /etc/passwd /etc/hosts && ls /usr/sbin /root >/dev/null && ping -c 1 -W 60 127.0.0.1"):assert_ok()
end)
