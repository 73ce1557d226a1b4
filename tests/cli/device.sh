#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device of the host on a bridge. The host is made up: a namespace of this test's, in which vnet0 leads to somebody who is
# no node of the lab.
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

if [[ ${1-} != --inside ]]; then
	exec unshare --net --kill-child --fork "$here/device.sh" --inside
fi
unshare --net sleep infinity &
far=$!
elsewhere() { [[ $(readlink "/proc/$far/ns/net") != $(readlink /proc/self/ns/net) ]]; }
wait_for elsewhere
in_far() { nsenter --target "$far" --net "$@"; }
make_device() {
	ip link add vnet0 type veth peer name far0 netns "$far"
	ip link set vnet0 up
	in_far ip addr add 10.1.0.2/16 dev far0
	in_far ip addr add fd70:726f:7669:1::2/64 dev far0 nodad
	in_far ip link set far0 up
}
make_device
is_home() { ip -o link show dev vnet0 2>/dev/null | grep -q '[<,]UP[,>]'; }

cat >whole.lua <<'END'
local lan = provium:bridge("lan")
lan:attach_device("vnet0", { name = "db" })
local a = provium:vm("a", "netns")
lan:attach(a)
a:boot()
local function reaches(what) return a:run("ping -n -c 1 -W 1 " .. what):ok() end
test("it is a member", function(t)
	t:assert_eq(table.concat(lan:members(), " "), "a db")
	t:assert_eq(lan:nic("db"):ip(), "10.1.0.2")
	t:assert_eq(lan:nic("db"):mac(), nil)
	-- The kernel lets the other end of the pair send up to a second after its carrier came (linkwatch).
	wait_until(function() return reaches("-4 db.lan") end)
	t:assert(reaches("-6 db"))
	t:assert(lan:counters(a, "db").packets > 0)
	t:assert(lan:nic("db"):counters().rx_packets > 0)
end)
test("rules hold for it", function(t)
	lan:partition({ from = "db", to = a })
	t:assert(not reaches("db.lan"))
	t:assert_dropped(lan, "db", a, "partition")
	lan:unpartition("db", a)
	t:assert(reaches("db.lan"))
	lan:isolate("db")
	t:assert(not reaches("db.lan"))
	t:assert_dropped(lan, a, "db", "isolation")
	lan:unisolate("db")
	local capture = lan:nic("db"):capture()
	t:assert(reaches("db.lan"))
	t:assert(#table.concat(capture:drain(0)) > 24 + 100)
end)
test("its cable", function(t)
	lan:nic("db"):disconnect()
	t:assert(not reaches("db.lan"))
	lan:nic("db"):reconnect()
	wait_until(function() return reaches("db.lan") end)
end)
test("its name is taken", function(t)
	lan:attach("db")
	t:assert_eq(table.concat(lan:members(), " "), "a db")
	t:assert_error(function() lan:attach_device("other0", { name = "db" }) end, "already attached")
	t:assert_error(function() lan:attach_device("other0", { name = "a" }) end, "already used by a node")
end)
test("it can be detached, and come back", function(t)
	lan:detach("db")
	t:assert_eq(table.concat(lan:members(), " "), "a")
	t:assert(not reaches("10.1.0.2"))
	lan:attach_device("vnet0", { name = "db" })
	wait_until(function() return reaches("db.lan") end)
end)
END
works() {
	run --format tap whole.lua
	exits 0 && is_home && [[ $(in_far ip -o link show dev far0) == *LOWER_UP* ]]
}
leaves_no_trace() {
	[[ $(tc filter show dev vnet0 egress; tc qdisc show dev vnet0 | grep -E 'clsact|fq') == "" &&
		$(ip -d -o link show vnet0) != *bridge_slave* ]]
}

# refuses TEXT LUA...: a script with these lines fails so, and the device is where it was.
refuses() {
	local wanted=$1
	shift
	printf '%s\n' 'local lan = provium:bridge("lan")' "$@" >bad.lua
	run bad.lua
	exits 1 && prints "$wanted" && ! prints misspelt && is_home
}
needs_a_device() { refuses "there is no device vnet7 in the network namespace that provium was started in" 'lan:attach_device("vnet7")'; }
needs_a_name() { refuses "string" 'lan:attach_device()'; }
not_loopback() { refuses "the loopback device" 'lan:attach_device("lo")'; }
not_with_an_address() {
	ip addr add 192.0.2.1/24 dev vnet0
	refuses "it has address 192.0.2.1 on it; if it can do without: ip address flush dev vnet0" 'lan:attach_device("vnet0")'
	local result=$?
	ip addr flush dev vnet0
	return "$result"
}
not_with_one_on_top() {
	ip link add link vnet0 name vnet0.10 type macvlan
	refuses "the host uses device vnet0: vnet0.10 is on top of it" 'lan:attach_device("vnet0")'
	local result=$?
	ip link del vnet0.10
	return "$result"
}
by_another_name() {
	ip link property add dev vnet0 altname port0
	echo 'provium:bridge("lan"):attach_device("port0")' >other.lua
	run other.lua
	exits 0 && is_home && [[ ! -s err ]] && ! prints "give device"
	local result=$?
	ip link property del dev vnet0 altname port0 2>/dev/null
	return "$result"
}
not_from_a_bridge() {
	ip link add br0 type bridge
	ip link set vnet0 master br0
	refuses "a port of br0; take it out of that first: ip link set dev vnet0 nomaster" 'lan:attach_device("vnet0")'
	local result=$?
	ip link del br0
	return "$result"
}
not_with_a_smaller_mtu() {
	refuses "has an MTU of 1500, and bridge \`jumbo\` one of 9000: ip link set dev vnet0 mtu 9000" \
		'provium:bridge("jumbo", { mtu = 9000 }):attach_device("vnet0")'
}
not_on_two() { refuses "there is no device vnet0" 'lan:attach_device("vnet0")' 'provium:bridge("other"):attach_device("vnet0")'; }
comes_back_after_a_failure() { refuses "told you" 'lan:attach_device("vnet0")' 'error("told you")'; }

echo 'provium:bridge("lan"):attach_device("vnet0") print("up") provium:sleep("1h")' >waits.lua
start_waiting() {
	start_lab waits.out --timeout 1h waits.lua && ! ip link show dev vnet0 >/dev/null 2>&1
}
comes_back_when_killed() {
	start_waiting || return
	kill -KILL "$lab" "$command"
	wait "$command" 2>/dev/null
	wait_for is_home
}
comes_back_when_all_are_killed_by_name() {
	start_waiting || return
	local pid
	# Of this test alone: others may run beside it.
	for pid in $(pgrep -x provium); do
		[[ $(readlink "/proc/$pid/cwd") != "$work" ]] || kill -KILL "$pid"
	done
	wait "$command" 2>/dev/null
	wait_for is_home
}
# Of this test alone: others may run beside it.
keepers() {
	local pid
	for pid in $(pgrep -x pv-keeper); do
		[[ $(readlink "/proc/$pid/cwd") != "$work" ]] || echo "$pid"
	done
}
kill_keeper() {
	keeper=$(keepers)
	[[ $keeper ]] && kill -KILL "$keeper" && wait_for is_gone "$keeper"
}
# The run waits, and sees it.
comes_back_when_the_keeper_is_killed_and_then_the_run() {
	start_waiting && kill_keeper || return
	wait_for grep -q "place$" waits.out
	kill -KILL "$lab" "$command"
	wait "$command" 2>/dev/null
	wait_for is_home && grep -q "the keeper of device vnet0, process $keeper, was killed; process" waits.out
}
comes_back_when_the_keeper_is_killed_and_the_run_ends() {
	start_waiting && kill_keeper || return
	kill -INT "$command"
	wait "$command"
	is_home
}
# It does not wait in between, and so has not seen it.
comes_back_from_a_run_that_did_not_wait() {
	cat >busy.lua <<-END
		local lan = provium:bridge("lan"):attach_device("vnet0")
		local kill = [[for pid in \$(pgrep -x pv-keeper); do
			[ "\$(readlink /proc/\$pid/cwd)" != "$work" ] || { kill -KILL \$pid && echo killed; }
		done]]
		assert(io.popen(kill):read("a") == "killed\n")
		lan:detach("vnet0")
		print("detached")
	END
	run busy.lua
	exits 0 && prints detached && is_home
}
comes_back_when_interrupted() {
	start_waiting || return
	kill -INT "$command"
	wait "$command"
	is_home
}
may_go_with_its_owner() {
	start_waiting || return
	in_far ip link del far0
	kill -INT "$command"
	wait "$command"
	! grep -q "give device" waits.out
	local result=$?
	make_device
	return "$result"
}
other_name() {
	start_waiting || return
	ip link add vnet0 type bridge
	kill -INT "$command"
	wait "$command"
	cp waits.out out
	local name
	name=$(sed -n 's/.*give device vnet0 back: .*File exists; it is \(pv[0-9_]*\) now$/\1/p' waits.out)
	[[ $name ]] && ip -o link show dev "$name" | grep -q '[<,]UP[,>]'
}

check "a member like any other" works
check "given back as it was" leaves_no_trace
check "no such device" needs_a_device
check "no name of a device" needs_a_name
check "the loopback device" not_loopback
check "a device with an address" not_with_an_address
check "a device with another on top" not_with_one_on_top
check "by another of its names" by_another_name
check "a port of another bridge" not_from_a_bridge
check "an MTU below the bridge's" not_with_a_smaller_mtu
check "on two bridges" not_on_two
check "a script that fails gives it back" comes_back_after_a_failure
check "kill -9 gives it back" comes_back_when_killed
check "kill -9 of all that are called provium gives it back" comes_back_when_all_are_killed_by_name
check "kill -9 of its keeper, and then of the run, gives it back" comes_back_when_the_keeper_is_killed_and_then_the_run
check "kill -9 of its keeper, and the end of the run, gives it back" comes_back_when_the_keeper_is_killed_and_the_run_ends
check "kill -9 of its keeper while the run does not wait" comes_back_from_a_run_that_did_not_wait
check "Ctrl-C gives it back" comes_back_when_interrupted
check "a device whose owner ends" may_go_with_its_owner
check "its name was given to another meanwhile" other_name
kill "$far"
wait
finish
