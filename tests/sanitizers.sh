#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The lab tests once more, with a provium that watches its own memory: make SAN=1. A leak is an error, too.

root=$(realpath "${BASH_SOURCE[0]%/*}/..")
# shellcheck source=tests/cli/tap.bash
source "$root/tests/cli/tap.bash"

build() { make --no-print-directory -C "$root" -j"$(nproc)" SAN=1 all tests >out 2>&1; }

clean() {
	status=0
	# What needs fq runs in a test kernel, which has no room for this.
	(cd "$root" && timeout 1200 build/san/provium --timeout 5m --tag '!fq' --tag '!fqperf' "$@") >out 2>err </dev/null || status=$?
	exits 0 && ! grep -qE 'Sanitizer|runtime error' out err
}

check "a build with ASan and UBSan" build
check "tests/lab with it" clean tests/lab
check "the examples with it" clean --profile peios=netns lua/examples

finish
