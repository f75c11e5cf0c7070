#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Allocators other than libc's: truth.bats's comparison, exact and with no event lost, with the allocator
# preloaded, linked, or linked in. Skipped with the reason where a library is not installed. mimalloc, built as
# C, aborts where new fails: --bad-alloc=0. Mappings that an allocator makes must not show as the program's.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
}

truth()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/drive.py" --holdfast "$ROOT/holdfast" \
		--targets "$OUT/targets" "$@"
}

need()
{
	[ -x "$OUT/targets/$1" ] || skip "$1 is not built (its library is not installed)"
}

# library SONAME: is it installed?
library()
{
	/sbin/ldconfig -p | grep -qF "$1 " || skip "$1 is not installed"
}

@test "jemalloc, preloaded: every allocating function" {
	library libjemalloc.so.2
	truth --preload libjemalloc.so.2 alloc_functions
}
@test "jemalloc, preloaded: operator new in all forms" {
	library libjemalloc.so.2
	truth --preload libjemalloc.so.2 cxx_new
}
@test "jemalloc, preloaded: 2,000 exceptions" {
	library libjemalloc.so.2
	truth --preload libjemalloc.so.2 cxx_exceptions --count=2000
}
@test "jemalloc, preloaded: blocks that change hands" {
	library libjemalloc.so.2
	truth --preload libjemalloc.so.2 threads
}
@test "jemalloc, preloaded: a full LRU cache and the leaky server" {
	library libjemalloc.so.2
	truth --preload libjemalloc.so.2 --after=4 cache_lru
	truth --preload libjemalloc.so.2 --after=6 leaky_server --truth
}
@test "tcmalloc, preloaded: every allocating function" {
	library libtcmalloc_minimal.so.4
	truth --preload libtcmalloc_minimal.so.4 alloc_functions
}
@test "tcmalloc, preloaded: operator new in all forms" {
	library libtcmalloc_minimal.so.4
	truth --preload libtcmalloc_minimal.so.4 cxx_new
}
@test "tcmalloc, preloaded: 2,000 exceptions" {
	library libtcmalloc_minimal.so.4
	truth --preload libtcmalloc_minimal.so.4 cxx_exceptions --count=2000
}
@test "tcmalloc, preloaded: blocks that change hands" {
	library libtcmalloc_minimal.so.4
	truth --preload libtcmalloc_minimal.so.4 threads
}
@test "tcmalloc, preloaded: a full LRU cache and the leaky server" {
	library libtcmalloc_minimal.so.4
	truth --preload libtcmalloc_minimal.so.4 --after=4 cache_lru
	truth --preload libtcmalloc_minimal.so.4 --after=6 leaky_server --truth
}
@test "mimalloc, preloaded: every allocating function" {
	library libmimalloc.so.2
	truth --preload libmimalloc.so.2 alloc_functions
}
@test "mimalloc, preloaded: operator new in all forms" {
	library libmimalloc.so.2
	truth --preload libmimalloc.so.2 cxx_new --bad-alloc=0
}
@test "mimalloc, preloaded: 2,000 exceptions" {
	library libmimalloc.so.2
	truth --preload libmimalloc.so.2 cxx_exceptions --count=2000
}
@test "mimalloc, preloaded: blocks that change hands" {
	library libmimalloc.so.2
	truth --preload libmimalloc.so.2 threads
}
@test "mimalloc, preloaded: a full LRU cache and the leaky server" {
	library libmimalloc.so.2
	truth --preload libmimalloc.so.2 --after=4 cache_lru
	truth --preload libmimalloc.so.2 --after=6 leaky_server --truth
}
@test "tcmalloc with its heap profiler's hooks, preloaded" {
	library libtcmalloc.so.4
	truth --preload libtcmalloc.so.4 alloc_functions
	truth --preload libtcmalloc.so.4 cxx_new
}
@test "jemalloc, linked" {
	need jemalloc_shared
	truth jemalloc_shared
}
@test "jemalloc, linked in" {
	need jemalloc_static
	truth jemalloc_static
}
@test "jemalloc in a static program" {
	need jemalloc_alone
	truth jemalloc_alone
}
@test "tcmalloc, linked in" {
	need tcmalloc_static
	truth tcmalloc_static
}
@test "mimalloc, linked" {
	need mimalloc_shared
	truth mimalloc_shared --bad-alloc=0
}
@test "mimalloc by its own names" {
	need mimalloc_names
	truth mimalloc_names
}
