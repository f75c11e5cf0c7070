// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the tree is, without symbols: a word that points to 2 MiB of words that point to records that say that they are
 * for the page the word stands for. The root is static data, so only modules' writable data is searched.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/jemalloc_internal.h"

#define GOOD_ENOUGH    64         /* words of a leaf that hold: it is one */
#define GOOD_MIN       3          /* a small process has few extents */
#define BAD_PART       3          /* up to 1 / this of them may be changing just now */
#define BAD_FIRST      4          /* as many are borne before any holds */
#define CANDIDATES_MAX (1u << 16) /* words that are followed */
#define TRIES_MAX      5          /* where something looks like it, but is changing */

static const struct jemalloc_layout layouts[] = {
	{.leaf_spare = 0x60, /* 5.3 */
	 .huge_pages = 1 << 14,
	 .leaf_record = 0x0000ffffffffff80,
	 .leaf_state_shift = 2,
	 .state_shift = 17,
	 .state_mask = 7,
	 .class_shift = 20,
	 .free_shift = 28,
	 .depth_in_head = true},
	{.leaf_spare = 0x3e, /* 5.1, 5.2 */
	 .leaf_record = 0x0000ffffffffffc0,
	 .state_shift = 16,
	 .state_mask = 3,
	 .class_shift = 18,
	 .free_shift = 26,
	 .large_gaps = {96, 120}},
};

/* Is the record that a leaf's word points to for the page that the word stands for? Tells the leaf's place then. */
static bool word_holds(const struct jemalloc_heap *heap, uint64_t word, uint64_t index,
		       uint64_t *ret_slot)
{
	const struct jemalloc_layout *l = heap->layout;
	uint64_t at = word & l->leaf_record, record[3], base, size, page;

	if (word & l->leaf_spare || !jemalloc_is_pointer(at, TREE_ALIGN) ||
	    !memory_read(heap->pid, at, record, sizeof(record)))
		return false;
	base = record[RECORD_ADDRESS / 8] & ~(PAGE_BYTES - 1);
	size = record[RECORD_SIZE / 8] & ~(PAGE_BYTES - 1);
	page = (base >> TREE_LEAF_SHIFT << TREE_LEAF_SHIFT) | index * PAGE_BYTES;
	if (page < base)
		page += 1ULL << TREE_LEAF_SHIFT; /* it began under the leaf before */
	if (base >> 47 || size >> 47 || page - base >= size)
		return false;
	/* What both tell must be the same; of the class only a live extent's first page does. */
	if ((word & 1) != !!(record[0] & RECORD_SLAB) || word >> 48 > CLASS_COUNT ||
	    (l->leaf_state_shift && (word >> l->leaf_state_shift & l->state_mask) !=
					    (record[0] >> l->state_shift & l->state_mask)) ||
	    (page == base && jemalloc_is_active(l, record[0]) &&
	     word >> 48 != jemalloc_class_of(l, record[0])))
		return false;
	*ret_slot = page >> TREE_LEAF_SHIFT;
	return true;
}

/* One that does not hold is read again: it may have changed since, and then says nothing. */
static bool word_is_bad(const struct jemalloc_heap *heap, uint64_t at, uint64_t word,
			uint64_t index)
{
	uint64_t again, slot;

	return memory_read(heap->pid, at, &again, sizeof(again)) && again == word &&
	       !word_holds(heap, word, index, &slot);
}

struct leaf_look {
	const struct jemalloc_heap *heap;
	uint64_t leaf;
	uint64_t slot; /* in the root, as its words say */
	unsigned int good, bad;
};

/* Ends as soon as it is known what this is. */
static int look_at_leaf(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct leaf_look *look = user;

	for (size_t i = 0; i < page_count * PAGE_WORDS; i++) {
		uint64_t at = address + i * 8, slot = 0;

		/* One that was cleared may still tell a size class. */
		if (!(words[i] & look->heap->layout->leaf_record) ||
		    at - look->leaf >= TREE_WORDS * 8)
			continue;
		if (!word_holds(look->heap, words[i], (at - look->leaf) / 8, &slot)) {
			look->bad += word_is_bad(look->heap, at, words[i], (at - look->leaf) / 8);
			if (look->bad > BAD_FIRST + look->good / BAD_PART)
				return 1;
			continue;
		}
		if (look->good && slot != look->slot)
			return 1;
		look->slot = slot;
		if (++look->good == GOOD_ENOUGH)
			return 1;
	}
	return 0;
}

static struct stream_range pages_of(uint64_t start, uint64_t end)
{
	return (struct stream_range){start & ~(PAGE_BYTES - 1),
				     (end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1), STREAM_PRESENT};
}

struct search {
	struct jemalloc_heap *heap;
	const struct maps *maps;
	VEC(uint64_t) places, words; /* in them */
	bool promising;              /* a leaf was seen that did not hold */
};

static bool is_leaf(struct search *search, uint64_t word, uint64_t *ret_slot)
{
	struct leaf_look look = {.heap = search->heap, .leaf = word};

	if (!maps_private_writable(search->maps, word, word + TREE_WORDS * 8))
		return false;
	(void)memory_stream_range(search->heap->stream, pages_of(word, word + TREE_WORDS * 8),
				  look_at_leaf, &look);
	*ret_slot = look.slot;
	search->promising |= look.good;
	return look.good >= GOOD_MIN && look.bad <= look.good / BAD_PART;
}

struct root_look {
	const struct jemalloc_heap *heap;
	const struct maps *maps;
	uint64_t root;
	unsigned int leaves;
	uint64_t leaf, slot; /* the first of them */
};

/* Every word of a root is the place of a leaf, and nothing else. */
static int look_at_root(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct root_look *look = user;

	for (size_t i = 0; i < page_count * PAGE_WORDS; i++) {
		uint64_t at = address + i * 8;

		if (!words[i] || at - look->root >= TREE_WORDS * 8)
			continue;
		if (at - look->root >= TREE_ROOT_USED * 8 ||
		    !jemalloc_is_pointer(words[i], TREE_ALIGN) ||
		    !maps_private_writable(look->maps, words[i], words[i] + TREE_WORDS * 8))
			return 1;
		if (!look->leaves++) {
			look->leaf = words[i];
			look->slot = (at - look->root) / 8;
		}
	}
	return 0;
}

static bool is_root(struct root_look *look)
{
	uint64_t end = look->root + TREE_WORDS * 8;

	return maps_private_writable(look->maps, look->root, end) &&
	       !memory_stream_range(look->heap->stream, pages_of(look->root, end), look_at_root,
				    look) &&
	       look->leaves;
}

static int collect(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct search *search = user;

	for (size_t i = 0; i < page_count * PAGE_WORDS; i++) {
		if (!jemalloc_is_pointer(words[i], TREE_ALIGN))
			continue;
		if (search->places.count == CANDIDATES_MAX)
			return 1;
		if (vec_push(&search->places, address + i * 8) < 0 ||
		    vec_push(&search->words, words[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* A module's writable data: of its file, or what follows that. */
static bool may_hold_root(const struct maps *maps, size_t index)
{
	const struct mapping *m = &maps->items[index], *before = index ? m - 1 : NULL;

	if (m->prot != (PROT_READ | PROT_WRITE) || m->shared)
		return false;
	return m->inode || !strcmp(m->path, "[heap]") ||
	       (before && before->inode && before->end == m->start);
}

static bool try_place(struct search *search, size_t i)
{
	struct jemalloc_heap *heap = search->heap;
	uint64_t place = search->places.items[i], slot;
	struct root_look look = {.heap = heap, .maps = search->maps};

	if (!is_leaf(search, search->words.items[i], &slot) || slot >= TREE_ROOT_USED ||
	    place < slot * 8)
		return false;
	look.root = place - slot * 8;
	if (!is_root(&look))
		return false;
	heap->root = look.root;
	return true;
}

static int search_mapping(struct search *search, const struct mapping *m)
{
	int err;

	vec_clear(&search->places);
	vec_clear(&search->words);
	err = memory_stream_range(search->heap->stream,
				  (struct stream_range){m->start, m->end, STREAM_ANONYMOUS},
				  collect, search);
	if (err < 0)
		return err;
	for (size_t i = 0; i < search->places.count; i++)
		if (try_place(search, i))
			return 0;
	return -ENOENT;
}

static int search_all(struct search *search, const struct maps *maps)
{
	int err = -ENOENT;

	for (size_t l = 0; err == -ENOENT && l < sizeof(layouts) / sizeof(*layouts); l++) {
		search->heap->layout = &layouts[l];
		for (size_t i = 0; err == -ENOENT && i < maps->count; i++)
			if (may_hold_root(maps, i))
				err = search_mapping(search, &maps->items[i]);
	}
	return err;
}

/* A root is a multiple of 8: the bits below tell the layout. */
#define LAYOUT_BITS 7

/* Is it where it was? Its shape says so, and its first leaf. The whole search takes a tenth of a second and more. */
static bool is_there(struct search *search, uint64_t found_at)
{
	struct root_look look = {.heap = search->heap,
				 .maps = search->maps,
				 .root = found_at & ~(uint64_t)LAYOUT_BITS};
	uint64_t layout = found_at & LAYOUT_BITS, slot;

	if (!look.root || layout >= sizeof(layouts) / sizeof(*layouts))
		return false;
	search->heap->layout = &layouts[layout];
	search->heap->root = look.root;
	return is_root(&look) && is_leaf(search, look.leaf, &slot) && slot == look.slot;
}

int jemalloc_find_root(struct jemalloc_heap *heap, const struct maps *maps, uint64_t *found_at)
{
	struct search search = {.heap = heap, .maps = maps};
	int err = is_there(&search, *found_at) ? 0 : -ENOENT;

	for (unsigned int i = 0; i < TRIES_MAX && err == -ENOENT; i++) {
		search.promising = false;
		err = search_all(&search, maps);
		if (!search.promising)
			break;
	}
	vec_done(&search.places);
	vec_done(&search.words);
	if (!err)
		*found_at = heap->root | (uint64_t)(heap->layout - layouts);
	return err;
}
