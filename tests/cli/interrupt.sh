#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Ctrl-C and SIGTERM: once, twice, and for scripts that do not care; --keep.
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

cat >waits.lua <<'END'
test("done before", function() end)
test("waits", function()
	print("waiting")
	os.execute("mktemp -q waiting.XXXXXX >/dev/null")
	wait_until(function() end, { timeout = 1000 })
end)
test("never runs", function() print("ran") end)
END
# The stopped process neither sees a signal nor ends.
cat >stuck.lua <<'END'
test("hangs", function() print("waiting") io.stdout:flush() os.execute("kill -STOP $PPID") end)
END
echo 'test("fine", function() end)' >fine.lua

# start ARG...: in the background, as pid.
start() {
	rm -f waiting.*
	# In a session of its own: signals are not to go to anybody else. A shell without job control would have SIGINT ignored,
	# and nohup(1) SIGHUP.
	setsid env --default-signal=INT,HUP "$provium" "$@" >out 2>err </dev/null &
	pid=$!
}

once() {
	start -j 2 waits.lua waits.lua fine.lua
	wait_for are_waiting 2 || return
	kill -"$1" "$pid"
	ends "$pid" && exits "$2" && ! prints ran && prints_line 'interrupted; 1 more files were not run' &&
		[[ $(grep -c '✓ done before' out) == 2 ]] && ends_with "2 passed, 2 failed, 0 skipped"
}
# No build server may take it for complete.
reports_what_is_missing() {
	start --format "$1" --output report waits.lua fine.lua
	wait_for is_waiting 1 || return
	kill -INT "$pid"
	ends "$pid" && exits 130
}
in_junit() {
	xpath() { xmllint --xpath "string($1)" report; }
	reports_what_is_missing junit && xmllint --noout --relaxng "$here/junit-10.rng" report 2>>err &&
		[[ $(xpath '//testcase[@name="done before"]/error') == "" &&
		   $(xpath '//testcase[@name="waits"]/failure/@message') == *interrupted* &&
		   $(xpath '//testsuite[1]/testcase[@name="the whole file"]/error/@message') == *"did not come to its end: it was interrupted" &&
		   $(xpath '//testcase[@name="never runs"]/error/@message') == "not run: "* &&
		   $(xpath '//testsuite[2]/testcase[@name="the whole file"]/error/@message') == *"the run ended before"*interrupted &&
		   $(xpath '//testcase[@name="fine"]/error/@message') == "not run: "* && $(xpath '/testsuites/@errors') == 4 ]]
}
in_tap() {
	reports_what_is_missing tap && [[ $(grep -cE '^ok ' report) == 1 && $(grep -cE '^not ok ' report) == 5 &&
		$(grep -c '^1\.\.6$' report) == 1 && $(grep -c '^Bail out! interrupted$' report) == 1 ]]
}
in_json() {
	reports_what_is_missing json && tail -n 1 report >summary &&
		grep -q '"interrupted":true' summary && grep -q '"not_run":2' summary && grep -q '"files_not_run":1' summary
}
between_tests() {
	cat >between.lua <<-'END'
		test("done before", function() end)
		print("waiting")
		provium:sleep(50)
		test("never", function() end)
	END
	start --format tap --output report between.lua
	wait_for is_waiting 1 || return
	kill -INT "$pid"
	ends "$pid" && exits 130 && [[ $(grep -c '^not ok' report) == 2 ]]
}
# A script that catches the interruption has ended all the same.
caught() {
	cat >caught.lua <<-'END'
		pcall(test, "waits", function() print("waiting") provium:sleep(50) end)
		test("never", function() end)
	END
	start --format tap --output report caught.lua
	wait_for is_waiting 1 || return
	kill -INT "$pid"
	ends "$pid" && exits 130 && [[ $(grep -c '^not ok' report) == 3 ]]
}
terminal_goes() {
	start --format tap --output report waits.lua
	wait_for is_waiting 1 || return
	kill -HUP "$pid"
	ends "$pid" && exits 129 && grep -q '^Bail out!' report
}
# Of several files only the first is shown.
are_waiting() { (($(compgen -G 'waiting.*' | wc -l) == $1)); }
is_waiting() { (($(grep -c waiting out) == $1)); }

is_stopped() { [[ $(<"/proc/$(child_of "$pid")/stat") == *") T "* ]]; }
# No signal waits for pid any more.
has_heard() { grep -qE '^ShdPnd:\s*0+$' "/proc/$pid/status"; }

twice() {
	start stuck.lua
	wait_for is_stopped || return
	kill -INT "$pid"
	wait_for has_heard
	is_gone "$pid" && return 1
	kill -INT "$pid"
	ends "$pid" && exits 130 && prints "killed: the run was interrupted twice" && ends_with "0 passed, 1 failed, 0 skipped"
}
does_not_wait_for_ever() {
	start stuck.lua
	wait_for is_stopped || return
	kill -TERM "$pid"
	ends "$pid" && exits 143 && prints "killed: it did not end within 10 s after the interrupt"
}
# As a terminal does it: to the whole process group at once.
group() {
	start waits.lua
	wait_for is_waiting 1 || return
	kill -INT -- "-$pid"
	ends "$pid" && exits 130 && ends_with "1 passed, 1 failed, 0 skipped"
}
# What the script has started is the script's to end.
reaches_the_script_alone() {
	cat >child.lua <<-'END'
		os.execute("trap 'touch hit' INT; mktemp -q waiting.XXXXXX >/dev/null; sleep 1; sleep 1")
	END
	start child.lua
	wait_for are_waiting 1 || return
	kill -INT -- "-$pid"
	ends "$pid" && exits 130 && [[ ! -e hit ]]
}
is_not_deaf_in_a_child() {
	cat >deaf.lua <<-'END'
		test("waits", function()
			os.execute("mktemp -q waiting.XXXXXX >/dev/null; sleep 0.5")
			wait_until(function() end, { timeout = 1000 })
		end)
	END
	start deaf.lua
	wait_for are_waiting 1 || return
	kill -INT "$pid"
	ends "$pid" && exits 130 && prints "interrupted"
}
# Whenever it comes, nothing crashes of it.
at_any_moment() {
	local moment
	for moment in 0.0{02,03,04,05,06,07,08,10,12,14,16,18,20,25,30}; do
		start waits.lua
		until [[ ! -e /proc/$pid || $(<"/proc/$pid/comm") == provium ]]; do :; done
		sleep "$moment"
		kill -INT "$pid"
		ends "$pid" && exits 130 && ! prints crashed || return
	done
}
ends_cleanly() {
	cat >clean.lua <<-'END'
		setmetatable({}, { __gc = function() io.open("cleaned", "w"):close() end })
		test("waits", function() print("waiting") wait_until(function() end, { timeout = 1000 }) end)
	END
	start --format json --output report.json clean.lua
	wait_for is_waiting 1 || return
	kill -INT "$pid"
	ends "$pid" && exits 130 && [[ -e cleaned ]] && grep -q '"interrupted":true' report.json
}
keeps() {
	cat >keep.lua <<-'END'
		provium:vm("a", "netns"):boot()
		test("fails", function() error("look at this") end)
		test("another", function() print("ran") end)
	END
	start --keep keep.lua
	wait_for prints "stays up for a look" || return
	local lab
	lab=$(sed -n 's/.*provium exec \([0-9]*\) NODE.*/\1/p' out)
	[[ $("$provium" exec "$lab" a hostname) == a ]] || return
	kill -INT "$pid"
	ends "$pid" && exits 130 && ! prints ran
}

# In the node, which is there still; one that does not end leaves time to the others; each error is told.
deferred_runs() {
	rm -f deferred.*
	cat >deferred.lua <<-'END'
		test("waits", function(t)
			local a = provium:vm("a", "netns"):boot()
			t:defer(function() a:run("echo $(hostname)"):assert_ok() io.open("deferred.last", "w"):close() end)
			t:defer(function() error("first error") end)
			t:defer(function() error("second error") end)
			if os.getenv("STUCK") ~= "" then t:defer(function() while true do pcall(provium.sleep, provium, 100) end end) end
			os.execute("mktemp -q waiting.XXXXXX >/dev/null")
			wait_until(function() return false end, { timeout = 50, desc = "the end of time" })
		end)
	END
	STUCK=$2 start --format json deferred.lua
	wait_for are_waiting 1 || return
	kill -"$1" "$pid"
	ends "$pid" && grep -q 'first error' out && grep -q 'second error' out &&
		grep -q 'while waiting in wait_until: the end of time; it returned false last' out &&
		[[ -e deferred.last ]]
}
deferred_runs_after_the_look() {
	rm -f deferred.*
	cat >look.lua <<-'END'
		test("fails", function(t)
			t:defer(function() io.open("deferred.last", "w"):close() error("in the end") end)
			error("look at this")
		end)
	END
	start --keep look.lua
	wait_for prints "stays up for a look" && [[ ! -e deferred.last ]] || return
	kill -INT "$pid"
	ends "$pid" && exits 130 && [[ -e deferred.last ]] && cat out err | grep -q "t:defer: .*in the end"
}

keeps_nothing() {
	cat >good.lua <<-'END'
		test("passes", function() end)
		test("skipped", { skip = true }, function() end)
		test("for later", function() todo() end)
	END
	start --keep good.lua fine.lua
	ends "$pid" && exits 0 && ! prints "stays up"
}

check "SIGINT once: the rest is not run, a summary, 130" once INT 130
check "SIGTERM once: the same, 143" once TERM 143
check "Ctrl-C for the whole process group" group
check "Ctrl-C reaches the script, not what it started" reaches_the_script_alone
check "in the middle of os.execute()" is_not_deaf_in_a_child
check "at any moment" at_any_moment
check "the script ends cleanly, and the report is written" ends_cleanly
check "junit: what did not run" in_junit
check "tap: what did not run, and Bail out!" in_tap
check "json: what did not run" in_json
check "tap: interrupted between two tests" between_tests
check "tap: a script that catches the interruption" caught
check "SIGHUP: the same, 129" terminal_goes
check "twice: killed at once" twice
check "a script that does not end is killed after 10 s" does_not_wait_for_ever
check "--keep: up until interrupted" keeps
check "--keep: not without a failure" keeps_nothing
check "t:defer: runs on SIGINT, in the lab, and its errors are told" deferred_runs INT ""
check "t:defer: the same on SIGTERM, and no longer than it may" deferred_runs TERM 1
check "t:defer: after the look of --keep" deferred_runs_after_the_look
finish
