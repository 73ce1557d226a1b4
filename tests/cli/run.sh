#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `provium run`: which files and tests run, options, exit statuses.
# shellcheck disable=SC2016     # what stands in single quotes is for another shell, or Lua
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

mkdir -p tree/sub/.hidden tree/empty
echo 'test("good", { tags = { "quick" } }, function() end)' >tree/b.test.lua
echo 'test("also good", function() end) test("bad", function() error("told you") end)' >tree/a.test.lua
echo 'test("below", function() end)' >tree/sub/c.test.lua
echo 'test("hidden", function() end)' >tree/sub/.hidden/d.test.lua
echo 'test("not by itself", function() end)' >tree/sub/helper.lua
echo 'this is no Lua' >broken.lua
for number in 1 2 3 4 5 6; do echo "test('number $number', function() end)"; done >six.test.lua

runs_a_file() {
	run tree/b.test.lua
	exits 0 && ends_with "1 passed, 0 failed, 0 skipped"
}
run_may_be_said() {
	run run tree/b.test.lua
	exits 0 && ends_with "1 passed, 0 failed, 0 skipped"
}
runs_a_folder_in_order() {
	run tree
	exits 1 && ends_with "3 passed, 1 failed, 0 skipped" &&
		[[ $(grep '^tree' out) == $'tree/a.test.lua\ntree/b.test.lua\ntree/sub/c.test.lua' ]]
}
runs_any_named_file() {
	run tree/sub/helper.lua
	exits 0 && ends_with "1 passed, 0 failed, 0 skipped"
}
follows_links_once() {
	mkdir -p linked
	ln -sfn ../tree/sub linked/sub
	ln -sfn . tree/sub/loop
	run linked
	rm tree/sub/loop
	exits 0 && ends_with "1 passed, 0 failed, 0 skipped"
}
refuses() {
	local wanted=$1
	shift
	run "$@"
	exits 2 && complains "$wanted" && [[ ! -s out ]]
}
knows_a_broken_file() {
	run tree/b.test.lua broken.lua
	exits 2 && prints "could not be run: broken.lua:1: " && ends_with "1 passed, 1 failed, 0 skipped"
}
strangers_fail_the_file() {
	cat >strangers.lua <<'END'
local lan = provium:bridge("lan")
local a, b = provium:vm("a", "netns"), provium:vm("b", "netns")
lan:partition(a, b)
lan:partition("a", "bb")
lan:attach({ a, b })
END
	run strangers.lua
	exits 1 && prints "never attached, and so mean nobody: \`bb\` (bridge \`lan\`)" &&
		[[ $(cat err) != *attached* ]]
}
filters_by_name() {
	run --filter good tree
	exits 0 && ends_with "2 passed, 0 failed, 0 skipped"
}
filters_by_tag() {
	run --tag quick tree
	exits 0 && ends_with "1 passed, 0 failed, 0 skipped" || return
	run --tag '!quick' tree
	exits 1 && ends_with "2 passed, 1 failed, 0 skipped"
}
tells_of_an_empty_filter() {
	run --filter nothing-like-this tree
	exits 2 && complains "no test matches" && ends_with "0 passed, 0 failed, 0 skipped"
}
# Files, for what a file does outside of its tests belongs to each of them: two parts run each file once, and whole.
shards_cut_by_file() {
	run --shard 1/2 six.test.lua tree/sub/c.test.lua tree/b.test.lua
	exits 0 && [[ $(grep -E '^(six|tree)' out) == $'six.test.lua\ntree/b.test.lua' ]] &&
		ends_with "7 passed, 0 failed, 0 skipped" || return
	run --shard 2/2 six.test.lua tree/sub/c.test.lua tree/b.test.lua
	exits 0 && [[ $(grep -E '^(six|tree)' out) == tree/sub/c.test.lua ]] && ends_with "1 passed, 0 failed, 0 skipped"
}
shards_are_a_partition() {
	local shard
	for shard in 1 2 3 4; do
		run --shard "$shard/4" six.test.lua tree
		grep -E '^[a-z]' out | grep test.lua$
	done | sort >all
	run six.test.lua tree
	grep -E '^[a-z]' out | grep test.lua$ | sort | cmp - all && (($(wc -l <all) == 4))
}
an_empty_shard_is_fine() {
	run --shard 3/4 tree/b.test.lua
	exits 0 && ends_with "0 passed, 0 failed, 0 skipped"
}
lists_without_running() {
	echo 'test("one", { tags = { "x", "y" } }, function() io.open("ran", "w"):close() end)' >list.lua
	run --list list.lua
	exits 0 && [[ $(<out) == "list.lua:1: one #x #y" && ! -e ran ]]
}
lists_as_json() {
	run --list --format json list.lua
	exits 0 && prints '"event":"list"' && prints '"line":1' && prints '"listed":1'
}
shows_how_to_repeat() {
	local seed command
	run tree/a.test.lua
	seed=$(sed -n 's/^ *seed \([0-9]*\)$/\1/p' out)
	command=$(sed -n 's/^again, with the same dice: //p' out)
	[[ $command == "$provium run --seed $seed tree/a.test.lua" ]] && ((seed < 1 << 53)) || return
	run --seed 77 --tag '!it'"'s" tree/a.test.lua
	exits 1 && prints "again, with the same dice: $provium run --seed 77 --tag '!it'\\''s' tree/a.test.lua" || return
	# A shell understands it, and does the same.
	bash -c "$(sed -n 's/^again, with the same dice: //p' out)" >again
	cmp <(sed 's/  [0-9.]* s$//' out) <(sed 's/  [0-9.]* s$//' again) || return
	PROVIUM_RUNNER="over there --" run --max-timeout 9s tree/a.test.lua
	grep -qE "^again, with the same dice: over there -- $provium run --seed [0-9]+ --max-timeout 9s tree/a.test.lua$" out || return
	run --seed 5 --filter bad - <tree/a.test.lua
	exits 1 && prints_line "again, with the same dice: $provium run --seed 5 --filter bad - <$work/tree/a.test.lua"
}
# A seed of its own each time, and the one that was given.
seeds_the_lab() {
	echo 'error("see the seed")' >seed.lua
	run seed.lua
	local first
	first=$(grep -E '^ *seed [0-9]+' out)
	run seed.lua
	[[ $first && $first != "$(grep -E '^ *seed [0-9]+' out)" ]] || return
	run --seed 4711 seed.lua
	[[ $(grep -E '^ *seed [0-9]+' out) == *" 4711" ]]
}
maps_profiles() {
	echo 'provium:vm("a", "tiny"):boot()' >profile.lua
	run profile.lua
	exits 1 && prints 'no profile named `tiny`' || return
	run --profile tiny=nothing --profile tiny=netns profile.lua
	exits 0
}
limits_time() {
	echo 'test("slow", function() wait_until(function() end, { timeout = 1000 }) end)' >slow.lua
	run --timeout 300ms slow.lua
	exits 1 && prints "time limit" && ends_with "0 passed, 1 failed, 0 skipped"
}
keeps_to_the_largest_limit() {
	echo 'test("slow", { timeout = 50 }, function() wait_until(function() end, { timeout = 30 }) end)' >slow.lua
	run --max-timeout 300ms slow.lua
	exits 1 && prints "the time limit of 0.3 s has passed, which is that of --max-timeout"
}
script='local helper = require "helper" test("from afar", function(t) t:assert_eq(helper, 7) end) test("fails", function(t) t:assert(false) end)'
reads_standard_input() {
	echo 'return 7' >helper.lua
	local name
	for name in - /dev/stdin /proc/self/fd/0; do
		printf '#!/usr/bin/provium\n%s\n' "$script" | {
			run "$name"
			exits 1 && prints_line "$name" && prints "$name:2: assertion failed!  local helper" &&
				ends_with "1 passed, 1 failed, 0 skipped"
		} || return
		run "$name" < <(echo "$script")
		exits 1 && prints "$name:1:" && ends_with "1 passed, 1 failed, 0 skipped" || return
		echo "$script" >script
		run "$name" <script
		exits 1 && prints "$name:1:" && ends_with "1 passed, 1 failed, 0 skipped" || return
	done
	run tree/b.test.lua - <script
	exits 1 && ends_with "2 passed, 1 failed, 0 skipped"
}
reads_a_pipe() {
	status=0
	"$provium" <(echo "$script") >out 2>err </dev/null || status=$?
	exits 1 && ends_with "1 passed, 1 failed, 0 skipped"
}
# Of six files that wait for each other.
runs_side_by_side() {
	local number
	mkdir -p wide meet
	for number in 1 2 3 4 5 6; do
		cat >"wide/$number.test.lua" <<-END
			test("first", function()
				print("from $number")
				os.execute("touch $work/meet/$number; until test \$(ls $work/meet | wc -l) = 6; do sleep 0.05; done")
			end)
			test("second", function() print("again from $number") end)
		END
	done
	run -j 6 wide
	exits 0 && ends_with "12 passed, 0 failed, 0 skipped"
}
shows_files_one_by_one() {
	run -j 6 wide
	sed 's/  [0-9.]* s$//' out >side-by-side
	run wide
	sed 's/  [0-9.]* s$//' out | cmp - side-by-side
}
runs_no_more_than_asked() {
	local number
	mkdir -p count
	for number in 1 2 3 4 5; do
		echo "os.execute('mkdir -p running; touch running/$number; ls running | wc -l >>most; sleep 0.2; rm running/$number')"
	done >count/lines
	while read -r line; do
		number=$((number + 1))
		echo "$line" >"count/$number.test.lua"
	done <count/lines
	run -j 2 count
	exits 0 && [[ $(sort -n most | tail -n 1) == 2 ]]
}
crash() {
	printf 'test("fine", function() end)\n%s\n' "$1" >crash.lua
	run crash.lua tree/b.test.lua
}
reports_a_crash_in_a_test() {
	crash 'test("dies", function() os.execute("kill -SEGV $PPID; sleep 5") end)'
	exits 1 && prints_line '  ✗ dies  .*' && prints "ended by SIGSEGV in the middle of the test" &&
		ends_with "2 passed, 1 failed, 0 skipped"
}
reports_a_crash_between_tests() {
	crash 'os.execute("kill -KILL $PPID; sleep 5")'
	exits 1 && prints "ended by SIGKILL before the end of the file" && ends_with "2 passed, 1 failed, 0 skipped"
}
reports_an_exit() {
	crash 'os.exit(0)'
	exits 1 && prints "exit status 0 before the end of the file" && ends_with "2 passed, 1 failed, 0 skipped"
}
leaves_nothing_when_killed() {
	echo 'print("up") provium:vm("a", "netns"):boot():run("sleep 1000")' >stay.lua
	start_lab stay.out stay.lua || return
	kill -KILL "$command"
	wait "$command" 2>/dev/null
	wait_for is_gone "$lab"
}
# As nohup(1) and a shell's background leave them.
resets_signals() {
	cat >signals.lua <<-'END'
		local status = provium:vm("a", "netns"):boot():run("cat", { "/proc/self/status" }).stdout
		print("ignored " .. status:match("SigIgn:%s*(%x+)"), "blocked " .. status:match("SigBlk:%s*(%x+)"))
	END
	status=0
	(trap '' HUP QUIT USR1 PIPE CHLD && exec timeout "$patience" "$provium" signals.lua) >out 2>err || status=$?
	exits 0 && prints_line $'    ignored 0000000000000000\tblocked 0000000000000000'
}
does_not_wait_for_leftovers() {
	echo 'os.execute("sleep 1000 & echo $! >leftover")' >leftover.lua
	run leftover.lua
	kill "$(<leftover)" 2>/dev/null
	exits 0
}
passes_on_what_is_printed() {
	printf '%s\n' 'print("out") io.stderr:write("err\n") io.write("no newline") os.execute("echo from a child")' >print.lua
	run print.lua
	exits 0 && prints_line '    out' && prints_line '    err' && prints 'no newline' && prints 'from a child'
}
passes_on_much() {
	echo 'for i = 1, 50000 do print("line " .. i .. ("x"):rep(100)) end' >much.lua
	run much.lua
	exits 0 && (($(grep -c 'line [0-9]*xx' out) == 50000))
}
shows_output_in_its_place() {
	echo 'for i = 1, 9 do test("t" .. i, function() print("p" .. i) end) end' >place.lua
	run place.lua
	[[ $(grep -oE '[tp][1-9]\b' out | tr '\n' ' ') == "p1 t1 p2 t2 p3 t3 p4 t4 p5 t5 p6 t6 p7 t7 p8 t8 p9 t9 " ]]
}
# The file's own event lines must not be for programs that it starts.
keeps_the_events_to_itself() {
	echo 'os.execute("ls /proc/self/fd | wc -l >fds")' >fds.lua
	run fds.lua
	exits 0 && [[ $(<fds) == 4 ]]
}
version() {
	run --version
	exits 0 && prints_line 'provium [0-9.]+'
}
help() {
	run --help
	exits 0 && prints "Usage: provium run [OPTION...] FILE|DIR..." && prints "provium doctor"
}

# Whatever --help of a command names stands in the man page, which groff reads without complaint.
man_page_is_complete() {
	local page=$here/../../docs/provium.1 command option
	[[ -z $(groff -man -ww -z "$page" 2>&1) ]] || return
	# shellcheck disable=SC2013     # words are wanted
	for command in $(grep -oE '\{ "[a-z]+", cli_' "$here/../../src/cli/main.c" | cut -d '"' -f 2); do
		run --help
		[[ $command == run ]] || prints "provium $command" && grep -qF "provium $command" "$page" || return
		run "$command" --help
		exits 0 || return
		while read -r option; do
			sed 's/\\-/-/g' "$page" | grep -F -- "$option" >/dev/null || { echo "$option of $command" >>err && return 1; }
		done < <(grep -oE -- '--[a-z][a-z-]+' out)
	done
}
man_page_example_runs() {
	sed -n '/^local lan/,/^end)/p' "$here/../../docs/provium.1" >example.lua
	run example.lua
	exits 0 && ends_with "1 passed, 0 failed, 0 skipped"
}
without_rights() {
	chmod 755 .
	status=0
	setpriv --reuid 65534 --regid 65534 --clear-groups -- "$provium" tree/b.test.lua >out 2>err || status=$?
	exits 2 && prints "needs CAP_SYS_ADMIN; run it as root" && ends_with "0 passed, 1 failed, 0 skipped"
}

check "a file" runs_a_file
check "provium run" run_may_be_said
check "a folder, sorted, without hidden ones" runs_a_folder_in_order
check "a named file of any name" runs_any_named_file
check "a link to a folder, and one that goes round" follows_links_once
check "nothing to run" refuses "nothing to run"
check "a name in a rule that nobody ever had" strangers_fail_the_file
check "a missing file, before anything runs" refuses "gone.lua: No such file or directory" tree/b.test.lua gone.lua
check "a mistyped command" refuses "nor is it a command" doctro
check "a folder without tests" refuses "tree/empty: no *.test.lua" tree/b.test.lua tree/empty
check "an unknown option" refuses "unrecognized option" --no-such-option tree
check "-j 0" refuses "-j 0: give a whole number from 1" -j 0 tree
check "-j 2x" refuses "-j 2x: give a whole number" -j 2x tree
check "--shard 0/2" refuses "--shard 0/2: give I/N" --shard 0/2 tree
check "--shard 3/2" refuses "--shard 3/2: give I/N" --shard 3/2 tree
check "--shard 1" refuses "--shard 1: give I/N" --shard 1 tree
check "--seed -1" refuses "--seed -1: give a whole number" --seed=-1 tree
check "--format xml" refuses "there are human, tap, junit and json" --format xml tree
check "--profile x" refuses "--profile x: give NAME=OTHER" --profile x tree
check "--timeout 5parsec" refuses "--timeout 5parsec: give a number of seconds" --timeout 5parsec tree
check "--timeout 0" refuses "more than 0" --timeout 0 tree
check "--list with a report" refuses "--list has the formats human and json" --list --format tap tree
check "a file that is no Lua" knows_a_broken_file
check "--filter" filters_by_name
check "--tag" filters_by_tag
check "a filter that matches nothing" tells_of_an_empty_filter
check "--shard: whole files" shards_cut_by_file
check "--shard: every file in one part" shards_are_a_partition
check "--shard: an empty part" an_empty_shard_is_fine
check "--list" lists_without_running
check "--list --format json" lists_as_json
check "the command line that repeats a failure" shows_how_to_repeat
check "--seed" seeds_the_lab
check "--profile" maps_profiles
check "--timeout" limits_time
check "--max-timeout" keeps_to_the_largest_limit
check "a script from the standard input" reads_standard_input
check "a script from a pipe" reads_a_pipe
check "nothing on the standard input" refuses "-: the standard input is empty, or was read before" -
check "a script without an end" refuses "more than 64 MiB, which is no script" /dev/zero
check "--max-timeout 0" refuses "--max-timeout 0: give" --max-timeout 0 tree
check "-j: side by side" runs_side_by_side
check "-j: the same report as one by one" shows_files_one_by_one
check "-j: no more than asked for" runs_no_more_than_asked
check "a crash in a test" reports_a_crash_in_a_test
check "a crash between tests" reports_a_crash_between_tests
check "os.exit()" reports_an_exit
check "signals that were ignored are not in nodes" resets_signals
check "kill -9 of the command ends all" leaves_nothing_when_killed
check "a process that is left over" does_not_wait_for_leftovers
check "what the script prints" passes_on_what_is_printed
check "much of it" passes_on_much
check "output stands where it was printed" shows_output_in_its_place
check "the event pipe is closed in other programs" keeps_the_events_to_itself
check "without rights" without_rights
check "the man page has every option" man_page_is_complete
check "the man page's example" man_page_example_runs
check "--version" version
check "--help" help
finish
