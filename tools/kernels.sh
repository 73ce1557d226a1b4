#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fetches the kernels that tools/testkernel starts. They are downloaded and unpacked into a cache, never
# installed: a developer's machine gets no new boot kernel. One cache serves every clone of the repository.
#
#     tools/kernels.sh [--refresh] [ENGINE...]      (uml, qemu, qemu-6.12; default: all)
#
# What is there is left alone and needs no network; --refresh fetches it anew. Sourced, it only defines:
#
#     kernels_engines           the names of the engines
#     kernels_dir ENGINE        prints the folder of an engine's kernel
#     kernels_have ENGINE       says by its status whether the kernel is there
#     kernels_fetch ENGINE      fetches it unless it is there
#
# An engine's folder holds: kernel, lib/modules/VERSION, packages (what it was made of), for qemu also initrd, for uml
# also xstate.so (see uml-xstate.c).
#
# The kernels of uml and qemu are those of the release that this machine runs. That of another release comes from the
# machine's own mirror of Debian, or the one that PROVIUM_MIRROR names, by an apt that has all its files in the cache.

kernels_engines=(uml qemu qemu-6.12)

# Of the engines whose kernel is another release's.
declare -A kernels_release=([qemu-6.12]=trixie)

# Part of the folders' names: raise it when their content changes, so that old and new clones can share a cache.
kernels_recipe=2

kernels_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Options for apt: none, or what makes it another apt than the machine's (see kernels_use_release).
kernels_apt=()

kernels_here=$(realpath "${BASH_SOURCE[0]%/*}")

kernels_cache() { printf '%s\n' "${PROVIUM_CACHE:-/var/cache/provium}"; }

kernels_dir() { printf '%s/%s.%s\n' "$(kernels_cache)" "$1" "$kernels_recipe"; }

kernels_have() { [[ -e $(kernels_dir "$1")/packages ]]; }

kernels_say() { printf 'kernels: %s\n' "$*" >&2; }

kernels_knows() { [[ " ${kernels_engines[*]} " == *" $1 "* ]]; }

# Downloads packages into the folder $1. Stale or absent package lists are the usual reason for failure.
kernels_download() {
	local into=$1
	shift
	(cd "$into" && apt-get "${kernels_apt[@]}" -qq -o APT::Sandbox::User=root download "$@")
}

# Where this machine has Debian from.
kernels_mirror() {
	[[ ! ${PROVIUM_MIRROR-} ]] || { printf '%s\n' "$PROVIUM_MIRROR" && return; }
	# shellcheck disable=SC2016     # for apt
	apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 'Component: main' 'Created-By: Packages' |
		grep -v '^cdrom:' | tail -n 1
}

# Settings of an apt that has lists, cache and sources in the folder $1, and the rest, such as a proxy, from the
# machine's. The machine's hooks would work on the machine's files.
kernels_print_apt_conf() {
	cat <<EOF
Dir::State "$1/state";
Dir::State::status "/dev/null";
Dir::Cache "$1/cache";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::AllowInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
EOF
}

# From now on apt is one for this release alone, with its files in the folder $1.
kernels_use_release() {
	local folder=$1 release=$2 mirror
	if ! mirror=$(kernels_mirror); then
		kernels_say "apt knows of no mirror of Debian: run apt-get update, or name one by PROVIUM_MIRROR=URL"
		return 1
	fi
	[[ -e $kernels_keyring ]] || { kernels_say "no $kernels_keyring: install debian-archive-keyring" && return 1; }
	mkdir -p "$folder"/state/lists/partial "$folder"/cache/archives/partial
	printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' "$kernels_keyring" "$mirror" "$release" >"$folder/sources.list"
	kernels_print_apt_conf "$folder" >"$folder/apt.conf"
	kernels_apt=(-c "$folder/apt.conf")
	kernels_say "fetch the package lists of Debian's $release from $mirror"
	apt-get "${kernels_apt[@]}" -qq update && return
	kernels_say "apt says why that failed. PROVIUM_MIRROR=URL names another mirror; a key that is missing (NO_PUBKEY) is in" \
		"a newer package debian-archive-keyring"
	return 1
}

# The package behind the metapackage linux-image-amd64.
kernels_image_package() {
	local name
	name=$(apt-cache "${kernels_apt[@]}" depends linux-image-amd64 2>/dev/null |
		sed -n '/-unsigned/d; s/^ *|\{0,1\}Depends: \(linux-image-[0-9].*\)$/\1/p;' | head -n 1)
	[[ $name ]] || return 1
	printf '%s\n' "$name"
}

# Downloads what engine $1 is made of into $2/debs and unpacks it to $2/unpacked.
kernels_unpack() {
	local engine=$1 work=$2 image packages deb
	case $engine in
	uml) packages=(user-mode-linux) ;;
	qemu*)
		image=$(kernels_image_package) || { kernels_say "$engine: apt has no linux-image-amd64" && return 1; }
		packages=("$image" busybox-static)
		;;
	esac
	mkdir -p "$work/debs"
	kernels_say "$engine: download ${packages[*]}"
	kernels_download "$work/debs" "${packages[@]}" || return 1
	for deb in "$work"/debs/*.deb; do
		dpkg-deb -x "$deb" "$work/unpacked" || return 1
	done
}

kernels_lay_out_uml() {
	local from=$1 to=$2
	mkdir -p "$to/lib" &&
		mv "$from/usr/bin/linux.uml" "$to/kernel" &&
		mv "$from/usr/lib/uml/modules" "$to/lib/modules" &&
		gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$to/xstate.so" "$kernels_here/uml-xstate.c"
}

# Debian 13 has below /usr what Debian 12 has beside it.
kernels_lay_out_qemu() {
	local from=$1 to=$2 version
	mkdir -p "$to/lib" &&
		mv "$from"/boot/vmlinuz-* "$to/kernel" &&
		mv "$(find "$from" -type d -path '*/lib/modules')" "$to/lib/modules" || return 1
	version=$(basename "$to"/lib/modules/*)
	depmod -b "$to" "$version" &&
		kernels_make_initrd "$(find "$from" -type f -path '*/bin/busybox')" "$to" "$version"
}

# Mounts the machine's root over 9p, a tmpfs over it, and hands over to the init that tools/testkernel laid down.
kernels_print_initrd_init() {
	cat <<'EOF'
#!/bin/busybox sh
# shellcheck shell=sh
set -e
export PATH=/bin
busybox mount -t proc proc /proc
for module in $(busybox cat /modules/order); do busybox insmod "/modules/$module.ko"; done
for word in $(busybox cat /proc/cmdline); do
	case $word in testkernel.run=*) run=${word#*=} ;; esac
done
busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose root /lower
busybox mount -t tmpfs stage /stage
busybox mkdir /stage/upper /stage/work
busybox mount -t overlay -o lowerdir=/lower,upperdir=/stage/upper,workdir=/stage/work overlay /root
busybox umount /proc
exec busybox switch_root /root "$run/init"
EOF
}

# The files of the modules that mount the root file system, in the order in which they need each other. What is built
# in has none.
kernels_initrd_modules() {
	# Not as the machine's modprobe is told to load them.
	modprobe --config /dev/null --dirname "$1" --set-version "$2" --all --show-depends \
		virtio_pci 9pnet_virtio 9p overlay |
		sed -n 's/^insmod \([^ ]*\) *$/\1/p' | awk '!seen[$0]++'
}

kernels_make_initrd() {
	local busybox=$1 into=$2 version=$3 tree modules module name
	modules=$(kernels_initrd_modules "$into" "$version") || return 1
	tree=$(mktemp -d "$into.initrd.XXXXXX") || return 1
	mkdir -p "$tree"/{bin,modules,proc,lower,stage,root}
	cp "$busybox" "$tree/bin/busybox" || return 1
	for module in $modules; do
		name=$(basename "${module%.xz}" .ko)
		case $module in
		*.xz) "$busybox" xzcat "$module" >"$tree/modules/$name.ko" || return 1 ;;
		*) cp "$module" "$tree/modules/" || return 1 ;;
		esac
		printf '%s\n' "$name" >>"$tree/modules/order"
	done
	kernels_print_initrd_init >"$tree/init"
	chmod +x "$tree/init"
	(cd "$tree" && find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$into/initrd" || return 1
	rm -r "$tree"
}

# Under the cache's lock, in folder $2 which the caller removes: everything but the last rename.
kernels_build() {
	local engine=$1 work=$2 release=${kernels_release[$1]-}
	if [[ $release ]]; then
		kernels_use_release "$work/apt" "$release" && kernels_unpack "$engine" "$work" || return 1
	elif ! kernels_unpack "$engine" "$work"; then
		kernels_say "$engine: try again with fresh package lists (apt-get update)"
		apt-get -qq -o DPkg::Lock::Timeout=300 update
		kernels_unpack "$engine" "$work" || return 1
	fi
	mkdir "$work/done"
	"kernels_lay_out_${engine%%-*}" "$work/unpacked" "$work/done" || return 1
	(cd "$work/debs" && printf '%s\n' *.deb) >"$work/done/packages"
}

kernels_fetch() (
	engine=$1 dir=$(kernels_dir "$1")
	kernels_knows "$engine" || { kernels_say "no engine '$engine'; there are: ${kernels_engines[*]}" && exit 2; }
	if kernels_have "$engine" && [[ ${2-} != refresh ]]; then
		kernels_say "$engine: $(tr '\n' ' ' <"$dir/packages")is in $dir"
		exit 0
	fi
	mkdir -p "$(kernels_cache)" || exit 1
	exec {lock}>"$(kernels_cache)/lock"
	flock "$lock"
	if kernels_have "$engine" && [[ ${2-} != refresh ]]; then exit 0; fi
	work=$(mktemp -d "$dir.XXXXXX") || exit 1
	trap 'rm -rf "$work"' EXIT
	kernels_build "$engine" "$work" || { kernels_say "$engine: could not be fetched" && exit 1; }
	# A run that uses the old kernel now keeps its open files and fails on later ones: --refresh is asked for by hand.
	[[ ! -e $dir ]] || mv -T "$dir" "$work/old"
	mv -T "$work/done" "$dir"
	kernels_say "$engine: $(tr '\n' ' ' <"$dir/packages")unpacked to $dir"
)

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	set -euo pipefail
	refresh='' status=0
	engines=()
	for word in "$@"; do
		case $word in
		--refresh) refresh=refresh ;;
		-*) kernels_say "usage: kernels.sh [--refresh] [ENGINE...]" && exit 2 ;;
		*) engines+=("$word") ;;
		esac
	done
	((${#engines[@]})) || engines=("${kernels_engines[@]}")
	for engine in "${engines[@]}"; do kernels_fetch "$engine" $refresh || status=$?; done
	exit "$status"
fi
