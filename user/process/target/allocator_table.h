/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of allocators and the allocators themselves: one line each.
 *
 * Not listed on purpose: glibc's reallocarray, which tail-calls realloc and is counted there (two return
 * probes on one frame could not be told apart); C++ operators that other libraries define on top of malloc.
 */
#ifndef HOLDFAST_ALLOCATOR_TABLE_H
#define HOLDFAST_ALLOCATOR_TABLE_H

#include <holdfast/event.h>
#include <holdfast/space.h>

#define ARG_0    0
#define ARG_1    1
#define ARG_2    2
#define ARG_3    3
#define ARG_NONE HF_ARG_NONE

/* X(role in process/code/family.h, name, function class, op, size, count, pointer, result): of a program without names.
 * pvalloc and its like may stand under NEW, whose second argument they do not have. */
#define ALLOCATOR_UNNAMED_FUNCTIONS(X)                                                    \
	X(MALLOC, "malloc", MALLOC, ALLOC, ARG_0, ARG_NONE, ARG_NONE, ARG_NONE)           \
	X(CALLOC, "calloc", CALLOC, ALLOC, ARG_1, ARG_0, ARG_NONE, ARG_NONE)              \
	X(REALLOC, "realloc", REALLOC, REALLOC, ARG_1, ARG_NONE, ARG_0, ARG_NONE)         \
	X(ALIGNED, "aligned_alloc", ALIGNED, ALLOC, ARG_1, ARG_NONE, ARG_NONE, ARG_NONE)  \
	X(ALIGNED_TO, "posix_memalign", ALIGNED, ALLOC, ARG_2, ARG_NONE, ARG_NONE, ARG_0) \
	X(NEW, "operator new", NEW, ALLOC, ARG_0, ARG_NONE, ARG_NONE, ARG_NONE)           \
	X(FREE, "free", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, ARG_NONE)                  \
	X(FREE_SIZED, "operator delete", DELETE, FREE, ARG_NONE, ARG_NONE, ARG_0, ARG_NONE)

/* X(symbol, function class, op, size, count, pointer, result) */
#define ALLOCATOR_C_FUNCTIONS(X)                                                 \
	X("malloc", MALLOC, ALLOC, ARG_0, ARG_NONE, ARG_NONE, ARG_NONE)          \
	X("calloc", CALLOC, ALLOC, ARG_1, ARG_0, ARG_NONE, ARG_NONE)             \
	X("realloc", REALLOC, REALLOC, ARG_1, ARG_NONE, ARG_0, ARG_NONE)         \
	X("reallocarray", REALLOCARRAY, REALLOC, ARG_2, ARG_1, ARG_0, ARG_NONE)  \
	X("reallocf", REALLOC, REALLOC, ARG_1, ARG_NONE, ARG_0, ARG_NONE)        \
	X("posix_memalign", ALIGNED, ALLOC, ARG_2, ARG_NONE, ARG_NONE, ARG_0)    \
	X("aligned_alloc", ALIGNED, ALLOC, ARG_1, ARG_NONE, ARG_NONE, ARG_NONE)  \
	X("memalign", ALIGNED, ALLOC, ARG_1, ARG_NONE, ARG_NONE, ARG_NONE)       \
	X("valloc", ALIGNED, ALLOC, ARG_0, ARG_NONE, ARG_NONE, ARG_NONE)         \
	X("pvalloc", ALIGNED, ALLOC, ARG_0, ARG_NONE, ARG_NONE, ARG_NONE)        \
	X("mallocx", MALLOC, ALLOC, ARG_0, ARG_NONE, ARG_NONE, ARG_NONE)         \
	X("rallocx", REALLOC, REALLOC, ARG_1, ARG_NONE, ARG_0, ARG_NONE)         \
	X("free", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, ARG_NONE)               \
	X("cfree", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, ARG_NONE)              \
	X("free_sized", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, ARG_NONE)         \
	X("free_aligned_sized", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, ARG_NONE) \
	X("dallocx", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, ARG_NONE)            \
	X("sdallocx", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, ARG_NONE)

/* X(symbol, function class, op, size, pointer, may throw): Itanium C++ ABI names. */
#define ALLOCATOR_CXX_FUNCTIONS(X)                                                     \
	X("_Znwm", NEW, ALLOC, ARG_0, ARG_NONE, true)                                  \
	X("_Znam", NEW, ALLOC, ARG_0, ARG_NONE, true)                                  \
	X("_ZnwmSt11align_val_t", NEW, ALLOC, ARG_0, ARG_NONE, true)                   \
	X("_ZnamSt11align_val_t", NEW, ALLOC, ARG_0, ARG_NONE, true)                   \
	X("_ZnwmRKSt9nothrow_t", NEW, ALLOC, ARG_0, ARG_NONE, false)                   \
	X("_ZnamRKSt9nothrow_t", NEW, ALLOC, ARG_0, ARG_NONE, false)                   \
	X("_ZnwmSt11align_val_tRKSt9nothrow_t", NEW, ALLOC, ARG_0, ARG_NONE, false)    \
	X("_ZnamSt11align_val_tRKSt9nothrow_t", NEW, ALLOC, ARG_0, ARG_NONE, false)    \
	X("_ZdlPv", DELETE, FREE, ARG_NONE, ARG_0, false)                              \
	X("_ZdaPv", DELETE, FREE, ARG_NONE, ARG_0, false)                              \
	X("_ZdlPvm", DELETE, FREE, ARG_NONE, ARG_0, false)                             \
	X("_ZdaPvm", DELETE, FREE, ARG_NONE, ARG_0, false)                             \
	X("_ZdlPvSt11align_val_t", DELETE, FREE, ARG_NONE, ARG_0, false)               \
	X("_ZdaPvSt11align_val_t", DELETE, FREE, ARG_NONE, ARG_0, false)               \
	X("_ZdlPvmSt11align_val_t", DELETE, FREE, ARG_NONE, ARG_0, false)              \
	X("_ZdaPvmSt11align_val_t", DELETE, FREE, ARG_NONE, ARG_0, false)              \
	X("_ZdlPvRKSt9nothrow_t", DELETE, FREE, ARG_NONE, ARG_0, false)                \
	X("_ZdaPvRKSt9nothrow_t", DELETE, FREE, ARG_NONE, ARG_0, false)                \
	X("_ZdlPvSt11align_val_tRKSt9nothrow_t", DELETE, FREE, ARG_NONE, ARG_0, false) \
	X("_ZdaPvSt11align_val_tRKSt9nothrow_t", DELETE, FREE, ARG_NONE, ARG_0, false)

/*
 * X(symbol, function class, op, size, count, pointer, may throw): what mimalloc offers beyond libc's names and mi_
 * before them. Not listed: what calls one of these (mi_new_realloc); mi_strdup and its kin, whose size no argument
 * tells; mi_heap_destroy, which frees blocks without naming them.
 */
#define ALLOCATOR_MIMALLOC_FUNCTIONS(X)                                                  \
	X("mi_malloc_small", MALLOC, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)            \
	X("mi_mallocn", MALLOC, ALLOC, ARG_1, ARG_0, ARG_NONE, false)                    \
	X("mi_zalloc", CALLOC, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)                  \
	X("mi_zalloc_small", CALLOC, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)            \
	X("mi_reallocn", REALLOC, REALLOC, ARG_2, ARG_1, ARG_0, false)                   \
	X("mi_rezalloc", REALLOC, REALLOC, ARG_1, ARG_NONE, ARG_0, false)                \
	X("mi_recalloc", REALLOC, REALLOC, ARG_2, ARG_1, ARG_0, false)                   \
	X("mi_malloc_aligned", ALIGNED, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)         \
	X("mi_malloc_aligned_at", ALIGNED, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)      \
	X("mi_zalloc_aligned", ALIGNED, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)         \
	X("mi_zalloc_aligned_at", ALIGNED, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)      \
	X("mi_calloc_aligned", ALIGNED, ALLOC, ARG_1, ARG_0, ARG_NONE, false)            \
	X("mi_calloc_aligned_at", ALIGNED, ALLOC, ARG_1, ARG_0, ARG_NONE, false)         \
	X("mi_realloc_aligned", REALLOC, REALLOC, ARG_1, ARG_NONE, ARG_0, false)         \
	X("mi_realloc_aligned_at", REALLOC, REALLOC, ARG_1, ARG_NONE, ARG_0, false)      \
	X("mi_rezalloc_aligned", REALLOC, REALLOC, ARG_1, ARG_NONE, ARG_0, false)        \
	X("mi_recalloc_aligned", REALLOC, REALLOC, ARG_2, ARG_1, ARG_0, false)           \
	X("mi_heap_malloc", MALLOC, ALLOC, ARG_1, ARG_NONE, ARG_NONE, false)             \
	X("mi_heap_malloc_small", MALLOC, ALLOC, ARG_1, ARG_NONE, ARG_NONE, false)       \
	X("mi_heap_mallocn", MALLOC, ALLOC, ARG_2, ARG_1, ARG_NONE, false)               \
	X("mi_heap_zalloc", CALLOC, ALLOC, ARG_1, ARG_NONE, ARG_NONE, false)             \
	X("mi_heap_calloc", CALLOC, ALLOC, ARG_2, ARG_1, ARG_NONE, false)                \
	X("mi_heap_malloc_aligned", ALIGNED, ALLOC, ARG_1, ARG_NONE, ARG_NONE, false)    \
	X("mi_heap_malloc_aligned_at", ALIGNED, ALLOC, ARG_1, ARG_NONE, ARG_NONE, false) \
	X("mi_heap_zalloc_aligned", ALIGNED, ALLOC, ARG_1, ARG_NONE, ARG_NONE, false)    \
	X("mi_heap_calloc_aligned", ALIGNED, ALLOC, ARG_2, ARG_1, ARG_NONE, false)       \
	X("mi_heap_realloc", REALLOC, REALLOC, ARG_2, ARG_NONE, ARG_1, false)            \
	X("mi_heap_reallocn", REALLOC, REALLOC, ARG_3, ARG_2, ARG_1, false)              \
	X("mi_heap_rezalloc", REALLOC, REALLOC, ARG_2, ARG_NONE, ARG_1, false)           \
	X("mi_heap_recalloc", REALLOC, REALLOC, ARG_3, ARG_2, ARG_1, false)              \
	X("mi_heap_realloc_aligned", REALLOC, REALLOC, ARG_2, ARG_NONE, ARG_1, false)    \
	X("mi_new", NEW, ALLOC, ARG_0, ARG_NONE, ARG_NONE, true)                         \
	X("mi_new_n", NEW, ALLOC, ARG_1, ARG_0, ARG_NONE, true)                          \
	X("mi_new_aligned", NEW, ALLOC, ARG_0, ARG_NONE, ARG_NONE, true)                 \
	X("mi_heap_alloc_new", NEW, ALLOC, ARG_1, ARG_NONE, ARG_NONE, true)              \
	X("mi_heap_alloc_new_n", NEW, ALLOC, ARG_2, ARG_1, ARG_NONE, true)               \
	X("mi_new_nothrow", NEW, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)                \
	X("mi_new_aligned_nothrow", NEW, ALLOC, ARG_0, ARG_NONE, ARG_NONE, false)        \
	X("mi_free_size", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, false)                  \
	X("mi_free_size_aligned", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, false)          \
	X("mi_free_aligned", FREE, FREE, ARG_NONE, ARG_NONE, ARG_0, false)

/* X(name, a symbol that only this allocator has): the first that the module has names it. */
#define ALLOCATOR_NAMES(X)                                 \
	X("jemalloc", "mallctl")                           \
	X("jemalloc", "_rjem_mallctl")                     \
	X("jemalloc", "je_mallctl")                        \
	X("tcmalloc", "tc_malloc")                         \
	X("tcmalloc", "MallocExtension_ReleaseFreeMemory") \
	X("mimalloc", "mi_malloc")                         \
	X("glibc malloc", "__libc_memalign")               \
	X("glibc malloc", "ptmalloc_init")                 \
	X("musl malloc", "__libc_malloc_impl")             \
	X("musl malloc", "__malloc_donate")                \
	X("musl malloc", "__malloc_allzerop")

/* X(name, a text that this allocator brings into a program), where there are no symbols. A libc's comes last: another
 * allocator may stand in for its malloc. */
#define ALLOCATOR_TEXTS(X)                                \
	X("jemalloc", "<jemalloc>: ")                     \
	X("mimalloc", "mimalloc: ")                       \
	X("tcmalloc", "TCMALLOC_RELEASE_RATE")            \
	X("glibc malloc", "malloc(): corrupted top size") \
	X("musl malloc", "No error information")

/* Prefixes under which an allocator may live beside the process's malloc. */
#define ALLOCATOR_PREFIXES(X) X("je_") X("_rjem_") X("mi_") X("tc_")

#endif
