#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# provium capture: the bridge of a lab that runs, from outside.
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"
export PATH=$PATH:/usr/sbin

cat >"$work/one.lua" <<'END'
local lan = provium:bridge("lan")
local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
provium:bridge("idle")
provium:lab("other"):bridge("lan2")
lan:attach { a, b }
provium:boot()
a:run_async("ping -4 -n -i 0.02 " .. b:ip())
print("up")
provium:sleep("1h")
END
start_lab lab.out --timeout 1h "$work/one.lua" || { echo "Bail out! no lab" && exit 1; }

# What Wireshark's tools say about a file, with their complaints in err.
frames_of() {
	tshark -n -r "$1" -T fields -e "${2:-frame.protocols}" 2>err >frames
	grep -v 'Running as user' err
	! grep -qv 'Running as user' err
}
count_of() { wc -l <frames; }

to_a_file() {
	run capture "$lab" lan -c 10 -w file.pcap
	exits 0 && complains "10 frames, 0 lost" && [[ ! -s out ]] && frames_of file.pcap && [[ $(count_of) == 10 ]] &&
		capinfos -M file.pcap 2>/dev/null | grep -q 'Number of packets: *10$'
}
into_a_pipe() {
	"$provium" capture "$work/one" lan -c 6 2>err | tshark -n -r - 2>/dev/null >frames
	[[ $(count_of) == 6 ]]
}
pcapng_with_fates() {
	run capture "$lab" lan --format=pcapng --proto=icmp -c 4 -w file.pcapng
	exits 0 && frames_of file.pcapng frame.comment && [[ $(sort -u frames) == $'a→b delivered after 0.0 ms\nb→a delivered after 0.0 ms' ]] &&
		capinfos file.pcapng 2>/dev/null | grep -q "Capture comment: *$work/one.lua"
}
one_node() {
	run capture "$lab" lan --format=pcapng --node=a --from=b -c 3 -w file.pcapng
	exits 0 && frames_of file.pcapng frame.interface_name && [[ $(sort -u frames) == a@lan ]]
}
snaplen_and_filters() {
	run capture "$lab" lan -s 34 --to=b --ethertype=ip -c 2 -w file.pcap
	exits 0 && frames_of file.pcap frame.cap_len && [[ $(sort -u frames) == 34 ]]
}
is_larger_than() { [[ -e $2 ]] && (($(stat -c %s "$2") > $1)); }
until_stopped() {
	rm -f file.pcap
	"$provium" capture "$lab" lan -w file.pcap 2>err &
	local pid=$!
	# The header and some frames.
	wait_for is_larger_than 1000 file.pcap
	kill -INT "$pid"
	ends "$pid"
	exits 0 && complains "frames, 0 lost" && frames_of file.pcap && (($(count_of) > 5))
}
until_the_reader_has_enough() {
	# No frame comes to an idle bridge: that nobody reads any more is noticed all the same.
	within "$provium" capture "$lab" idle 2>err | head -c 24 >first
	[[ ${PIPESTATUS[0]} != 124 && $(stat -c %s first) == 24 ]]
}
in_a_sub_lab() {
	rm -f empty.pcap
	"$provium" capture "$lab" other.lan2 -w empty.pcap 2>err &
	stop_it "$!"
	exits 0 && complains "0 frames, 0 lost" && frames_of empty.pcap && [[ $(count_of) == 0 ]]
}
# Once it captures.
stop_it() {
	wait_for some_captures
	kill -INT "$1"
	ends "$1"
}
some_captures() { [[ $(open_captures) != 0 ]]; }
nothing_beside() { ! compgen -G "$1.*" >/dev/null; }
leaves_an_old_file_alone() {
	echo old >old.pcap
	chmod 640 old.pcap
	local wrong
	for wrong in "1 lan" "$lab wan" "$lab lan --node=z"; do
		# shellcheck disable=SC2086     # words
		run capture $wrong -w old.pcap
		exits 2 && [[ $(<old.pcap) == old ]] && nothing_beside old.pcap || return
	done
	# No frame has come: the old one is worth more.
	"$provium" capture "$lab" idle -w old.pcap 2>err &
	stop_it "$!"
	exits 0 && complains "old.pcap is left as it was" && complains "0 frames" && [[ $(<old.pcap) == old ]] &&
		nothing_beside old.pcap || return
	run capture "$lab" lan -c 3 -w old.pcap
	exits 0 && frames_of old.pcap && [[ $(count_of) == 3 && $(stat -c %a old.pcap) == 640 ]] && nothing_beside old.pcap
}
# Not even where the disk is full.
leaves_it_alone_without_room() {
	mkdir -p small
	mount -t tmpfs -o size=8k small small || return
	echo old >small/old.pcap
	head -c 4000 /dev/zero >small/rest
	run capture "$lab" lan -c 3 -w small/old.pcap
	local good=1
	exits 2 && complains "No space left on device" && [[ $(<small/old.pcap) == old ]] && nothing_beside small/old.pcap && good=0
	umount small
	return "$good"
}
# Whatever was counted is in the file, though it was stopped in the middle of it.
writes_all_it_has_counted() {
	"$provium" capture "$lab" lan -w file.pcap 2>err &
	local pid=$!
	wait_for some_captures
	sleep 0.33
	stop_it "$pid"
	exits 0 && all_are_there
}
# frames_of writes its own words to err.
all_are_there() {
	local said
	said=$(sed -n 's/ frames, 0 lost$//p' err)
	frames_of file.pcap && ((said > 0)) && [[ $(count_of) == "$said" ]]
}
# In a pipe whose reader is late, too.
writes_all_to_a_slow_reader() {
	mkfifo slow
	"$provium" capture "$lab" lan -w slow 2>err &
	local pid=$!
	exec 7<slow
	wait_for some_captures
	sleep 0.3
	kill -INT "$pid"
	sleep 0.5
	cat <&7 >file.pcap
	exec 7<&-
	status=0
	wait "$pid" || status=$?
	exits 0 && all_are_there
}
refuses() {
	local text=$1
	shift
	run capture "$@"
	exits 2 && complains "$text"
}
no_terminal() {
	script -qec "$provium capture $lab lan" /dev/null >out </dev/null
	status=$?
	exits 2 && prints "write it to a file with -w FILE"
}

# open_captures: those of the lab, as the kernel has them.
open_captures() {
	local id
	id=$("$provium" inspect "$lab" | sed -n 's/.*map control: id //p')
	bpftool -j map dump id "$id" | python3 -c 'import json, sys; print(sum(json.load(sys.stdin)[0]["formatted"]["value"]["captures"]))'
}
no_captures() { [[ $(open_captures) == 0 ]]; }
killed() {
	rm -f file.pcap
	"$provium" capture "$lab" lan -w file.pcap 2>err &
	local pid=$!
	wait_for test -s file.pcap
	[[ $(open_captures) != 0 ]] || return
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	wait_for no_captures
}
killed_before_a_frame() {
	rm -f none.pcap
	"$provium" capture "$lab" idle -w none.pcap 2>err &
	local pid=$!
	wait_for some_captures || return
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	[[ ! -e none.pcap ]] && nothing_beside none.pcap
}
two_at_once() {
	"$provium" capture "$lab" lan -c 20 -w one.pcap 2>err &
	local pid=$!
	"$provium" capture "$lab" lan -c 20 -s 60 -w two.pcap 2>>err
	wait "$pid"
	frames_of one.pcap && [[ $(count_of) == 20 ]] && frames_of two.pcap && [[ $(count_of) == 20 ]]
}
ends_with_the_lab() {
	rm -f file.pcap
	"$provium" capture "$lab" lan -w file.pcap 2>err &
	local pid=$!
	wait_for is_larger_than 500 file.pcap
	kill -KILL "$lab"
	ends "$pid"
	exits 0 && frames_of file.pcap && (($(count_of) > 1))
}

check "to a file" to_a_file
check "into a pipe" into_a_pipe
check "pcapng: what became of each frame, and the script's name" pcapng_with_fates
check "one node" one_node
check "snaplen and filters" snaplen_and_filters
check "until it is stopped" until_stopped
check "until the reader has enough" until_the_reader_has_enough
check "in a sub-lab" in_a_sub_lab
check "an old file is left alone until there is something to write" leaves_an_old_file_alone
check "an old file is left alone where there is no room" leaves_it_alone_without_room
check "all that was counted is written" writes_all_it_has_counted
check "all that was counted is written to a slow reader" writes_all_to_a_slow_reader
check "two at once" two_at_once
check "no such lab" refuses "no lab \`1\`" 1 lan
check "no such bridge" refuses "has no bridge \`wan\`; there are: lan, idle, other.lan2" "$lab" wan
check "no such node" refuses "\`z\` is not on bridge \`lan\`" "$lab" lan --node=z
check "no bridge" refuses "give LAB and BRIDGE" "$lab"
check "a bad port" refuses "--port=0: a whole number from 1 to 65535 is accepted" "$lab" lan --port=0
check "a bad protocol" refuses '--proto=tpc: "tcp", "udp"' "$lab" lan --proto=tpc
check "a bad format" refuses "--format=text: pcap or pcapng is accepted" "$lab" lan --format=text
check "a file that cannot be" refuses "open /nowhere/x: No such file" "$lab" lan -w /nowhere/x
check "not to a terminal" no_terminal
check "nothing is left of one that is killed" killed
check "nothing is left of one that is killed before the first frame" killed_before_a_frame
check "it ends with the lab" ends_with_the_lab
wait
finish
