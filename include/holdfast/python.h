/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * Frames of CPython in the stacks that the kernel side sends, and what it has to know of an interpreter to find them.
 *
 * A stack is a row of 64-bit words. Python's frames come first, leaf first, two words each, in runs: a run is what one call of
 * the interpreter's loop (a native frame) works through, and ends with a frame that has HF_PYTHON_LAST. The native frames
 * follow, as ever; that of a run has HF_PYTHON_LOOP set in its pc. The user side puts the runs in their places
 * (account/stack/python_words.h).
 *
 * The second word of a frame, HF_PYTHON_FRAME and hf_python_mark(), tells which code object it was: another may come to its
 * address before its name is read.
 *
 *	a Python frame	63 HF_PYTHON_FRAME | 62 HF_PYTHON_LAST | 61-18 code object's address >> 3 | 17-0 unit
 *
 * The unit is the index of the instruction, of two bytes each, in the code object's own; HF_PYTHON_NO_UNIT: before its first one,
 * or too far.
 */
#ifndef HOLDFAST_PYTHON_H
#define HOLDFAST_PYTHON_H

#include <holdfast/types.h>

#define HF_PYTHON_FRAME (1ull << 63)
#define HF_PYTHON_LAST  (1ull << 62)
#define HF_PYTHON_LOOP  (1ull << 62) /* in a native pc, which has no such bit itself */

#define HF_PYTHON_UNIT_BITS 18
#define HF_PYTHON_NO_UNIT   ((1u << HF_PYTHON_UNIT_BITS) - 1)

static inline int hf_python_is_frame(__u64 word)
{
	return word >> 63;
}

static inline __u64 hf_python_code(__u64 word)
{
	return (word & ~(HF_PYTHON_FRAME | HF_PYTHON_LAST)) >> HF_PYTHON_UNIT_BITS << 3;
}

static inline __u32 hf_python_unit(__u64 word)
{
	return word & HF_PYTHON_NO_UNIT;
}

/* What tells a code object apart: addresses of what it holds, its size and its first line. */
struct hf_python_parts {
	__u64 size, constants, names, file, name, lines;
	__u32 first_line;
};

static inline __u64 hf_python_mark(const struct hf_python_parts *parts)
{
	__u64 mark = parts->first_line;

	mark = (mark ^ parts->size) * 0x9E3779B97F4A7C15ull;
	mark = (mark ^ parts->constants) * 0x9E3779B97F4A7C15ull;
	mark = (mark ^ parts->names) * 0x9E3779B97F4A7C15ull;
	mark = (mark ^ parts->file) * 0x9E3779B97F4A7C15ull;
	mark = (mark ^ parts->name) * 0x9E3779B97F4A7C15ull;
	mark = (mark ^ parts->lines) * 0x9E3779B97F4A7C15ull;
	return (mark ^ mark >> 32) | HF_PYTHON_FRAME;
}

/* A type whose objects are of interest as they are made. */
struct hf_birth_type {
	__u64 type; /* its address */
	__u32 pid;
	__u32 reserved;
};

/* Collections of garbage that were timed, of one process. */
struct hf_collections {
	__u64 thread, began_ns; /* of the one under way; 0: none */
	__u64 hits;             /* of both probes */
	__u64 count, total_ns, longest_ns;
};

/* How the end of a run is told. */
enum hf_python_style {
	HF_PYTHON_ENTRY_FLAG =
		1, /* 3.11: in its last frame; the loop's _PyCFrame, a local variable, is chained */
	HF_PYTHON_ENTRY_FRAME, /* from 3.12 on: behind it comes a frame without code, a local variable of the loop */
};

/*
 * Where an interpreter keeps its frames; offsets in bytes, those in a frame not beyond HF_PYTHON_FRAME_BYTES - 8. Of each
 * process that has one.
 */
struct hf_python {
	__u64 interpreters;     /* address of the pointer to the first interpreter */
	__u16 interpreter_next; /* PyInterpreterState */
	__u16 interpreter_threads;
	__u16 thread_next;  /* PyThreadState */
	__u16 thread_id;    /* pthread_self(): the thread pointer, as glibc and musl have it */
	__u16 thread_frame; /* the newest frame; with has_cframe the newest _PyCFrame */
	__u16 cframe_frame, cframe_previous;
	__u16 frame_code, frame_previous, frame_instruction; /* _PyInterpreterFrame */
	__u16 frame_mark; /* a byte: is_entry or owner, by style */
	__u16 code_units; /* PyCodeObject: its first instruction */
	/* In what is read of a code object, from HF_PYTHON_CODE_FROM on, where its size, constants and names come first. */
	__u8 code_first_line, code_file, code_name, code_lines;
	__u8 mark;  /* of style ENTRY_FRAME: this owner or a higher one has no code */
	__u8 style; /* enum hf_python_style */
	__u8 has_cframe;
	__u8 reserved;
};

#define HF_PYTHON_FRAME_BYTES 80 /* of a frame are read */
#define HF_PYTHON_CODE_FROM   16 /* of a code object are read */
#define HF_PYTHON_CODE_BYTES  128

HF_STATIC_ASSERT(sizeof(struct hf_python) == 40, "map layout");

#endif
