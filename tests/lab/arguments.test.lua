-- SPDX-License-Identifier: GPL-2.0-only
-- What is refused, in which words; and that nothing has changed then.

local lan = provium:bridge("lan")
local wan = provium:bridge("wan")
local a = provium:vm("a", "netns")
local b = provium:vm("b", "netns")
provium:boot()
lan:attach({ a, b })
local c = provium:vm("c", "netns")
local guest = provium:vm("guest", "vm")
lan:partition({ from = a, to = b })
lan:drop_rate({ from = b, p = 7 })
lan:drop_rate(3)
lan:isolate(b)

-- All that a script can see.
local function everything()
	return json.encode({
		vms = provium:vm_names(),
		bridges = provium:bridge_names(),
		labs = #provium:members(),
		seed = provium:seed(),
		timeout = provium.timeout,
		reset = provium.reset_between_tests,
		states = { a:state(), b:state(), c:state() },
		lan = { lan:members(), lan:path(a, b), lan:path(b, a), lan:is_partitioned(a, b), lan:is_partitioned(b, a) },
		isolated = { lan:is_isolated(a), lan:is_isolated(b) },
		medium = { lan:latency_ms(), lan:drop_rate_pct(), lan:bandwidth_bps() },
		wan = { wan:members(), wan:drop_rate_pct() },
		hosts = a:read_file("/etc/hosts"),
	})
end

local scope = setmetatable({ lan = lan, wan = wan, a = a, b = b, c = c, guest = guest, nan = 0 / 0 }, { __index = _G })

-- Each case: what a script says, and the whole error text without the place in front, or its beginning up to "…".
local function refuse(name, cases)
	test(name, function(t)
		for _, case in ipairs(cases) do
			local said, wanted = table.unpack(case)
			local before = everything()
			local ok, message = pcall(load(said, "=case", "t", scope))
			t:assert(not ok, said .. " was accepted")
			-- The sign of a NaN is the processor's business.
			local got = message:match("^case:1: (.*)"):gsub("%-nan", "nan")
			if wanted:find("…$") then
				got = got:sub(1, #wanted - #"…") .. "…"
			end
			t:assert_eq(got, wanted, said)
			t:assert_eq(everything(), before, said .. " changed something")
		end
	end)
end

local NODE = '; a node or the name of one is accepted'
local LATENCY = '; a number of milliseconds, or a string like "50ms", "200us" or "1.5s" is accepted'
local DURATION = '; a number of seconds, or a string like "500ms", "5s" or "2m" is accepted'
local RATE = '; a number of bits per second, or a string like "500kbit", "10Mbit" or "1.5Gbit" is accepted'
local PERCENT = '; a number of percent, or a string like "0.1%" is accepted'
local QUEUE = '; a time like "100ms" or a number of bytes like 64000 or "64K" is accepted'
local BINDS = ' "HOST:GUEST", "HOST:GUEST:ro" or, if a path has a colon, {host=, guest=, read_only=} is accepted'
local NAME = ' has a character that is none of letters, digits, `-` and `_`'

refuse("lab", {
	{ "provium:vm()", "provium:vm: argument `name` is missing; a string is accepted" },
	{ 'provium:vm(5, "netns")', "provium:vm: argument `name` is 5; a string is accepted" },
	{
		'provium:vm("nobody")',
		'provium:vm: no vm named `nobody` in this lab; make one by naming its profile: provium:vm("nobody", "netns")',
	},
	{ 'provium:vm("", "netns")', "provium:vm: the name `` has 0 characters; 1 to 32 are allowed" },
	{ 'provium:vm("a b", "netns")', "provium:vm: the name `a b`" .. NAME },
	{ 'provium:vm("é", "netns")', "provium:vm: the name `é`" .. NAME },
	{
		'provium:vm(("x"):rep(33), "netns")',
		"provium:vm: the name `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` has 33 characters; 1 to 32 are allowed",
	},
	{
		'provium:vm("1", "netns")',
		"provium:vm: the name `1` would be taken for an address in nodes (0.0.0.1); put a letter in front",
	},
	{ 'provium:vm("127", "netns")', "provium:vm: the name `127` would be taken for an address in nodes (0.0.0.127)…" },
	{ 'provium:vm("0x7f", "netns")', "provium:vm: the name `0x7f` would be taken for an address in nodes (0.0.0.127)…" },
	{ 'provium:vm("-x", "netns")', "provium:vm: the name `-x` begins or ends with `-`, which no host's name does" },
	{ 'provium:vm("x-", "netns")', "provium:vm: the name `x-` begins or ends with `-`, which no host's name does" },
	{ 'provium:vm("localhost", "netns")', "provium:vm: the name `localhost` means something else in nodes already…" },
	{ 'provium:vm("LocalHost", "netns")', "provium:vm: the name `LocalHost` means something else in nodes already…" },
	{ 'provium:vm("Router", "netns")', "provium:vm: the name `Router` means something else in nodes already…" },
	{ 'provium:vm("A", "netns")', "provium:vm: the names `a` and `A` differ in capitals alone…" },
	{ 'provium:bridge("LAN")', "provium:bridge: the names `lan` and `LAN` differ in capitals alone…" },
	{ 'provium:bridge("1")', "provium:bridge: the name `1` would be taken for an address…" },
	{ 'provium:lab("1")', "provium:lab: the name `1` would be taken for an address…" },
	{ 'lan:attach("A")', "bridge:attach: the names `a` and `A` on bridge `lan` differ in capitals alone…" },
	{ 'lan:partition("B", "new")', "bridge:partition: the names `b` and `B` on bridge `lan` differ in capitals alone…" },
	{ 'provium:vm("pack", "netns")', "provium:vm: the name `pack` is reserved; choose another" },
	{ 'provium:vm("router", "netns")', "provium:vm: the name `router` is reserved; choose another" },
	{
		'provium:vm("a", "netns")',
		'provium:vm: the name `a` is already declared at a parent scope; use provium:vm("a") to get that '
			.. 'one, or choose another name',
	},
	{
		'provium:vm("d", "nosuch")',
		"provium:vm: no profile named `nosuch`; there are …",
	},
	{ 'provium:vm("d", 5)', "provium:vm: argument `profile` is 5; a string is accepted" },
	{ 'provium:vm("d", "netns", 5)', "provium:vm: argument `options` is 5; a table is accepted" },
	{
		'provium:vm("d", "netns", {memroy="1G"})',
		'provium:vm: unknown key "memroy"; the nearest is "memory"'
			.. '; the keys are: memory, cpus, kernel_cmdline, kernel_cmdline_append, files, root, binds, disk, pids',
	},
	{
		'provium:vm("d", "netns", {memory="1X"})',
		'provium:vm: argument `memory` is "1X"; a number of bytes, or a string like "64K", "512M" or "2G" is accepted',
	},
	{
		'provium:vm("d", "netns", {cpus=0})',
		"provium:vm: argument `cpus` is 0; a whole number from 1 to 255 is accepted",
	},
	{
		'provium:vm("d", "netns", {cpus=1.5})',
		"provium:vm: argument `cpus` is 1.5; a whole number from 1 to 255 is accepted",
	},
	{
		'provium:vm("d", "netns", {cpus="2"})',
		'provium:vm: argument `cpus` is "2"; a whole number from 1 to 255 is accepted',
	},
	{
		'provium:vm("d", "netns", {pids=0})',
		"provium:vm: argument `pids` is 0; a whole number from 1 to 4194304 is accepted",
	},
	{ 'provium:vm("d", "netns", {root=5})', "provium:vm: argument `root` is 5; a string is accepted" },
	{
		'provium:vm("d", "netns", {root="/no/such"})',
		"provium:vm: `root` is /no/such: No such file or directory",
	},
	{ 'provium:vm("d", "netns", {root="/etc/passwd"})', "provium:vm: `root` is /etc/passwd, which is no folder" },
	{ 'provium:vm("d", "netns", {root="/etc:tag"})', "provium:vm: `root` is /etc:tag: No such file or directory" },
	{
		'provium:vm("d", "netns", {disk="/no/such"})',
		"provium:vm: `disk` is /no/such: No such file or directory",
	},
	{ 'provium:vm("d", "netns", {disk="/etc/passwd"})', "provium:vm: `disk` is /etc/passwd, which is no folder" },
	{ 'provium:vm("d", "netns", {binds="/etc:/x"})', 'provium:vm: argument `binds` is "/etc:/x"; a list of' .. BINDS },
	{ "provium:vm('d', 'netns', {binds={x='/etc:/x'}})", "provium:vm: argument `binds` has the key \"x\"; a list of…" },
	{ 'provium:vm("d", "netns", {binds={5}})', "provium:vm: argument `binds` is 5; a list of" .. BINDS },
	{ 'provium:vm("d", "netns", {binds={"/etc"}})', 'provium:vm: `binds` has "/etc";' .. BINDS },
	{ 'provium:vm("d", "netns", {binds={":/etc"}})', 'provium:vm: `binds` has ":/etc";' .. BINDS },
	{ 'provium:vm("d", "netns", {binds={"/etc:"}})', 'provium:vm: `binds` has "/etc:";' .. BINDS },
	{ 'provium:vm("d", "netns", {binds={"/etc:/x:no"}})', 'provium:vm: `binds` has "/etc:/x:no";' .. BINDS },
	{ 'provium:vm("d", "netns", {binds={"/etc:/x:ro:"}})', 'provium:vm: `binds` has "/etc:/x:ro:";' .. BINDS },
	{
		'provium:vm("d", "netns", {binds={"/no/such:/x"}})',
		"provium:vm: `binds` is /no/such: No such file or directory",
	},
	{
		'provium:vm("d", "netns", {binds={"/etc:x"}})',
		'provium:vm: `binds` has the place "x" in the node; an absolute path is accepted',
	},
	{
		'provium:vm("d", "netns", {binds={"/etc:/x/../y"}})',
		'provium:vm: `binds` has the place "/x/../y" in the node; a path without .. is accepted',
	},
	{
		'provium:vm("d", "netns", {binds={"/etc:/.//"}})',
		'provium:vm: `binds` has the place "/.//" in the node; use `root` to give it another file system',
	},
	{
		'provium:vm("d", "netns", {binds={"/etc:/x/y", "/usr:/z", "/tmp://x/./y/:ro"}})',
		"provium:vm: `binds` has /etc and /tmp for the same place in the node, /x/y; leave one out",
	},
	{ 'provium:vm("d", "netns", {binds={{guest="/x"}}})', "provium:vm: `binds` has a table without `host`;" .. BINDS },
	{
		'provium:vm("d", "netns", {binds={{host="/etc"}}})',
		'provium:vm: `binds` has the place "" in the node; an absolute path is accepted',
	},
	{
		'provium:vm("d", "netns", {binds={{host="/etc", guest="/x", ro=true}}})',
		'provium:vm: unknown key "ro"; the keys are: host, guest, read_only',
	},
	{
		'provium:vm("d", "vm", {root="shared"})',
		"provium:vm: vm `d`: `root` is an option of namespace nodes, and this one is a guest; leave it out, or use "
			.. 'profile "netns"',
	},
	{ 'provium:vm("d", "vm", {binds={}})', "provium:vm: vm `d`: `binds` is an option of namespace nodes, and…" },
	{ 'provium:vm("d", "vm", {pids=5})', "provium:vm: vm `d`: `pids` is an option of namespace nodes, and…" },
	{
		'provium:vm("d", "vm", {disk="/tmp"})',
		"provium:vm: vm `d`: `disk` is an option of namespace nodes; that of a guest is named by a profile",
	},
	{ 'guest:boot({pids=5})', "vm:boot: vm `guest`: `pids` is an option of namespace nodes, and…" },
	{
		'provium:vm("d", "netns", {kernel_cmdline=5})',
		"provium:vm: argument `kernel_cmdline` is 5; a string is accepted",
	},
	{
		'provium:vm("d", "netns", {files=5})',
		"provium:vm: argument `files` is 5; a list of tables of path, content and mode is accepted",
	},
	{
		'provium:vm("d", "netns", {files={{path="x", content=""}}})',
		"provium:vm: each of `files` needs a `path` that begins with /",
	},
	{
		'provium:vm("d", "netns", {files={{path="/x"}}})',
		"provium:vm: argument `content` is missing; a string is accepted",
	},
	{
		'provium:vm("d", "netns", {files={{path="/x", content="", mode=4096}}})',
		"provium:vm: argument `mode` is 4096; a whole number from 1 to 4095 is accepted",
	},
	{ "provium:bridge()", "provium:bridge: argument `name` is missing; a string is accepted" },
	{ 'provium:bridge("x y")', "provium:bridge: the name `x y`" .. NAME },
	{ 'provium:bridge("router")', "provium:bridge: the name `router` is reserved; choose another" },
	{
		'provium:bridge("lan", {})',
		'provium:bridge: the name `lan` is already declared at a parent scope; use provium:bridge("lan") to '
			.. 'get that one, or choose another name',
	},
	{ 'provium:bridge("n", 5)', "provium:bridge: argument `options` is 5; a table is accepted" },
	{
		'provium:bridge("n", {subnet="10.0.0.1/24"})',
		'provium:bridge: `subnet` is "10.0.0.1/24"; an IPv4 network like "10.20.0.0/16" is accepted',
	},
	{
		'provium:bridge("n", {subnet="fd00::/64"})',
		'provium:bridge: `subnet` is "fd00::/64"; an IPv4 network like "10.20.0.0/16" is accepted',
	},
	{ 'provium:bridge("n", {subnet=5})', "provium:bridge: argument `subnet` is 5; a string is accepted" },
	{
		'provium:bridge("n", {subnet="10.1.0.0/24"})',
		"provium:bridge: the subnet overlaps that of bridge `lan`; choose another",
	},
	{
		'provium:bridge("n", {subnet="10.0.0.0/0"})',
		'provium:bridge: `subnet` is "10.0.0.0/0"; an IPv4 network like "10.20.0.0/16" is accepted',
	},
	{
		'provium:bridge("n", {subnet="10.0.0.0/31"})',
		"provium:bridge: the subnet 10.0.0.0/31 has no room for the router and a node; choose a larger one",
	},
	{
		'provium:bridge("n", {subnet6="fd00::/127"})',
		"provium:bridge: the subnet fd00::/127 has no room for the router and a node; choose a larger one",
	},
	{
		'provium:bridge("n", {subnet6="fd00::1/64"})',
		'provium:bridge: `subnet6` is "fd00::1/64"; an IPv6 network like "fd00:20::/64" is accepted',
	},
	{
		'provium:bridge("n", {subnet6="10.0.0.0/8"})',
		'provium:bridge: `subnet6` is "10.0.0.0/8"; an IPv6 network like "fd00:20::/64" is accepted',
	},
	{ 'provium:bridge("n", {mtu=100})', "provium:bridge: `mtu` is 100; 1280 to 65535 is accepted" },
	{
		'provium:bridge("n", {mtu=65536})',
		"provium:bridge: argument `mtu` is 65536; a whole number from 1 to 65535 is accepted",
	},
	{
		'provium:bridge("n", {mtu="1500"})',
		'provium:bridge: argument `mtu` is "1500"; a whole number from 1 to 65535 is accepted',
	},
	{ 'provium:bridge("n", {offload=1})', "provium:bridge: argument `offload` is 1; true or false is accepted" },
	{
		'provium:bridge("n", {sub=1})',
		'provium:bridge: unknown key "sub"; the nearest is "subnet"; the keys are: subnet, subnet6, mtu, offload',
	},
	{ "provium:boot(5)", "provium:boot: argument `options` is 5; a table is accepted" },
	{ "provium:boot({time=5})", 'provium:boot: unknown key "time"; the nearest is "timeout"; the keys are: timeout' },
	{ "provium:boot({timeout=-1})", "provium:boot: argument `timeout` is -1" .. DURATION },
	{ "provium:seed(-1)", "provium:seed: argument `seed` is -1; a whole number from 0 to 2^53 - 1 is accepted" },
	{ "provium:seed(1.5)", "provium:seed: argument `seed` is 1.5; a whole number from 0 to 2^53 - 1 is accepted" },
	{ 'provium:seed("1")', 'provium:seed: argument `seed` is "1"; a whole number from 0 to 2^53 - 1 is accepted' },
	{
		"provium:seed(2^53)",
		"provium:seed: argument `seed` is 9.007199254741e+15; a whole number from 0 to 2^53 - 1 is accepted",
	},
	{ 'provium:lab("a b")', "provium:lab: the name `a b`" .. NAME },
	{ "provium:lab(5)", "provium:lab: argument `name` is 5; a string is accepted" },
	{
		"provium:include()",
		"provium:include: argument `what` is missing"
			.. "; a node, a bridge or a lab, or a list of such userdata, is accepted",
	},
	{
		'provium:include("a")',
		'provium:include: argument `what` is "a"'
			.. '; a node, a bridge or a lab, or a list of such userdata, is accepted',
	},
	{ "provium:include(provium)", "provium:include: a lab cannot be put into itself" },
	{
		"provium:remove(5)",
		"provium:remove: argument `what` is 5"
			.. "; a node, a bridge or a lab, or the name of one, is accepted",
	},
	{ "provium:sleep()", "provium:sleep: argument `duration` is missing" .. DURATION },
	{ "provium:sleep(-1)", "provium:sleep: argument `duration` is -1" .. DURATION },
	{ 'provium:sleep("1x")', 'provium:sleep: argument `duration` is "1x"' .. DURATION },
	{ "provium:close()", "provium:close: the lab of the file closes by itself; only a sub-lab can be closed" },
	{ "provium.x = 5", "cannot set `provium.x`; the keys that can be set are: reset_between_tests, timeout" },
	{ "provium.timeout = 0", "argument `provium.timeout` is 0; a duration of more than 0 is accepted" },
	{ 'provium.timeout = "x"', 'argument `provium.timeout` is "x"' .. DURATION },
	{ "provium.reset_between_tests = 1", "argument `provium.reset_between_tests` is 1; true or false is accepted" },
	{ 'provium.vm("a")', "provium:vm: call it with a colon: provium:vm(…)" },
})

-- To 127.0.0.3 a node gets an answer from itself, whatever is cut.
refuse("subnets that are no network's", {
	{
		'provium:bridge("q", {subnet = "127.0.0.0/24"})',
		"provium:bridge: the subnet overlaps 127.0.0.0/8, whose addresses are no hosts' on a network; "
			.. 'choose another, like "10.20.0.0/16" or "fd00:20::/64"',
	},
	{ 'provium:bridge("q", {subnet = "0.0.0.0/24"})', "provium:bridge: the subnet overlaps 0.0.0.0/8…" },
	{ 'provium:bridge("q", {subnet = "224.0.0.0/24"})', "provium:bridge: the subnet overlaps 224.0.0.0/3…" },
	{ 'provium:bridge("q", {subnet = "240.0.0.0/8"})', "provium:bridge: the subnet overlaps 224.0.0.0/3…" },
	{ 'provium:bridge("q", {subnet6 = "::/64"})', "provium:bridge: the subnet overlaps ::/16…" },
	{ 'provium:bridge("q", {subnet6 = "fe80::/64"})', "provium:bridge: the subnet overlaps fe80::/10…" },
	{ 'provium:bridge("q", {subnet6 = "ff00::/64"})', "provium:bridge: the subnet overlaps ff00::/8…" },
})

-- What stands under another key would be passed over.
refuse("lists", {
	{
		"lan:attach({nodes = {c}})",
		'bridge:attach: argument `node` has the key "nodes"; a list of nodes or their names is accepted',
	},
	{
		"lan:attach({c, x = c})",
		'bridge:attach: argument `node` has the key "x"; a list of nodes or their names is accepted',
	},
	{ "lan:attach({c, nil, c})", "bridge:attach: element 2 of the list is a nil; a node or the name of one is accepted…" },
	{ "lan:attach({[0] = c})", "bridge:attach: argument `node` has the key 0…" },
	{ 'lan:attach({"x\\0y"})', "bridge:attach: argument `node` has a NUL byte in it; text without one is accepted" },
	{
		"lan:partition({a, also = b}, c)",
		'bridge:partition: argument `a` has the key "also"; a list of nodes or their names is accepted',
	},
	{ "lan:partition({from = a}, c)", 'bridge:partition: argument `a` has the key "from"…' },
	{ "lan:partition(c, {a, [4] = b})", "bridge:partition: argument `b[2]` is missing" .. NODE },
	{
		"lan:route({other = wan})",
		'bridge:route: argument `other` has the key "other"; a list of bridges or their names is accepted',
	},
	{
		"provium:include({node = c})",
		'provium:include: argument `what` has the key "node"; a list of nodes, bridges and labs is accepted',
	},
	{
		'provium:vm("d", "netns", {files = {path = "/x", content = ""}})',
		'provium:vm: argument `files` has the key "…',
	},
})

refuse("members of a bridge", {
	{ "lan:attach()", "bridge:attach: argument `node` is missing" .. NODE },
	{ "lan:attach(5)", "bridge:attach: argument `node` is 5" .. NODE },
	{
		"lan:attach({c, 5})",
		"bridge:attach: element 2 of the list is a number; a node or the name of one is accepted; nothing was attached",
	},
	{
		'lan:attach({c, "x y"})',
		"bridge:attach: element 2 of the list: the name `x y` has a character that is none of letters, "
			.. "digits, `-` and `_`; nothing was attached",
	},
	{
		'lan:attach({c, "unpack"})',
		"bridge:attach: element 2 of the list: the name `unpack` is reserved; choose another; nothing was attached",
	},
	{ "lan:attach(lan)", "bridge:attach: argument `node` is a provium.bridge" .. NODE },
	{ "lan:detach()", "bridge:detach: argument `node` is missing" .. NODE },
	{
		'lan:detach("router")',
		"bridge:detach: the router is not on bridge `lan`; it comes with bridge:enable_uplink() or bridge:route(other)",
	},
	{ 'lan:attach("router")', "bridge:attach: the name `router` is reserved; choose another" },
	{ 'lan:nic("x y")', "bridge:nic: the name `x y`" .. NAME },
	{ "lan:nic(5)", "bridge:nic: argument `node` is 5" .. NODE },
	{ 'lan.attach("a")', "bridge:attach: call it with a colon: bridge:attach(…)" },
	{ "lan:nic(a).mac()", "nic:mac: call it with a colon: nic:mac(…)" },
})

refuse("cuts", {
	{ "lan:partition()", "bridge:partition: argument `a` is missing" .. NODE },
	{ 'lan:partition("a")', "bridge:partition: argument `b` is missing" .. NODE },
	{ 'lan:partition("a", "a")', "bridge:partition: `a` cannot be partitioned from itself" },
	{ 'lan:partition("a", "x y")', "bridge:partition: the name `x y`" .. NAME },
	{ 'lan:partition("new", "x y")', "bridge:partition: the name `x y`" .. NAME },
	{ 'lan:partition({"new", "newer"}, {"b", "new"})', "bridge:partition: `new` cannot be partitioned from itself" },
	{ 'lan:partition("a", 5)', "bridge:partition: argument `b` is 5" .. NODE },
	{
		'lan:partition({}, "a")',
		"bridge:partition: argument `a` is an empty list; nodes or their names are accepted",
	},
	{
		'lan:partition({"a"}, {})',
		"bridge:partition: argument `b` is an empty list; nodes or their names are accepted",
	},
	{ 'lan:partition({"a", 5}, {"b"})', "bridge:partition: argument `a[2]` is 5" .. NODE },
	{ 'lan:partition({"a","b"}, {"b","c"})', "bridge:partition: `b` cannot be partitioned from itself" },
	{
		"lan:partition({from=a})",
		"bridge:partition: both `from` and `to` are needed: bridge:partition({from=a, to=b})",
	},
	{
		"lan:partition({to=a})",
		"bridge:partition: both `from` and `to` are needed: bridge:partition({from=a, to=b})",
	},
	{ "lan:partition({from=a, to=a})", "bridge:partition: `a` cannot be partitioned from itself" },
	{
		'lan:partition({from=a, to="c"})',
		'bridge:partition: `c` is not attached to bridge `lan`; attach it first with bridge:attach("c")',
	},
	{
		'lan:partition({from="c", to=a})',
		'bridge:partition: `c` is not attached to bridge `lan`; attach it first with bridge:attach("c")',
	},
	{ "lan:partition({from=a, to=b, ms=5})", 'bridge:partition: unknown key "ms"; the keys are: from, to' },
	{
		'lan:partition({"a", "b"})',
		"bridge:partition: the second group is missing: "
			.. "bridge:partition({a, b}, {c, d}), or {from=a, to=b} for one way",
	},
	{ "lan:unpartition()", "bridge:unpartition: argument `a` is missing" .. NODE },
	{ 'lan:unpartition("a")', "bridge:unpartition: argument `b` is missing" .. NODE },
	{
		"lan:unpartition({from=a})",
		"bridge:unpartition: both `from` and `to` are needed: bridge:unpartition({from=a, to=b})",
	},
	{
		'lan:unpartition({"a","b"})',
		"bridge:unpartition: the second group is missing: "
			.. "bridge:unpartition({a, b}, {c, d}), or {from=a, to=b} for one way",
	},
	{ 'lan:is_partitioned("a")', "bridge:is_partitioned: argument `b` is missing" .. NODE },
	{ "lan:is_partitioned(5, 6)", "bridge:is_partitioned: argument `a` is 5" .. NODE },
	{ "lan:isolate()", "bridge:isolate: argument `node` is missing" .. NODE },
	{ 'lan:isolate("x y")', "bridge:isolate: the name `x y`" .. NAME },
	{
		'lan:isolate("router")',
		"bridge:isolate: the router stays in reach of isolated nodes; to cut one off from it: bridge:partition(a, "
			.. '"router")',
	},
	{ "lan:unisolate()", "bridge:unisolate: argument `node` is missing" .. NODE },
	{ "lan:is_isolated()", "bridge:is_isolated: argument `node` is missing" .. NODE },
})

refuse("impairments", {
	{ "lan:add_latency()", "bridge:add_latency: argument `ms` is missing" .. LATENCY },
	{ "lan:add_latency(-1)", "bridge:add_latency: argument `ms` is -1" .. LATENCY },
	{ "lan:add_latency(nan)", "bridge:add_latency: argument `ms` is nan" .. LATENCY },
	{ "lan:add_latency(1/0)", "bridge:add_latency: argument `ms` is inf" .. LATENCY },
	{ 'lan:add_latency("5 parsecs")', 'bridge:add_latency: argument `ms` is "5 parsecs"' .. LATENCY },
	{ 'lan:add_latency("-5ms")', 'bridge:add_latency: argument `ms` is "-5ms"' .. LATENCY },
	{ 'lan:add_latency("601s")', "bridge:add_latency: the latency is 601 s; at most 600 s is accepted" },
	{ "lan:add_latency(true)", "bridge:add_latency: argument `ms` is true" .. LATENCY },
	{ "lan:add_latency({})", "bridge:add_latency: `ms` is missing; it is needed, with or without `from` and `to`" },
	{ "lan:add_latency({ms=nan})", "bridge:add_latency: argument `ms` is nan" .. LATENCY },
	{ 'lan:add_latency({from=a, ms="x"})', 'bridge:add_latency: argument `ms` is "x"' .. LATENCY },
	{
		'lan:add_latency({from="x", ms=5})',
		'bridge:add_latency: `x` is not attached to bridge `lan`; attach it first with bridge:attach("x")',
	},
	{
		'lan:add_latency({from=a, to="x", ms=5})',
		'bridge:add_latency: `x` is not attached to bridge `lan`; attach it first with bridge:attach("x")',
	},
	{
		"lan:add_latency({from=a, to=a, ms=5})",
		"bridge:add_latency: `from` and `to` are both `a`; no frame goes that way",
	},
	{ "lan:add_latency({from=5, ms=5})", "bridge:add_latency: argument `from` is 5" .. NODE },
	{ "lan:add_latency({ms=5, foo=1})", 'bridge:add_latency: unknown key "foo"; the keys are: from, to, ms' },
	{ "lan:add_latency({5})", "bridge:add_latency: unknown key 1; the keys are: from, to, ms" },
	{
		"lan:add_latency({ms=5, jitter=1})",
		"bridge:add_latency: `jitter` is not available in provium 0.1.0; leave it out",
	},
	{
		'lan:add_latency({ms=5, distribution="x"})',
		"bridge:add_latency: `distribution` is not available in provium 0.1.0; leave it out",
	},
	{
		"lan:add_latency({ms=5, reorder=true})",
		"bridge:add_latency: `reorder` is not available in provium 0.1.0; leave it out",
	},
	{
		"lan:add_directional_latency({from=a, to=b})",
		"bridge:add_directional_latency: `ms` is missing; it is needed, with or without `from` and `to`",
	},
	{ "lan:drop_rate()", "bridge:drop_rate: argument `p` is missing" .. PERCENT },
	{ "lan:drop_rate(-1)", "bridge:drop_rate: argument `p` is -1" .. PERCENT },
	{ "lan:drop_rate(nan)", "bridge:drop_rate: argument `p` is nan" .. PERCENT },
	{ 'lan:drop_rate("5x")', 'bridge:drop_rate: argument `p` is "5x"' .. PERCENT },
	{ 'lan:drop_rate("x")', 'bridge:drop_rate: argument `p` is "x"' .. PERCENT },
	{ "lan:drop_rate({})", "bridge:drop_rate: `p` is missing; it is needed, with or without `from` and `to`" },
	{ "lan:drop_rate({p=-1})", "bridge:drop_rate: argument `p` is -1" .. PERCENT },
	{
		'lan:drop_rate({from=a, to="x", p=5})',
		'bridge:drop_rate: `x` is not attached to bridge `lan`; attach it first with bridge:attach("x")',
	},
	{ "lan:drop_rate({p=5, q=1})", 'bridge:drop_rate: unknown key "q"; the keys are: from, to, p' },
	{
		'lan:drop_rate({p=5, model="gilbert"})',
		"bridge:drop_rate: `model` is not available in provium 0.1.0; leave it out",
	},
	{
		"lan:directional_drop_rate({from=a, to=b})",
		"bridge:directional_drop_rate: `p` is missing; it is needed, with or without `from` and `to`",
	},
	{ "lan:bandwidth_limit()", "bridge:bandwidth_limit: argument `bps` is missing" .. RATE },
	{ "lan:bandwidth_limit(-1)", "bridge:bandwidth_limit: argument `bps` is -1" .. RATE },
	{ 'lan:bandwidth_limit("10MB")', 'bridge:bandwidth_limit: argument `bps` is "10MB"' .. RATE },
	{ 'lan:bandwidth_limit("10mbit")', 'bridge:bandwidth_limit: argument `bps` is "10mbit"' .. RATE },
	{
		"lan:bandwidth_limit(999)",
		"bridge:bandwidth_limit: the rate is 999 bit/s; 0 (no limit) or 1kbit to 1000Gbit is accepted",
	},
	{
		"lan:bandwidth_limit(1e13)",
		"bridge:bandwidth_limit: the rate is 10000000000000 bit/s; 0 (no limit) or 1kbit to 1000Gbit is accepted",
	},
	{
		"lan:bandwidth_limit({})",
		"bridge:bandwidth_limit: `bps` is missing; it is needed, with or without `from` and `to`",
	},
	{
		'lan:bandwidth_limit({bps=0, from="x"})',
		'bridge:bandwidth_limit: `x` is not attached to bridge `lan`; attach it first with bridge:attach("x")',
	},
	{ 'lan:bandwidth_limit({bps=5000, queue="x"})', 'bridge:bandwidth_limit: argument `queue` is "x"' .. QUEUE },
	{ "lan:bandwidth_limit({bps=5000, queue=-1})", "bridge:bandwidth_limit: argument `queue` is -1" .. QUEUE },
	{ "lan:bandwidth_limit({bps=5000, queue=true})", "bridge:bandwidth_limit: argument `queue` is true" .. QUEUE },
	{
		"lan:bandwidth_limit({bps=5000, q=1})",
		'bridge:bandwidth_limit: unknown key "q"; the nearest is "queue"; the keys are: from, to, bps, queue',
	},
	{ "lan.reset()", "bridge:reset: call it with a colon: bridge:reset(…)" },
})

refuse("counters and paths", {
	{ 'lan:counters("a")', "bridge:counters: argument `b` is missing" .. NODE },
	{ 'lan:counters("a", "x")', 'bridge:counters: `x` was never attached to bridge `lan`; use bridge:attach("x")' },
	{ 'lan:counters("x", "a")', 'bridge:counters: `x` was never attached to bridge `lan`; use bridge:attach("x")' },
	{ "lan:path()", "bridge:path: argument `a` is missing" .. NODE },
	{ 'lan:path("a")', "bridge:path: argument `b` is missing" .. NODE },
	{ 'lan:path("a", "x")', 'bridge:path: `x` was never attached to bridge `lan`; use bridge:attach("x")' },
})

refuse("nodes", {
	{ 'a:ip("wan")', 'vm:ip: vm `a` is not attached to bridge `wan`; use bridge:attach("a")' },
	{ 'a:ip("nolan")', 'vm:ip: vm `a` is not attached to bridge `nolan`; use bridge:attach("a")' },
	{ "a:ip(5)", "vm:ip: argument `bridge` is 5; a bridge or the name of one is accepted" },
	{ "a:ip6(wan)", 'vm:ip6: vm `a` is not attached to bridge `wan`; use bridge:attach("a")' },
	{ 'a:mac("x")', 'vm:mac: vm `a` is not attached to bridge `x`; use bridge:attach("a")' },
	{ "c:ip()", 'vm:ip: vm `c` is not attached to any bridge; use bridge:attach("c")' },
	{
		'a:nic("eth1")',
		"vm:nic: no NIC `eth1` on vm `a`; name the bridge that it is on, or one like eth0",
	},
	{ 'a:nic("x")', 'vm:nic: vm `a` is not attached to bridge `x`; use bridge:attach("a")' },
	{ "a:nic(5)", "vm:nic: argument `bridge` is 5; a bridge or the name of one is accepted" },
	{ "a:boot()", "vm:boot: vm `a`: VM already booted (cannot boot)" },
	{ "a:boot(5)", "vm:boot: argument `options` is 5; a table is accepted" },
	{
		"c:boot({x=1})",
		'vm:boot: unknown key "x"'
			.. '; the keys are: memory, cpus, kernel_cmdline, kernel_cmdline_append, files, root, binds, disk, pids'
			.. ', timeout, agent_timeout',
	},
	{ 'c:boot({timeout="x"})', 'vm:boot: argument `timeout` is "x"' .. DURATION },
	{ "c:pause()", "vm:pause: vm `c`: VM not booted (cannot pause)" },
	{ "c:resume()", "vm:resume: vm `c`: VM not booted (cannot resume)" },
	{ "a:resume()", "vm:resume: vm `a`: VM is not paused (cannot resume)" },
})

refuse("commands and files", {
	{ 'c:run("true")', "vm:run: vm `c`: VM not booted (cannot run)" },
	{ 'c:run_async("true")', "vm:run_async: vm `c`: VM not booted (cannot run)" },
	{ 'c:read_file("/x")', "vm:read_file: vm `c`: VM not booted (cannot read a file)" },
	{ 'c:write_file("/x", "")', "vm:write_file: vm `c`: VM not booted (cannot write a file)" },
	{ 'c:push_file("/x", "/y")', "vm:push_file: vm `c`: VM not booted (cannot write a file)" },
	{ "a:run()", "vm:run: argument `command` is missing; a string is accepted" },
	{
		'a:run("")',
		'vm:run: argument `command` is ""; a shell line, or a program with a table of arguments is accepted',
	},
	{ "a:run(5)", "vm:run: argument `command` is 5; a string is accepted" },
	{ 'a:run("true", 5)', "vm:run: argument `args` is 5; a table is accepted" },
	{
		'a:run("true", {arg={"x"}})',
		'vm:run: unknown key "arg"; the nearest is "args"'
			.. '; the keys are: args, env, cwd, stdin, timeout, env_clear, timeout_ms',
	},
	{ 'a:run("true", {args=5})', "vm:run: argument `args` is 5; a table is accepted" },
	{ 'a:run("true", {env=5})', "vm:run: argument `env` is 5; a table is accepted" },
	{ 'a:run("true", {env={[1]="x"}})', 'vm:run: `env` is a table of NAME = "value"' },
	{ 'a:run("true", {cwd=5})', "vm:run: argument `cwd` is 5; a string is accepted" },
	{ 'a:run("true", {stdin=5})', "vm:run: argument `stdin` is 5; a string is accepted" },
	{ 'a:run("true", {timeout=-1})', "vm:run: argument `timeout` is -1" .. DURATION },
	{ 'a:run("tr\\0ue")', "vm:run: argument `command` has a NUL byte in it; text without one is accepted" },
	{ 'a:run("true", {"a\\0b"})', "vm:run: argument `args[1]` has a NUL byte in it; text without one is accepted" },
	{ 'a:run_async("nosuchprog", {})', "vm:run_async: run `nosuchprog` in node `a`: No such file or directory" },
	{ "a:read_file()", "vm:read_file: argument `path` is missing; a string is accepted" },
	{ "a:read_file(5)", "vm:read_file: argument `path` is 5; a string is accepted" },
	{
		'a:read_file("/nonexistent")',
		"vm:read_file: vm `a`: read /nonexistent: cat: /nonexistent: No such file or directory",
	},
	{ 'a:write_file("/x")', "vm:write_file: argument `data` is missing; a string is accepted" },
	{ 'a:write_file(5, "x")', "vm:write_file: argument `path` is 5; a string is accepted" },
	{ 'a:write_file("/x", 5)', "vm:write_file: argument `data` is 5; a string is accepted" },
	{
		'a:write_file("/proc/nonexistent/x", "x")',
		"vm:write_file: vm `a`: write /proc/nonexistent/x: mkdir: cannot create directory "
			.. "‘/proc/nonexistent’: No such file or directory",
	},
	{
		'a:push_file("/nonexistent", "/tmp/x")',
		"vm:push_file: open /nonexistent on this machine: No such file or directory",
	},
	{ 'a:push_file("/etc/hosts")', "vm:push_file: argument `guest` is missing; a string is accepted" },
	{ 'a:push_file("/etc", "/tmp/x")', "vm:push_file: read /etc on this machine: Is a directory" },
	{ 'a:run_async("sleep 9"):wait("x")', 'process:wait: argument `timeout` is "x"' .. DURATION },
	{
		'a:run_async("sleep 9"):kill("NOSUCH")',
		"process:kill: argument `signal` is \"NOSUCH\"; a signal's name like \"TERM\", or its number, is accepted",
	},
	{
		'a:run_async("sleep 9"):kill(0)',
		"process:kill: argument `signal` is 0; a signal's name like \"TERM\", or its number, is accepted",
	},
	{
		'a:run_async("sleep 9"):kill(100)',
		"process:kill: argument `signal` is 100; a signal's name like \"TERM\", or its number, is accepted",
	},
	{
		'a:run_async("sleep 9"):kill({})',
		"process:kill: argument `signal` is a table; a signal's name like \"TERM\", or its number, is accepted",
	},
	{ 'a:run_async("sleep 9").wait()', "process:wait: call it with a colon: process:wait(…)" },
	{ 'a.run("true")', "vm:run: call it with a colon: vm:run(…)" },
})

-- What stands behind a NUL byte would be passed over.
refuse("NUL bytes", {
	{ 'lan:add_latency("50ms\\0h")', "bridge:add_latency: argument `ms` has a NUL byte in it; a number of milliseconds…" },
	{ 'lan:bandwidth_limit{bps="1Mbit", queue="9K\\0"}', "bridge:bandwidth_limit: argument `queue` has a NUL byte…" },
	{ 'lan:capture{format="pcap\\0ng"}', "bridge:capture: argument `format` has a NUL byte in it; \"pcap\"…" },
	{ 'lan:capture{filter={proto="tcp\\0"}}', "bridge:capture: argument `proto` has a NUL byte in it; \"tcp\"…" },
	{ 'lan:capture():save("x\\0")', "capture:save: argument `path` has a NUL byte in it; text without one is accepted" },
	{ 'a:restore("/dev/null\\0")', "vm:restore: argument `snapshot` has a NUL byte in it; text without one is accepted" },
	{ 'a:run_async("sleep 9"):kill("TERM\\0")', "process:kill: argument `signal` has a NUL byte in it; a signal…" },
	{ 'provium:remove("a\\0")', "provium:remove: argument `what` has a NUL byte in it; a node, a bridge or a lab…" },
	{ 'wait_until(print, {timeout="1s\\0h"})', "wait_until: argument `timeout` is…" },
})

refuse("json", {
	{
		"json.encode()",
		"json.encode: argument `value` is missing; any value but a function or a userdata is accepted",
	},
	{
		"json.encode(print)",
		"json.encode: cannot encode a value that JSON has no form for (a function or a userdata)",
	},
	{ "json.encode({1/0})", "json.encode: cannot encode a number that is not finite" },
	{ "json.encode({[{}]=1})", "json.encode: cannot encode a table with keys that are neither strings nor whole numbers" },
	{ "json.encode({[0.5]=1})",
		"json.encode: cannot encode a table with keys that are neither strings nor whole numbers" },
	{
		"local x={} x.x=x json.encode(x)",
		"json.encode: cannot encode a table nested more than 100 deep, or in itself",
	},
	{ "json.decode()", "json.decode: argument `text` is missing; a string is accepted" },
	{ "json.decode(5)", "json.decode: argument `text` is 5; a string is accepted" },
	{ 'json.decode("{")', "json.decode: line 1, column 1: parse error: premature EOF" },
	{ 'json.decode("[1,]")', "json.decode: line 1, column 4: parse error: unallowed token at this point in JSON text" },
	{ "json.array(5)", "json.array: argument `table` is 5; a table is accepted" },
})

refuse("wait_until", {
	{ "wait_until()", "wait_until: argument `fn` is nil; a function is accepted" },
	{ "wait_until(5)", "wait_until: argument `fn` is 5; a function is accepted" },
	{ "wait_until(print, 5)", "wait_until: argument `options` is 5; a table is accepted" },
	{ "wait_until(print, {x=1})", 'wait_until: unknown key "x"; the keys are: desc, interval, timeout' },
	{
		"wait_until(print, {tiemout=1})",
		'wait_until: unknown key "tiemout"; the nearest is "timeout"'
			.. '; the keys are: desc, interval, timeout',
	},
	{ 'wait_until(print, {timeout="x"})', 'wait_until: argument `timeout` is "x"' .. DURATION },
	{ "wait_until(print, {interval=-1})", "wait_until: argument `interval` is -1" .. DURATION },
	{
		'wait_until(function() return false end, {timeout="10ms", interval="1ms"})',
		"wait_until: condition not met within 0.01s; it returned false",
	},
	{
		'wait_until(function() error("no luck", 0) end, {timeout="10ms", interval="1ms", desc="luck"})',
		"wait_until: luck not met within 0.01s; it raised: no luck",
	},
	{ "wait_until(print, {desc={1}})", "wait_until: argument `desc` is [1]; a string is accepted" },
})

refuse("test", {
	{ "test()", "test: argument `name` is nil; a string is accepted" },
	{ 'test("")', 'test: argument `name` is ""; a string is accepted' },
	{ 'test("x")', "test: the last argument is nil; a function is accepted" },
	{ 'test("x", 5)', "test: the last argument is 5; a function is accepted" },
	{ 'test("x", {}, 5)', "test: the last argument is 5; a function is accepted" },
	{ 'test("x", 5, print)', "test: argument `meta` is 5; a table is accepted" },
	{ 'test("x", {tag=1}, print)', "test: unknown key `tag`; the nearest that mean…" },
	{ 'test("x", {tags=5}, print)', "test: `tags` is 5; …" },
	{ 'test("x", {timeout="x"}, print)', 'test: argument `timeout` is "x"' .. DURATION },
	{ 'test("x", {timeout=0}, print)', "test: `timeout` is 0; a duration of more than 0 is accepted" },
	{ 'test("x", {slow="x"}, print)', 'test: `slow` is "x"; …' },
	{ 'test("x", {skip = true}, print)', "test: `x` is inside of test `test`; tests cannot be nested" },
})

test("a latency without fq in the kernel, or with it", function(t)
	local ok, message = pcall(lan.add_latency, lan, "1ms")
	t:assert_eq(lan:latency_ms(), ok and 1 or 0)
	if not ok then
		t:assert_eq((message:gsub("^[^:]*:%d+: ", "")), "bridge:add_latency: this kernel cannot delay frames: it has no fq "
			.. "queueing discipline (CONFIG_NET_SCH_FQ); load sch_fq, or run the script with tools/testkernel; `provium doctor` "
			.. "tells more")
	end
	lan:add_latency(0)
	lan:bandwidth_limit(0)
end)

test("what is closed says so", function(t)
	local gone = provium:bridge("gone")
	gone:close()
	gone:close()
	t:assert_error(function()
		gone:members()
	end, 'bridge:members: bridge `gone` is closed; make a new one with provium:bridge("gone")')
	local node = provium:vm("leaver", "netns"):boot()
	provium:remove(node)
	t:assert_eq(node:state(), "shutdown")
	t:assert_error(function()
		lan:attach(node)
	end, "vm `leaver` is closed; create a new one")
	t:assert_error(function()
		provium:include(node)
	end, "vm `leaver` is closed; create a new one")
	t:assert_error(function()
		provium:include(gone)
	end, "bridge `gone` is closed; make a new one")
end)
