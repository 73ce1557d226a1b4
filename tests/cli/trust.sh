#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What others can put in the way of who runs provium as root: processes that pass for labs.
# shellcheck disable=SC2016     # what stands in single quotes is for another shell
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

nobody=65534

cat >lab.lua <<'END'
local lan = provium:bridge("lan"):attach { provium:vm("a", "netns"):boot(), provium:vm("b", "netns"):boot() }
print("up")
provium:sleep("1h")
END
start_lab lab.out --timeout 1h "$work/lab.lua" || { echo "Bail out! no lab" && exit 1; }
lab_command=$command

# describe TITLE: a description as the lab's, in the file `description`, where it can be read by anybody.
describe() {
	run ps --json
	python3 -c '
import json, sys
lab = [l for l in json.load(open("out")) if l["pid"] == int(sys.argv[1])][0]
json.dump(dict(lab, title=sys.argv[2]), open("description", "w"))' "$lab" "$1"
}
chmod 755 "$work"
describe "$work/impostor"

# impersonate PREFIX... -- TRAIT...: starts it, and sets impostor to its pid, and impostor_job to what has to be killed.
impersonate() {
	local prefix=()
	while [[ $1 != -- ]]; do
		prefix+=("$1")
		shift
	done
	rm -rf pid && mkdir -m 777 pid
	"${prefix[@]}" python3 "$here/impostor.py" "$work/description" "$work/pid/number" "${@:2}" >impostor.out 2>&1 &
	impostor_job=$!
	wait_for impersonates || return
	impostor=$(<pid/number)
}
impersonates() { [[ -s pid/number ]] || is_gone "$impostor_job"; }
stop_impostor() {
	kill -KILL "$impostor" 2>/dev/null
	wait "$impostor_job" 2>/dev/null
}

lists_impostor() {
	run ps
	exits 0 && grep -qE "^$impostor .* $work/impostor$" out
}
# Who uses a lab finds what `ps` shows, and nothing else.
finds_no_lab() {
	local which
	for which in "$work/impostor" "$impostor"; do
		run exec "$which" a true
		exits 2 && complains "no lab \`$which\`" && complains "$lab ($work/lab.lua)" || return
		run capture "$which" lan -w capture.pcap
		exits 2 && complains "no lab \`$which\`" || return
		run inspect "$which"
		exits 2 && complains "no lab \`$which\`" || return
	done
}

is_taken() {
	impersonate -- && lists_impostor
	local status=$?
	stop_impostor
	return $status
}
is_passed_over() {
	impersonate -- "$@" && [[ $impostor ]] || return
	run ps
	exits 0 && prints "$work/lab.lua" && ! prints "$work/impostor" && finds_no_lab
	local status=$?
	stop_impostor
	return $status
}
# As anybody can have it: an own user namespace, in which he is root, with a node to enter.
is_not_entered() {
	impersonate setpriv --reuid=$nobody --regid=$nobody --clear-groups unshare --map-root-user --mount --net --uts --ipc -- no_maps node || return
	rm -f entered
	run exec "$work/impostor" a touch "$work/entered"
	exits 2 && [[ ! -e entered ]] && finds_no_lab
	local status=$?
	stop_impostor
	return $status
}
# Nobody may have got at what a lab has written, or be able to change it.
is_sealed() {
	local fd
	for fd in /proc/"$lab"/fd/*; do
		[[ $(readlink "$fd") == *memfd:provium-lab* ]] && break
	done
	! sh -c 'echo "{}" >"$1"' sh "$fd" 2>err && complains "Operation not permitted"
}

check "a process that is as a lab is one" is_taken
check "another user's process is not entered" is_not_entered
for uid in real effective saved; do
	check "a process whose $uid uid is another's is no lab" is_passed_over ${uid}_uid
done
check "nor one in another user namespace" is_passed_over userns
check "nor one in another process namespace" is_passed_over pidns
check "nor one without the right to make a lab" is_passed_over capability
check "nor one whose memory file is another's" is_passed_over files_uid
check "nor one whose memory file can be changed" is_passed_over unsealed
check "nor one whose memory file is too large" is_passed_over large
check "nor one that has a file of that name on a tmpfs" is_passed_over tmpfs
check "nor one that has a FIFO of that name" is_passed_over fifo
check "nor one that does not hold the maps" is_passed_over no_maps
check "nor one whose maps are others" is_passed_over other_maps
check "the description is sealed" is_sealed
kill "$lab_command"
wait
finish
