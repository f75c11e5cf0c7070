/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the glibc walker share: where things are in its structures (64 bit). */
#ifndef HOLDFAST_HEAP_GLIBC_INTERNAL_H
#define HOLDFAST_HEAP_GLIBC_INTERNAL_H

#include "account/heap/glibc.h"

/* struct malloc_state from 2.27 on; all behind the mutex is 8 less in 2.26. */
#define ARENA_MUTEX      0x0
#define ARENA_FASTBINS   0x10
#define ARENA_TOP        0x60
#define ARENA_BINS       0x70
#define ARENA_NEXT       0x870
#define ARENA_SYSTEM_MEM 0x888
#define ARENA_MAX_SYSTEM 0x890
#define ARENA_BYTES      0x898
#define ARENA_WORDS      (ARENA_BYTES / 8)
#define FASTBIN_COUNT    10
#define BIN_COUNT        127

/* struct heap_info */
#define HEAP_ARENA     0
#define HEAP_PREVIOUS  8
#define HEAP_SIZE      16
#define HEAP_INFO_READ 24
#define HEAP_ALIGN     (64ULL << 20)

/* struct malloc_chunk: prev_size, size with these bits, then what the user gets. */
#define CHUNK_HEADER     16
#define CHUNK_MIN        0x20
#define CHUNK_FAST_MAX   0x80
#define CHUNK_PREV_INUSE 1
#define CHUNK_MAPPED     2
#define CHUNK_OTHER      4 /* of an arena that is not the main one */
#define CHUNK_FLAGS      7ULL

#define ARENAS_MAX 4096  /* glibc makes 8 per core */
#define HEAPS_MAX  65536 /* of all arenas */

static inline uint64_t arena_word(const struct glibc_heap *heap, const uint64_t *arena,
				  unsigned int offset)
{
	return arena[(offset - heap->shift) / 8];
}

/* glibc_segments.c: the main heap's extent; false: there is none. */
bool glibc_main_heap(const struct maps *maps, uint64_t *ret_start, uint64_t *ret_end);
/* Searches the mappings that have come or changed since the last call for mmapped chunks. */
int glibc_find_mapped(struct glibc_heap *heap, const struct maps *maps);
#define GLIBC_BAD_LINK UINT64_MAX
/* glibc_cache.c: what the first word of a @block in a fast bin links to, a chunk; 0: nothing; GLIBC_BAD_LINK: it is no link. */
uint64_t glibc_next_link(const struct glibc_heap *heap, const struct block_map *map, uint64_t block,
			 uint64_t word);
/* The blocks in the threads' caches, into heap->idle. -EAGAIN: one is torn. */
int glibc_take_caches(struct glibc_heap *heap, const struct maps *maps,
		      const struct stopped_process *stopped, const struct block_map *map);

#endif
