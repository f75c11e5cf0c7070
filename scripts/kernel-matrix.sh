#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# kernel-matrix.sh [KERNEL…]: boots other kernels in qemu and runs the tests that need root in them.
# KERNEL is a name of the table below, a Debian package (linux-image-…), or VMLINUZ:MODULES, the second
# being its directory in /lib/modules; none: every kernel of the table. T=WORD narrows the tests.
#
# Packages are downloaded (apt-get download) and unpacked in .output/kernel, never installed; no root is
# needed. The guest's root is this machine's, read-only through virtio-9p; all that it writes to is
# .output/kernel/NAME/out, where its logs go. qemu without KVM interprets every instruction: tests marked
# "slow" are left out, waits are longer, and no time that is measured there means anything.
# Ends with "N passed, N failed, N skipped" over all kernels.
set -eu
cd "$(dirname "$0")/.."
tree=$PWD
store=.output/kernel
export BOOT_TIMEOUT="${BOOT_TIMEOUT:-5400}"

# name · package · uprobes that doctor must name there
table() {
	cat <<-END
		6.1  linux-image-amd64       perf uprobe
		6.12 linux-image-6.12-amd64  uprobe_multi
	END
}

say() { printf '  %-8s %s\n' "$1" "$2"; }
die() {
	echo "kernel-matrix: $1" >&2
	exit 69
}

# take_modules FROM TO: the few that the guest loads.
take_modules() {
	mkdir -p "$2"
	(cd "$1" && find . -name 'modules.[bo]*' -o -type f \( -path '*/fs/9p/*' -o -path '*/fs/netfs/*' \
		-o -path '*/fs/fscache/*' -o -path '*/net/9p/*' -o -path '*/drivers/virtio/*' \) |
		cpio --quiet -o -H newc) | (cd "$2" && cpio --quiet -id)
}

# The package that a metapackage stands for.
real_package() {
	case $1 in
	linux-image-[0-9]*.*.*) echo "$1" ;;
	*) apt-cache depends "$1" 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image/ { print $2; exit }' ;;
	esac
}

# fetch PACKAGE DIR: its vmlinuz and modules/RELEASE, unless they are there already.
fetch() {
	package=$(real_package "$1")
	[ -n "$package" ] || die "no package $1 is known here; sudo apt-get update?"
	[ "$(cat "$2/package" 2>/dev/null)" != "$package" ] || return 0
	say FETCH "$package"
	rm -rf "$2"
	mkdir -p "$2/tmp"
	(cd "$2/tmp" && apt-get -q download "$package" >log 2>&1) ||
		die "$package can't be downloaded: $(cat "$2/tmp/log")"
	dpkg-deb -x "$2"/tmp/*.deb "$2/tmp"
	mv "$2"/tmp/boot/vmlinuz-* "$2/vmlinuz"
	for modules in "$2"/tmp/lib/modules/* "$2"/tmp/usr/lib/modules/*; do
		[ ! -d "$modules" ] || take_modules "$modules" "$2/modules/$(basename "$modules")"
	done
	rm -rf "$2/tmp"
	echo "$package" >"$2/package"
}

# The guest's first program; as process 1 it also buries the processes that the tests leave behind.
write_init() {
	cat <<-END
		#!/bin/busybox sh
		export PATH=/bin
		busybox mount -t proc proc /proc
		busybox mount -t sysfs sys /sys
		busybox mount -t devtmpfs dev /dev
		for module in virtio_pci 9pnet_virtio 9p; do busybox modprobe \$module; done
		p9=trans=virtio,version=9p2000.L,msize=262144
		busybox mount -t 9p -o ro,cache=loose,\$p9 host /host
		busybox mount -t 9p -o \$p9 out '/host$tree/$1/out'
		for dir in tmp run var/tmp; do busybox mount -t tmpfs tmpfs /host/\$dir; done
		for dir in proc sys dev; do busybox mount --move /\$dir /host/\$dir; done
		busybox chroot /host '$tree/scripts/kernel-guest.sh' '$1/out' '$2' '${T-}'
		busybox poweroff -f
	END
}

# make_initramfs DIR UPROBES
make_initramfs() {
	root=$1/initramfs
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/lib" "$root/proc" "$root/sys" "$root/dev" "$root/host"
	cp /bin/busybox "$root/bin/"
	cp -r "$1/modules" "$root/lib/"
	busybox depmod -b "$root" "$(ls "$1/modules")"
	write_init "$1" "$2" >"$root/init"
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$1/initramfs.gz"
	rm -rf "$root"
}

# kvm_works DIR: some virtual machines offer a /dev/kvm in which a guest hangs. Without a root file system a kernel
# panics, and that ends qemu.
kvm_works() {
	[ -w /dev/kvm ] && timeout -k 1 20 qemu-system-x86_64 -accel kvm -cpu max -m 512M -nodefaults \
		-no-user-config -display none -no-reboot -kernel "$1/vmlinuz" -append panic=-1 \
		</dev/null >/dev/null 2>&1
}

# boot DIR NAME: runs the guest to its end and shows what its tests said.
boot() {
	rm -rf "$1/out"
	mkdir -p "$1/out"
	accelerator=tcg,thread=multi
	! kvm_works "$1" || accelerator=kvm
	timeout -k 5 "$BOOT_TIMEOUT" qemu-system-x86_64 -accel "$accelerator" -cpu max -smp 2 -m 3G \
		-nodefaults -no-user-config -display none -no-reboot -serial "file:$1/console" \
		-kernel "$1/vmlinuz" -initrd "$1/initramfs.gz" -append "console=ttyS0 panic=-1 quiet" \
		-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
		-virtfs "local,path=$1/out,mount_tag=out,security_model=none" </dev/null || :
	[ ! -e "$1/out/result" ] || sed "s/^/$2: /" "$1/out/result"
	grep -q '^[0-9]* passed, ' "$1/out/result" 2>/dev/null && return
	echo "FAILED   $2: the guest came to no result; $1/console ends with:"
	tail -n 20 "$1/console" | cut -c 1-200
	echo "0 passed, 1 failed, 0 skipped" >"$1/out/result"
}

# run NAME PACKAGE UPROBES
run() {
	case $2 in
	*:*)
		mkdir -p "$store/$1/modules"
		cp "${2%%:*}" "$store/$1/vmlinuz"
		take_modules "${2#*:}" "$store/$1/modules/$(basename "${2#*:}")"
		;;
	*) fetch "$2" "$store/$1" ;;
	esac
	make_initramfs "$store/$1" "$3"
	say BOOT "$1 (a while; progress is in $store/$1/out/log)"
	boot "$store/$1" "$1"
	results="$results $store/$1/out/result"
}

scripts/bootstrap.sh kernel-matrix
results=
if [ $# -eq 0 ]; then
	# shellcheck disable=SC2046 # a list of words
	set -- $(table | awk '{ print $1 }')
fi
for kernel; do
	row=$(table | awk -v name="$kernel" '$1 == name')
	if [ -n "$row" ]; then
		# shellcheck disable=SC2086 # a list of words
		set -- $row
		name=$1 package=$2
		shift 2
		run "$name" "$package" "$*"
	else
		run "$(echo "${kernel##*[!:]/}" | tr -c 'A-Za-z0-9.\n-' _)" "$kernel" ''
	fi
done
# shellcheck disable=SC2086
awk '/^[0-9]+ passed, / { passed += $1; failed += $3; skipped += $5 }
END {
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed > 0 || !passed
}' $results
