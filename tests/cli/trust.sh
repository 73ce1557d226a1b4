#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What others can put in the way of who runs provium as root: processes that pass for labs, files that are found beside the
# script or above it, and names that do something to a terminal.
# shellcheck disable=SC2016     # what stands in single quotes is for another shell
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

nobody=65534
unset PROVIUM_TRUST SUDO_UID

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
# Other users may not look into the folder that this lies in.
cp "$here/impostor.py" "$work"
describe "$work/impostor"

# impersonate PREFIX... -- TRAIT...: starts it, and sets impostor to its pid, and impostor_job to what has to be killed.
impersonate() {
	local prefix=()
	while [[ $1 != -- ]]; do
		prefix+=("$1")
		shift
	done
	rm -rf pid && mkdir -m 777 pid
	"${prefix[@]}" python3 "$work/impostor.py" "$work/description" "$work/pid/number" "${@:2}" >impostor.out 2>&1 &
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
	return "$status"
}
is_passed_over() {
	impersonate -- "$@" && [[ $impostor ]] || return
	run ps
	exits 0 && prints "$work/lab.lua" && ! prints "$work/impostor" && finds_no_lab
	local status=$?
	stop_impostor
	return "$status"
}
# As anybody can have it: an own user namespace, in which he is root, with a node to enter.
is_not_entered() {
	impersonate setpriv --reuid="$nobody" --regid="$nobody" --clear-groups unshare --map-root-user --mount --net --uts --ipc -- no_maps node || return
	rm -f entered
	run exec "$work/impostor" a touch "$work/entered"
	exits 2 && [[ ! -e entered ]] && finds_no_lab
	local status=$?
	stop_impostor
	return "$status"
}
# Nobody may have got at what a lab has written, or be able to change it.
is_sealed() {
	local fd
	for fd in /proc/"$lab"/fd/*; do
		[[ $(readlink "$fd") == *memfd:provium-lab* ]] && break
	done
	! sh -c 'echo "{}" >"$1"' sh "$fd" 2>err && complains "Operation not permitted"
}

# A folder with a script, its modules, and a configuration above them, all root's. What is run leaves a mark.
fresh() {
	rm -rf top mark
	mkdir -p top/project/tests
	echo "io.open('$work/mark', 'w'):close() return {}" | tee top/provium.lua >top/project/tests/helper.lua
	echo 'provium:vm("a", "netns")' | tee top/project/tests/plain.lua >top/project/tests/found.test.lua
	echo 'require "helper"' >top/project/tests/needs.lua
}
# reads SCRIPT, and refuses SCRIPT TEXT: with what was found, and without having run it.
reads() {
	run "$1"
	exits 0 && [[ -e mark ]]
}
refuses() {
	run "$1"
	((status != 0)) && cat out err >both && grep -qF -- "$2" both && [[ ! -e mark ]]
}
script=top/project/tests/plain.lua

# is_read COMMAND...: once the command has changed something. is_refused TEXT COMMAND...
is_read() {
	fresh && "$@" && reads "$script"
}
is_refused() {
	fresh && "${@:2}" && refuses "$script" "$work/top/provium.lua is not read: $1"
}
link_of() {
	mv top/provium.lua top/other.lua && ln -s other.lua top/provium.lua && chown -h "$1" top/provium.lua
}
in_sticky() {
	chmod 1777 top && chown "$1" top/provium.lua
}
# For user 1 of every Debian, who has a group of his own.
lend() {
	chown "$1" top/provium.lua && chmod g+w top/provium.lua
}
lend_by_list() {
	chmod g+w top/provium.lua && python3 -c '
import os, struct
entries = [(1, 6, -1), (2, 6, 65534), (4, 0, -1), (0x10, 6, -1), (0x20, 4, -1)]
os.setxattr("top/provium.lua", "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *e) for e in entries))'
}
is_no_regular_file() {
	fresh && rm top/provium.lua && mkfifo top/provium.lua && refuses "$script" "$work/top/provium.lua: this is no regular file"
}
names_the_way() {
	fresh && chown "$nobody" top/provium.lua &&
		refuses "$script" "(to allow it: chown -h root $work/top/provium.lua; or list a folder whose files are yours in spite of that: PROVIUM_TRUST=$work/top)" &&
		chown -h root "$work/top/provium.lua" && reads "$script"
}
# with NAME=VALUE is_read ...
with() {
	local -x "$1"
	"${@:2}"
}
repl_refuses() {
	fresh && chown "$nobody" top/provium.lua && cd top/project || return
	run repl
	mv out err ../.. && cd ../..
	exits 2 && complains "$work/top/provium.lua is not read" && [[ ! -e mark ]]
}
runs_a_named_one() {
	fresh && rm top/provium.lua && chown -R "$nobody" top && run "$script" && exits 0
}
refuses_a_found_one() {
	fresh && chown "$nobody" top/project/tests/found.test.lua && refuses top/project "top/project/tests/found.test.lua is not read" &&
		with PROVIUM_TRUST="$work/top/project" reads top/project
}
refuses_modules() {
	local file=top/project/tests/helper.lua
	fresh && rm top/provium.lua && chown "$nobody" "$file" && refuses top/project/tests/needs.lua "$file is not read" &&
		rm "$file" && mkfifo "$file" && refuses top/project/tests/needs.lua "$file: this is no regular file"
}
# refuses_around FILE MODULE: Lua looks for modules in the working folder, too, and for libraries nowhere else.
refuses_around() {
	fresh && rm -rf top/provium.lua top/project/tests/helper.lua around && mkdir around && touch "around/$1" && chown "$nobody" around || return
	echo "require '$2'" >top/project/tests/needs.lua
	cd around || return
	refuses ../top/project/tests/needs.lua "./$1 is not read: the folder $work/around belongs to"
	local result=$?
	mv out err both .. && cd ..
	return "$result"
}

refuses_foreign_cache() {
	mkdir -p cache/guest.2 && touch cache/guest.2/{packages,kernel,initrd} && chown "$nobody" cache/guest.2/kernel || return
	echo 'provium:vm("a", "vm"):boot()' >guest.lua
	PROVIUM_CACHE=$work/cache PROVIUM_ACCEL=tcg run guest.lua
	exits 1 && prints "$work/cache/guest.2/kernel is not read: $work/cache/guest.2/kernel belongs to nobody"
}

# An escape sequence, a line of its own, C1, an order to write from right to left, and what is no UTF-8.
hostile=$'\e[2J\x7f\n4711 \xc2\x9b\xe2\x80\xae\xff'
shown='\x1b[2J\x7f\x0a4711 \u009b\u202e\xff'
is_harmless() {
	cat out err >both
	! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f\xff]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]' both && ! grep -q '^4711' both
}
shows_hostile_names() {
	local words repaired=${shown/'\xff'/$'\xef\xbf\xbd'}
	mkdir -p "$hostile" && cp lab.lua "$hostile/lab.lua" && start_lab hostile.out --timeout 1h "$work/$hostile/lab.lua" || return
	for words in "ps" "inspect $lab" "exec $lab z true" "exec 1 z true" "capture 1 lan -w x.pcap"; do
		# shellcheck disable=SC2086     # words
		run $words
		is_harmless && { ((status)) || prints_text "$work/$repaired/lab.lua"; } || return
	done
	run exec "$work/$hostile/lab.lua" a true
	local result=$status
	kill "$command"
	wait "$command"
	return "$result"
}
shows_hostile_files() {
	run "$work/$hostile/none.lua"
	exits 2 && is_harmless && complains "${shown%%\\x0a*}" && complains "    ${shown#*\\x0a}/none.lua" || return
	echo 'error("no")' >"$hostile/fails.lua"
	run "$hostile/fails.lua"
	exits 1 && is_harmless && prints_text "$shown/fails.lua"
}
prints_text() { grep -qF -- "$1" out; }
# What a node prints, in the place of the name of a test, of a message, of a reason.
shows_hostile_words() {
	cat >words.lua <<'END'
local bytes = provium:vm("a", "netns"):boot():run [[printf '\033[2J\177\n4711 \302\233\342\200\256\377']].stdout
test("name " .. bytes, function(t) t:skip("reason " .. bytes) end)
test("one", function() error("message " .. bytes) end)
test("two", function(t) t:defer(function() error("deferred " .. bytes) end) error("first") end)
END
	# As every text that a command gives back, it is UTF-8.
	local said=${shown/'\xff'/$'\xef\xbf\xbd'}
	run words.lua
	exits 1 && is_harmless && prints_text "name $said" && prints_text "reason $said" && prints_text "message ${said%%\\x0a*}" && prints_text "      ${said#*\\x0a}" &&
		prints_text "deferred ${said%%\\x0a*}"
}
keeps_what_scripts_print() {
	printf '%s\n' 'io.write("\27[1mbold\27[0m\n")' >prints.lua
	run prints.lua
	exits 0 && grep -qF $'    \e[1mbold\e[0m' out
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

check "root's own configuration is read" is_read true
check "another user's is not" is_refused "$work/top/provium.lua belongs to nobody (uid $nobody)" chown "$nobody" top/provium.lua
check "nor one that others can write to" is_refused "others can write to $work/top/provium.lua, whose mode is 0646" chmod 646 top/provium.lua
check "nor one that a group can write to" is_refused "others can write to $work/top/provium.lua, whose mode is 0664" lend root:$nobody
check "nor one in a folder of another user's" is_refused "the folder $work/top belongs to nobody" chown "$nobody" top
check "nor one in a folder that others can write to" is_refused "others can write to the folder $work/top, whose mode is 0777" chmod 777 top
check "nor one by another user's link" is_refused "the link $work/top/provium.lua belongs to nobody" link_of $nobody
check "but one by root's link" is_read link_of root
check "and root's in a sticky folder" is_read in_sticky root
check "where another user's is not read" is_refused "$work/top/provium.lua belongs to nobody" in_sticky $nobody
check "root's group may write to it" is_read lend root:root
check "unless others may by a list" is_refused "others can write to $work/top/provium.lua" lend_by_list
check "called by sudo, it may be the user's" with SUDO_UID=1 is_read chown 1 top/provium.lua
check "and his own group's" with SUDO_UID=1 is_read lend 1:1
check "but no other group's" with SUDO_UID=1 is_refused "others can write to" lend 1:$nobody
check "nor another user's" with SUDO_UID=1 is_refused "$work/top/provium.lua belongs to nobody" chown "$nobody" top/provium.lua
check "nor by a number that is none" with SUDO_UID=${nobody}x is_refused "$work/top/provium.lua belongs to nobody" chown "$nobody" top/provium.lua
check "PROVIUM_TRUST allows what is in a folder" with PROVIUM_TRUST="/nowhere:$work/top" is_read chown -R "$nobody" top
check "and below it" with PROVIUM_TRUST="$work" is_read chown -R "$nobody" top
check "and nothing beside it" with PROVIUM_TRUST="$work/top/project" is_refused "the folder $work/top belongs to nobody" chown -R "$nobody" top
check "a FIFO is not waited for" is_no_regular_file
check "the error says how to allow it, and that works" names_the_way
check "the prompt has the same configuration" repl_refuses
check "a script is run if it is named, whose it may be" runs_a_named_one
check "but not if it is found in a folder" refuses_a_found_one
check "modules are read by the same rule" refuses_modules
check "and what is in the working folder" refuses_around helper.lua helper
check "and a library" refuses_around linked.so linked
check "and one with several modules" refuses_around linked.so linked.part
check "nor is another user's guest in the cache booted" refuses_foreign_cache
check "names of labs do nothing to a terminal" shows_hostile_names
check "nor do paths" shows_hostile_files
check "nor does what nodes print, where it is quoted" shows_hostile_words
check "what a script prints stays what it is" keeps_what_scripts_print
finish
