/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a function a wrapper of an allocator: does it return a block that it has just allocated (xmalloc, a node's
 * constructor, strdup), so that it is its caller who matters?
 *
 * Told by following all ways through its code with what is known of registers and stack. A wrapper is said to be one only
 * if on every way on which it returns, rax is the block of one of its calls, the same distance from it on all, or null;
 * and if no such block is left behind on a way that returns something else, unless it was freed there. It may store the
 * block elsewhere, too, and may allocate others, which are not what it returns. Where the code is not understood,
 * the answer is no. Not seen are ways that an exception takes within the function, and blocks that are freed by
 * functions that are no goals.
 *
 * Called functions are not looked into, but for whether they never return; a jump to another function is followed. The
 * code is hostile: the work is bounded by the figures below.
 */
#ifndef HOLDFAST_CODE_WRAPPER_H
#define HOLDFAST_CODE_WRAPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/code/code_view.h"

#define WRAPPER_MAX_BYTES        2048
#define WRAPPER_MAX_INSTRUCTIONS 512
#define WRAPPER_MAX_STEPS        8192
#define WRAPPER_MAX_INNER        8

/* A call in the wrapper whose block it may return. */
struct wrapper_inner {
	uint64_t call, result; /* address of the call, and behind it; @result 0: a jump */
	const struct code_goal *goal;
};

struct wrapper {
	uint64_t start, end;
	struct code_size size; /* of the block, by the wrapper's own arguments */
	int32_t result_offset; /* what it returns is the block + this; where there is none, 0 or this */
	uint8_t pointer_argument; /* of a reallocation; the block is that argument + pointer_offset */
	int32_t pointer_offset;
	uint8_t inner_count;
	struct wrapper_inner inner[WRAPPER_MAX_INNER]; /* ascending by call */
};

struct wrapper_finder;

/* @code must stay as it is. -ENOMEM. */
int wrapper_finder_new(const struct code_view *code, struct wrapper_finder **ret);
void wrapper_finder_free(struct wrapper_finder *finder);

/* 0; -ENOENT: the function at [start, end) is no wrapper, or nobody can tell; -ENOMEM. */
int wrapper_find(struct wrapper_finder *finder, uint64_t start, uint64_t end, struct wrapper *ret);

#endif
