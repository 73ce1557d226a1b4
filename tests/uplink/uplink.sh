#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# shellcheck disable=SC2016     # what stands in single quotes is for another shell, or for people
#
# Uplinks: tested in a made-up host, whose default route leads to a made-up outside with a web and a DNS server. No frame
# of it leaves these two namespaces: the test runs in a network namespace of its own that has no other way out.

if [[ ${1-} != inside ]]; then
	# Whoever looks at the machine's own devices meanwhile sees nothing of it.
	seen=$(mktemp)
	log=$(mktemp)
	tcpdump -i any -n -U -w "$seen" 'net 10.1.0.0/16 or net 10.2.0.0/16 or net 198.18.0.0/15 or net 203.0.113.0/24 or
		net 198.51.100.0/24 or net fd70:726f:7669::/48' 2>"$log" &
	watcher=$!
	until grep -q 'listening on' "$log"; do
		kill -0 "$watcher" || { echo "Bail out! tcpdump does not run" && exit 1; }
		sleep 0.05
	done
	unshare --net --mount --propagation private -- "${BASH_SOURCE[0]}" inside
	status=$?
	kill "$watcher"
	wait "$watcher"
	frames=$(tcpdump -n -r "$seen" 2>/dev/null | wc -l)
	rm -f "$seen" "$log"
	((frames == 0)) || { printf 'not ' && status=1; }
	printf 'ok 1 - none of it was seen on the devices of the machine (%d frames)\n1..1\n' "$frames"
	exit "$status"
fi
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/../cli/tap.bash"

make_world() {
	mount -t tmpfs tmpfs /run
	mkdir -p /run/netns www
	ip link set lo up
	ip netns add outside
	ip link add up0 type veth peer name up1 netns outside
	ip addr add 203.0.113.2/24 dev up0
	ip link set up0 up
	ip -n outside addr add 203.0.113.1/24 dev up1
	ip -n outside link set up1 up
	ip -n outside link set lo up
	ip -n outside addr add 198.51.100.80/32 dev lo
	ip route add default via 203.0.113.1
	# Strict, as some distributions have it.
	echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter
	echo outside >www/index.html
	# What the outside sees of who asks.
	mkdir -p www/cgi-bin
	# shellcheck disable=SC2016     # for that shell
	printf '#!/bin/sh\necho; echo "$REMOTE_ADDR"\n' >www/cgi-bin/who
	chmod +x www/cgi-bin/who
	ip netns exec outside busybox httpd -f -p 80 -h "$work/www" &
	servers=($!)
	ip netns exec outside dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --user=root \
		--listen-address=203.0.113.1 --bind-interfaces --address=/example.test/198.51.100.80 2>dns.log &
	servers+=($!)
	trap 'kill "${servers[@]}"; rm -rf "$work"' EXIT
	# The first is out of reach for nodes.
	printf 'nameserver %s\n' 127.0.0.53 203.0.113.1 >resolv.conf
	mount --bind resolv.conf /etc/resolv.conf
	wait_for curl -sf -o /dev/null http://198.51.100.80/ && wait_for curl -sf -o /dev/null http://example.test/
}

# The state of the host that a run must not change.
host_state() {
	nft list ruleset
	ip -o link | sed 's/^[0-9]*: //'
	ip -o addr | sed 's/^[0-9]*: //; s/ tentative//'
	ip route
	ip rule
	cat /proc/sys/net/ipv4/conf/{up0,all,lo}/forwarding /proc/sys/net/ipv4/ip_forward
	ls /run/provium 2>/dev/null
	ip netns
}

cat >lab.lua <<'END'
lan = provium:bridge("lan")
a = provium:vm("a", os.getenv("PROFILE") or "netns"):boot()
lan:attach(a)
provium.timeout = "30m"
-- What the outside says.
function fetch(node, url)
	return node:run("curl", {"-sS", "--max-time", "100", url or "http://example.test/"})
end
function reaches(node)
	local result = fetch(node)
	return result.stdout == "outside\n", result.stderr
end
-- Nothing comes. What is too slow would be taken for that, so it is asked for once the others have been reached.
function cut_off(node, url)
	return node:run("curl", {"-s", "--max-time", "3", url or "http://198.51.100.80/"}).stdout == ""
end
END

cat >works.lua <<'END'
dofile("lab.lua")
assert(cut_off(a), "before")
lan:enable_uplink()
lan:enable_uplink()
assert(lan:has_uplink())
assert(reaches(a))
assert(not a:run("cat /etc/resolv.conf").stdout:find("127.", 1, true))
assert(fetch(a, "http://example.test/cgi-bin/who").stdout:find("203.0.113.2", 1, true), "the outside sees the host's address")
local late = provium:vm("late", "netns"):boot()
lan:attach(late)
assert(reaches(late), "a node that comes later")
-- Rules act on the way out.
lan:partition(a, "router")
assert(cut_off(a, "http://example.test/") and reaches(late), "cut from the router")
lan:reset()
lan:isolate(a)
assert(reaches(a), "isolated, but the router is in reach")
lan:unisolate(a)
-- A bridge without an uplink has none, not even when it is routed to one that has.
local data = provium:bridge("data")
local c = provium:vm("c", "netns"):boot()
data:attach(c)
assert(cut_off(c), "another bridge")
data:route(lan)
c:run("ip route add default via " .. data:subnet():gsub("0/16", "1")):assert_ok()
assert(cut_off(c), "another bridge, routed")
local other, d = provium:bridge("other"), provium:vm("d", "netns"):boot()
other:attach(d)
other:enable_uplink()
lan:disable_uplink()
lan:disable_uplink()
assert(not lan:has_uplink())
assert(reaches(d), "another bridge, whose uplink stays")
assert(cut_off(a), "disabled")
assert(a:run("ip route show default").stdout == "", "no default route")
lan:enable_uplink()
assert(reaches(a), "enabled again")
END

cat >hold.lua <<'END'
dofile("lab.lua")
lan:enable_uplink()
assert(reaches(a))
print("up")
provium:sleep("1h")
END

cat >given_up.lua <<'END'
dofile("lab.lua")
lan:enable_uplink()
lan:disable_uplink()
print("up")
provium:sleep("1h")
END

nodes_reach_the_outside() {
	local before
	before=$(host_state)
	run works.lua
	exits 0 && wait_for eval '[[ $(host_state) == "$before" ]]'
}

guests_reach_the_outside() {
	export PROFILE=vm
	nodes_reach_the_outside
	local result=$?
	unset PROFILE
	return "$result"
}

no_default_route() {
	ip route del default
	run hold.lua
	ip route add default via 203.0.113.1
	exits 1 && prints "bridge:enable_uplink: this machine has no default-route interface"
}

# hold N: starts a run in the background, as runs[N]; its lab is then in labs[N].
hold() {
	start_lab "hold.$1" hold.lua || { cat "hold.$1" >>out && return 1; }
	runs[$1]=$command
	labs[$1]=$lab
}
runs=() labs=()

reaches_out() { "$provium" exec "${labs[$1]}" a curl -sf --max-time 100 http://example.test/ >out; }

# Neither the first nor the second to come takes away what the other needs, and the last switches off.
two_side_by_side() {
	local before
	before=$(host_state)
	hold 1 && hold 2 || return
	[[ $(</proc/sys/net/ipv4/conf/up0/forwarding) == 1 ]] || return
	reaches_out 2 || return
	kill -INT "${runs[1]}"
	wait "${runs[1]}"
	reaches_out 2 || return
	kill -INT "${runs[2]}"
	wait "${runs[2]}"
	wait_for eval '[[ $(host_state) == "$before" ]]'
}

given_up() {
	start_lab given_up given_up.lua || return
	[[ $(</proc/sys/net/ipv4/conf/up0/forwarding) == 0 && $(nft list ruleset) == "" &&
	   $(ip -o link | grep -c provium) == 0 ]]
	local result=$?
	kill -INT "$command"
	wait "$command"
	return "$result"
}

killed_leaves_only_the_sysctl() {
	local before left
	before=$(host_state)
	hold 1 || return
	kill -KILL "${labs[1]}" "${runs[1]}"
	wait "${runs[1]}" 2>/dev/null
	wait_for eval '[[ $(ip -o link | grep -c provium) == 0 && $(nft list ruleset) == "" ]]' || return
	left=$(diff <(echo "$before") <(host_state))
	grep -q '^> 1' <<<"$left" && [[ $(grep -c '^[<>]' <<<"$left") == 4 ]] || return
	run doctor
	prints "up0" || return
	# The next run switches back.
	run works.lua
	exits 0 && wait_for eval '[[ $(host_state) == "$before" ]]'
}

# A subnet that the host has itself: another is chosen for bridges that leave it open, and one that was asked for is refused.
avoids_the_hosts_networks() {
	ip addr add 10.1.7.1/24 dev up0
	cat >clash.lua <<-'END'
		local free = provium:bridge("free")
		assert(free:subnet() == "10.2.0.0/16", free:subnet())
		local fixed = provium:bridge("fixed", {subnet = "10.1.0.0/16"})
		local ok, message = pcall(fixed.enable_uplink, fixed)
		assert(not ok and message:find("overlaps 10.1.7.0/24, a network of this machine"), message)
		assert(not fixed:has_uplink())
		free:enable_uplink()
	END
	run clash.lua
	ip addr del 10.1.7.1/24 dev up0
	exits 0
}

existing_rules_stay() {
	nft -f - <<-'END'
		table ip mine {
			chain c {
				type filter hook forward priority filter; policy accept;
				ip saddr 192.0.2.1 drop
			}
		}
	END
	nodes_reach_the_outside
	local result=$?
	nft delete table ip mine
	return "$result"
}

make_world || { echo "Bail out! the made-up world does not work" && exit 1; }
check "nodes reach the outside, with the host's address, and nothing is left" nodes_reach_the_outside
check "so do virtual machines" guests_reach_the_outside
check "without a default route an error says so" no_default_route
check "two runs side by side" two_side_by_side
check "the last uplink that is given up leaves nothing, while the run goes on" given_up
check "kill -9 leaves at most the sysctl, and the next run switches back" killed_leaves_only_the_sysctl
check "the host's own networks are avoided" avoids_the_hosts_networks
check "rules that are there already stay" existing_rules_stay
finish
