#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The benchmarks of the wire still run and say all that they should. What they measure here means nothing.

# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

# bench NAME ARG...: missed targets are 1, all else that goes wrong is more or says nothing.
bench() {
	status=0
	within "$here/../../tools/bench-$1" "${@:2}" >out 2>err || status=$?
	((status < 2)) && [[ ! -s err ]]
}

wire() {
	bench wire 100 && prints "ingress  " && prints "egress, rate" && prints "two processors at once"
}
forwarding() {
	bench forwarding --here --rounds 1 --ms 2 --counts 0,16 --results "$work" &&
		prints_line "bare bridge  .* 1\.000 1\.000 to 1\.000 .*" &&
		prints "provium, 16 rules" && prints "provium, loss" && prints "nft, rules, 16 rules" &&
		prints "htb and u32, hashed, 16 rules" && prints "netem, loss: see the test kernel" &&
		prints "of the bare bridge's" && grep -qx "16 .*" machine-rules.dat
}

check "ns a frame of the wire program" wire
check "forwarding beside its peers" forwarding
finish
