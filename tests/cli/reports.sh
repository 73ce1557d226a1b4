#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The four forms of a report, and --output.
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

cat >mixed.lua <<'END'
print("at the top")
test("passes", function() print("printed") end)
test("is # not \\ a directive", function(t)
	local answer = 41
	t:note("  a note\nof two lines")
	error("first line\n  second <&> line\n\n  fourth \"line\"")
end)
test("is skipped", { skip = "no time # today" }, function() end)
test("is for later", function() todo("think first") end)
END
# What no report may be broken by: control characters, broken UTF-8, code points that XML has not, the ends of its blocks.
cat >bytes.lua <<'END'
local all = {}
for byte = 0, 255 do all[#all + 1] = string.char(byte) end
all = table.concat(all)
local nasty = all .. "]]></system-out>\u{FFFE}\u{FFFF}\u{1F600}\xed\xa0\x80\xf4\x90\x80\x80\n...\n---\n  ...\nBail out!\n1..0\nok 9\n"
print(nasty)
test("name \1 <\"&'> \r \t", function() error(nasty, 0) end)
test("skipped", { skip = "why \1 <&> \n not" }, function() end)
END

human_marks() {
	run mixed.lua
	exits 1 && prints_line '  ✓ passes  [0-9.]+ s' && prints_line '  ✗ is # not \\ a directive  [0-9.]+ s' &&
		prints_line '  - is skipped  \(skipped: no time # today\).*' && prints_line '  - is for later  \(todo: think first\).*' &&
		ends_with "1 passed, 1 failed, 2 skipped"
}
human_failure() {
	run mixed.lua
	prints "mixed.lua:6: first line" && prints "        second <&> line" && prints "answer = 41" && prints "a note" &&
		prints "mixed.lua:6: in function" && ! prints "provium.native.call" && prints_line '      seed [0-9]+' &&
		prints_line '  mixed.lua:[0-9]+: is # not \\ a directive'
}
human_ascii() {
	LC_ALL=C run mixed.lua
	prints_line '  \+ passes  .*' && prints_line '  x is # not .*' && ! LC_ALL=C grep -q '[^ -~	]' out
}
# script(1) gives it a terminal.
on_terminal() {
	status=0
	within script --quiet --return --command "$*" /dev/null >out 2>err </dev/null || status=$?
}
human_colors() {
	local esc=$'\e'
	run mixed.lua
	! prints "${esc}[" || return
	TERM=xterm on_terminal "$provium mixed.lua"
	exits 1 && prints "${esc}[31m✗${esc}[0m is # not" || return
	TERM=xterm NO_COLOR=1 on_terminal "$provium mixed.lua"
	exits 1 && prints "✗ is # not" && ! prints "${esc}[" || return
	TERM=dumb on_terminal "$provium mixed.lua"
	exits 1 && ! prints "${esc}["
}
human_is_clean() {
	run bytes.lua
	# What the script printed comes as it is; what the report says of its error does not.
	exits 1 && sed -n '/✗/,$p' out >clean && ! grep -q $'[\e\r\b\a\x01]' clean && iconv -f UTF-8 -t UTF-8 clean >utf8
}

tap_by_prove() {
	status=0
	prove --verbose --exec "$provium --format tap" mixed.lua >out 2>err || status=$?
	# One failed, and nothing is said of a parse error.
	exits 1 && grep -q 'Tests: 4 Failed: 1' out && ! grep -qi 'parse error' out err && prints "# printed"
}
tap_bytes_by_prove() {
	status=0
	prove --exec "$provium --format tap" bytes.lua >out 2>err || status=$?
	exits 1 && grep -q 'Tests: 2 Failed: 1' out && ! grep -qi 'parse error' out err
}
tap_lines() {
	run --format tap --seed 5 mixed.lua
	exits 1 && prints_line 'TAP version 13' && prints_line 'ok 1 - mixed.lua: passes' &&
		prints_line 'not ok 2 - mixed.lua: is \\# not \\\\ a directive' &&
		prints_line 'ok 3 - mixed.lua: is skipped # SKIP no time \\# today' &&
		prints_line 'not ok 4 - mixed.lua: is for later # TODO think first' && prints_line '1\.\.4' &&
		prints_line '  seed: 5' && prints_line '  line: 6'
}
tap_diagnostics_are_yaml() {
	run --format tap --seed 5 mixed.lua
	diagnostics 'not ok 2' >yaml
	python3 -c '
import yaml
d = yaml.safe_load(open("yaml"))
assert (d["file"], d["line"], d["seed"]) == ("mixed.lua", 6, 5), d
assert "first line\n  second <&> line\n\n  fourth" in d["message"] and "answer = 41" in d["values"], d
assert "mixed.lua:6" in d["trace"] and "a note\nof two lines" in d["notes"], d' 2>>err || return
	run --format tap bytes.lua
	diagnostics 'not ok 1' >yaml
	python3 -c 'import yaml; assert "]]></system-out>" in yaml.safe_load(open("yaml", encoding="utf-8"))["message"]' 2>>err
}
# What stands between --- and ... below a line that begins so.
diagnostics() { sed -n "/^$1/,/^  \\.\\.\\.\$/p" out | sed '1,2d;$d'; }

# In one of the forms of a CI server that checks it.
is_junit() { xmllint --noout --relaxng "$here/junit-10.rng" "$1" 2>>err; }
junit_is_xml() {
	run --format junit "$1"
	exits 1 && is_junit out
}
xpath() { xmllint --xpath "string($1)" out; }
junit_content() {
	run --format junit --seed 5 mixed.lua
	[[ $(xpath '/testsuites/@tests') == 4 && $(xpath '/testsuites/@failures') == 1 &&
	   $(xpath '//testcase[1]/@name') == passes && $(xpath '//testcase[2]/failure/@message') == *$'first line\n  second <&> line'* &&
	   $(xpath '//testcase[2]/failure') == *"answer = 41"*"seed 5"* && $(xpath '//testcase[3]/skipped/@message') == "no time # today" &&
	   $(xpath '//property[@name="seed"]/@value') == 5 && $(xpath '//testsuite/@skipped') == 2 ]]
}
# Each test has its own, and what is printed between them is the file's.
junit_output() {
	cat >prints.lua <<-'END'
		print("at the top")
		for i = 1, 20 do
			test("t" .. i, function() print("first of " .. i) os.execute("echo second of " .. i) io.write("third") end)
			print("after " .. i)
		end
	END
	run --format junit prints.lua
	exits 0 && is_junit out || return
	local number between='at the top'
	for ((number = 1; number <= 20; number++)); do
		[[ $(xpath "//testcase[$number]/system-out") == "first of $number"$'\n'"second of $number"$'\n'third ]] || return
		between+=$'\n'"after $number"
	done
	[[ $(xpath '//testsuite/system-out') == "$between" ]]
}
junit_times() {
	cat >times.lua <<-'END'
		provium:sleep("300ms")
		test("quick", function() end)
		test("slow", function() provium:sleep("200ms") end)
	END
	local before
	before=$(date +%s)
	run --format junit times.lua
	exits 0 && [[ $(xpath '//testsuite/@hostname') == "$(uname -n)" ]] || return
	local begun
	begun=$(date -d "$(xpath '//testsuite/@timestamp')Z" +%s) || return
	((begun >= before - 1 && begun <= before + 20)) || return
	[[ $(xpath '//testcase[2]/@time >= 0.2 and //testcase[1]/@time < 0.2 and //testsuite/@time >= 0.5 and
		//property[@name="seconds_outside_of_tests"]/@value >= 0.3 and /testsuites/@time >= 0.5 and
		//property[@name="seconds_outside_of_tests"]/@value + sum(//testcase/@time) <= //testsuite/@time + 0.01') == true ]]
}

# What was named and is in no report would be taken for passed. half FORMAT SCRIPT [OPTION...]: of three tests the second ends
# the file; a fourth has a name that is put together, a fifth is not asked for.
half() {
	local format=$1 text=$2
	shift 2
	cat >half.lua <<-END
		test("first", function() end)
		$text
		test("third", { tags = { "x" } }, function() end)
		for i = 1, 3 do test("no " .. i, function() end) end
		test("not chosen", { slow = true }, function() end)
		-- test("none", function() end)
	END
	run --format "$format" --tag '!slow' "$@" half.lua tail.lua
}
# shellcheck disable=SC2016     # for the script's shell
crashes='test("second", function() print("printed") io.stdout:flush() os.execute("kill -SEGV $PPID; sleep 5") end)'
junit_half() {
	echo 'test("in another file", function() end)' >tail.lua
	half junit "$crashes"
	exits 1 && is_junit out &&
		[[ $(xpath 'count(//testcase)') == 6 && $(xpath '/testsuites/@errors') == 4 && $(xpath '//testsuite[1]/@errors') == 4 &&
		   $(xpath '//testcase[@name="second"]/error/@message') == *"ended by SIGSEGV in the middle of the test" &&
		   $(xpath '//testcase[@name="second"]/system-out') == printed &&
		   $(xpath '//testcase[@name="the whole file"]/error/@message') == *"did not come to its end: crashed"* &&
		   $(xpath '//testcase[@name="third"]/error/@message') == "not run: the file did not come to its end: crashed"* &&
		   $(xpath '//testcase[@name="the test in line 4"]/error/@type') == not_run ]]
}
junit_half_by_an_error() {
	half junit 'test("second", function() end) error("between")'
	exits 1 && is_junit out && [[ $(xpath '/testsuites/@errors') == 3 && $(xpath '/testsuites/@failures') == 0 &&
		$(xpath '//testcase[@name="half.lua"]/error/@message') == "half.lua:2: between" && $(xpath 'count(//testcase)') == 6 ]]
}
junit_half_by_exit() {
	half junit 'test("second", function() end) os.exit(0)'
	exits 1 && is_junit out && [[ $(xpath '/testsuites/@errors') == 3 &&
		$(xpath '//testcase[@name="the whole file"]/error/@message') == *"exit status 0 before the end of the file" ]]
}
# That one goes on its own way.
junit_whole_by_todo() {
	half junit 'todo("the rest")'
	exits 0 && [[ $(xpath '/testsuites/@errors') == 0 && $(xpath 'count(//testcase)') == 3 ]]
}
half_of_a_choice() {
	half tap "$crashes" --filter second
	exits 1 && [[ $(grep -c '^not ok' out) == 2 && $(grep -c '^ok' out) == 0 ]] && prints_line '1\.\.2'
}
tap_half() {
	half tap "$crashes"
	exits 1 && prints_line 'ok 1 - half.lua: first' && prints_line 'not ok 2 - half.lua: second' &&
		prints_line 'not ok 3 - half.lua: the whole file' && prints_line 'not ok 4 - half.lua: third' &&
		prints_line 'not ok 5 - half.lua: the test in line 4' && prints_line 'ok 6 - tail.lua: in another file' &&
		prints_line '1\.\.6' && ! prints "not chosen" && ! prints none || return
	status=0
	prove --exec "$provium --format tap" half.lua >out 2>err || status=$?
	! exits 0
}
human_half() {
	half human "$crashes"
	exits 1 && [[ $(grep -F "more tests were not run" out) == "  2 more tests were not run" ]] && ends_with "2 passed, 1 failed, 0 skipped"
}
json_half() {
	half json "$crashes"
	exits 1 && prints '"name":"third"' && prints '"status":"not_run"' && prints '"not_run":2' && prints '"complete":false'
}
# The state is closed after the last event.
ends_badly_after_the_end() {
	echo 'test("fine", function() end) setmetatable({}, { __gc = function() os.exit(3) end })' >late.lua
	run late.lua
	exits 1 && prints "exit status 3 after the end of the file" && ends_with "1 passed, 1 failed, 0 skipped" || return
	run --format junit late.lua
	[[ $(xpath '/testsuites/@errors') == 1 && $(xpath '/testsuites/@tests') == 2 ]]
}
# Garbage in the script's socket, as another process of root can put there.
garbled_events() {
	cat >garbled.lua <<-'END'
		test("waits", function()
			io.open("pid", "w"):write(io.open("/proc/self/stat"):read("n")):close()
			wait_until(function() return io.open("done") end, { timeout = 50 })
		end)
	END
	cat >garble.py <<-'END'
		import ctypes, os, socket, sys
		pidfd = os.pidfd_open(int(sys.argv[1]))
		fd = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, 3, 0)
		os.write(fd, sys.argv[2].encode() + b"\n")
		open("done", "w")
	END
	rm -f ./pid ./done
	"$provium" "${@:2}" garbled.lua >out 2>err &
	local pid=$!
	wait_for test -s pid && python3 garble.py "$(<pid)" "$1" || return
	status=0
	wait "$pid" || status=$?
	exits 1 && prints "its process wrote an event that is none" && prints "$1"
}
# What libxml2 refuses to read.
junit_of_much_text() {
	cat >much.lua <<-'END'
		test("prints", function() io.write("first", ("é"):rep(10 << 20), "last") end)
		test("fails", function() error("first" .. ("ü\n"):rep(4 << 20) .. "last") end)
		test("is skipped", function(t) t:skip(("x"):rep(11 << 20)) end)
	END
	run --format junit much.lua
	exits 1 && is_junit out && iconv -f UTF-8 -t UTF-8 out >utf8 || return
	[[ $(xpath '//testcase[1]/system-out') == firsté*é*" bytes are left out here]"*élast &&
	   $(xpath '//testcase[2]/failure') == *firstü*"are left out here]"*"seed "* ]]
}
junit_errors() {
	echo 'no Lua' >broken.lua
	run --format junit broken.lua
	exits 2 && [[ $(xpath '/testsuites/@errors') == 1 && $(xpath '//error/@message') == *"could not be run"* ]]
}

json_lines() {
	run --format json "$1"
	exits 1 && python3 -c '
import json, sys
events = [json.loads(line) for line in open("out", encoding="utf-8")]
assert [e["event"] for e in events][-1] == "summary", events
assert events[-1]["failed"] == 1, events
assert [e["seed"] for e in events if e["event"] == "start"] == [events[-1]["seed"]], events
assert any(e["event"] == "output" for e in events), events
assert sum(e["event"] == "test" for e in events) == int(sys.argv[1]), events' "$2" 2>>err
}

output_and_terminal() {
	run --format junit --output report.xml mixed.lua
	exits 1 && ends_with "1 passed, 1 failed, 2 skipped" && is_junit report.xml && [[ $(stat -c %a report.xml) == 644 ]]
}
output_is_atomic() {
	echo old >atomic.json
	mkfifo gate 2>/dev/null
	echo 'test("waits", function() print("waiting") io.open("gate"):read(1) end)' >waits.lua
	"$provium" --format json --output atomic.json waits.lua >out 2>err &
	local pid=$!
	wait_for prints waiting || return
	[[ $(<atomic.json) == old ]] && nothing_beside || return
	echo x >gate
	wait "$pid" && grep -q '"event":"summary"' atomic.json && nothing_beside
}
nothing_beside() { ! compgen -G 'atomic.json.*' >/dev/null; }
output_of_a_killed_run() {
	echo old >atomic.json
	"$provium" --format json --output atomic.json waits.lua >out 2>err &
	local pid=$!
	wait_for prints waiting || return
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	[[ $(<atomic.json) == old ]] && nothing_beside
}
output_keeps_a_link() {
	mkdir -p far
	echo old >far/report
	ln -sfn far/report link
	run --format tap --output link mixed.lua
	[[ -L link ]] && grep -q '^1\.\.4' far/report
}
output_into_a_device() {
	mkfifo pipe
	within cat pipe >from-pipe &
	run --format tap --output pipe mixed.lua
	wait $!
	[[ -p pipe ]] && grep -q '^1\.\.4' from-pipe
}
output_needs_a_place() {
	rm -f ran
	echo 'io.open("ran", "w"):close()' >ran.lua
	run --format json --output no/such/place ran.lua
	exits 2 && complains "--output no/such/place" && [[ ! -e ran ]] || return
	run --format json --output . ran.lua
	exits 2 && complains "--output .: Is a directory"
}
# As a pipe it has no path.
output_to_standard_output() {
	"$provium" --format junit --output "$1" mixed.lua 2>err | cat >out
	grep -q '^</testsuites>$' out && [[ ! -e - ]]
}
output_without_a_name() {
	local name
	for name in '' new/; do
		run --output "$name" ran.lua
		exits 2 && complains "this is no name of a file" && [[ ! -e ran ]] || return
	done
}
# A descriptor that was closed is not that of the next file that is opened.
nowhere_to_print() {
	rm -f report.xml
	status=0
	"$provium" --format junit --output report.xml mixed.lua 2>err >&- || status=$?
	exits 2 && complains "write to standard output: Bad file descriptor" && [[ ! -e report.xml ]]
}
no_standard_files() {
	status=0
	"$provium" --format junit --output report.xml mixed.lua <&- >/dev/null 2>&- || status=$?
	exits 1 && is_junit report.xml
}
output_human_too() {
	run --output plain.txt mixed.lua
	[[ $(tail -n 1 plain.txt) == "1 passed, 1 failed, 2 skipped" ]] && ends_with "1 passed, 1 failed, 2 skipped"
}
output_full() {
	status=0
	within "$provium" mixed.lua >/dev/full 2>err || status=$?
	exits 2 && complains "provium: report: write to standard output: No space left on device"
}

umask 022
check "human: marks, reasons, totals last" human_marks
check "human: a failure" human_failure
check "human: ASCII where the locale is not UTF-8" human_ascii
check "human: colors on a terminal alone, not with NO_COLOR" human_colors
check "human: no control characters from messages" human_is_clean
check "tap: lines" tap_lines
check "tap: prove understands it" tap_by_prove
check "tap: any bytes" tap_bytes_by_prove
check "tap: diagnostics are YAML" tap_diagnostics_are_yaml
check "junit: XML" junit_is_xml mixed.lua
check "junit: any bytes" junit_is_xml bytes.lua
check "junit: content" junit_content
check "junit: a file that could not be run is an error" junit_errors
check "junit: more than parsers take" junit_of_much_text
check "junit: each test's output is its own" junit_output
check "junit: times, and the host" junit_times
check "half a file: junit, a crash" junit_half
check "half a file: junit, an error between tests" junit_half_by_an_error
check "half a file: junit, os.exit()" junit_half_by_exit
check "half a file: no, todo() ends it on purpose" junit_whole_by_todo
check "half a file: only what was asked for" half_of_a_choice
check "half a file: tap" tap_half
check "half a file: human" human_half
check "half a file: json" json_half
check "an end with a status after the end of the file" ends_badly_after_the_end
check "events that are no JSON" garbled_events 'no event'
check "events of no kind" garbled_events '{"event":"strange"}'
check "events that are no object" garbled_events '7'
check "tests of no status" garbled_events '{"event":"test","name":"x","status":"fine"}'
check "json: a line an event" json_lines mixed.lua 4
check "json: any bytes" json_lines bytes.lua 2
check "--output: the report there, human on the terminal" output_and_terminal
check "--output: all at once" output_is_atomic
check "--output: nothing is left of a run that is killed" output_of_a_killed_run
check "--output: through a link" output_keeps_a_link
check "--output: into a pipe" output_into_a_device
check "--output: a bad place is known before anything runs" output_needs_a_place
check "--output: human too" output_human_too
check "--output: - is the standard output" output_to_standard_output -
check "--output: /dev/stdout, a pipe" output_to_standard_output /dev/stdout
check "--output: no name" output_without_a_name
check "a closed standard output is an error" nowhere_to_print
check "standard input and error are closed" no_standard_files
check "a full disk is an error" output_full
finish
