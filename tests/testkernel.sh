#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Do tools/testkernel, and tools/kernels.sh, keep their promises?   tests/testkernel.sh [ENGINE]      prints TAP
# shellcheck disable=SC2016     # what stands in single quotes is for the kernel's shell

set -uo pipefail

engine=${1:-uml}
here=$(realpath "${BASH_SOURCE[0]%/*}")
testkernel=$here/../tools/testkernel
kernels=$here/../tools/kernels.sh
# Long enough for a start on a machine that does many other things.
start_limit=600
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/here"
exec </dev/null
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

finish() {
	check "no files stay behind" leaves_nothing
	echo "1..$count"
	exit $((failed > 0))
}

# Sets status; leaves $work/out and $work/err.
run() {
	status=0
	"$testkernel" --engine "$engine" --timeout "$start_limit" "$@" >"$work/out" 2>"$work/err" || status=$?
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
	sum=$("$testkernel" --engine "$engine" --timeout "$start_limit" seq 300000 | { sleep 8 && md5sum; })
	[[ $sum == "$(seq 300000 | md5sum)" ]]
}

# All bytes there are, in more than one piece, and some after a while; a file that was there, one that is new, and a folder.
takes_and_gives() {
	local all
	printf -v all '\\x%02x' {0..255}
	printf '%b' "$all$all$all" >"$work/bytes"
	cat "$work"/bytes{,,,,,,} >"$work/sent"
	echo old >there
	{ head -c 3000 "$work/sent" && sleep 1 && tail -c +3001 "$work/sent"; } |
		run bash -c 'cat >taken; echo new >there; mkdir sub; seq 100000 >sub/numbers; chmod 750 sub/numbers; rm -f gone' &&
		cmp "$work/sent" taken && [[ $(<there) == new && $(stat -c %a sub/numbers) == 750 ]] && seq 100000 | cmp - sub/numbers
}
writes_to_out() {
	echo old >there
	run --out "$work/far, away/out" bash -c 'echo x >"$0/file"; echo changed >there; rm -f taken; cat there' "$work/far, away/out"
	[[ $(<"$work/far, away/out/file") == x && $(<there) == old && -e taken ]] && prints out changed || return
	# Not even by the kernel's own view of the machine's root.
	echo old >"$work/beside"
	run bash -c 'mkdir /tmp/root; mount -t hostfs -o / root /tmp/root; echo new >"/tmp/root/$0"; echo "$?"' "$work/beside"
	prints out 1 && [[ $(<"$work/beside") == old ]]
}
needs_no_end() {
	mkfifo endless
	exec 9<>endless
	echo one >&9
	status=0
	"$testkernel" --engine "$engine" --timeout "$start_limit" head -n 1 >"$work/out" 2>"$work/err" <&9 || status=$?
	exec 9<&-
	((status == 0)) && prints out one
}
refuses_the_machine() {
	local folder
	for folder in / /proc /run /dev/shm ../../../../../..; do
		run --out "$folder" true
		((status == 2)) && says "--out $folder: the kernel may write to a folder of yours" || return
	done
}
# A script of the machine's terminal is typed to: keys go to the command once it runs, Ctrl-C too, and the terminal is as before.
has_a_terminal() {
	local command
	printf -v command '%q ' "$testkernel" --engine "$engine" --timeout "$start_limit" -- bash -c \
		'tty; stty size; trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.1; done'
	mkfifo keys
	exec 8<>keys
	script --quiet --flush --command "stty rows 33 cols 77; $command; echo status \$?; stty -a | grep -ow -e -icanon -e icanon" \
		"$work/err" <&8 >"$work/out" &
	local pid=$! tries
	for ((tries = 0; tries < 6000; tries++)); do
		! grep -q ready "$work/out" || break
		sleep 0.1
	done
	printf '\003' >&8
	for ((tries = 0; tries < 600; tries++)); do
		! grep -q canon "$work/out" || break
		sleep 0.1
	done
	exec 8<&-
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	[[ $(tr -d '\r' <"$work/out") == *$'/dev/pts/0\n33 77\nready\n'*$'caught\nstatus 5\nicanon'* ]]
}
runs_provium() {
	local provium=$here/../build/provium
	printf '%s\n' 'print("said")' 'test("bad", function(t) t:assert(false) end)' >script.lua
	run --mem 1G "$provium" --seed 4 --output report --tag '!a b' - <script.lua
	((status == 1)) && grep -q said "$work/out" && grep -q '0 passed, 1 failed' report &&
		grep -qxF "again, with the same dice: $testkernel --engine $engine --timeout $start_limit --mem 1G -- $provium run --seed 4 \
--output report --tag '!a b' -" "$work/out"
}

runs_two_at_once() {
	"$testkernel" --engine "$engine" --timeout "$start_limit" bash -c 'echo a >/tmp/which; sleep 3; exec cat /tmp/which' >"$work/out.a" &
	local first=$!
	run bash -c 'echo b >/tmp/which; sleep 3; exec cat /tmp/which'
	wait "$first" && ((status == 0)) && prints out b && prints out.a a
}

# The first TIMES kernels die of QEMU's race between translating code and patching it, which is too rare to wait for.
meet_the_race() {
	mkdir -p "$work/bin"
	cat >"$work/bin/qemu-system-x86_64" <<EOF
#!/bin/bash
echo x >>"\$TMPDIR/tries"
((\$(wc -l <"\$TMPDIR/tries") > $1)) && PATH=${PATH@Q} exec qemu-system-x86_64 "\$@"
printf '%s\r\n' '[    2.1] Oops: int3: 0000 [#1] PREEMPT SMP' '[    2.2] Kernel panic - not syncing: Fatal exception in interrupt' >&6
EOF
	chmod +x "$work/bin/qemu-system-x86_64"
	PATH=$work/bin:$PATH run echo ran
}

starts_anew() { meet_the_race 1 && ((status == 0)) && prints out ran && (($(grep -c "a breakpoint that is gone" "$work/err") == 1)); }
gives_up() { meet_the_race 9 && ((status == 125)) && (($(grep -c "a breakpoint that is gone" "$work/err") == 2)) && says "could not start"; }

# The version that the engine is named after, two processors, the JIT, perf events.
is_complete() {
	run bash -c 'uname -r; nproc; cat /proc/sys/net/core/bpf_jit_enable; test -e /proc/sys/kernel/perf_event_paranoid && echo perf'
	[[ $(<"$work/out") == "${engine#*-}".*$'\n2\n1\nperf' ]]
}

# What apt knows of packages, and where from.
state_of_apt() { find /etc/apt /var/lib/apt/lists -type f ! -name lock -exec sha256sum {} + | sort; }

apt_is_as() { [[ $(state_of_apt) == "$1" ]]; }

# An apt that runs programs around an update, and takes what nobody has signed.
lax_apt() {
	printf '%s {"touch %s/hook";};\n' APT::Update::Pre-Invoke "$work" APT::Update::Post-Invoke "$work" \
		APT::Update::Post-Invoke-Success "$work"
	printf '%s "true";\n' Acquire::AllowInsecureRepositories APT::Get::AllowUnauthenticated
}

# Mirrors that are folders, with a release of one empty list: one without a signature, and one that a new key has signed.
make_mirrors() {
	local list=main/binary-amd64/Packages release=$work/unsigned/dists/trixie gpg=(gpg --batch --quiet --homedir "$work/gpg")
	mkdir -p "$release/${list%/*}"
	: >"$release/$list"
	printf '%s\n' 'Origin: Debian' 'Suite: trixie' 'Codename: trixie' "Date: $(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S UTC')" \
		'Architectures: amd64' 'Components: main' 'SHA256:' " $(sha256sum </dev/null | cut -d ' ' -f 1) 0 $list" >"$release/Release"
	cp -r "$work/unsigned" "$work/signed"
	mkdir -m 700 "$work/gpg"
	"${gpg[@]}" --passphrase '' --quick-generate-key tests ed25519 sign never
	"${gpg[@]}" --export >"$work/key.gpg"
	"${gpg[@]}" --clear-sign --output "$work/signed/dists/trixie/InRelease" "$release/Release"
	gpgconf --homedir "$work/gpg" --kill all
}

# fetches_from MIRROR: tries to, into a cache that has nothing. Sets status; leaves $work/out and $work/err.
fetches_from() {
	status=0
	APT_CONFIG=$work/apt.conf PROVIUM_CACHE=$work/cache PROVIUM_MIRROR=file:$work/$1 "$kernels" "$engine" \
		>"$work/out" 2>"$work/err" || status=$?
}

# refuses MIRROR REASON
refuses() {
	fetches_from "$1"
	((status == 1)) && says "$2" && says "PROVIUM_MIRROR=URL names another mirror" && says "$engine: could not be fetched" &&
		[[ $(ls -A "$work/cache") == lock ]]
}

# With the key as Debian's, the lists are taken, and no others.
takes_what_is_signed() {
	local lists
	APT_CONFIG=$work/apt.conf PROVIUM_MIRROR=file:$work/signed bash -c \
		'source "$1" && kernels_keyring=$2 && kernels_use_release "$3" trixie' - "$kernels" "$work/key.gpg" "$work/apt" \
		>"$work/out" 2>"$work/err" || return
	lists=("$work"/apt/state/lists/*InRelease)
	[[ ${#lists[@]} == 1 && ${lists[0]} == *_signed_dists_trixie_InRelease ]]
}

# Every process of a run has the mark in its environment.
marked_processes() { grep -lsF "PROVIUM_MARK=$1" /proc/[0-9]*/environ | wc -l; }

kernel_runs() { (($(marked_processes "$1") >= 5)); }
is_gone() { (($(marked_processes "$1") == 0)); }

# within_a_minute COMMAND...: tries until it succeeds.
within_a_minute() {
	local end=$((SECONDS + 60))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# start COMMAND...: in the background, as pid; its processes have the mark. Its kernel runs when this returns.
start() {
	mark=$work.$RANDOM
	PROVIUM_MARK=$mark "$@" >/dev/null 2>&1 &
	pid=$!
	within_a_minute kernel_runs "$mark"
}

dies_with_all_it_started() {
	start "$@" || return 1
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	within_a_minute is_gone "$mark"
}

stops_when_asked() {
	start "$testkernel" --engine "$engine" sleep 999 || return 1
	local status=0
	kill -TERM "$pid"
	wait "$pid" 2>/dev/null || status=$?
	((status == 143)) && leaves_nothing
}

# All that a command may find, in one start.
whole='
echo out
echo err >&2
read -r x
printf "%s\n" "[$x]"
echo "$PWD|$PROVIUM_TEST|${OTHER-}|$HOME|$*"
cat ../file
echo new >../file
cat ../file
touch /etc/testkernel-was-here ../file.2
sleep 999 &
# A round trip through netem takes as long as was said.
(
	set -e
	ip netns add far
	ip link add near type veth peer name far netns far
	ip addr add 10.9.0.1/24 dev near
	ip -n far addr add 10.9.0.2/24 dev far
	ip link set near up
	ip -n far link set far up
	tc qdisc replace dev near root fq
	tc -n far qdisc replace dev far root netem delay 300ms
	tc qdisc show dev near | grep -o "qdisc fq"
	# A neighbour that answers is known, so that no more than one round trip is measured.
	ping -q -c 1 -W 60 10.9.0.2 >/dev/null
	# Nobody listens: the answer is a reset, and connecting fails after one round trip.
	begin=${EPOCHREALTIME/./}
	! (: 3<>/dev/tcp/10.9.0.2/9) 2>/dev/null
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
	((took >= 300)) && echo "at least 300 ms" || echo "$took ms"
)
exit 3'

wanted="out
[]
$work/here|two  words||$HOME|a  b \$x
old
new
qdisc fq
at least 300 ms"

if ! "$testkernel" --engine "$engine" --check; then
	echo "Bail out! no kernel"
	exit 1
fi
export PROVIUM_TEST='two  words' OTHER=1
cd "$work/here" || exit 1
echo old >../file

if [[ $engine == uml ]]; then
	# It is waited for at the end.
	"$testkernel" --engine uml --timeout 60 bash -c 'echo before; sleep 999' >"$work/late.out" 2>"$work/late.err" &
	late=$!
fi

run bash -c "$whole" - 'a  b' "\$x"
check "the status, although a process is left behind" eval '((status == 3))'
check "output, empty input, folder, environment, arguments, files, fq and netem" prints out "$wanted"
check "stderr is stderr" prints err err
check "writes stay inside" bash -c '[[ $(<../file) == old && ! -e ../file.2 && ! -e /etc/testkernel-was-here ]]'
check "stdin, and what is written to the working folder" takes_and_gives
check "a terminal" has_a_terminal

# The same engine with another kernel: that, and where it comes from.
if [[ $engine == qemu-* ]]; then
	check "the kernel's version, processors, JIT and perf events" is_complete
	lax_apt >"$work/apt.conf"
	make_mirrors
	before=$(state_of_apt)
	check "a mirror that nobody signed" refuses unsigned "is not signed"
	check "a mirror that is signed by a stranger" refuses signed NO_PUBKEY
	check "a mirror without the release" refuses none "does not have a Release file"
	check "a mirror that is signed" takes_what_is_signed
	check "no program of the machine's apt was run" test ! -e "$work/hook"
	check "the machine's lists and sources are as before" apt_is_as "$before"
	finish
fi

check "output is complete for a slow reader" passes_much_output

run bash -c 'echo c >/proc/sysrq-trigger; sleep 999'
check "panic is 126" eval '((status == 126)) && says "kernel panic: sysrq triggered crash"'
run bash -c 'echo b >/proc/sysrq-trigger; sleep 999'
check "reboot is 126" eval '((status == 126)) && says "ended without a status"'
run --mem 1M true
check "a kernel that cannot start is 125" eval '((status == 125)) && says "could not start"'
if [[ $engine == qemu ]]; then
	check "a start that met QEMU's race is tried once more" starts_anew
	check "and only once" gives_up
fi
check "killed, it leaves nothing running" dies_with_all_it_started "$testkernel" --engine "$engine" sleep 999
check "it stops when asked" stops_when_asked

# What is one and the same for both is tested with the quicker one.
if [[ $engine == uml ]]; then
	check "status 0" exits_with 0 'exit 0'
	check "status 255" exits_with 255 'exit 255'
	check "killed by SIGKILL is 137" exits_with 137 'kill -KILL $$'
	check "no such command is 127" exits_with 127 'exec no-such-command'
	check "another folder by --out, and that one alone" writes_to_out
	check "a stdin that does not end" needs_no_end
	check "a folder that is the machine's" refuses_the_machine
	check "provium: a script from stdin, a report in a file, and how to run it again" runs_provium
	check "two at once" runs_two_at_once
	check "it dies with its parent" dies_with_all_it_started bash -c '"$@" & wait' - "$testkernel" --engine uml sleep 999
	PROVIUM_CACHE=$work/none run true
	check "no kernel is 125" eval '((status == 125)) && says "run tools/setup"'
	run --engine
	check "wrong usage is 2" eval '((status == 2))'
	status=0
	wait "$late" || status=$?
	mv "$work/late.out" "$work/out" && mv "$work/late.err" "$work/err"
	check "time-out is 124, output until then is there" eval '((status == 124)) && prints out before && says "no end after 60 s"'
fi
finish
