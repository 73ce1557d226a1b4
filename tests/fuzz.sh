#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each fuzzer of tests/fuzz runs each of its seeds once, with ASan and UBSan: what once was found stays mended.

root=$(realpath "${BASH_SOURCE[0]%/*}/..")
# shellcheck source=tests/cli/tap.bash
source "$root/tests/cli/tap.bash"

build() { make --no-print-directory -C "$root" -j"$(nproc)" FUZZ=1 fuzzers >out 2>&1; }

# seeds TARGET: one process for all of them; libFuzzer's own limit for each ends what hangs.
seeds() {
	local program=$root/build/fuzz/tests/fuzz/$1_fuzz seed=$root/tests/fuzz/seeds/$1
	[[ $(find "$seed" -type f) ]] || return
	status=0
	(cd "$work" && within "$program" -timeout="$patience" "$seed"/*) >out 2>err || status=$?
	exits 0
}

check "a build with libFuzzer, ASan and UBSan" build
for file in "$root"/tests/fuzz/*_fuzz.c; do
	target=$(basename "${file%_fuzz.c}")
	check "the seeds of $target" seeds "$target"
done

finish
