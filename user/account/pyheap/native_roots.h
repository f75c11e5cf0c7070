/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words of memory that may be references to Python's objects, and are none of another object's: in the data of modules, in stacks, in
 * what extensions allocated. Left out is what the objects themselves are made of, their buffers, and free blocks of pools.
 */
#ifndef HOLDFAST_PYHEAP_NATIVE_ROOTS_H
#define HOLDFAST_PYHEAP_NATIVE_ROOTS_H

#include "account/pyheap/objects.h"

/* @root: each word that is the address of an object, with the region (of heap->memory) that it stands in; what is not 0 ends it.
 * That, or -ENOMEM, -EUCLEAN. */
int py_native_roots(struct py_heap *heap, int (*root)(void *user, uint64_t object, uint32_t region),
		    void *user);

#endif
