#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

# says LINE... : what the prompt answers to lines that come through a pipe is in out.
type_lines() {
	status=0
	printf '%s\n' "$@" | within "$provium" repl >out 2>err || status=$?
}

values() {
	type_lines '1 + 1' '"text", nil, true' 'x = 5' 'x' '{1, 2, key = "v", {3}}'
	exits 0 && [[ $(<out) == $'2\ntext\tnil\ttrue\n5\n{1, 2, {3}, key = "v"}' ]]
}
several_lines() {
	type_lines 'for i = 1, 2 do' 'print("round " .. i)' 'end' 'function twice(n)' '' 'return 2 * n' 'end' 'twice(21)'
	exits 0 && [[ $(<out) == $'round 1\nround 2\n42' ]]
}
goes_on_after_errors() {
	type_lines 'error("boo")' 'this is wrong' '"still here"'
	exits 0 && prints_line 'stdin:1: boo' && prints "syntax error near 'is'" && prints_line 'still here' && ! prints 'repl.lua'
}
a_lab() {
	type_lines 'lan = provium:bridge("lan")' 'lan:attach(provium:vm("a", "netns"))' 'provium.a:boot()' \
		'provium.a:run("hostname").stdout' 'test("fails", function() error("told you") end)'
	exits 0 && prints_line a && prints 'told you'
}
unfinished() {
	type_lines '1 + 1' 'for i = 1, 2 do'
	exits 0 && [[ $(<out) == 2 ]]
}
is_in_ps() {
	local result=0
	mkfifo typed
	"$provium" repl <typed >/dev/null 2>&1 &
	exec {line}>typed
	wait_for repl_in_ps "$!" || result=1
	exec {line}>&-
	ends "$!"
	return "$result"
}
repl_in_ps() {
	run ps
	grep -qE "^$1 .* repl$" out
}

# The screen of a terminal of which we type the keys.
on_screen() { tmux -S socket capture-pane -p -t repl >out && grep -qxE -- "$1" out; }
keys() { tmux -S socket send-keys -t repl "$@"; }
at_terminal() {
	tmux -S socket -f /dev/null new-session -d -s repl -x 100 -y 40 "$provium repl; echo exit=\$?; sleep infinity"
	wait_for on_screen '>'
}
stop_terminal() { tmux -S socket kill-server; }

edits_lines() {
	at_terminal || return
	keys '40 + 3' BSpace 2 Enter
	wait_for on_screen 42 && keys Up Home '1 + ' Enter && wait_for on_screen 43
}
ctrl_c_gives_a_line_up() {
	keys 'half a li' C-c
	keys '"whole"' Enter
	wait_for on_screen whole
}
ctrl_c_ends_a_loop() {
	keys 'print("round") while true do end' Enter
	wait_for on_screen round && keys C-c
	wait_for on_screen '.*interrupted \(Interrupt\)' && keys '6 * 7 + 1000' Enter && wait_for on_screen 1042
}
ctrl_c_ends_a_wait() {
	keys 'print("idle") wait_until(function() end, { timeout = 1000 })' Enter
	wait_for on_screen idle || return
	keys C-c
	keys '7 * 7 + 1000' Enter
	wait_for on_screen 1049
}
ctrl_d_ends_it() {
	keys C-d
	wait_for on_screen '.*exit=0'
}

check "expressions print their values" values
check "several lines" several_lines
check "errors" goes_on_after_errors
check "a lab" a_lab
check "an unfinished end" unfinished
check "ps shows it" is_in_ps
check "line editing and history" edits_lines
check "Ctrl-C gives a line up" ctrl_c_gives_a_line_up
check "Ctrl-C ends a loop" ctrl_c_ends_a_loop
check "Ctrl-C ends a wait" ctrl_c_ends_a_wait
check "Ctrl-D ends it" ctrl_d_ends_it
stop_terminal
finish
