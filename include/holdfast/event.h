/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * The wire events: what the kernel side sends through the ring buffer, in the order in which it
 * happened. Little endian, packed to natural alignment, sizes are multiples of 8.
 *
 * Order is the contract that makes address reuse safe: a release is sent before the allocator may
 * hand the address out again, an allocation after it was handed out. A release that may still fail
 * (realloc, munmap, mremap) is sent as tentative at entry and confirmed or undone by the next event
 * of the same thread with the same detail: ALLOC or MAP confirm, UNDO gives the block back.
 *
 * Adding a kind: one line in HF_EVENT_KINDS, its struct below, its handler in the feed.
 */
#ifndef HOLDFAST_EVENT_H
#define HOLDFAST_EVENT_H

#include <holdfast/span.h>
#include <holdfast/types.h>

#define HF_EVENT_KINDS(X)                                                                          \
	X(ALLOC, alloc) /* a block was handed out */                                               \
	X(FREE, free)   /* a block is about to be given back */                                    \
	X(UNDO, undo)   /* a tentative FREE or UNMAP did not happen */                             \
	X(MAP, map)     /* a mapping came to be, moved or grew */                                  \
	X(UNMAP, unmap) /* a range is about to be unmapped */                                      \
	X(BRK, brk)     /* the program break moved */                                              \
	X(FAULT, fault) /* a page of memory was touched for the first time, or again after swap */ \
	X(STACK, stack) /* the frames behind a stack id, sent before its first use */              \
	X(FORK, fork)   /* a process or a thread was made */                                       \
	X(EXEC, exec)                                                                              \
	X(EXIT, exit) /* a thread ended, or with HF_EXIT_GROUP_DEAD the process */                 \
	X(MARK, mark) /* written by the user side: a note in a recording */                        \
	X(LOSS, loss) /* written by the user side: loss counters in a recording */                 \
	X(FILE, file) /* where the file of code lies that was mapped just before */                \
	X(WINDOW,                                                                                  \
	  window) /* written by the user side: a time in which calls were traced is over */        \
	X(ALLOCATOR_CODE,                                                                          \
	  allocator_code)     /* written by the user side: where its allocators' code lies */      \
	X(BIRTH, birth)       /* an object of Python was made, of a type that was asked for */     \
	X(SPAN_KEY, span_key) /* the key behind a span's word, sent before its first use */        \
	X(SPANS, spans)       /* the words of a set of spans, sent before its first use */

enum hf_event_kind {
	HF_EVENT_NONE = 0,
#define X(upper, lower) HF_EVENT_##upper,
	HF_EVENT_KINDS(X)
#undef X
		HF_EVENT_KIND_COUNT
};

struct hf_event {
	__u8 kind;   /* enum hf_event_kind */
	__u8 detail; /* by kind: see below */
	__u16 cpu;
	__u32 size_bytes; /* of the whole event, this header included */
	__u64 time_ns;    /* CLOCK_MONOTONIC */
	__u32 pid;        /* thread group id in the initial pid namespace */
	__u32 tid;
};

/* detail of ALLOC, FREE, UNDO: which function did it; the report's allocator column uses it. */
enum hf_function {
	HF_FN_NONE = 0,
	HF_FN_MALLOC,
	HF_FN_CALLOC,
	HF_FN_REALLOC,
	HF_FN_REALLOCARRAY,
	HF_FN_ALIGNED,
	HF_FN_FREE,
	HF_FN_NEW,
	HF_FN_DELETE,
	HF_FN_MMAP,
	HF_FN_MREMAP,
	HF_FN_MUNMAP,
	HF_FN_BRK,
	HF_FN_CUSTOM = 64, /* 64 + n: the n-th --alloc/--free pair */
};

/* In the detail of ALLOC: seen at a call that is always followed, not because it fell into a window. */
#define HF_ALLOC_FOLLOWED 0x80u

struct hf_event_alloc {
	struct hf_event h; /* detail: enum hf_function, and HF_ALLOC_FOLLOWED */
	__u64 address;
	__u64 size;  /* bytes asked for */
	__u64 stack; /* stack id */
	/* A word more, where it belongs to spans: the hash of their set (holdfast/span.h). */
};

#define HF_FREE_TENTATIVE 1u
#define HF_FREE_FOUND     2u /* by the user side: nobody saw it freed, but it is not there any more */

struct hf_event_free {
	struct hf_event h; /* detail: enum hf_function */
	__u64 address;     /* never 0 */
	__u32 flags;       /* HF_FREE_TENTATIVE */
	__u32 reserved;
};

struct hf_event_undo {
	struct hf_event h; /* detail: enum hf_function of what is undone */
	__u64 address;
};

#define HF_MAP_IN_ALLOCATOR 1u /* made while an allocator call of this thread was under way */
#define HF_MAP_TENTATIVE    2u /* UNMAP only: confirmed by the return, else undone */

struct hf_event_map {
	struct hf_event h; /* detail: HF_FN_MMAP or HF_FN_MREMAP */
	__u64 address;
	__u64 size;   /* as asked for; the kernel rounds up to pages */
	__u64 offset; /* file offset in bytes */
	__u64 stack;
	__u32 prot;       /* PROT_*; 0 for mremap */
	__u32 mmap_flags; /* MAP_*; 0 for mremap */
	__s32 fd;         /* -1: anonymous */
	__u32 flags;      /* HF_MAP_* */
	/* Of the file, for code (PROT_EXEC) only; else 0: which library came, even if it is gone again before
	 * anybody can look; a FILE event follows. device: major << 20 | minor. */
	__u64 inode;
	__u32 device;
	__u32 reserved;
};

/* Followed by the names on the path from the file up to the root of the mount namespace, the file's own first, each with
 * its NUL; zeros fill up to a multiple of 8. A path that is too long is not sent. */
struct hf_event_file {
	struct hf_event h;
	__u64 inode;
	__u32 device;
	__u32 names_bytes; /* NULs included, zeros at the end not; at most HF_MAX_PATH_BYTES */
};

struct hf_event_birth {
	struct hf_event h;
	__u64 address; /* of the object */
	__u64 type;    /* of its type object */
	__u64 stack;   /* from the caller of the function that made it */
};

struct hf_event_span_key {
	struct hf_event h;
	__u64 word;
	struct hf_span_key key;
};

struct hf_event_spans {
	struct hf_event h;
	__u64 set;
	__u64 words[HF_MAX_SPAN_WORDS]; /* 0 past the last */
};

struct hf_event_unmap {
	struct hf_event h; /* detail: HF_FN_MUNMAP or HF_FN_MREMAP */
	__u64 address;
	__u64 size;
	__u32 flags; /* HF_MAP_* */
	__u32 reserved;
};

struct hf_event_brk {
	struct hf_event h; /* detail: HF_FN_BRK */
	__u64 old_break;
	__u64 new_break;
	__u64 stack;
	__u32 flags; /* HF_MAP_IN_ALLOCATOR */
	__u32 reserved;
};

struct hf_event_fault {
	struct hf_event
		h; /* detail: low bits of the page-fault error code (1 present, 2 write, 4 user) */
	__u64 address;
	__u64 stack;
	__u64 major_faults; /* of this thread so far: a rise tells that the fault before it read from disk or swap */
};

/* Why a stack ended. */
#define HF_STACK_ENDS(X)                                     \
	X(COMPLETE, "complete")                              \
	X(TRUNCATED, "truncated at 256 frames")              \
	X(NO_ROW, "no unwind row and no frame pointer")      \
	X(UNSUPPORTED, "unwind rule not supported")          \
	X(FAULT, "stack memory not readable")                \
	X(NOT_RISING, "stack pointer did not rise")          \
	X(JIT, "frame pointers from generated code on")      \
	X(TRAMPOLINE, "return probe's address not resolved") \
	X(NO_PROCESS, "process not yet known")

enum hf_stack_end {
#define X(name, text) HF_STACK_##name,
	HF_STACK_ENDS(X)
#undef X
		HF_STACK_END_COUNT
};

struct hf_event_stack {
	struct hf_event h; /* detail: enum hf_stack_end */
	__u64 stack;       /* id: hash of process, address-space epoch and frames; never 0 */
	__u32 depth; /* number of 64-bit words that follow this struct, at most HF_MAX_STACK_WORDS: frames of Python (holdfast/python.h), then pcs; leaf first: the
			pc inside the probed function, then return addresses */
	__u32 jit_frames; /* how many of them were walked by frame pointer */
};

#define HF_FORK_THREAD 1u

struct hf_event_fork {
	struct hf_event h; /* detail: HF_FORK_THREAD for a thread; pid and tid are the parent's */
	__u32 child_pid;
	__u32 child_tid;
};

struct hf_event_exec {
	struct hf_event h;
};

#define HF_EXIT_GROUP_DEAD 1u

struct hf_event_exit {
	struct hf_event h; /* detail: HF_EXIT_GROUP_DEAD for the last thread */
	__u32 exit_code;   /* as in wait(2) */
	__u32 calls_open;  /* allocator calls that this thread never returned from */
};

/* Of the process in the header: as struct ledger_window (account/ledger). */
struct hf_event_window {
	struct hf_event h;
	__u64 until_ns, known_ns, stands_for_ns, seen_ns, lived_ns;
	__u64 error_ppm; /* of seen_ns and lived_ns: standard deviation */
};

#define HF_ALLOCATOR_CODE_FIRST 1u /* in the detail: what was told before holds no more */

/*
 * A range of code: mappings made from in there are the allocator's own, though HF_MAP_IN_ALLOCATOR does not say so: nobody
 * saw the call. An empty range with HF_ALLOCATOR_CODE_FIRST: all calls are seen again.
 */
struct hf_event_allocator_code {
	struct hf_event h;
	__u64 start, end;
};

struct hf_event_mark {
	struct hf_event h;
	__u64 code;
};

/* Why something was not seen. Counted per CPU in the kernel, summed in struct hf_loss. */
#define HF_LOSS_REASONS(X)                                                                     \
	X(RING_FULL_ALLOC, "ring_full_alloc")                                                  \
	X(RING_FULL_FREE, "ring_full_free")                                                    \
	X(RING_FULL_STACK, "ring_full_stack")                                                  \
	X(RING_FULL_MAP, "ring_full_map")                                                      \
	X(RING_FULL_FAULT, "ring_full_fault")                                                  \
	X(RING_FULL_LIFE, "ring_full_life")                                                    \
	X(STORAGE,                                                                             \
	  "no_task_storage") /* a thread without scratch memory: its event was not recorded */ \
	X(NESTED_TOO_DEEP, "calls_nested_too_deep")                                            \
	X(RETURN_MISSED,                                                                       \
	  "return_missed") /* longjmp out of a call, thread exit inside one, late attach */    \
	X(ENTRY_MISSED, "entry_missed") /* a return without its entry: calls under way at attach */

enum hf_loss_reason {
#define X(name, text) HF_LOSS_##name,
	HF_LOSS_REASONS(X)
#undef X
		HF_LOSS_REASON_COUNT
};

struct hf_loss {
	__u64 count[HF_LOSS_REASON_COUNT];
};

struct hf_event_loss {
	struct hf_event h;
	struct hf_loss loss; /* totals since the capture began */
};

HF_STATIC_ASSERT(sizeof(struct hf_event) == 24, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_alloc) == 48, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_free) == 40, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_map) == 88, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_file) == 40, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_unmap) == 48, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_brk) == 56, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_fault) == 48, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_stack) == 40, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_span_key) == 168, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_spans) == 32 + 8 * HF_MAX_SPAN_WORDS, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_window) == 72, "wire layout");
HF_STATIC_ASSERT(sizeof(struct hf_event_allocator_code) == 40, "wire layout");

#endif
