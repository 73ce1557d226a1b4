# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the tests of faults, beside tests/cli/tap.bash: runs that are started in the background, and what the kernel
# holds for them.
# shellcheck shell=bash

# start ARG...: the command in the background. Sets command to its pid, and script to that of its script's process.
start() {
	rm -f run.out
	"${provium:?}" "$@" >run.out 2>&1 </dev/null &
	command=$!
	script=$(child_of "$command")
}

said() { grep -qsF -- "$1" run.out; }

# Those below a process, and it itself. A node's processes are children of the script's process, or of the node's init.
tree() {
	local child
	printf '%s\n' "$1"
	for child in $(pgrep -P "$1"); do
		tree "$child"
	done
}

# When a process was started, so that another one with its number is not taken for it. Fails if it is gone.
born() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	[[ $stat != *') Z '* ]] || return 1
	cut -d ' ' -f 22 <<<"$stat"
}

# The JSON in which a run describes itself (src/lab/registry.h).
description() {
	local fd
	for fd in "/proc/$1"/fd/*; do
		[[ $(readlink "$fd") == *'memfd:provium-lab'* ]] && cat "$fd" && return
	done
	return 1
}

# remember: all that the kernel holds for the run that start() has started.
remember() {
	local pid birth bpf
	processes=() spaces=() programs=() maps=()
	for pid in $(tree "$command"); do
		birth=$(born "$pid") || continue
		processes+=("$pid:$birth")
		[[ $pid == "$command" ]] || spaces+=("$(readlink "/proc/$pid/ns/net")")
	done
	mapfile -t spaces < <(printf '%s\n' "${spaces[@]}" | sort -u | grep .)
	bpf=$(description "$script" | grep -o '"bpf":{[^}]*}') || return 1
	mapfile -t programs < <(grep -oE '"wire_(in|e)gress":[0-9]+' <<<"$bpf" | grep -oE '[0-9]+$')
	mapfile -t maps < <(grep -oE '"[a-z_]+":[1-9][0-9]*' <<<"$bpf" | grep -v wire_ | grep -oE '[0-9]+$')
	((${#processes[@]} > 1 && ${#spaces[@]} && ${#programs[@]} == 2 && ${#maps[@]} >= 5))
}

# left: what is still there of it, one a line. Programs hang on devices, and are gone when the last device is.
left() {
	local entry pid id
	for entry in "${processes[@]}"; do
		pid=${entry%%:*}
		[[ $(born "$pid") != "${entry#*:}" ]] || echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done
	for pid in /proc/[0-9]*; do
		entry=$(readlink "$pid/ns/net") || continue
		[[ " ${spaces[*]} " != *" $entry "* ]] || echo "$entry: ${pid#/proc/}"
	done
	for id in "${programs[@]}"; do
		! bpftool prog show id "$id" >/dev/null 2>&1 || echo "program $id"
	done
	for id in "${maps[@]}"; do
		! bpftool map show id "$id" >/dev/null 2>&1 || echo "map $id"
	done
} 2>/dev/null

nothing_left() { [[ ! $(left) ]]; }

# all_gone: waits until nothing is left; else says what is.
all_gone() {
	wait_for nothing_left && return
	printf 'still left:\n%s\n' "$(left)"
	return 1
}
