#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 3
#
# Allocators other than libc's: truth.bats's comparison, exact and with no event lost, with the allocator
# preloaded, linked, or linked in. Skipped with the reason where a library is not installed. mimalloc, built as
# C, aborts where new fails: --bad-alloc=0. Mappings that an allocator makes must not show as the program's.

load lib/truth

# preloaded SONAME PROGRAM [ARGUMENT ...]: with an allocator of the system's, where that is installed.
preloaded()
{
	/sbin/ldconfig -p | grep -qF "$1 " || skip "$1 is not installed"
	truth --preload "$@"
}

linked()
{
	need "$1" 'its library is not installed'
	truth "$@"
}

@test "jemalloc, preloaded: every allocating function" {
	preloaded libjemalloc.so.2 alloc_functions
}
@test "jemalloc, preloaded: operator new in all forms" {
	preloaded libjemalloc.so.2 cxx_new
}
@test "jemalloc, preloaded: 2,000 exceptions" {
	preloaded libjemalloc.so.2 cxx_exceptions --count=2000
}
@test "jemalloc, preloaded: blocks that change hands" {
	preloaded libjemalloc.so.2 threads
}
@test "jemalloc, preloaded: a full LRU cache and the leaky server" {
	preloaded libjemalloc.so.2 --after=4 cache_lru
	preloaded libjemalloc.so.2 --after=6 leaky_server --truth
}
@test "tcmalloc, preloaded: every allocating function" {
	preloaded libtcmalloc_minimal.so.4 alloc_functions
}
@test "tcmalloc, preloaded: operator new in all forms" {
	preloaded libtcmalloc_minimal.so.4 cxx_new
}
@test "tcmalloc, preloaded: 2,000 exceptions" {
	preloaded libtcmalloc_minimal.so.4 cxx_exceptions --count=2000
}
@test "tcmalloc, preloaded: blocks that change hands" {
	preloaded libtcmalloc_minimal.so.4 threads
}
@test "tcmalloc, preloaded: a full LRU cache and the leaky server" {
	preloaded libtcmalloc_minimal.so.4 --after=4 cache_lru
	preloaded libtcmalloc_minimal.so.4 --after=6 leaky_server --truth
}
@test "mimalloc, preloaded: every allocating function" {
	preloaded libmimalloc.so.2 alloc_functions
}
@test "mimalloc, preloaded: operator new in all forms" {
	preloaded libmimalloc.so.2 cxx_new --bad-alloc=0
}
@test "mimalloc, preloaded: 2,000 exceptions" {
	preloaded libmimalloc.so.2 cxx_exceptions --count=2000
}
@test "mimalloc, preloaded: blocks that change hands" {
	preloaded libmimalloc.so.2 threads
}
@test "mimalloc, preloaded: a full LRU cache and the leaky server" {
	preloaded libmimalloc.so.2 --after=4 cache_lru
	preloaded libmimalloc.so.2 --after=6 leaky_server --truth
}
@test "tcmalloc with its heap profiler's hooks, preloaded" {
	preloaded libtcmalloc.so.4 alloc_functions
	preloaded libtcmalloc.so.4 cxx_new
}
@test "jemalloc, linked" {
	linked jemalloc_shared
}
@test "jemalloc, linked in" {
	linked jemalloc_static
}
@test "jemalloc in a static program" {
	linked jemalloc_alone
}
@test "jemalloc in a static program, stripped" {
	linked jemalloc_stripped
}
@test "jemalloc beside malloc, under Rust's prefix" {
	linked jemalloc_prefixed
}
@test "operator new of the program's own, never by malloc" {
	truth own_new_pool
}
@test "operator new of the program's own, with a header before malloc's block" {
	truth own_new_malloc
}
@test "tcmalloc, linked" {
	linked tcmalloc_shared
}
@test "tcmalloc, linked in" {
	linked tcmalloc_static
}
@test "tcmalloc in a static program" {
	linked tcmalloc_alone
}
@test "tcmalloc in a static program, stripped" {
	linked tcmalloc_stripped
}
@test "mimalloc, linked" {
	linked mimalloc_shared --bad-alloc=0
}
@test "mimalloc by its own names" {
	linked mimalloc_names
}
