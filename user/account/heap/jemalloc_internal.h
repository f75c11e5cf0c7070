/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the jemalloc walker share: jemalloc 5.1 to 5.3 on x86-64, with pages of 4 KiB, 48 bits of address
 * and thread caches in thread-local storage, as it is built unless told otherwise.
 *
 * Source: include/jemalloc/internal/{edata,extent_structs,rtree,cache_bin,tcache_structs,bin,base}.h of jemalloc. A radix
 * tree of two levels (2^18 words each) leads from a page to the record of the extent it lies in: a slab of regions of
 * one size with a bitmap of the free ones, one large block, or free memory. Freed regions that a thread keeps for
 * itself stand in a stack of pointers, one for each size class; the records of the stacks are in the thread's storage.
 * Records, leaves of the tree and arenas lie in memory of their own (base blocks).
 *
 *	jemalloc_find_root()	while the process runs: the tree, by its contents
 *	jemalloc_read_extents()	the tree and the records of this moment
 *	jemalloc_read_caches()	the caches of all threads
 *	jemalloc_read_bins()	stopped: is one being changed? and what the arenas count
 */
#ifndef HOLDFAST_HEAP_JEMALLOC_INTERNAL_H
#define HOLDFAST_HEAP_JEMALLOC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/walker.h"
#include "base/hashmap.h"
#include "base/vec.h"

#define TREE_WORDS      (1ULL << 18) /* of the root, and of a leaf */
#define TREE_ROOT_USED  (1ULL << 17) /* of the root, by the addresses a process may have */
#define TREE_LEAF_SHIFT 30           /* of the addresses one leaf covers */
#define TREE_ALIGN      64
#define RECORD_BYTES    128
#define RECORD_ADDRESS  8
#define RECORD_SIZE     16
#define RECORD_BITMAP   64
#define BASE_ALIGN      (2ULL << 20) /* of a block of the allocator's own memory, and of its size */

#define ARENA_MASK      0xfff
#define RECORD_SLAB     (1 << 12)
#define CLASS_COUNT     232
#define SMALL_COUNT     36 /* classes of which slabs are made */
#define REGIONS_MAX     512
#define NFREE_MASK      0x3ff
#define CACHE_BIN_BYTES 24

/* Where versions differ. */
struct jemalloc_layout {
	uint64_t leaf_spare; /* bits of a leaf's word that are never set */
	uint64_t huge_pages; /* bits of a record that lies in another allocator's pages, which is not understood */
	uint64_t leaf_record; /* those that are the record's address; above bit 47: the size class; bit 0: a slab */
	uint8_t leaf_state_shift; /* 0: a leaf does not tell the state */
	uint8_t state_shift, state_mask, class_shift, free_shift;
	bool depth_in_head; /* a cache's stack: 5.3's, which tells its depth by the low bits of its head */
	uint16_t large_gaps
		[2]; /* bytes between the bins for small classes and those for large ones: 5.1, 5.2 */
};

/* One word of the tree. */
struct jemalloc_leaf {
	uint64_t page; /* the address it is for */
	uint64_t bits;
};

struct jemalloc_extent {
	uint64_t start; /* of a large block: within the first page */
	uint64_t base, end;
	uint64_t record; /* its address */
	uint64_t bits;
};

/* A block in a thread's cache. */
struct jemalloc_cached {
	uint64_t block;
	uint32_t class;
};

/* An arena's bin: what it counts. */
struct jemalloc_bin {
	uint32_t arena, class;
	uint64_t regions;
};

struct jemalloc_heap {
	int pid;
	struct memory_stream *stream; /* borrowed */
	const struct jemalloc_layout *layout;
	uint64_t root;
	struct address_range text; /* of its code, if known */
	uint64_t cache_distance; /* from a thread's bins up to its control block; 0: not known yet */
	uint64_t bins_offset;    /* of an arena's bins; 0: not known yet */
	unsigned int bins_failed;   /* times in a row that what seemed to be them did not hold */
	bool bins_sure;             /* they held once */
	unsigned int caches_missed; /* times that not all caches were found */
	bool caches_unknown;        /* this time: what lies in them seems to be in use */
	bool standing; /* the process is stopped: what contradicts itself is being changed */
	VEC(struct jemalloc_leaf) leaves;
	struct map64 pages; /* copies of the pages with records: address to index */
	VEC(uint64_t) page_addresses;
	uint64_t *copies;
	size_t copies_room;                  /* pages */
	VEC(struct jemalloc_extent) extents; /* ascending */
	VEC(struct jemalloc_cached) cached;
	VEC(uint64_t) caches;          /* addresses of their bins */
	VEC(uint64_t) stacks;          /* an address in the memory of each cache's stacks */
	VEC(uint64_t) arenas;          /* of the caches */
	VEC(struct jemalloc_bin) bins; /* of those arenas */
};

/* 0; -ENOENT; -ENOMEM. *@found_at: where it was before, or 0; then where it is, in words of this function's own. */
int jemalloc_find_root(struct jemalloc_heap *heap, const struct maps *maps, uint64_t *found_at);

/* jemalloc_extents.c. -EUCLEAN: not what it seemed; -EAGAIN: being changed. */
int jemalloc_read_extents(struct jemalloc_heap *heap);
/* A word of a record, from the copies; false: it was not read. */
bool jemalloc_record_word(const struct jemalloc_heap *heap, uint64_t address, uint64_t *ret);
/* The extent that covers @address, or NULL. */
const struct jemalloc_extent *jemalloc_extent_of(const struct jemalloc_heap *heap,
						 uint64_t address);
/* The allocator's own blocks, in which the records lie. -ENOMEM. */
int jemalloc_add_base(const struct jemalloc_heap *heap, const struct maps *maps,
		      struct address_ranges *books);

/* jemalloc_cache.c. -EAGAIN: being changed; -EUCLEAN: there are none, or not all can be found. */
int jemalloc_read_caches(struct jemalloc_heap *heap, const struct heap_place *place);

/* jemalloc_bins.c. -EAGAIN: one is locked. */
int jemalloc_read_bins(struct jemalloc_heap *heap);
/* -EAGAIN: the bins count other regions than the slabs do. */
int jemalloc_check_bins(struct jemalloc_heap *heap);

/* Of a size class; 0: there is none. */
static inline uint64_t jemalloc_class_bytes(uint32_t class)
{
	uint32_t group = (class - 5) / 4, step = (class - 5) % 4 + 1;

	if (class >= CLASS_COUNT)
		return 0;
	if (class <= 4)
		return class ? 16ULL * class : 8;
	return (64ULL << group) + step * (16ULL << group);
}

static inline bool jemalloc_is_active(const struct jemalloc_layout *layout, uint64_t bits)
{
	return !(bits >> layout->state_shift & layout->state_mask);
}

static inline uint32_t jemalloc_class_of(const struct jemalloc_layout *layout, uint64_t bits)
{
	return bits >> layout->class_shift & 0xff;
}

static inline bool jemalloc_is_pointer(uint64_t word, uint64_t align)
{
	return word >= PAGE_BYTES && !(word >> 47) && word % align == 0;
}

#endif
