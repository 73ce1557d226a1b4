#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The unit tests, the lab tests and the examples once more, with a provium that watches its own memory: make SAN=1. A leak is
# an error, too.

root=$(realpath "${BASH_SOURCE[0]%/*}/..")
# shellcheck source=tests/cli/tap.bash
source "$root/tests/cli/tap.bash"

build() { make --no-print-directory -C "$root" -j"$(nproc)" SAN=1 all tests >out 2>&1; }

clean() {
	status=0
	(cd "$root" && "$@") >out 2>err || status=$?
	exits 0 && ! grep -qE 'Sanitizer|runtime error' out err && return
	# What passed explains nothing, and is most of it: tests, and the names of their files.
	sed -i '/^ *✓/d; /^[^ ]*\.test\.lua$/d' out
	return 1
}
# What needs fq or limits runs in a test kernel, which has no room for this.
lua() { clean build/san/provium -j 4 --timeout 10m --tag '!fq' --tag '!fqperf' --tag '!cgroup' --tag '!hostile' "$@"; }
unit() {
	local test
	for test in build/san/tests/unit/*_test; do
		"$test" || return
	done
}

check "a build with ASan and UBSan" build
check "tests/unit with it" clean unit
check "tests/lab with it" lua tests/lab
check "the examples with it" lua --profile peios=netns lua/examples

finish
