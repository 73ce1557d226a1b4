# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the tests of the command. Each is a list of check NAME FUNCTION, and `finish` at its end; the functions call
# run, and then look at status, out and err. PROVIUM names another command to test than build/provium.
# shellcheck shell=bash

set -uo pipefail

here=$(realpath "${BASH_SOURCE[0]%/*}")
provium=${PROVIUM:-$(realpath "$here/../..")/build/provium}
work=$(mktemp -d)
# Not by a child that a signal ends before it is another program.
trap '[[ $BASHPID != "$$" ]] || rm -rf "$work"' EXIT
cd "$work" || exit 1
unset NO_COLOR
export LC_ALL=C.UTF-8
tests=0 failures=0 status=0

# check NAME FUNCTION [ARG...]: one line of TAP. What the last run printed explains a failure.
check() {
	local name=$1
	shift
	: >out
	: >err
	tests=$((tests + 1))
	if "$@"; then
		printf 'ok %d - %s\n' "$tests" "$name"
		return
	fi
	failures=$((failures + 1))
	printf 'not ok %d - %s\n# exit status %d\n' "$tests" "$name" "$status"
	sed 's/^/# /' out err
}

exec </dev/null

# How long anything may take, in seconds: only what will never come takes so long, on a machine that is busy too.
patience=300

# within COMMAND...: ends it when its time is up, with the status 124.
within() { timeout --kill-after=10 "$patience" "$@"; }

# run ARG...: the command, with what it prints in the files out and err, and its exit status in status.
run() {
	status=0
	within "$provium" "$@" >out 2>err || status=$?
}

exits() { ((status == $1)); }

# prints TEXT: somewhere in a line of out. prints_line PATTERN: a whole line, as a regular expression. complains TEXT: in err.
prints() { grep -qF -- "$1" out; }
prints_line() { grep -qxE -- "$1" out; }
complains() { grep -qF -- "$1" err; }
ends_with() { [[ $(tail -n 1 out) == "$1" ]]; }

# wait_for COMMAND...: tries until it succeeds.
wait_for() {
	local end=$((SECONDS + patience))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# The first child of a process, once there is one.
child_of() { wait_for has_child "$1" && cut -d ' ' -f 1 "/proc/$1/task/$1/children"; }
has_child() { [[ $(<"/proc/$1/task/$1/children") ]]; } 2>/dev/null

is_gone() { [[ ! -e /proc/$1 || $(<"/proc/$1/stat") == *") Z "* ]]; } 2>/dev/null

# ends PID: waits for the end of a child of this shell, and sets status. One that does not end is killed.
ends() {
	wait_for is_gone "$1" || kill -KILL "$1"
	status=0
	wait "$1" 2>/dev/null || status=$?
}

# start_lab NAME ARG...: runs a script in the background that prints the line "up" once it is. Sets command to the pid of the
# command, and lab to that of the script's process. What it prints is in the file NAME.
start_lab() {
	rm -f "$1"
	"$provium" "${@:2}" >"$1" 2>&1 </dev/null &
	command=$!
	wait_for is_up_or_gone "$command" "$1"
	is_up "$1" && lab=$(child_of "$command")
}
is_up() { grep -qsxE ' *up' "$1"; }
is_up_or_gone() { is_up "$2" || is_gone "$1"; }

finish() {
	printf '1..%d\n' "$tests"
	exit $((failures > 0))
}
