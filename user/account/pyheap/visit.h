/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a Python object refers to, how large it is, and which blocks of memory are its own. */
#ifndef HOLDFAST_PYHEAP_VISIT_H
#define HOLDFAST_PYHEAP_VISIT_H

#include "account/pyheap/objects.h"

struct py_visitor {
	/* @target: an address, not 0; may be anything. @label: the address of a key or name, or of a slot its number. */
	void (*edge)(void *user, enum py_edge how, uint64_t target, uint64_t label);
	void *user;
};

/* All references that the object owns; but those to its class's names of attributes, which are the class's. */
void py_visit(struct py_heap *heap, uint32_t object, const struct py_visitor *visitor);

/* With its head, its attributes and the buffers that are its own: at least what sys.getsizeof() tells. *ret_pool_bytes: the blocks of
 * pools that these lie in. */
uint64_t py_object_bytes(struct py_heap *heap, uint32_t object, uint64_t *ret_pool_bytes);

/* Without what stands before it and what lies elsewhere. */
uint64_t py_body_bytes(struct py_heap *heap, uint64_t address, uint32_t type);

struct py_block {
	uint64_t start, end; /* [start, end) */
};

VEC_STRUCT(py_blocks, struct py_block);

/* Appends the blocks that are the object's own, without the one that it lies in. -ENOMEM. */
int py_object_blocks(struct py_heap *heap, uint32_t object, struct py_blocks *ret);
/* What of memory, from its address on, is the object itself: of one in a pool all of its block. */
uint64_t py_object_extent(struct py_heap *heap, uint32_t object);

#endif
