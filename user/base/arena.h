/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena.h - a bump allocator: many small things that live and die together.
 *
 * Bound: never holds more than `max_bytes` of memory (blocks included); beyond that arena_alloc()
 * returns NULL, which the caller counts as a loss. Nothing is freed singly. One thread at a time.
 */
#ifndef HF_BASE_ARENA_H
#define HF_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	uint64_t max_bytes;
	uint64_t held_bytes; /* memory taken from malloc */
	uint64_t used_bytes; /* given out, with padding */
};

void arena_init(struct arena *a, uint64_t max_bytes);
/* Frees everything; the arena is empty and usable again. */
void arena_done(struct arena *a);
/* Aligned to 16 bytes, not zeroed; NULL if out of memory or over the bound. Size 0 gives a distinct
 * pointer. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((malloc, alloc_size(2)));
void *arena_zalloc(struct arena *a, size_t size) __attribute__((malloc, alloc_size(2)));
void *arena_memdup(struct arena *a, const void *bytes, size_t size);
/* A NUL-terminated copy of `len` bytes. */
char *arena_strndup(struct arena *a, const char *s, size_t len);

#endif
