#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# bootstrap.sh [build] [test] [browser] [engines] [kernel-matrix]: installs the Debian 12 packages that building, testing and
# "make kernel-matrix" need, and says which. Does nothing, and needs no root, when all are there.
# Services that come with test programs (redis, nginx, clickhouse, prometheus) are neither started now nor at the next boot.
set -eu

build="gcc libc6-dev make pkg-config clang bpftool libbpf-dev libelf-dev libdw-dev zlib1g-dev libzstd-dev
	libxxhash-dev libjansson-dev libyaml-dev libncurses-dev libiberty-dev libzydis-dev libcap-dev
	libseccomp-dev liblzma-dev libmicrohttpd-dev libsqlite3-dev libcurl4-gnutls-dev
	libjs-dygraphs node-mithril"
# checks · sanitizers and fuzzing · tests · allocators and programs that the tests look at
test="g++ git clang-format clang-tidy llvm universal-ctags shellcheck
	libclang-rt-14-dev
	libcmocka-dev bats gdb elfutils xz-utils python3 python3-dev protobuf-compiler procps man-db
	libjemalloc2 libjemalloc-dev libgoogle-perftools4 libtcmalloc-minimal4 libgoogle-perftools-dev
	libmimalloc2.0 libmimalloc-dev musl-tools
	redis-server redis-tools nginx-light apache2-utils openssl
	libcap2-bin systemd util-linux"
# the report's page is tested in it; npm fetches what drives it (tests/web)
browser="chromium nodejs npm"
# what the agent sends to, and what reads it; tests without them are skipped
engines="clickhouse-server prometheus-alertmanager prometheus"
kernel_matrix="qemu-system-x86 cpio busybox-static"
services="redis-server nginx clickhouse-server prometheus-alertmanager prometheus"

wanted=
for group in "${@:-build}"; do
	case $group in
	build) wanted="$wanted $build" ;;
	test) wanted="$wanted $test" ;;
	browser) wanted="$wanted $browser" ;;
	engines) wanted="$wanted $engines" ;;
	kernel-matrix) wanted="$wanted $kernel_matrix" ;;
	*) echo "usage: bootstrap.sh [build] [test] [browser] [engines] [kernel-matrix]" >&2 && exit 64 ;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "bootstrap: this is no Debian; install what these Debian 12 packages hold:" >&2
	echo "$wanted" | xargs | fold -sw 100 >&2
	exit 69
fi
missing=
for package in $wanted; do
	case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
	"install ok installed") continue ;;
	esac
	case $package in # also from elsewhere: node's own packages bring npm along
	nodejs) command -v node >/dev/null || missing="$missing $package" ;;
	npm) command -v npm >/dev/null || missing="$missing $package" ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "bootstrap: packages are missing:$missing" >&2
	echo "bootstrap: run this once with sudo, or: sudo apt-get install --no-install-recommends$missing" >&2
	exit 77
fi

echo "bootstrap: installing$missing"
policy=/usr/sbin/policy-rc.d
made_policy=
undo() { [ -z "$made_policy" ] || rm -f "$policy"; }
trap undo EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ]; then # the maintainer scripts ask it before they start a service
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	made_policy=1
fi
export DEBIAN_FRONTEND=noninteractive
run_apt() { apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"; }
# shellcheck disable=SC2086 # a list of words
if ! run_apt install --no-install-recommends $missing; then
	run_apt update # the lists may be old or absent
	run_apt install --no-install-recommends $missing
fi
for service in $services; do
	case $missing in
	*$service*) ! command -v systemctl >/dev/null || systemctl disable "$service" >/dev/null 2>&1 || : ;;
	esac
done
