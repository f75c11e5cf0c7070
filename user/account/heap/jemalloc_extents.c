// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tree and the records of one moment. Records lie close together but their order is not that of addresses: the pages
 * that hold them are found first, then each is fetched once.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "account/heap/jemalloc_internal.h"

#define LEAVES_MAX     4096       /* 4 TiB of addresses in use */
#define EXTENTS_MAX    (1u << 25) /* a hostile tree ends here */
#define PAGE_BATCH     512
#define BASE_STEPS_MAX 1024 /* so far below a record its block may begin: 2 GiB */

struct leaf_read {
	struct jemalloc_heap *heap;
	uint64_t leaf;  /* its address */
	uint64_t pages; /* the address its first word is for */
	uint64_t last;  /* record: a slab's pages all lead to the same one */
};

static int take_leaf(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct leaf_read *read = user;
	struct jemalloc_heap *heap = read->heap;
	const struct jemalloc_layout *l = heap->layout;

	for (size_t i = 0; i < page_count * PAGE_WORDS; i++) {
		uint64_t at = address + i * 8 - read->leaf, record = words[i] & l->leaf_record;

		if (!record || at >= TREE_WORDS * 8 || record == read->last)
			continue;
		read->last = record;
		if (words[i] & l->leaf_spare || !jemalloc_is_pointer(record, TREE_ALIGN) ||
		    heap->leaves.count == EXTENTS_MAX)
			return -EUCLEAN;
		if (vec_push(&heap->leaves,
			     (struct jemalloc_leaf){read->pages + at / 8 * PAGE_BYTES, words[i]}) <
		    0)
			return -ENOMEM;
	}
	return 0;
}

struct root_read {
	const struct jemalloc_heap *heap;
	VEC(struct address_range) leaves; /* address of a leaf, address its first word is for */
};

static int take_root(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct root_read *read = user;

	for (size_t i = 0; i < page_count * PAGE_WORDS; i++) {
		uint64_t at = address + i * 8 - read->heap->root;

		if (!words[i] || at >= TREE_ROOT_USED * 8)
			continue;
		if (!jemalloc_is_pointer(words[i], TREE_ALIGN) || read->leaves.count == LEAVES_MAX)
			return -EUCLEAN;
		if (vec_push(&read->leaves,
			     (struct address_range){words[i], at / 8 << TREE_LEAF_SHIFT}) < 0)
			return -ENOMEM;
	}
	return 0;
}

static struct stream_range pages_of(uint64_t start, uint64_t size)
{
	return (struct stream_range){start & ~(PAGE_BYTES - 1),
				     (start + size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1),
				     STREAM_PRESENT};
}

static int read_tree(struct jemalloc_heap *heap)
{
	struct root_read root = {.heap = heap};
	int err = memory_stream_range(heap->stream, pages_of(heap->root, TREE_ROOT_USED * 8),
				      take_root, &root);

	vec_clear(&heap->leaves);
	for (size_t i = 0; !err && i < root.leaves.count; i++) {
		struct leaf_read leaf = {heap, root.leaves.items[i].start, root.leaves.items[i].end,
					 0};

		err = memory_stream_range(heap->stream, pages_of(leaf.leaf, TREE_WORDS * 8),
					  take_leaf, &leaf);
	}
	vec_done(&root.leaves);
	return err;
}

static int want_page(struct jemalloc_heap *heap, uint64_t address)
{
	int err;

	if (map64_get(&heap->pages, address, NULL))
		return 0;
	err = map64_put(&heap->pages, address, heap->page_addresses.count);
	return err ? err : vec_push(&heap->page_addresses, address);
}

static int fetch_pages(struct jemalloc_heap *heap)
{
	struct memory_piece pieces[PAGE_BATCH];
	size_t count = heap->page_addresses.count;

	if (heap->copies_room < count) {
		size_t room = count + count / 4;

		free(heap->copies);
		heap->copies_room = 0;
		heap->copies = malloc(room * PAGE_BYTES);
		if (!heap->copies)
			return -ENOMEM;
		heap->copies_room = room;
	}
	for (size_t done = 0; done < count; done += PAGE_BATCH) {
		size_t batch = count - done < PAGE_BATCH ? count - done : PAGE_BATCH;

		for (size_t i = 0; i < batch; i++)
			pieces[i] = (struct memory_piece){heap->page_addresses.items[done + i],
							  heap->copies + (done + i) * PAGE_WORDS,
							  PAGE_BYTES, false};
		memory_read_pieces(heap->pid, pieces, batch);
		for (size_t i = 0; i < batch; i++)
			if (!pieces[i].ok)
				return -EUCLEAN;
	}
	return 0;
}

static int read_records(struct jemalloc_heap *heap)
{
	uint64_t last = 0;
	int err = 0;

	map64_clear(&heap->pages);
	vec_clear(&heap->page_addresses);
	for (size_t i = 0; !err && i < heap->leaves.count; i++) {
		uint64_t at = heap->leaves.items[i].bits & heap->layout->leaf_record;
		uint64_t page = at & ~(PAGE_BYTES - 1);
		uint64_t end = (at + RECORD_BYTES - 1) & ~(PAGE_BYTES - 1);

		if (page == last && end == last)
			continue;
		err = want_page(heap, page);
		/* One that is aligned to 64 bytes only may cross a page's end. */
		if (!err && end != page)
			err = want_page(heap, end);
		last = page;
	}
	return err ? err : fetch_pages(heap);
}

bool jemalloc_record_word(const struct jemalloc_heap *heap, uint64_t address, uint64_t *ret)
{
	uint64_t index;

	if (!map64_get(&heap->pages, address & ~(PAGE_BYTES - 1), &index))
		return false;
	*ret = heap->copies[index * PAGE_WORDS + address % PAGE_BYTES / 8];
	return true;
}

/* 1: it is taken; 0: its first page is another one; -EAGAIN: it is being changed. */
static int take_extent(struct jemalloc_heap *heap, const struct jemalloc_leaf *leaf)
{
	const struct jemalloc_layout *l = heap->layout;
	uint64_t at = leaf->bits & l->leaf_record, start, size, previous = 0;
	struct jemalloc_extent e = {.record = at};

	if (!jemalloc_record_word(heap, at, &e.bits) ||
	    !jemalloc_record_word(heap, at + RECORD_ADDRESS, &start) ||
	    !jemalloc_record_word(heap, at + RECORD_SIZE, &size))
		return -EUCLEAN;
	e.start = start;
	e.base = start & ~(PAGE_BYTES - 1);
	size &= ~(PAGE_BYTES - 1);
	if (e.base >> 47 || size >> 47 || leaf->page - e.base >= size)
		return -EAGAIN;
	if (leaf->page != e.base)
		return 0;
	if (e.bits & l->huge_pages)
		return -EUCLEAN;
	e.end = e.base + size;
	if (heap->extents.count)
		previous = heap->extents.items[heap->extents.count - 1].end;
	if (e.base < previous)
		return -EAGAIN;
	if (jemalloc_is_active(l, e.bits) && (leaf->bits >> 48 != jemalloc_class_of(l, e.bits) ||
					      (leaf->bits & 1) != !!(e.bits & RECORD_SLAB)))
		return -EAGAIN;
	return vec_push(&heap->extents, e) < 0 ? -ENOMEM : 1;
}

int jemalloc_read_extents(struct jemalloc_heap *heap)
{
	size_t torn = 0;
	int err = read_tree(heap);

	if (!err)
		err = read_records(heap);
	vec_clear(&heap->extents);
	for (size_t i = 0; err >= 0 && i < heap->leaves.count; i++) {
		err = take_extent(heap, &heap->leaves.items[i]);
		/* Of a process that runs some always are: they are left out, and so lie outside all segments. */
		if (err == -EAGAIN && !heap->standing && ++torn <= 16 + heap->leaves.count / 64)
			err = 0;
	}
	if (err >= 0 && !heap->extents.count)
		return -EUCLEAN;
	return err < 0 ? err : 0;
}

/* The first one that ends after @address. */
static size_t extent_after(const struct jemalloc_heap *heap, uint64_t address)
{
	size_t low = 0, high = heap->extents.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (heap->extents.items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct jemalloc_extent *jemalloc_extent_of(const struct jemalloc_heap *heap, uint64_t address)
{
	size_t at = extent_after(heap, address);

	return at < heap->extents.count && address >= heap->extents.items[at].base
		       ? &heap->extents.items[at]
		       : NULL;
}

/*
 * Does a block of the allocator's own memory begin there? It tells its size, a multiple of 2 MiB, and an older block;
 * extents never lie in it.
 */
static bool is_base(const struct jemalloc_heap *heap, const struct maps *maps, uint64_t at,
		    struct address_range *ret, uint64_t *ret_older)
{
	uint64_t header[2];
	size_t after;

	if (at % BASE_ALIGN || !memory_read(heap->pid, at, header, sizeof(header)) || !header[0] ||
	    header[0] % BASE_ALIGN || header[0] >> 47 || header[1] % BASE_ALIGN ||
	    !maps_private_writable(maps, at, at + header[0]))
		return false;
	after = extent_after(heap, at);
	if (after < heap->extents.count && heap->extents.items[after].base < at + header[0])
		return false;
	*ret = (struct address_range){at, at + header[0]};
	*ret_older = header[1];
	return true;
}

static bool is_covered(const struct address_ranges *ranges, size_t from, uint64_t address)
{
	for (size_t i = from; i < ranges->count; i++)
		if (address >= ranges->items[i].start && address < ranges->items[i].end)
			return true;
	return false;
}

/* The block that @page lies in, and the older ones it leads to. 1: it was found; 0: it can't be told. */
static int add_base_of(const struct jemalloc_heap *heap, const struct maps *maps, uint64_t page,
		       struct address_ranges *books, size_t first)
{
	uint64_t at = page & ~(BASE_ALIGN - 1), older = 0;
	struct address_range range = {0, 0};

	for (unsigned int i = 0; i < BASE_STEPS_MAX && at && page >= range.end;
	     i++, at -= BASE_ALIGN)
		if (!is_base(heap, maps, at, &range, &older))
			range.end = 0;
	if (page < range.start || page >= range.end)
		return 0;
	for (unsigned int i = 0; i < BASE_STEPS_MAX; i++) {
		if (vec_push(books, range) < 0)
			return -ENOMEM;
		if (!older || is_covered(books, first, older) ||
		    !is_base(heap, maps, older, &range, &older))
			break;
	}
	return 1;
}

int jemalloc_add_base(const struct jemalloc_heap *heap, const struct maps *maps,
		      struct address_ranges *books)
{
	size_t first = books->count;
	uint64_t unknown = 0; /* 2 MiB that were looked for in vain */
	int got = 0;

	for (size_t i = 0; got >= 0 && i < heap->page_addresses.count; i++) {
		uint64_t page = heap->page_addresses.items[i];

		if (page / BASE_ALIGN == unknown || is_covered(books, first, page))
			continue;
		got = add_base_of(heap, maps, page, books, first);
		if (!got)
			unknown = page / BASE_ALIGN;
	}
	return got < 0 ? got : 0;
}
