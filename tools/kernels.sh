#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fetches the kernels that tools/testkernel starts. They are downloaded and unpacked into a cache, never
# installed: a developer's machine gets no new boot kernel. One cache serves every clone of the repository.
#
#     tools/kernels.sh [--refresh] [uml] [qemu]      (default: both)
#
# What is there is left alone and needs no network; --refresh fetches it anew. Sourced, it only defines:
#
#     kernels_dir uml|qemu      prints the folder of an engine's kernel
#     kernels_have uml|qemu     says by its status whether the kernel is there
#     kernels_fetch uml|qemu    fetches it unless it is there
#
# An engine's folder holds: kernel, lib/modules/VERSION, packages (what it was made of), for qemu also initrd, for uml also
# xstate.so (see uml-xstate.c).

# Part of the folders' names: raise it when their content changes, so that old and new clones can share a cache.
kernels_recipe=2

# The modules that mount the root file system, in the order in which they need each other.
kernels_initrd_modules=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
	netfs fscache 9pnet 9pnet_virtio 9p overlay)

kernels_here=$(realpath "${BASH_SOURCE[0]%/*}")

kernels_cache() { printf '%s\n' "${PROVIUM_CACHE:-/var/cache/provium}"; }

kernels_dir() { printf '%s/%s.%s\n' "$(kernels_cache)" "$1" "$kernels_recipe"; }

kernels_have() { [[ -e $(kernels_dir "$1")/packages ]]; }

kernels_say() { printf 'kernels: %s\n' "$*" >&2; }

# Downloads packages into the folder $1. Stale or absent package lists are the usual reason for failure.
kernels_download() {
	local into=$1
	shift
	(cd "$into" && apt-get -qq -o APT::Sandbox::User=root download "$@")
}

# The package behind the metapackage linux-image-amd64.
kernels_image_package() {
	local name
	name=$(apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n '/-unsigned/d; s/^ *|\{0,1\}Depends: \(linux-image-[0-9].*\)$/\1/p;' | head -n 1)
	[[ $name ]] || return 1
	printf '%s\n' "$name"
}

# Downloads what engine $1 is made of into $2/debs and unpacks it to $2/unpacked.
kernels_unpack() {
	local engine=$1 work=$2 image packages deb
	case $engine in
	uml) packages=(user-mode-linux) ;;
	qemu)
		image=$(kernels_image_package) || return 1
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

kernels_lay_out_qemu() {
	local from=$1 to=$2 version
	version=$(basename "$from"/lib/modules/*)
	mkdir -p "$to/lib" &&
		mv "$from"/boot/vmlinuz-* "$to/kernel" &&
		mv "$from/lib/modules" "$to/lib/modules" &&
		depmod -b "$to" "$version" &&
		kernels_make_initrd "$from/bin/busybox" "$to/lib/modules/$version" "$to/initrd"
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

kernels_make_initrd() {
	local busybox=$1 modules=$2 initrd=$3 tree module path
	tree=$(mktemp -d "$(dirname "$initrd")/initrd.XXXXXX") || return 1
	mkdir -p "$tree"/{bin,modules,proc,lower,stage,root}
	cp "$busybox" "$tree/bin/busybox" || return 1
	for module in "${kernels_initrd_modules[@]}"; do
		path=$(find "$modules" -name "$module.ko")
		[[ $path ]] || { kernels_say "qemu: no module $module in $modules" && return 1; }
		cp "$path" "$tree/modules/" || return 1
		printf '%s\n' "$module" >>"$tree/modules/order"
	done
	kernels_print_initrd_init >"$tree/init"
	chmod +x "$tree/init"
	(cd "$tree" && find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$initrd" || return 1
	rm -r "$tree"
}

# Under the cache's lock, in folder $2 which the caller removes: everything but the last rename.
kernels_build() {
	local engine=$1 work=$2
	if ! kernels_unpack "$engine" "$work"; then
		kernels_say "$engine: try again with fresh package lists (apt-get update)"
		apt-get -qq -o DPkg::Lock::Timeout=300 update
		kernels_unpack "$engine" "$work" || return 1
	fi
	mkdir "$work/done"
	"kernels_lay_out_$engine" "$work/unpacked" "$work/done" || return 1
	(cd "$work/debs" && printf '%s\n' *.deb) >"$work/done/packages"
}

kernels_fetch() (
	engine=$1 dir=$(kernels_dir "$1")
	case $engine in uml | qemu) ;; *) kernels_say "no engine '$engine'" && exit 2 ;; esac
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
	refresh=
	engines=()
	for word in "$@"; do
		case $word in
		--refresh) refresh=refresh ;;
		uml | qemu) engines+=("$word") ;;
		*) kernels_say "usage: kernels.sh [--refresh] [uml] [qemu]" && exit 2 ;;
		esac
	done
	((${#engines[@]})) || engines=(uml qemu)
	for engine in "${engines[@]}"; do kernels_fetch "$engine" $refresh; done
fi
