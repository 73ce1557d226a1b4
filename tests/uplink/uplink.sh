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

# perl service.pl PORT ADDRESS...: answers what it is asked, by TCP and by UDP, and says what it was asked. By UDP it has a socket
# for each of the addresses, so that the answer comes from the one that was asked.
cat >service.pl <<'END'
use strict; use warnings; use IO::Socket::IP; use IO::Select;
my ($port, @addresses) = @ARGV;
my %options = (LocalPort => $port, ReuseAddr => 1, V6Only => 0);
my $tcp = IO::Socket::IP->new(%options, LocalHost => "::", Listen => 64) or die "tcp: $@";
my @udp = map { IO::Socket::IP->new(%options, LocalHost => $_, Type => SOCK_DGRAM) or die "$_: $@" } "::", @addresses;
for (;;) {
	for my $ready (IO::Select->new($tcp, @udp)->can_read) {
		my $socket = $ready == $tcp ? $tcp->accept : $ready;
		next unless $socket;
		$socket->recv(my $text, 100);
		print STDERR "$text\n";
		$socket->send("heard $text");
	}
}
END
# perl ask.pl PROTOCOL ADDRESS PORT TEXT SECONDS [SOURCE]: fails if the answer is another, or none comes.
cat >ask.pl <<'END'
use strict; use warnings; use IO::Socket::IP;
my ($protocol, $address, $port, $text, $seconds, $source) = @ARGV;
$SIG{ALRM} = sub { exit 1 };
alarm $seconds;
my $socket = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port,
	Type => $protocol eq "tcp" ? SOCK_STREAM : SOCK_DGRAM, $source ? (LocalHost => $source) : ()) or exit 1;
$socket->send($text);
$socket->recv(my $answer, 100);
exit($answer eq "heard $text" ? 0 : 1);
END

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
	# A second device, which leads nowhere.
	ip link add lan0 type bridge
	ip addr add 192.0.2.7/24 dev lan0
	ip link set lan0 up
	ip addr add 2001:db8:1::2/64 dev up0 nodad
	ip addr add 2001:db8:2::7/64 dev lan0 nodad
	ip -n outside addr add 2001:db8:1::1/64 dev up1 nodad
	ip -n outside addr add 2001:db8:80::80/128 dev lo
	ip -6 route add default via 2001:db8:1::1
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
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
	# The host's own services, on all of its addresses, TCP and UDP.
	for port in 5353 5354; do
		perl service.pl "$port" 203.0.113.2 192.0.2.7 2001:db8:1::2 2001:db8:2::7 2>"host.$port.log" &
		servers+=($!)
	done
	trap 'kill "${servers[@]}"; rm -rf "$work"' EXIT
	# The first is out of reach for nodes.
	printf 'nameserver %s\n' 127.0.0.53 203.0.113.1 >resolv.conf
	mount --bind resolv.conf /etc/resolv.conf
	wait_for perl ask.pl udp 192.0.2.7 5353 world 3 && wait_for perl ask.pl tcp 2001:db8:2::7 5354 world 3 &&
		wait_for curl -sf -o /dev/null 'http://[2001:db8:80::80]/' && wait_for curl -sf -o /dev/null http://198.51.100.80/ && wait_for curl -sf -o /dev/null http://example.test/
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

# What a lab reaches of the host itself.
cat >host.lua <<'END'
dofile("lab.lua")
local addresses = {"203.0.113.2", "192.0.2.7", "2001:db8:1::2", "2001:db8:2::7"}
-- Whether the service there answers: begins to ask, and returns what waits for the answer.
local function begin(node, address, options)
	local asking = node:run_async("perl", {"/tmp/ask.pl", options.protocol or "udp", address, options.port or 5353,
		options.text or "it", options.time or 100, options.source})
	return function() return asking:wait():ok() end
end
local function asks(...) return begin(...)() end
-- These ports answer at each address, "5353/tcp", and the others at none. What is too slow would be taken for closed: none that
-- is to answer is given up so soon.
local function expect(node, wanted)
	local waiting = {}
	for port in ("5353/tcp 5353/udp 5354/tcp 5354/udp"):gmatch("%S+") do
		local is_wanted = wanted:find(port, 1, true) ~= nil
		for _, address in ipairs(addresses) do
			local number, protocol = port:match("(.*)/(.*)")
			waiting[address .. " " .. port] = {is_wanted, begin(node, address, {port = tonumber(number), protocol = protocol,
				time = is_wanted and 100 or 3})}
		end
	end
	for what, ask in pairs(waiting) do
		assert(ask[2]() == ask[1], ("%s from %s: %s was expected"):format(what, node:name(), ask[1] and "an answer" or "none"))
	end
end
local function pings(node, address)
	return node:run("ping -n -c 1 -W 3 " .. address):ok()
end
local other, b = provium:bridge("other"), provium:vm("b", "netns"):boot()
other:attach(b)
a:push_file("ask.pl", "/tmp/ask.pl")
b:push_file("ask.pl", "/tmp/ask.pl")
assert(lan:allow_host({port = 5354}) == nil, "allowed before there is an uplink")
lan:enable_uplink()
other:enable_uplink()
local link = a:run("ip -4 route get 203.0.113.2"):ok() and lan:allow_host({port = 5354})
assert(link:find("^198%.1[89]%."), link)
table.insert(addresses, link)
assert(reaches(a), "beyond")
assert(fetch(a, "http://[2001:db8:80::80]/").stdout == "outside\n", "beyond, by IPv6")
expect(a, "5354/tcp")
expect(b, "")
assert(not pings(a, "203.0.113.2") and not pings(a, link) and pings(a, "198.51.100.80"), "pings")
-- A port that the host's own rules make another.
local function redirected(time) return asks(b, "203.0.113.2", {port = 7777, protocol = "tcp", time = time}) end
assert(not redirected(3), "what is redirected")
other:allow_host({port = 7777})
assert(redirected(), "what is redirected and allowed")
assert(lan:allow_host({port = {5353}, protocol = "udp"}) == link)
expect(a, "5353/udp 5354/tcp")
-- Under the address of who may.
b:run("ip addr add " .. a:ip() .. "/32 dev eth0"):assert_ok()
asks(b, "203.0.113.2", {text = "spoofed", time = 1, source = a:ip()})
assert(asks(a, "203.0.113.2", {}), "still")
assert(not io.open("host.5353.log"):read("a"):find("spoofed"), "a forged sender came in")
other:allow_host({port = "5353-5354", protocol = "udp"})
-- Nor where itself may: the answer would come to the other bridge.
asks(b, "203.0.113.2", {text = "forged", time = 1, source = a:ip()})
assert(asks(b, "203.0.113.2", {}) and asks(b, link, {port = 5354}), "a range")
assert(not io.open("host.5353.log"):read("a"):find("forged"), "a forged sender passed the router")
lan:disable_uplink()
lan:enable_uplink()
expect(a, "5353/udp 5354/tcp")
assert(asks(b, "192.0.2.7", {}), "the other is not touched by it")
for options, text in pairs({
	[{}] = "`port` is missing",
	[{port = 0}] = "argument `port` is 0; a port from 1 to 65535",
	[{port = 1.5}] = "argument `port` is 1.5",
	[{port = "9-8"}] = 'argument `port` is "9-8"',
	[{port = "1-65536"}] = 'argument `port` is "1-65536"',
	[{port = "80 } accept; tcp dport { 1-2"}] = "argument `port` is",
	[{port = {}}] = "`port` is an empty list",
	[{port = {80, "x"}}] = "argument `port[2]` is",
	[{port = 1, protocol = "sctp"}] = '"tcp" or "udp" is accepted',
	[{ports = 1}] = 'the nearest is "port"',
}) do
	local ok, message = pcall(lan.allow_host, lan, options)
	assert(not ok and message:find(text, 1, true), message)
end
END

# The host's name server is the host.
cat >resolver.lua <<'END'
dofile("lab.lua")
lan:enable_uplink()
assert(a:run("cat /etc/resolv.conf").stdout:find("192.0.2.7", 1, true))
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

only_the_ports_of_the_host_that_are_named() {
	local before
	before=$(host_state)
	nft -f - <<-'END'
		table ip container {
			chain c {
				type nat hook prerouting priority dstnat; policy accept;
				tcp dport 7777 redirect to :5353
			}
		}
	END
	run host.lua
	nft delete table ip container
	exits 0 && wait_for eval '[[ $(host_state) == "$before" ]]'
}

no_way_into_another_run() {
	hold 1 && hold 2 || return
	local link result
	link=$(ip -o -4 addr show dev "provium${labs[1]}" | sed 's/.*inet \([0-9.]*\)\/.*/\1/')
	# The router's end, which does answer the host.
	link=${link%.*}.$((${link##*.} + 1))
	ping -c 1 -W "$patience" "$link" >out 2>&1 && ! "$provium" exec "${labs[2]}" a ping -n -c 1 -W 3 "$link" >out 2>&1
	result=$?
	kill -INT "${runs[1]}" "${runs[2]}"
	wait "${runs[1]}" "${runs[2]}"
	return "$result"
}

# names SERVER: the host's name servers are these.
names() {
	printf 'nameserver %s\n' "$@" >servers
	cat servers >resolv.conf
}
a_resolver_that_is_the_host_is_named() {
	names 192.0.2.7
	run resolver.lua
	local result=$status
	cat err >>out
	names 127.0.0.53 203.0.113.1
	((result == 0)) && prints "the name server 192.0.2.7 of this machine is this machine itself" &&
		prints 'bridge:allow_host({port = 53, protocol = "udp"})'
}
no_resolver_in_reach_is_named() {
	names 127.0.0.53 ::1
	run given_up_at_once.lua
	local result=$status
	cat err >>out
	names 127.0.0.53 203.0.113.1
	((result == 0)) && prints "nodes on bridge \`lan\` have no name server"
}
echo 'provium:bridge("lan"):enable_uplink()' >given_up_at_once.lua

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
	# The tables go before the link when a run is killed: this is what holds then.
	[[ $(<"/proc/sys/net/ipv4/conf/provium${labs[1]}/rp_filter") == 1 ]] || return
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
check "of the host itself only the ports that are named" only_the_ports_of_the_host_that_are_named
check "no way into another run" no_way_into_another_run
check "a name server that is the host itself is named" a_resolver_that_is_the_host_is_named
check "no name server in reach" no_resolver_in_reach_is_named
check "without a default route an error says so" no_default_route
check "two runs side by side" two_side_by_side
check "the last uplink that is given up leaves nothing, while the run goes on" given_up
check "kill -9 leaves at most the sysctl, and the next run switches back" killed_leaves_only_the_sysctl
check "the host's own networks are avoided" avoids_the_hosts_networks
check "rules that are there already stay" existing_rules_stay
finish
