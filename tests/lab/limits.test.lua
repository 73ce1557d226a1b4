-- SPDX-License-Identifier: GPL-2.0-only
-- Limits of namespace nodes, where this machine's kernel has them (tag "cgroup").
local support = require("support")

local TOP = support.ask("awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo")
local LIMITED = { tags = { "cgroup" } }

-- What the kernel has been told about the node.
local function limit(node, file)
	return support.ask(("cat $(find %s -path '*/provium.'$PPID'/%s/%s')"):format(TOP, node:name(), file))
end

test("memory", LIMITED, function(t)
	local a = provium:vm("a", "netns", { memory = "64M" }):boot()
	t:assert_eq(limit(a, "memory.max"), tostring(64 << 20))
	t:assert_eq(limit(a, "memory.swap.max"), "0")
	local hungry = a:run("tail /dev/zero")
	t:assert_eq(hungry.signal_name or hungry.exit_code, 137)
	t:assert_eq(hungry.killed, "by the kernel, for node `a` has used up its `memory`")
	t:assert_eq(a:run("kill -KILL $$").killed, nil)
	-- What it writes into memory counts, too, and leaves room for what removes it.
	local uses_some = "perl -e '$_ = \"x\" x (30 << 20)'; exit $?"
	a:run(uses_some):assert_ok()
	for _, path in ipairs({ "/dev/shm/x", "/var/x" }) do
		t:assert_contains(a:run("head -c 100M /dev/zero >" .. path).stderr, "No space left on device")
	end
	t:assert_eq(a:run(uses_some).killed, hungry.killed)
	a:run("rm /dev/shm/x /var/x"):assert_ok()
	a:run(uses_some):assert_ok()
	t:assert_eq(a:state(), "booted")
	a:reboot()
	a:run("true"):assert_ok()
end)

test("processes and threads", LIMITED, function(t)
	local a = provium:vm("a", "netns", { pids = 10 }):boot()
	t:assert_eq(limit(a, "pids.max"), "10")
	local bomb = a:run_async("for i in $(seq 20); do sleep 1000 & done; wait")
	t:assert_contains(bomb:stderr_stream():read_until("\n"), "fork")
	t:assert_error(function()
		for _ = 1, 10 do
			a:run_async("sleep", { "1000" })
		end
	end, "pids.max of the cgroup")
	t:assert_eq(a:state(), "booted")
	provium:vm("b", "netns"):boot():run("true"):assert_ok()
end)

test("processor time", LIMITED, function(t)
	local a = provium:vm("a", "netns", { cpus = 2 }):boot()
	t:assert_eq(limit(a, "cpu.max"), "200000 100000")
	a:run("true"):assert_ok()
end)

test("other limits at the next boot", LIMITED, function(t)
	local a = provium:vm("a", "netns", { memory = "64M", pids = 10 }):boot()
	a:reboot({ pids = 20 })
	t:assert_eq(limit(a, "memory.max") .. " " .. limit(a, "pids.max"), (64 << 20) .. " 20")
	a:pause()
	a:resume()
	a:run("true"):assert_ok()
end)

-- Where the run's root may do what the machine's may, as he may where he has cgroups.
test("open files, as many as init scripts ask for", LIMITED, function(t)
	local most = tonumber(support.ask("cat /proc/sys/fs/nr_open"))
	local a = provium:vm("a", "netns"):boot()
	t:assert_eq(a:run(("ulimit -n %d && ulimit -n"):format(most)):assert_ok().stdout, most .. "\n")
	t:assert_eq(support.ask(("%s exec $PPID a sh -c 'ulimit -n %d && ulimit -n'"):format(support.provium, most)),
		tostring(most))
end)

test("none that nobody asked for", function(t)
	local a = provium:vm("a", "netns"):boot()
	local max = limit(a, "memory.max")
	t:assert(max == "" or max == "max", max)
end)

test("no cgroup is left when the last node has ended", function(t)
	local function folders()
		return support.ask(("find %s -path '*/provium.'$PPID'*' -type d | wc -l"):format(TOP))
	end
	local before = folders()
	local a, b = provium:vm("a", "netns"):boot(), provium:lab("x"):vm("a", "netns"):boot()
	t:assert_eq(folders(), "3")
	a:shutdown()
	b:pause()
	b:shutdown()
	t:assert_eq(folders(), before)
end)

-- Where the cgroup of a run has processes, limits are had above it. The script runs in a cgroup of its own there.
local function run_below(prepare)
	return support.ask(([[
		cd %s && before=$(cat cgroup.subtree_control) && mkdir -p slice/scope && exec 2>&1
		%s
		cat >/tmp/limited.lua <<-'END'
		local a = provium:vm("a", "netns", { memory = "64M" }):boot()
		local path = "find %s -name a -path '*/provium.*/a'"
		print(io.popen(path):read("l"))
		END
		sh -c 'echo $$ >slice/scope/cgroup.procs && exec %s /tmp/limited.lua' | grep -oE '/(slice|provium).*|not kept.*'
		find . -name 'provium.*'
		echo "$(cat cgroup.subtree_control)/$(cat slice/cgroup.subtree_control)"
		rmdir slice/scope slice
		for name in $(cat cgroup.subtree_control); do echo -$name >cgroup.subtree_control; done
		for name in $before; do echo +$name >cgroup.subtree_control; done
	]]):format(TOP, prepare, TOP, support.provium)):gsub("provium%.%d+", "provium.PID")
end

test("the nearest cgroup that has the controllers", LIMITED, function(t)
	t:assert_eq(run_below("echo +memory >cgroup.subtree_control; echo +memory >slice/cgroup.subtree_control"),
		"/slice/provium.PID/a\nmemory/memory")
	t:assert_eq(run_below("echo +memory >cgroup.subtree_control"), "/provium.PID/a\nmemory/")
	-- In the root of all they are switched on, and stay so while somebody else has cgroups there.
	t:assert_eq(run_below("true"), "/provium.PID/a\nmemory/")
end)

test("controllers that nobody had switched on are switched off again", LIMITED, function(t)
	local file = TOP .. "/cgroup.subtree_control"
	local before = support.ask("cat " .. file)
	provium:vm("a", "netns", { memory = "64M" }):boot():shutdown()
	t:assert_eq(support.ask("cat " .. file), before)
end)
