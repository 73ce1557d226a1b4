-- SPDX-License-Identifier: GPL-2.0-only
-- Namespace nodes with the root of an OCI image, which umoci makes here.
local support = require("support")

local FOLDER = support.ask([[
	folder=$(mktemp -d) && cd $folder && exec 3>&1 >/dev/null 2>&1 &&
	mkdir -p tree/bin tree/etc tree/srv tree/proc tree/sys tree/dev tree/tmp tree/run && cp /bin/busybox tree/bin/ &&
	for library in $(ldd /bin/busybox | grep -o '/[^ ]*'); do cp -L --parents $library tree/; done &&
	for name in sh ls cat id touch sleep env hostname ping ip; do ln -s busybox tree/bin/$name; done &&
	echo app:x:7:8::/:/bin/sh >tree/etc/passwd && echo is an image >tree/etc/which &&
	umoci init --layout images && umoci new --image images:plain && umoci insert --image images:plain tree / &&
	umoci config --image images:plain --tag server --config.entrypoint /bin/sh --config.entrypoint=-c \
		--config.cmd 'echo $PLACE $(pwd) $(id -u):$(id -g) $(hostname); echo complaint >&2; exec sleep 1000' \
		--config.env PLACE=here --config.workingdir /srv --config.user app &&
	umoci config --image images:plain --tag broken --config.cmd /no/such &&
	echo $folder >&3
]])
local CACHE = FOLDER .. "/cache"

-- Each file of its own, for the cache is where the environment says.
local function run(t, text)
	local result = support.run({ ["x.test.lua"] = 'local IMAGES = "' .. FOLDER .. '/images"\n' .. text },
		"--timeout 5m")
	for _, event in ipairs(result.tests) do
		t:assert_eq(event.message, nil)
	end
	t:assert_eq(result.status, 0, result.output .. result.errors)
end

support.provium = "env PROVIUM_CACHE=" .. CACHE .. " " .. support.provium

test("what is in it, and what it says", function(t)
	run(t, [[
		local a = provium:vm("a", "netns", { root = IMAGES .. ":server" }):boot()
		assert(a:read_file("/etc/which") == "is an image\n")
		assert(a:run("echo $PLACE $(pwd) $(id -u)").stdout == "here /srv 0\n")
		assert(a:run("pwd", { cwd = "/etc" }).stdout == "/etc\n")
		assert(a:run("echo $PLACE", { env = { PLACE = "there" } }).stdout == "there\n")
	]])
end)

test("its entrypoint is started when the node has booted", function(t)
	run(t, [[
		local a = provium:vm("a", "netns", { root = IMAGES .. ":server" })
		assert(a:main() == nil)
		provium:boot()
		local main = a:main()
		assert(main:stdout_stream():read_until("\n") == "here /srv 7:8 a\n")
		assert(main:stderr_stream():read_until("\n") == "complaint\n")
		main:kill()
		assert(main:wait().signal_name == "SIGTERM")
		assert(a:state() == "booted")
		a:reboot()
		assert(a:main() ~= main and a:main():stdout_stream():read_until("\n") == "here /srv 7:8 a\n")
	]])
end)

test("it lives as long as the scope of its node", function(t)
	run(t, [[
		local a = provium:vm("a", "netns", { root = IMAGES .. ":server" })
		test("boots", function() a:boot() end)
		test("goes on", function(t)
			t:assert_eq(a:main():stdout_stream():read_until("\n"), "here /srv 7:8 a\n")
			t:assert_eq(a:run("ping -c 1 -W 5 127.0.0.1 >/dev/null; echo $?").stdout, "0\n")
		end)
	]])
end)

test("what cannot be started is told", function(t)
	run(t, [[
		local a = provium:vm("a", "netns", { root = IMAGES .. ":broken" })
		local ok, message = pcall(a.boot, a)
		assert(not ok and message:find("run `/no/such` in node `a`: No such file or directory", 1, true), message)
	]])
end)

test("nodes do not see what others write, nor does the cache", function(t)
	run(t, [[
		local a = provium:vm("a", "netns", { root = IMAGES .. ":plain" }):boot()
		local b = provium:vm("b", "netns", { root = IMAGES .. ":plain" }):boot()
		a:run("touch /etc/new"):assert_ok()
		assert(not b:run("ls /etc/new"):ok())
		assert(a:main() == nil and a:state() == "booted")
		assert(provium:vm("c", "netns", { root = IMAGES .. ":plain" }):boot():run("ls /etc").stdout:find("new") == nil)
	]])
	t:assert_eq(support.ask("find " .. CACHE .. " -name new"), "")
end)

test("a node of another root has no image", function(t)
	run(t, [[
		assert(provium:vm("a", "netns"):boot():main() == nil)
	]])
end)

os.execute("rm -rf " .. FOLDER)
