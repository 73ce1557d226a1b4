#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does tools/testkernel keep its promises?   tests/testkernel.sh [uml|qemu]      prints TAP
# shellcheck disable=SC2016     # what stands in single quotes is for the kernel's shell

set -uo pipefail

engine=${1:-uml}
here=$(realpath "${BASH_SOURCE[0]%/*}")
testkernel=$here/../tools/testkernel
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0 failed=0

# check NAME TEST...: one TAP line. What the last run printed explains a failure.
check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $engine: $name"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $engine: $name"
	sed 's/^/# /' "$work/out" "$work/err"
}

# Sets status; leaves $work/out and $work/err.
run() {
	status=0
	"$testkernel" --engine "$engine" --timeout 120 "$@" >"$work/out" 2>"$work/err" || status=$?
}

exits_with() {
	run bash -c "$2"
	((status == $1))
}

prints() { [[ $(<"$work/$1") == "$2" ]]; }

says() { grep -q -- "$1" "$work/err"; }

# No process and no file may stay behind. The folder is mounted in a run's own namespace alone.
leaves_nothing() { [[ -z $(ls -A "${PROVIUM_CACHE:-/var/cache/provium}/run") ]]; }

# What goes back is not cut off at the end, not even when nobody reads for a while.
passes_much_output() {
	local sum
	sum=$("$testkernel" --engine "$engine" --timeout 120 seq 300000 | { sleep 8 && md5sum; })
	[[ $sum == "$(seq 300000 | md5sum)" ]]
}

runs_two_at_once() {
	"$testkernel" --engine "$engine" --timeout 120 bash -c 'echo a >/tmp/which; sleep 3; exec cat /tmp/which' >"$work/out.a" &
	local first=$!
	run bash -c 'echo b >/tmp/which; sleep 3; exec cat /tmp/which'
	wait "$first" && ((status == 0)) && prints out b && prints out.a a
}

# Every process of a run has the mark in its environment.
marked_processes() { grep -lsF "PROVIUM_MARK=$1" /proc/[0-9]*/environ | wc -l; }

# starts COMMAND..., waits until its kernel runs, kills it outright, and waits for its processes to be gone.
dies_with_all_it_started() {
	local mark=$work.$RANDOM pid tries
	PROVIUM_MARK=$mark "$@" >/dev/null 2>&1 &
	pid=$!
	sleep 2
	(($(marked_processes "$mark") >= 5)) || return 1
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	for ((tries = 0; tries < 50; tries++)); do
		(($(marked_processes "$mark"))) || return 0
		sleep 0.1
	done
	return 1
}

stops_when_asked() {
	"$testkernel" --engine "$engine" sleep 99 >/dev/null 2>&1 &
	local pid=$! status=0
	sleep 2
	kill -TERM "$pid"
	wait "$pid" 2>/dev/null || status=$?
	((status == 143)) && leaves_nothing
}

# A round trip through netem takes as long as was said.
delays='
set -e
ip netns add far
ip link add near type veth peer name far netns far
ip addr add 10.9.0.1/24 dev near
ip -n far addr add 10.9.0.2/24 dev far
ip link set near up
ip -n far link set far up
tc qdisc replace dev near root fq
tc -n far qdisc replace dev far root netem delay 300ms
tc qdisc show dev near | grep "qdisc fq"
tc -n far qdisc show dev far | grep "delay 300"
sleep 1
# Nobody listens: the answer is a reset, and connecting fails after one round trip or two (the neighbour first).
begin=${EPOCHREALTIME/./}
! (: 3<>/dev/tcp/10.9.0.2/9)
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
echo "$took ms"
((took >= 300 && took < 3000))'

if ! "$testkernel" --engine "$engine" --check; then
	echo "Bail out! no kernel"
	exit 1
fi
check "status 3" exits_with 3 'exit 3'
# What is one and the same for both is tested with the quicker one.
if [[ $engine == uml ]]; then
	check "status 0" exits_with 0 'exit 0'
	check "status 255" exits_with 255 'exit 255'
	check "killed by SIGKILL is 137" exits_with 137 'kill -KILL $$'
	check "no such command is 127" exits_with 127 'exec no-such-command'
fi

run bash -c 'echo out; echo err >&2; read -r x; printf "%s" "[$x]"'
check "stdout is stdout, stdin is empty" prints out $'out\n[]'
check "stderr is stderr" prints err err

export PROVIUM_TEST='two  words' OTHER=1
cd "$work" || exit 1
run bash -c 'echo "$PWD|$PROVIUM_TEST|${OTHER-}|$HOME|$*"' - 'a  b' "\$x'"
check "folder, environment, arguments" prints out "$work|two  words||$HOME|a  b \$x'"

echo old >"$work/file"
run bash -c 'cat "$0"; echo new >"$0"; cat "$0"; touch /etc/testkernel-was-here "$0.2"' "$work/file"
check "the machine's files are seen and can be written" prints out $'old\nnew'
check "writes stay inside" bash -c '[[ $(<"$0") == old && ! -e $0.2 && ! -e /etc/testkernel-was-here ]]' "$work/file"

run bash -c 'sleep 99 & echo done'
check "a process left behind delays nothing" eval '((status == 0)) && prints out done'
check "output is complete for a slow reader" passes_much_output
check "two at once" runs_two_at_once
check "fq and netem" exits_with 0 "$delays"

# Long enough for a start on a machine that does something else, too.
limit=$([[ $engine == uml ]] && echo 20 || echo 60)
run --timeout "$limit" bash -c 'echo before; sleep 999'
check "time-out is 124, output until then is there" eval '((status == 124)) && prints out before && says "no end after $limit s"'
run bash -c 'echo c >/proc/sysrq-trigger; sleep 99'
check "panic is 126" eval '((status == 126)) && says "kernel panic: sysrq triggered crash"'
run bash -c 'echo b >/proc/sysrq-trigger; sleep 99'
check "reboot is 126" eval '((status == 126)) && says "ended without a status"'
run --mem 1M true
check "a kernel that cannot start is 125" eval '((status == 125)) && says "could not start"'
PROVIUM_CACHE=$work/none run true
check "no kernel is 125" eval '((status == 125)) && says "run tools/setup"'
run --engine
check "wrong usage is 2" eval '((status == 2))'

check "killed, it leaves nothing running" dies_with_all_it_started "$testkernel" --engine "$engine" sleep 99
check "it dies with its parent" dies_with_all_it_started bash -c '"$@" & wait' - "$testkernel" --engine "$engine" sleep 99
check "it stops when asked" stops_when_asked
check "no files stay behind" leaves_nothing

echo "1..$count"
((failed == 0))
