#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Profiles: --profile, and the configuration file provium.lua.
# shellcheck disable=SC2016     # what stands in single quotes is for another shell, or for people
# shellcheck source=tests/cli/tap.bash
source "${BASH_SOURCE[0]%/*}/tap.bash"

mkdir -p project/tests
touch project/vmlinuz
cat >project/tests/one.lua <<'END'
local a = provium:vm("a", "mine"):boot()
assert(a:profile() == "mine")
a:run("true"):assert_ok()
END

# configured LUA: the file, beside the folder of the script.
configured() { printf '%s\n' "$1" >project/provium.lua; }
refuses() {
	configured "$1"
	run project/tests/one.lua
	exits 2 && prints "could not be run: $work/project/provium.lua: $2"
}

refuses_syntax() {
	configured 'return {'
	run project/tests/one.lua
	exits 2 && prints "could not be run: $work/project/provium.lua:" && prints "unexpected symbol"
}

maps_names() {
	rm -f project/provium.lua
	run --profile other=netns --profile mine=other project/tests/one.lua
	exits 0
}
the_last_mapping_wins() {
	run --profile mine=nothing --profile mine=netns project/tests/one.lua
	exits 0
}
unknown_profile() {
	run project/tests/one.lua
	exits 1 && prints 'provium:vm: no profile named `mine`; there are `netns`' && prints '--profile mine=OTHER'
}
found_upwards() {
	configured 'return {profiles = {mine = {base = "first"}, first = {base = "netns", memory = "64M", cpus = 2, kernel = "vmlinuz"}}}'
	run project/tests/one.lua
	exits 0
}
empty_configuration() {
	configured 'return {}'
	run --profile mine=netns project/tests/one.lua
	exits 0
}

check "--profile maps names" maps_names
check "the last mapping wins" the_last_mapping_wins
check "an unknown profile is named, and what there is" unknown_profile
check "provium.lua is found in a folder above, profiles build on others" found_upwards
check "a configuration without profiles" empty_configuration
check "refused: no table" refuses 'return 5' 'it returns a number; a table like {profiles = {…}} is accepted'
check "refused: syntax" refuses_syntax
check "refused: unknown key" refuses 'return {profile = {}}' 'unknown key "profile"; the nearest is "profiles"; the keys are: profiles'
check "refused: unknown key of a profile" refuses 'return {profiles = {mine = {ram = 5}}}' 'unknown key "ram"; the keys are: base, kernel'
check "refused: missing file" refuses 'return {profiles = {mine = {disk = "none.qcow2"}}}' '`disk` is '
check "refused: unknown base" refuses 'return {profiles = {mine = {base = "none"}}}' 'there is no profile `none` to be the `base` of another'
check "refused: a circle" refuses 'return {profiles = {mine = {base = "b"}, b = {base = "mine"}}}' 'profile `'
check "refused: built-in name" refuses 'return {profiles = {netns = {}}}' 'the profile `netns` is built in'
check "refused: memory" refuses 'return {profiles = {mine = {memory = "lots"}}}' 'argument `memory` is "lots"'
check "refused: root" refuses 'return {profiles = {mine = {base = "netns", root = "none"}}}' "\`root\` is $work/project/none: No such file"
check "refused: binds" refuses 'return {profiles = {mine = {base = "netns", binds = {"none:/x"}}}}' "\`binds\` is $work/project/none: No such file"
check "refused: disk of a namespace node" refuses 'return {profiles = {mine = {base = "netns", disk = "vmlinuz"}}}' "\`disk\` is $work/project/vmlinuz, which is no folder"
check "refused: pids" refuses 'return {profiles = {mine = {base = "netns", pids = 0}}}' 'argument `pids` is 0'
check "refused: root of a guest" refuses 'return {profiles = {mine = {root = "shared"}}}' '`root` is of namespace nodes; leave it out, or build the profile on one of them (base = "netns")'
check "refused: binds of a guest" refuses 'return {profiles = {mine = {base = "first", binds = {}}, first = {}}}' '`binds` is of namespace nodes'
check "refused: pids of a guest" refuses 'return {profiles = {mine = {pids = 5}}}' '`pids` is of namespace nodes'
check "refused: accel" refuses 'return {profiles = {mine = {accel = "fast"}}}' '`accel` is "fast"; "kvm" or "tcg" is accepted'
check "refused: no table of a profile" refuses 'return {profiles = {mine = 5}}' 'profile `mine` is a number'
finish
