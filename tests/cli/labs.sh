#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Running labs from outside: ps, exec, inspect.
# shellcheck disable=SC2016     # what stands in single quotes is for another shell
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

cat >"$work/one.lua" <<'END'
local lan = provium:bridge("lan")
local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
lan:attach { a, b }
provium:boot()
provium:vm("late", "netns")
local other = provium:lab("other")
other:vm("a", "netns"):boot()
other:vm("alone", "netns"):boot()
lan:partition(a, b)
provium:bridge("spare")
print("up")
provium:sleep("1h")
END
sed 's/"late"/"elsewhere"/' one.lua >one.lua-more

seed=$(((1 << 53) - 1))
start_lab more.out --timeout 1h --seed $seed "$work/one.lua-more" || { echo "Bail out! no lab" && exit 1; }
other_lab=$lab runs=("$command")
start_lab one.out --timeout 1h --seed $seed "$work/one.lua" || { echo "Bail out! no lab" && exit 1; }
runs+=("$command")

shows_labs() {
	run ps
	exits 0 && grep -qE "^$lab +[0-9]+s +$seed +$work/one.lua$" out && prints "nodes: a, b, late, other.a, other.alone" &&
		prints "bridges: lan, spare"
}
shows_labs_as_json() {
	run ps --json
	exits 0 && python3 -c '
import json, sys
lab = [l for l in json.load(open("out")) if l["pid"] == int(sys.argv[1])][0]
assert lab["seed"] == int(sys.argv[2]) and lab["labs"][0]["bridges"][0]["members"][1]["name"] == "b", lab
assert [n["state"] for n in lab["labs"][0]["nodes"]] == ["booted", "booted", "created"], lab' "$lab" "$seed" 2>err
}

execs() {
	run exec "$lab" a sh -c 'hostname; ip -o -4 addr show dev eth0; cat /etc/hosts; echo complaint >&2; echo "$1"' sh --json
	exits 0 && prints_line a && prints 10.1.0.2/16 && prints b.lan && prints_line '--json' && complains complaint
}
# stops_at SYSCALL COMMAND...: runs it in the background, with its first child stopped at its end of that call; sets tracer, parent and
# visitor to the pids.
stops_at() {
	rm -f trace
	strace -f -qq -o trace -e trace="$1" -e inject="$1":signal=SIGSTOP "${@:2}" >out 2>err &
	tracer=$!
	# It tries itself out on short-lived children first.
	wait_for pgrep -P "$tracer" -x provium >pid && read -r parent <pid && wait_for grep -qs 'stopped by SIGSTOP' trace &&
		visitor=$(grep -m 1 'stopped by SIGSTOP' trace | cut -d ' ' -f 1)
}
# It has entered the node and has not begun yet: what asks to be killed with its parent comes after that.
ends_with_who_visits() {
	local tracer parent visitor
	stops_at execveat "$provium" exec "$lab" a sh -c 'touch /tmp/lives; exec sleep 1000' || return 1
	disown "$tracer"
	kill -KILL "$parent"
	wait_for is_gone "$parent"
	kill -CONT "$visitor"
	wait_for is_gone "$visitor" || kill -KILL "$visitor"
	wait_for is_gone "$tracer"
	run exec "$lab" a sh -c 'test ! -e /tmp/lives'
	exits 0 && is_gone "$visitor"
}
execs_where_ps_says() {
	run exec "$lab" a sh -c 'echo $(ls /proc | grep -c "^[0-9]*$") $(readlink /proc/self/ns/net)'
	local processes net
	read -r processes net <out
	# init and these: nothing of the machine is in sight.
	((processes < 8)) && [[ $net && $net != "$(readlink /proc/self/ns/net)" ]]
}
execs_by_title() {
	run exec "$work/one.lua-" elsewhere true
	exits 2 && complains "is not up" || return
	run exec "$work/one.lua" late true
	exits 2 && complains "is not up" || return
	run exec "$work/one" a true
	exits 2 && complains "is the beginning of 2 labs" && complains "$lab ($work/one.lua)" && complains "$other_lab ($work/one.lua-more)"
}
execs_in_sub_labs() {
	run exec "$lab" alone hostname
	exits 0 && prints_line alone || return
	run exec "$lab" other.a hostname
	exits 0 && prints_line a || return
	run exec "$lab" a ip -o link show dev eth0
	exits 0
}
carries_back() {
	run exec "$lab" a sh -c "$2"
	exits "$1"
}
not_found() {
	run exec "$lab" a no-such-command
	exits 127 && complains "run \`no-such-command\` in node \`a\`: No such file or directory" || return
	run exec "$lab" a /etc/passwd
	exits 126 && complains "Permission denied"
}
refuses() {
	local wanted=$1
	shift
	run exec "$@"
	exits 2 && complains "$wanted"
}
reads_stdin() {
	status=0
	[[ $(echo typed | within "$provium" exec "$lab" a cat) == typed ]]
}
has_the_terminal() {
	within script --quiet --return --command "$provium exec $lab a sh -c 'test -t 0 && test -t 1 && tty -s'" /dev/null >out 2>err </dev/null
}
# All that can be done with a descriptor by the owner of what it stands for.
keeps_files() {
	echo typed >input
	echo before >log
	chmod 600 input log
	status=0
	within "$provium" exec "$lab" a sh -c 'cat; chmod 4777 /proc/self/fd/*; echo evil >/proc/self/fd/0; truncate -s 0 /proc/self/fd/1' \
		<input >>log 2>err || true
	[[ $(stat -c %a input log | xargs) == "600 600" && $(<input) == typed && $(<log) == before$'\n'typed ]]
}
passes_on_much() {
	local size=3000000
	[[ $(head -c "$size" /dev/zero | within "$provium" exec "$lab" a sh -c 'cat; head -c 10 /dev/zero' | wc -c) == $((size + 10)) ]] &&
		[[ $(within "$provium" exec "$lab" a sh -c "head -c $size /dev/zero >&2" 2>&1 >/dev/null | wc -c) == "$size" ]] &&
		[[ $(within "$provium" exec "$lab" a yes | head -n 1) == y ]]
}
leaves_behind() {
	run exec "$lab" a sh -c 'sleep 1000 & echo $!'
	exits 0 && run exec "$lab" a kill "$(<out)" && exits 0
}
# in_terminal SHELL-LINE: with a terminal, whose input is what the function gets.
in_terminal() { SHELL=/bin/bash within script --quiet --return --command "$1" /dev/null; }
keeps_the_terminal() {
	in_terminal 'before=$(stat -Lc %a /dev/stdin)
		'"$provium exec $lab a"' perl -e '\''chmod 0777, "/dev/stdin"; ioctl STDIN, 0x5412, my $c = $_ for "X", "\n"'\''
		read -t 0 && echo pushed; [[ $before == $(stat -Lc %a /dev/stdin) ]] || echo changed; echo end' >out 2>err </dev/null
	prints end && ! prints pushed && ! prints changed
}
hides_the_terminal() {
	in_terminal "$provium exec $lab a sh -c '"': <>/dev/tty && echo seen'"' </dev/null; echo end" >out 2>err </dev/null
	prints end && ! prints_line $'seen\r'
}
interrupts() {
	local typist
	rm -f keys
	mkfifo keys
	(
		exec 3>keys
		wait_for prints ready
		printf '\003' >&3
		wait_for prints "got it"
	) &
	typist=$!
	in_terminal "$provium exec $lab a sh -c '"'trap "echo got it; exit 5" INT; echo ready; while :; do sleep 0.1; done'"'" >out 2>err <keys
	status=$?
	wait "$typist"
	exits 5
}
# While it enters the node, it is none of its processes: a network device could be given to one that is in the machine's network.
is_not_seen_entering() {
	local tracer parent visitor numbers
	stops_at pidfd_getfd "$provium" exec "$lab" a true || return 1
	# One in each process namespace that it is in, of those here.
	numbers=$(sed -n 's/^NSpid:\s*//p' "/proc/$visitor/status")
	kill -CONT "$visitor"
	wait "$tracer"
	[[ $numbers == "$visitor" ]]
}
passes_on_term() {
	"$provium" exec "$lab" a sh -c 'trap "echo got it; exit 5" TERM; echo ready; while :; do sleep 0.1; done' >out 2>err &
	local pid=$!
	wait_for prints ready || return
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	exits 5 && prints "got it"
}

inspects() {
	run inspect "$lab"
	exits 0 && prints "lab $lab: $work/one.lua, seed $seed" && prints "nsenter --target $lab --net --mount" &&
		prints "bridge lan: number 1 in the maps, device lan" && grep -qE 'port [0-9]+: b, device b-lan, 10\.1\.0\.3, fd70:.*::3' out
}
# run_line TEXT ARG...: runs the command line below the line with TEXT, as it stands, with ARGs behind.
run_line() {
	local words text=$1
	shift
	read -ra words < <(grep -A 1 -- "$text" out | tail -n 1)
	"${words[@]}" "$@"
}
bpftool_lines_work() {
	run inspect "$lab"
	PATH=$PATH:/usr/sbin
	run_line 'map links:' >dump 2>err && grep -q WIRE_CUT dump &&
		run_line 'program wire_egress' >dump 2>err && [[ -s dump ]]
}
entering_lines_work() {
	# The command is called by its name.
	local PATH=${provium%/*}:$PATH
	run inspect "$lab"
	[[ $(run_line 'its switch' ip -o link show b-lan 2>err) == *"master lan"* && $(run_line 'node b: ' hostname 2>err) == b ]]
}
inspects_all() {
	run inspect --json
	exits 0 && [[ $(python3 -c 'import json; print(len([l for l in json.load(open("out")) if l["title"].startswith("'"$work"'/")]))') == 2 ]]
}
goes_with_the_process() {
	kill -KILL "$lab"
	wait "${runs[1]}" 2>/dev/null
	run ps
	exits 0 && ! grep -q "$work/one.lua$" out && prints "$work/one.lua-more"
}

check "ps" shows_labs
check "ps --json" shows_labs_as_json
check "exec: a command in the node" execs
check "exec: in all namespaces of the node" execs_where_ps_says
check "exec: killed before its command begins" ends_with_who_visits
check "exec: the lab by its title, or the beginning of it" execs_by_title
check "exec: in sub-labs" execs_in_sub_labs
check "exec: exit status 7" carries_back 7 'exit 7'
check "exec: killed by SIGKILL is 137" carries_back 137 'kill -KILL $$'
check "exec: no such command is 127, not executable 126" not_found
check "exec: standard input" reads_stdin
check "exec: a terminal" has_the_terminal
check "exec: files that it was given stay as they are" keeps_files
check "exec: much to read and to print, and nobody who reads" passes_on_much
check "exec: what is left behind is not waited for" leaves_behind
check "exec: the terminal stays as it is, and nothing is typed there" keeps_the_terminal
check "exec: no terminal but by standard input" hides_the_terminal
check "exec: Ctrl-C" interrupts
check "exec: not seen by the node while it enters" is_not_seen_entering
check "exec: SIGTERM is passed on" passes_on_term
check "exec: no such lab" refuses "no lab \`1\` (a pid, or the beginning of a script's path); running: " 1 a true
check "exec: no such node" refuses "has no node \`z\`; there are: a (booted), b (booted), late (created)" "$lab" z true
check "exec: a node that is not up" refuses "node \`late\` is not up: it is created" "$lab" late true
check "exec: no command" refuses "give LAB, NODE and a command" "$lab" a
check "inspect" inspects
check "inspect: its bpftool lines work" bpftool_lines_work
check "inspect: its lines to enter work" entering_lines_work
check "inspect --json" inspects_all
check "a lab is gone with its process" goes_with_the_process
kill "${runs[0]}"
wait
finish
