/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * One step along the frames of a CPython thread, newest first. Pure: the same code runs in the kernel, in the host tests
 * and under the fuzzer. The includer defines, before including:
 *
 *   static inline int hf_python_fetch(void *dst, __u32 size, __u64 address);
 *                       reads the target's memory: 0, or non-zero if unreadable
 *   #define HF_INLINE   how to inline (the kernel side: __always_inline)
 *
 * Nothing that is read is trusted: the walk ends after HF_MAX_PYTHON_FRAMES frames, and HF_MAX_PYTHON_RUNS without any.
 *
 * Sources: Include/internal/pycore_frame.h and Python/ceval.c of CPython 3.11 to 3.13.
 */
#ifndef HOLDFAST_BPF_CORE_PYTHON_H
#define HOLDFAST_BPF_CORE_PYTHON_H

#include <holdfast/limits.h>
#include <holdfast/python.h>

#define HF_PYTHON_BUFFER_BYTES 128u /* a power of two: indexes are masked */

struct hf_python_walk {
	__u64 frame, cframe; /* the next; 0: none */
	__u32 count;         /* frames so far */
	__u32 run_start;     /* of the run at hand: its first frame */
	__u32 run_count;
	__u32 run_at;    /* of the native walk: the run whose loop comes next */
	__u32 steps;     /* beside frames */
	__u32 truncated; /* frames or runs were too many, or could not be read */
	/* Of each run an address in its loop's native frame. */
	__u64 runs[HF_MAX_PYTHON_RUNS];
	__u64 buffer[HF_PYTHON_BUFFER_BYTES / 8];
	__u64 code[HF_PYTHON_BUFFER_BYTES / 8];
};

static HF_INLINE __u64 hf_python_field(const struct hf_python_walk *w, __u32 offset)
{
	return w->buffer[(offset >> 3) & (HF_PYTHON_BUFFER_BYTES / 8 - 1)];
}

/* Of the code object. */
static HF_INLINE __u64 hf_python_part(const struct hf_python_walk *w, __u32 offset)
{
	return w->code[(offset >> 3) & (HF_PYTHON_BUFFER_BYTES / 8 - 1)];
}

static HF_INLINE __u8 hf_python_byte(const struct hf_python_walk *w, __u32 offset)
{
	return hf_python_field(w, offset) >> ((offset & 7) * 8);
}

static HF_INLINE int hf_python_begin(struct hf_python_walk *w, const struct hf_python *py,
				     __u64 thread)
{
	__u64 newest = 0;

	w->frame = w->cframe = 0;
	w->count = w->run_start = w->run_count = w->run_at = w->steps = w->truncated = 0;
	if (hf_python_fetch(&newest, sizeof(newest), thread + py->thread_frame) || !newest)
		return 1;
	if (!py->has_cframe) {
		w->frame = newest;
		return 0;
	}
	w->cframe = newest;
	return hf_python_fetch(&w->frame, sizeof(w->frame), newest + py->cframe_frame);
}

/* Which code object it is; 0: it can't be read. */
static HF_INLINE __u64 hf_python_code_mark(struct hf_python_walk *w, const struct hf_python *py)
{
	__u64 code = hf_python_field(w, py->frame_code) & ~7ull;
	struct hf_python_parts parts;

	if (hf_python_fetch(w->code, HF_PYTHON_CODE_BYTES, code + HF_PYTHON_CODE_FROM))
		return 0;
	parts.size = w->code[0];
	parts.constants = w->code[1];
	parts.names = w->code[2];
	parts.file = hf_python_part(w, py->code_file);
	parts.name = hf_python_part(w, py->code_name);
	parts.lines = hf_python_part(w, py->code_lines);
	parts.first_line = hf_python_part(w, py->code_first_line) >> (py->code_first_line & 4) * 8;
	return hf_python_mark(&parts);
}

static HF_INLINE __u64 hf_python_word(const struct hf_python_walk *w, const struct hf_python *py)
{
	__u64 code = hf_python_field(w, py->frame_code) & ~7ull;
	__u64 unit = (hf_python_field(w, py->frame_instruction) - (code + py->code_units)) >> 1;

	if (unit > HF_PYTHON_NO_UNIT)
		unit = HF_PYTHON_NO_UNIT;
	return HF_PYTHON_FRAME | ((code >> 3) & ((1ull << 44) - 1)) << HF_PYTHON_UNIT_BITS | unit;
}

/* The run is over; @address lies in its loop's frame. */
static HF_INLINE void hf_python_end_run(struct hf_python_walk *w, __u64 address)
{
	if (w->run_count < HF_MAX_PYTHON_RUNS)
		w->runs[w->run_count & (HF_MAX_PYTHON_RUNS - 1)] = address;
	w->run_count++;
	w->run_start = w->count;
}

static HF_INLINE int hf_python_fail(struct hf_python_walk *w)
{
	w->truncated = 1;
	return 1;
}

/* The two words of a frame, 0: none. */
struct hf_python_words {
	__u64 frame, mark;
	int ended; /* the frame before was the last of its run */
};

/* One frame, or none; with HF_PYTHON_LAST if its run is known to be over. Returns 1 where there is no more. */
static HF_INLINE int hf_python_step(struct hf_python_walk *w, const struct hf_python *py,
				    struct hf_python_words *ret)
{
	ret->frame = ret->mark = 0;
	ret->ended = 0;
	if (!w->frame)
		return 1;
	if (w->count >= HF_MAX_PYTHON_FRAMES ||
	    hf_python_fetch(w->buffer, HF_PYTHON_FRAME_BYTES, w->frame))
		return hf_python_fail(w);
	if (py->style == HF_PYTHON_ENTRY_FRAME && hf_python_byte(w, py->frame_mark) >= py->mark) {
		if (++w->steps > HF_MAX_PYTHON_RUNS)
			return hf_python_fail(w);
		if (w->count > w->run_start) {
			hf_python_end_run(w, w->frame);
			ret->ended = 1;
		}
		w->frame = hf_python_field(w, py->frame_previous);
		return 0;
	}
	ret->mark = hf_python_code_mark(w, py);
	if (!ret->mark)
		return hf_python_fail(w);
	ret->frame = hf_python_word(w, py);
	w->count++;
	if (py->style == HF_PYTHON_ENTRY_FLAG && hf_python_byte(w, py->frame_mark)) {
		ret->frame |= HF_PYTHON_LAST;
		hf_python_end_run(w, w->cframe);
		if (hf_python_fetch(&w->cframe, sizeof(w->cframe), w->cframe + py->cframe_previous))
			w->cframe = 0;
	}
	w->frame = hf_python_field(w, py->frame_previous);
	return 0;
}

/* A native frame takes the stack from @sp to @caller_sp: is it the loop of the next run? */
static HF_INLINE int hf_python_is_loop(struct hf_python_walk *w, __u64 sp, __u64 caller_sp)
{
	__u32 at = w->run_at;

	if (at >= w->run_count || at >= HF_MAX_PYTHON_RUNS || caller_sp <= sp)
		return 0;
	if (w->runs[at & (HF_MAX_PYTHON_RUNS - 1)] - sp >= caller_sp - sp)
		return 0;
	w->run_at = at + 1;
	return 1;
}

#endif
