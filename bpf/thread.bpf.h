/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Per-thread state of the kernel side, in task storage: a per-CPU buffer would not be safe, since uprobe
 * programs can be preempted by another thread's.
 */
#ifndef HOLDFAST_THREAD_BPF_H
#define HOLDFAST_THREAD_BPF_H

#include "maps.bpf.h"

static __always_inline int hf_read_user(void *dst, u32 size, u64 address)
{
	return bpf_probe_read_user(dst, size, (const void *)address) != 0;
}

struct hf_unwind;

static __always_inline int hf_unwind_fetch(const struct hf_unwind *u, void *dst, u32 size,
					   u64 address)
{
	(void)u;
	return hf_read_user(dst, size, address);
}

static __always_inline int hf_python_fetch(void *dst, u32 size, u64 address)
{
	return hf_read_user(dst, size, address);
}

#define HF_INLINE __always_inline
#include "core/python.h"
#include "core/span.h"
#include "core/unwind.h"

#define HF_STACK_SLOTS 512 /* for HF_MAX_STACK_WORDS, a power of two: indexes are masked */
HF_STATIC_ASSERT(HF_MAX_STACK_WORDS <= HF_STACK_SLOTS, "room for each word");

/* A block handed out inside another call and not sent yet: the outer call may be about to hand out the
 * same block. */
struct hf_inner {
	u64 address, size, stack;
	u64 spans; /* their set's hash; 0: none */
};

/* An allocator call under way. It is known by its stack pointer, which also shows when it is gone. */
struct hf_call {
	u64 sp; /* at entry; the return probe sees sp + 8 */
	struct hf_probe_cookie cookie;
	u64 size, stack, spans;
	u64 released;       /* realloc: the block that was given back tentatively */
	u64 result_address; /* posix_memalign: where the pointer is stored */
	struct hf_inner inner;
	u64 return_pc; /* as it lay on the stack at entry */
	u8 inner_function;
	u8 tails; /* as many more returns will come from here: of functions that it went on to by a jump */
	u8 latest_id;  /* of the newest of these functions */
	bool hijacked; /* one of them has a return probe, so return_pc lies on the stack no more */
	bool ret_insn; /* one of them is seen at its ret instruction */
	bool muted;    /* followed at its site, which tells of it */
};

/* The newest free that may call another probed one for the same block. */
#define HF_RELEASE_AT_SITE 255 /* in place of a function's id: seen at its call */

struct hf_release {
	u64 sp, return_pc, address;
	u8 id;
	bool is_delete; /* what it frees may begin a little before: a header of its own */
};

/* A mapping system call under way. */
struct hf_syscall {
	u64 number; /* 0: none */
	u64 args[6];
	u64 stack;
};

/* On the way from a file up to the root. */
struct hf_climb {
	struct dentry *dentry;
	struct mount *mount;
	u32 bytes; /* of names so far */
	u32 at_root;
};

/* A call at a site that is always followed, under way. */
struct hf_site_call {
	u64 sp; /* at the call instruction, and behind it */
	u64 size, released, result_address;
	u32 site;
	u32 reserved;
};

/* A native span that is open until the frame of its function is gone: its return address lies at sp. */
struct hf_open_span {
	u64 sp, return_pc, start, word;
	u32 place;
	u32 reserved;
};

/* A frame of Python, by its address, and its code. */
struct hf_span_frame {
	u64 frame, mark;
};

/* One that ends when another function is entered. */
struct hf_held_span {
	u64 word;
};

/* In here and not on the stack: verifiers before 6.8 look at a loop's body once, by what it begins with. */
struct hf_python_search {
	u64 self, interpreter, thread, found;
};

struct hf_thread {
	u32 call_count;
	u32 window; /* in which they began; those of an earlier one have long returned */
	u32 site_call_count;
	u32 reserved;
	struct hf_site_call site_calls[HF_MAX_SITE_CALLS];
	struct hf_call calls[HF_MAX_CALLS];
	struct hf_release release;
	struct hf_syscall syscall;
	struct hf_unwind unwind;
	struct hf_python_walk python;
	struct hf_python_search python_search;
	u64 python_thread; /* its PyThreadState, by the newest look; 0: it had none */
	u64 python_looked_ns, python_pause_ns;
	struct hf_climb climb;
	/* Spans: those open, outermost first; how many of them the walk has not come to yet; those found by it. */
	u32 open_span_count, held_span_count, span_walk, span_count;
	u32 spans_lost, span_reserved;
	u64 span_rules_found; /* one bit each */
	u64 span_set;         /* of the newest walk */
	struct hf_open_span open_spans[HF_MAX_OPEN_SPANS];
	u32 span_frame_count,
		span_style; /* frames of Python that are spans; enum hf_python_style */
	struct hf_span_frame span_frames[HF_MAX_SPAN_FRAMES];
	struct hf_held_span held_spans[HF_MAX_HELD_SPANS];
	u64 span_words[HF_MAX_SPAN_WORDS];
	struct hf_event_span_key span_key;
	/* An event as it is sent. */
	union {
		struct {
			struct hf_event_stack record;
			u64 record_pcs[HF_STACK_SLOTS];
		};
		struct {
			struct hf_event_file file;
			char file_names[HF_MAX_PATH_BYTES];
		};
	};
};

/* The thread's state, made at first use; NULL (counted as a loss) if that fails. */
__hidden struct hf_thread *thread_get(void);
/* The thread's state if there is one. */
__hidden struct hf_thread *thread_find(void);

/* What we know of the current process, or NULL: not traced. */
__hidden struct hf_process *process_current(void);

/* The process's code mappings, or NULL: not known (any more). */
static __always_inline struct hf_space *space_find(const struct hf_process *process)
{
	u64 id = *(volatile u64 *)&process->space;
	u32 slot = id, zero = 0;
	void *table = bpf_map_lookup_elem(&spaces, &slot);
	struct hf_space *space = table ? bpf_map_lookup_elem(table, &zero) : NULL;

	return space && id && *(volatile u64 *)&space->id == id ? space : NULL;
}

/* What was read there holds: it was not rewritten meanwhile. */
static __always_inline bool space_still(const struct hf_space *space,
					const struct hf_process *process)
{
	return *(volatile u64 *)&space->id == *(volatile u64 *)&process->space;
}

/* 1: the ranges overlap. Addresses of programs have no top bit, so signs of differences tell, and no branch
 * doubles the paths that the verifier has to walk. */
static __always_inline u64 ranges_overlap(u64 start, u64 end, u64 address, u64 size)
{
	return ((start - (address + size)) & (address - end)) >> 63;
}

/* Was code mapped there that is not published yet? */
static __always_inline bool code_is_unpublished(const struct hf_process *process, u64 pc)
{
	u64 waiting = process->fresh_count - process->published_count;
	u64 found = waiting > HF_FRESH_CODE, age;

#pragma unroll
	for (u32 i = 0; i < HF_FRESH_CODE; i++) {
		age = (process->fresh_count - 1 - i) & (HF_FRESH_CODE - 1);
		found |= ranges_overlap(process->fresh[i].start, process->fresh[i].end, pc, 1) &
			 (age - waiting) >> 63;
	}
	return found;
}

/* Cached rules of before are void; with @stacks the ids of stacks, too. */
static __always_inline void space_changed(struct hf_process *process, bool stacks)
{
	__sync_fetch_and_add(&process->cache_salt, (u64)bpf_get_prandom_u32() << 16 | 1);
	if (stacks)
		__sync_fetch_and_add(&process->stack_salt, (u64)bpf_get_prandom_u32() << 16 | 1);
}

__hidden void count_loss(u32 reason);

/* Fills in the header. */
__hidden void event_begin(struct hf_event *event, u32 kind_detail, u32 size);
/* In a program of a uprobe_multi session (6.13): is this the return? */
__hidden bool session_is_return(void);

/* BPF_RB_NO_WAKEUP or BPF_RB_FORCE_WAKEUP: the reader is woken once wake_bytes wait, not for each event. */
__hidden u64 wake_flags(void);

/* Where a walk begins. */
struct hf_walk_start {
	u64 pc, sp, bp;
	bool is_return; /* pc is a return address */
	u8 inner_count; /* frames below it, known beforehand: innermost first */
	const u64 *inner;
};

/* Walks the stack from there, sends the frames if they were not sent yet, answers the stack's id (never
 * 0). */
__hidden u64 stack_take(struct hf_thread *thread, struct hf_process *process,
			const struct hf_walk_start *start);

/* Python's frames of this thread, the first words of its record, into the walk's hash. How many words. */
__hidden u32 python_take(struct hf_thread *thread);

/*
 * span.bpf.c, only with rules: around a walk. The set that was found is in the thread's span_set. These are global: each is
 * verified once, not for each way that leads to it. They return 0.
 */
/* The frames of Python that were noted. */
int spans_python(struct hf_thread *thread);
/* The walk comes to a frame whose caller's stack pointer and return address are those; @pc: in the frame's own code. */
int spans_pass(struct hf_thread *thread, u64 pc, u64 caller_sp, u64 return_pc);
int spans_end(struct hf_thread *thread);

/* The user's stack as the kernel's entry code saved its registers. */
__hidden u64 stack_of_user(struct hf_thread *thread, struct hf_process *process,
			   struct pt_regs *regs);

/* The current process's file, or NULL. */
__hidden struct file *file_of(u32 fd);
/* Sends where it lies. */
__hidden int file_send(u32 fd);

#endif
