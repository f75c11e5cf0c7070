/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second opinion: is there a pointer to a block that seems lost, at any byte offset, whatever its upper 16 bits?
 * Tagged pointers and packed structures hold such.
 *
 * Looks through all readable memory while the process runs, about 1 s per GiB. Words that the first look has seen
 * already, freed blocks and unused stack do not count.
 */
#ifndef HOLDFAST_HEAP_HIDDEN_H
#define HOLDFAST_HEAP_HIDDEN_H

#include "account/heap/image.h"

/* Marks in the image's map what is referred to in such a way, and what that reaches. @suspects: ascending. *ret_found:
 * references found. */
int hidden_mark(struct heap_image *image, const struct reach_lost_vec *suspects,
		uint64_t *ret_found);

#endif
