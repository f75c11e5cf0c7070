/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pools of pymalloc, CPython's allocator for what takes up to 512 bytes, found without symbols: a pool's head tells how many
 * blocks are in use, how many were carved, and where the free ones begin; the list of these must be as long as the difference.
 *
 * Source: Objects/obmalloc.c, Include/internal/pycore_obmalloc.h.
 */
#ifndef HOLDFAST_PYHEAP_POOLS_H
#define HOLDFAST_PYHEAP_POOLS_H

#include "account/pyheap/objects.h"
#include "account/pyheap/pyheap.h"

/* Finds them all, adds the objects in them, and notes the pools in @heap. @one_allocator: no interpreter but the first may have one
 * of its own. 0, -ENOMEM, -ENOSPC. */
int py_pools_take(struct py_heap *heap, bool one_allocator, struct pyheap_pools *ret);

/* In debug mode what was asked for begins so far behind its block. */
#define PY_DEBUG_HEAD 16

struct py_pool {
	uint64_t address, block_bytes, carved;
	uint64_t free[PYTHON_POOL_BYTES / 16 / 64]; /* a bit for each block */
};

/* A pool at @address, a multiple of PYTHON_POOL_BYTES, with blocks in use. 0; -ENOENT: none; -EUCLEAN: it contradicts itself. */
int py_pool_read(struct py_heap *heap, uint64_t address, struct py_pool *ret);

static inline bool py_pool_is_free(const struct py_pool *pool, uint64_t block)
{
	return pool->free[block / 64] >> block % 64 & 1;
}

#endif
