/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second opinion: is there a pointer to a block that seems lost, at any byte offset, whatever its upper 16 bits?
 * Tagged pointers and packed structures hold such; others are only in the kernel (kernel_held.h).
 *
 * Looks through all memory while the process runs, about 1 s per GiB; if it finds any, up to three times. Freed blocks
 * and unused stack do not count.
 */
#ifndef HOLDFAST_HEAP_HIDDEN_H
#define HOLDFAST_HEAP_HIDDEN_H

#include "account/heap/image.h"

struct hidden_result {
	uint64_t found; /* references */
	bool blind;     /* some memory was swapped out meanwhile: nothing is certain */
};

/* Marks in the image's map what is referred to in such a way, and what that reaches. @suspects: ascending. */
int hidden_mark(struct heap_image *image, const struct reach_lost_vec *suspects,
		struct hidden_result *ret);

#endif
