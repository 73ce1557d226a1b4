-- SPDX-License-Identifier: GPL-2.0-only
-- Files that go into nodes and come out of them.

local support = require "support"

local a = provium:vm("a", "netns"):boot()

local function random_bytes(size)
	local file <close> = io.open("/dev/urandom", "rb")
	return file:read(size)
end

test("what is written is read", function(t)
	a:write_file("/tmp/x", "text\n")
	t:assert_eq(a:read_file("/tmp/x"), "text\n")
	t:assert_eq(a:run("cat /tmp/x").stdout, "text\n")
	a:write_file("/tmp/x", "")
	t:assert_eq(a:read_file("/tmp/x"), "", "a shorter text leaves nothing of a longer one")
end)

test("bytes of every kind, and many", function(t)
	for _, size in ipairs({ 1, 4095, 4096, 4097, 65536, 65537, 5000000 }) do
		local bytes = random_bytes(size)
		a:write_file("/tmp/random", bytes)
		t:assert(a:read_file("/tmp/random") == bytes, size .. " bytes are not the same")
	end
end)

test("odd paths", function(t)
	for _, name in ipairs({ "a b", "$HOME", "'\"", "-rf", "new/line\n", "deep/er/file", "é" }) do
		local path = "/tmp/" .. name
		a:write_file(path, path)
		t:assert_eq(a:read_file(path), path)
	end
end)

test("a file of this machine, with its permissions", function(t)
	local folder = support.ask("mktemp -d")
	t:defer(function()
		os.execute("rm -rf " .. folder)
	end)
	local bytes = random_bytes(100000)
	local file = io.open(folder .. "/tool", "wb")
	file:write(bytes)
	file:close()
	os.execute("chmod 751 " .. folder .. "/tool")
	a:push_file(folder .. "/tool", "/tmp/bin/tool")
	t:assert(a:read_file("/tmp/bin/tool") == bytes)
	t:assert_eq(a:run("stat -c %a /tmp/bin/tool").stdout, "751\n")
	io.open(folder .. "/empty", "w"):close()
	a:push_file(folder .. "/empty", "/tmp/empty")
	t:assert_eq(a:read_file("/tmp/empty"), "")
end)

test("what cannot be read or written says why", function(t)
	local function refuses(call, words)
		local message = t:assert_error(call, words)
		t:assert_eq(message:sub(-#words), words)
	end
	refuses(function()
		a:read_file("/no/such")
	end, "vm:read_file: vm `a`: read /no/such: cat: /no/such: No such file or directory")
	refuses(function()
		a:read_file("/tmp")
	end, "vm:read_file: vm `a`: read /tmp: cat: /tmp: Is a directory")
	a:write_file("/tmp/file", "")
	t:assert_error(function()
		a:write_file("/tmp/file/below", "x")
	end, "vm:write_file: vm `a`: write /tmp/file/below: mkdir: ")
	refuses(function()
		a:push_file("/no/such", "/tmp/x")
	end, "vm:push_file: open /no/such on this machine: No such file or directory")
end)

-- The same for both kinds of nodes: tests/vm/files.test.lua has them for guests.
require("file_operations")(a)

test("a path of this machine is one beside the script", function(t)
	a:push_file("support.lua", "/tmp/support.lua")
	t:assert_eq(a:read_file("/tmp/support.lua"), io.open("tests/lab/support.lua"):read("a"))
	a:push_file("../lab/support.lua", "/tmp/support.lua", { auto_dep = false })
	t:assert_error(function()
		a:push_file("support.lua", "/tmp/x", { auto_dep = 1 })
	end, "argument `auto_dep` is 1; true or false is accepted")
end)
