/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects that belong to a line of a program: coroutines, generators and functions to where they are defined, frames and tracebacks to
 * where they stand. The interpreter makes them itself, so nobody sees by whom they are made: but they say it.
 */
#ifndef HOLDFAST_PYHEAP_SPOT_H
#define HOLDFAST_PYHEAP_SPOT_H

#include "account/pyheap/objects.h"

struct py_spot {
	char *function, *file; /* owned */
	uint32_t line;         /* 0: not known */
};

void py_spot_done(struct py_spot *spot);

/*
 * The block of malloc in which a container has grown that holds the object, or what holds that: the nearest one up to the root that
 * has such a block, for short lists and dicts lie in pools. 0: none.
 */
uint64_t py_holder_buffer(struct py_heap *heap, uint32_t object);

/* May objects of this type have one? */
bool py_has_spot(const struct py_heap *heap, uint32_t type);
/* -ENOENT: it has none; -ENOMEM. */
int py_spot_read(struct py_heap *heap, uint32_t object, struct py_spot *ret);

#endif
