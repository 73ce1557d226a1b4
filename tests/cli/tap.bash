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

# run ARG...: the command, with what it prints in the files out and err, and its exit status in status. Within a minute.
run() {
	status=0
	timeout 60 "$provium" "$@" >out 2>err || status=$?
}

exits() { ((status == $1)); }

# prints TEXT: somewhere in a line of out. prints_line PATTERN: a whole line, as a regular expression. complains TEXT: in err.
prints() { grep -qF -- "$1" out; }
prints_line() { grep -qxE -- "$1" out; }
complains() { grep -qF -- "$1" err; }
ends_with() { [[ $(tail -n 1 out) == "$1" ]]; }

# wait_for COMMAND...: tries until it succeeds, for 10 s.
wait_for() {
	local try
	for ((try = 0; try < 200; try++)); do
		"$@" && return
		sleep 0.05
	done
	return 1
}

finish() {
	printf '1..%d\n' "$tests"
	exit $((failures > 0))
}
