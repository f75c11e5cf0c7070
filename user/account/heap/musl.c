// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The heap of musl's malloc (mallocng, 1.2.1 and later), without symbols: dynamic and static programs.
 *
 * Source: src/malloc/mallocng/{meta.h,malloc.c,free.c,aligned_alloc.c} of musl. All state is one struct malloc_context in
 * static data. It leads to areas of one page each, which begin with the same secret number, with 101 records (struct
 * meta). A record describes a group of up to 32 slots of one size and says which of them are free. A group is mapped,
 * lies in a slot of another group, or in what the loader left over. Each slot has a header before its first byte, which
 * tells where in it the block begins, and how many bytes at its end are spare.
 *
 * Threads keep nothing for themselves. Headers are taken from the pages as they pass by: the process stands still then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/code_range.h"
#include "account/heap/walker.h"
#include "base/cleanup.h"

/* struct malloc_context, in words */
#define CONTEXT_SECRET     0
#define CONTEXT_INIT       1 /* low half: 1 */
#define CONTEXT_AVAIL      3 /* record that is the next to be used, in the last area */
#define CONTEXT_AVAIL_LEFT 4
#define CONTEXT_FIRST_AREA 7
#define CONTEXT_LAST_AREA  8
#define CONTEXT_WORDS      116

#define AREA_BYTES   4096
#define AREA_WORDS   (AREA_BYTES / 8)
#define AREA_RECORDS 101
#define AREA_FIRST   3 /* words before the records: secret, next area, count */
#define RECORD_WORDS 5 /* prev, next, group, masks of slots, bits */
#define AREAS_MAX    (1u << 22)

#define UNIT         16
#define HEADER_BYTES 4 /* before each block; the slot's last bytes are the next one's header */
#define CLASS_COUNT  48
#define CLASS_LARGE  63
#define SLOTS_MAX    32

/* A block's header, in the 8 bytes before it. */
#define HEADER_WIDE(word)     ((word) >> 32 & 0xff)
#define HEADER_SLOT(word)     ((word) >> 40 & 31)
#define HEADER_RESERVED(word) ((word) >> 45 & 7)
#define HEADER_OFFSET(word)   ((word) >> 48)
#define RESERVED_IN_SLOT      5 /* it stands in the slot's last bytes */
#define RESERVED_GROUP        6 /* a group lies in the slot */
#define RESERVED_ELSEWHERE    7 /* the block begins further on */

#define MALLOC_MARGIN 0x800
#define TEXT_MAX      (64u << 10) /* functions further apart are not only malloc's */
#define STACK_LOOK    8           /* words, within which a system call's caller's caller is */
#define WAITS_MAX     10

static const uint16_t class_units[CLASS_COUNT] = {1,    2,    3,    4,    5,    6,    7,    8,
						  9,    10,   12,   15,   18,   20,   25,   31,
						  36,   42,   50,   63,   72,   84,   102,  127,
						  146,  170,  204,  255,  292,  340,  409,  511,
						  584,  682,  818,  1023, 1169, 1364, 1637, 2047,
						  2340, 2730, 3276, 4095, 4680, 5460, 6552, 8191};

struct group {
	uint64_t start, end, stride;
	uint64_t record;   /* its address: the group's first word */
	size_t first_word; /* of its headers */
	uint32_t free_mask;
	uint8_t slots;
	bool whole_pages; /* mapped */
};

/* A header that comes by later: of a block that does not begin where its slot does. */
struct pending {
	uint64_t address;
	size_t word;
};

struct musl_heap {
	uint64_t context;
	struct address_range text;
	bool standing;
	unsigned int
		waits; /* looks in a row that seemed to be at a bad moment by what lies on a stack */
	VEC(uint64_t) areas;
	VEC(struct group) groups; /* ascending */
	uint64_t *headers;        /* the word before each slot, and the one that ends the last */
	uint64_t *inner;          /* of blocks that begin further on: the word before them */
	size_t header_count, header_room;
	VEC(struct pending) pending;
	size_t cursor; /* the first group that may lie in the pages that come */
};

static bool is_pointer(uint64_t word, uint64_t align)
{
	return word >= PAGE_BYTES && !(word >> 47) && word % align == 0;
}

struct search {
	int pid;
	uint64_t found; /* 0: nothing yet */
};

static bool is_area(int pid, uint64_t at, uint64_t secret, uint64_t *ret_next)
{
	uint64_t words[AREA_FIRST];

	if (!is_pointer(at, AREA_BYTES) || !memory_read(pid, at, words, sizeof(words)) ||
	    words[0] != secret || (uint32_t)words[2] != AREA_RECORDS)
		return false;
	*ret_next = words[1];
	return true;
}

static bool is_context(int pid, const uint64_t *words)
{
	uint64_t at = words[CONTEXT_FIRST_AREA], next = 0;

	for (unsigned int i = 0; i < AREAS_MAX; i++) {
		if (!is_area(pid, at, words[CONTEXT_SECRET], &next))
			return false;
		if (at == words[CONTEXT_LAST_AREA])
			return true;
		at = next;
	}
	return false;
}

static int look_for_context(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct search *search = user;
	uint64_t copy[CONTEXT_LAST_AREA + 1];

	for (size_t i = 0; i < page_count * PAGE_WORDS; i++) {
		const uint64_t *c = words + i;

		if (i + CONTEXT_LAST_AREA >= page_count * PAGE_WORDS) {
			if (!memory_read(search->pid, address + i * 8, copy, sizeof(copy)))
				break;
			c = copy;
		}
		if ((uint32_t)c[CONTEXT_INIT] == 1 && c[CONTEXT_SECRET] &&
		    is_pointer(c[CONTEXT_FIRST_AREA], AREA_BYTES) &&
		    is_pointer(c[CONTEXT_LAST_AREA], AREA_BYTES) && is_context(search->pid, c)) {
			search->found = address + i * 8;
			return 1;
		}
	}
	return 0;
}

/* Static data: of a file, or what follows that. */
static bool may_hold_context(const struct maps *maps, size_t index)
{
	const struct mapping *m = &maps->items[index];

	return m->prot == (PROT_READ | PROT_WRITE) && !m->shared &&
	       (m->inode || (index && m[-1].inode && m[-1].end == m->start));
}

static void find_text(struct musl_heap *heap, const struct heap_place *place)
{
	static const char *const names[] = {
		"malloc", "free", "calloc", "realloc", "aligned_alloc", "malloc_usable_size", NULL};
	const struct mapping *m = maps_find(&place->maps, heap->context);
	struct code_module module;

	while (m && !m->inode && m > place->maps.items && m[-1].end == m->start)
		m--;
	if (!m || !m->inode || !code_module_open(place->pid, &place->maps, m, &module))
		return;
	code_range_widen(&module, names, MALLOC_MARGIN, &heap->text);
	if (heap->text.end - heap->text.start > TEXT_MAX)
		heap->text = (struct address_range){0, 0};
	code_module_close(&module);
}

static void musl_done(void *state)
{
	struct musl_heap *heap = state;

	vec_done(&heap->areas);
	vec_done(&heap->groups);
	vec_done(&heap->pending);
	free(heap->headers);
	free(heap->inner);
	free(heap);
}

static int musl_find(struct heap_place *place, void **ret_state)
{
	struct search search = {place->pid, 0};
	struct musl_heap *heap;

	for (size_t i = 0; i < place->maps.count && !search.found; i++) {
		const struct mapping *m = &place->maps.items[i];

		if (may_hold_context(&place->maps, i))
			(void)memory_stream_range(place->stream,
						  (struct stream_range){m->start, m->end,
									STREAM_ANONYMOUS},
						  look_for_context, &search);
	}
	if (!search.found)
		return -ENOENT;
	heap = calloc(1, sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	heap->context = search.found;
	find_text(heap, place);
	*ret_state = heap;
	return 0;
}

/* The areas that are new since the last look: the list only grows. */
static int follow_areas(struct musl_heap *heap, int pid, const uint64_t *context)
{
	uint64_t at = heap->areas.count ? heap->areas.items[heap->areas.count - 1]
					: context[CONTEXT_FIRST_AREA];
	uint64_t next;

	while (heap->areas.count < AREAS_MAX) {
		if (!is_area(pid, at, context[CONTEXT_SECRET], &next))
			return -EUCLEAN;
		if ((!heap->areas.count || heap->areas.items[heap->areas.count - 1] != at) &&
		    vec_push(&heap->areas, at) < 0)
			return -ENOMEM;
		if (at == context[CONTEXT_LAST_AREA])
			return 0;
		at = next;
	}
	return -EUCLEAN;
}

static bool parse_group(const uint64_t *record, uint64_t address, struct group *ret)
{
	uint64_t bits = record[4], class = bits >> 6 & 63, pages = bits >> 12;
	uint32_t last = bits & 31, all = (uint32_t)((2ULL << last) - 1);
	uint32_t mask = (uint32_t)record[3] | (uint32_t)(record[3] >> 32);

	*ret = (struct group){.start = record[2],
			      .record = address,
			      .free_mask = mask & all,
			      .slots = (uint8_t)(last + 1),
			      .whole_pages = pages};
	if (!is_pointer(record[2], UNIT) || pages >> 35)
		return false;
	if (!last && pages)
		ret->stride = pages * PAGE_BYTES - UNIT;
	else if (class < CLASS_COUNT)
		ret->stride = (uint64_t)UNIT * class_units[class];
	else
		return false;
	ret->end = ret->start + UNIT + ret->stride * ret->slots;
	if (pages && ret->end > ret->start + pages * PAGE_BYTES)
		return false;
	if (pages)
		ret->end = ret->start + pages * PAGE_BYTES;
	return class < CLASS_COUNT || class == CLASS_LARGE;
}

/* @used: records in there that were ever in use. */
static int take_area(struct musl_heap *heap, uint64_t address, const uint64_t *words, size_t used)
{
	for (size_t i = 0; i < used; i++) {
		const uint64_t *record = words + AREA_FIRST + i * RECORD_WORDS;
		struct group group;

		if (!record[2])
			continue; /* in the list of free ones, or being made */
		if (!parse_group(record, address + (AREA_FIRST + i * RECORD_WORDS) * 8, &group))
			return -EAGAIN;
		if (vec_push(&heap->groups, group) < 0)
			return -ENOMEM;
	}
	return 0;
}

#define AREA_BATCH 64

static int take_areas(struct musl_heap *heap, int pid, const uint64_t *context)
{
	_cleanup_free_ uint64_t *words = malloc((size_t)AREA_BATCH * AREA_BYTES);
	struct memory_piece pieces[AREA_BATCH];
	int err = words ? 0 : -ENOMEM;

	vec_clear(&heap->groups);
	for (size_t done = 0; !err && done < heap->areas.count; done += AREA_BATCH) {
		size_t left = heap->areas.count - done,
		       batch = left < AREA_BATCH ? left : AREA_BATCH;

		for (size_t i = 0; i < batch; i++)
			pieces[i] = (struct memory_piece){heap->areas.items[done + i],
							  words + i * AREA_WORDS, AREA_BYTES,
							  false};
		memory_read_pieces(pid, pieces, batch);
		for (size_t i = 0; !err && i < batch; i++) {
			bool last = pieces[i].address == context[CONTEXT_LAST_AREA];
			uint64_t left_in_last = context[CONTEXT_AVAIL_LEFT];

			if (!pieces[i].ok || left_in_last > AREA_RECORDS)
				return -EUCLEAN;
			err = take_area(heap, pieces[i].address, pieces[i].bytes,
					last ? AREA_RECORDS - left_in_last : AREA_RECORDS);
		}
	}
	return err;
}

static int by_group(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	/* Of a group and one in its first slot, the outer one comes first. */
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end > y->end ? -1 : x->end < y->end;
}

static int add_run(struct heap_place *place, const struct address_range *run)
{
	int err = 0;

	if (run->start == run->end)
		return 0;
	if (!maps_private_writable(&place->maps, run->start, run->end))
		return -EUCLEAN;
	err = block_map_add(&place->map, run->start, run->end, BLOCK_GRANULE_SHIFT);
	return err ? err : block_map_add_tails(&place->map);
}

/* Groups that follow each other are one segment; a group within one lies in its slots. */
static int add_segments(struct musl_heap *heap, struct heap_place *place)
{
	struct address_range run = {0, 0};
	int err = 0;

	heap->header_count = 0;
	for (size_t i = 0; !err && i < heap->groups.count; i++) {
		struct group *g = &heap->groups.items[i];

		g->first_word = heap->header_count;
		heap->header_count += (size_t)g->slots + 1;
		if (g->start < run.end) {
			err = g->end > run.end ? -EUCLEAN : 0;
		} else if (g->start == run.end) {
			run.end = g->end;
		} else {
			err = add_run(place, &run);
			run = (struct address_range){g->start, g->end};
		}
	}
	return err ? err : add_run(place, &run);
}

/* Its first word points back to its record. */
static int check_groups(const struct musl_heap *heap, int pid)
{
	struct memory_piece pieces[AREA_BATCH];
	uint64_t words[AREA_BATCH];

	for (size_t done = 0; done < heap->groups.count; done += AREA_BATCH) {
		size_t left = heap->groups.count - done,
		       batch = left < AREA_BATCH ? left : AREA_BATCH;

		for (size_t i = 0; i < batch; i++)
			pieces[i] = (struct memory_piece){heap->groups.items[done + i].start,
							  &words[i], 8, false};
		memory_read_pieces(pid, pieces, batch);
		for (size_t i = 0; i < batch; i++)
			if (!pieces[i].ok || words[i] != heap->groups.items[done + i].record)
				return -EAGAIN;
	}
	return 0;
}

static int make_room(struct musl_heap *heap)
{
	if (heap->header_room < heap->header_count) {
		size_t room = heap->header_count + heap->header_count / 4;

		free(heap->headers);
		free(heap->inner);
		heap->headers = malloc(room * sizeof(*heap->headers));
		heap->inner = malloc(room * sizeof(*heap->inner));
		heap->header_room = heap->headers && heap->inner ? room : 0;
		if (!heap->header_room)
			return -ENOMEM;
	}
	if (heap->header_count) {
		memset(heap->headers, 0, heap->header_count * sizeof(*heap->headers));
		memset(heap->inner, 0, heap->header_count * sizeof(*heap->inner));
	}
	return 0;
}

/*
 * A thread that wakes another one when it lets go of the lock has taken a slot and not yet written its header: malloc
 * called what is in the kernel. What lies there may also be old, so this is believed a few times only.
 */
static bool waits_in_malloc(struct musl_heap *heap, const struct heap_place *place)
{
	uint64_t words[STACK_LOOK];

	for (size_t i = 0; heap->waits < WAITS_MAX && i < place->stopped->threads.count; i++) {
		const struct stopped_thread *t = &place->stopped->threads.items[i];

		if (!t->in_system_call ||
		    !memory_read(place->pid, t->stack_pointer, words, sizeof(words)))
			continue;
		for (unsigned int k = 0; k < STACK_LOOK; k++)
			if (words[k] >= heap->text.start && words[k] < heap->text.end) {
				heap->waits++;
				return true;
			}
	}
	heap->waits = 0;
	return false;
}

static int musl_segments(void *state, struct heap_place *place)
{
	struct musl_heap *heap = state;
	uint64_t context[CONTEXT_WORDS];
	int err;

	heap->standing = place->stopped;
	heap->cursor = 0;
	vec_clear(&heap->pending);
	err = place->stopped ? code_range_leave(&heap->text, place->stopped) : 0;
	if (err)
		return err;
	if (place->stopped && waits_in_malloc(heap, place))
		return -EAGAIN;
	if (!memory_read(place->pid, heap->context, context, sizeof(context)))
		return -EUCLEAN;
	err = follow_areas(heap, place->pid, context);
	if (!err)
		err = take_areas(heap, place->pid, context);
	if (!err && heap->groups.count)
		qsort(heap->groups.items, heap->groups.count, sizeof(*heap->groups.items),
		      by_group);
	if (!err)
		err = check_groups(heap, place->pid);
	if (!err)
		err = add_segments(heap, place);
	if (!err)
		err = make_room(heap);
	if (!err)
		block_map_seal(&place->map);
	return err;
}

static uint64_t slot_start(const struct group *g, unsigned int slot)
{
	return g->start + UNIT + g->stride * slot;
}

struct run {
	uint64_t address, end;
	const uint64_t *words;
};

static uint64_t word_at(const struct run *run, uint64_t address)
{
	return run->words[(address - run->address) / 8];
}

/* The words before the group's slots that lie in these pages. */
static int take_headers(struct musl_heap *heap, const struct group *g, const struct run *run)
{
	uint64_t first = slot_start(g, 0) - 8;
	unsigned int slot =
		run->address > first
			? (unsigned int)((run->address - first + g->stride - 1) / g->stride)
			: 0;

	for (; slot <= g->slots && first + g->stride * slot < run->end; slot++) {
		uint64_t header = word_at(run, first + g->stride * slot);
		uint64_t inner = first + g->stride * slot + UNIT * HEADER_OFFSET(header);
		size_t word = g->first_word + slot;

		heap->headers[word] = header;
		if (slot == g->slots || g->free_mask >> slot & 1 ||
		    HEADER_RESERVED(header) != RESERVED_ELSEWHERE)
			continue;
		if (inner < run->end)
			heap->inner[word] = word_at(run, inner);
		else if (vec_push(&heap->pending, (struct pending){inner, word}) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void take_pending(struct musl_heap *heap, const struct run *run)
{
	for (size_t i = 0; i < heap->pending.count;) {
		const struct pending *p = &heap->pending.items[i];

		if (p->address >= run->end) {
			i++;
			continue;
		}
		if (p->address >= run->address)
			heap->inner[p->word] = word_at(run, p->address);
		vec_remove_unordered(&heap->pending, i);
	}
}

static int musl_take(void *state, struct heap_place *place, uint64_t address, const uint64_t *words,
		     size_t page_count)
{
	struct musl_heap *heap = state;
	struct run run = {address, address + page_count * PAGE_BYTES, words};
	int err = 0;

	(void)place;
	take_pending(heap, &run);
	while (heap->cursor < heap->groups.count &&
	       heap->groups.items[heap->cursor].end <= run.address)
		heap->cursor++;
	for (size_t i = heap->cursor; !err && i < heap->groups.count; i++) {
		const struct group *g = &heap->groups.items[i];

		if (g->start >= run.end)
			break;
		if (g->end > run.address)
			err = take_headers(heap, g, &run);
	}
	return err;
}

static void begin(struct block_segment *s, uint64_t address, bool idle)
{
	uint64_t index;

	if (address >= s->end)
		return;
	index = block_index(s, address);
	block_segment_begin(s, index);
	if (idle)
		bit_set(s->idle, index);
	else
		bit_clear(s->idle, index);
}

/* A block in a slot: where it begins, its header, and the slot's last word. */
struct slot_block {
	unsigned int slot;
	uint64_t start, header, last_word;
};

/* Bytes that the program asked for; false: the header does not hold. */
static bool block_bytes(const struct group *g, const struct slot_block *b, uint64_t *ret)
{
	uint64_t end = slot_start(g, b->slot) + g->stride - HEADER_BYTES;
	uint64_t reserved = HEADER_RESERVED(b->header);
	uint64_t offset = HEADER_WIDE(b->header) ? (uint32_t)b->header : HEADER_OFFSET(b->header);

	if (HEADER_SLOT(b->header) != b->slot || b->start != g->start + UNIT + UNIT * offset ||
	    reserved > RESERVED_IN_SLOT || b->start >= end)
		return false;
	if (reserved == RESERVED_IN_SLOT)
		reserved = (uint32_t)b->last_word;
	*ret = end - b->start - reserved;
	return reserved <= end - b->start;
}

/* A block ends on a granule; what of it the program may not use is told apart. */
static void add_block(struct block_segment *s, uint64_t block, uint64_t bytes)
{
	uint64_t size = bytes ? (bytes + UNIT - 1) & ~(uint64_t)(UNIT - 1) : UNIT;
	uint64_t end = block + size;

	begin(s, block, false);
	s->tails[block_index(s, block)] = (uint8_t)(size - bytes);
	/* Where something begins already, that ends it too. */
	if (end < s->end && !bit_get(s->begins, block_index(s, end)))
		begin(s, end, true);
}

static int settle_slot(const struct musl_heap *heap, const struct group *g, unsigned int slot,
		       struct block_segment *s)
{
	size_t word = g->first_word + slot;
	uint64_t start = slot_start(g, slot), bytes;
	struct slot_block block = {slot, start, heap->headers[word], heap->headers[word + 1]};

	begin(s, start, true);
	if (g->free_mask >> slot & 1)
		return 0;
	if (HEADER_RESERVED(block.header) == RESERVED_ELSEWHERE) {
		block.start += UNIT * HEADER_OFFSET(block.header);
		block.header = heap->inner[word];
	}
	if (HEADER_RESERVED(block.header) == RESERVED_GROUP && HEADER_SLOT(block.header) == slot)
		return 0;
	if (block_bytes(g, &block, &bytes)) {
		add_block(s, block.start, bytes);
		return 0;
	}
	/*
	 * It is being given out or back. Or it is aligned so widely that its place does not fit into the header, and has a
	 * mapping of its own then: all of that is it.
	 */
	add_block(s, start, g->stride - HEADER_BYTES);
	return g->slots == 1 && g->whole_pages ? 0 : -EAGAIN;
}

static int musl_settle(void *state, struct heap_place *place)
{
	struct musl_heap *heap = state;
	int result = 0;

	for (size_t i = 0; i < heap->groups.count; i++) {
		const struct group *g = &heap->groups.items[i];
		struct block_segment *s = block_map_segment(&place->map, g->start);

		if (!s || g->start % UNIT || s->start % UNIT || g->end > s->end)
			return -EUCLEAN;
		begin(s, g->start, true);
		for (unsigned int slot = 0; slot < g->slots; slot++)
			if (settle_slot(heap, g, slot, s) && heap->standing)
				result = -EAGAIN;
	}
	return result;
}

const struct heap_walker musl_walker = {
	.set = HEAP_MUSL,
	.find = musl_find,
	.segments = musl_segments,
	.take = musl_take,
	.settle = musl_settle,
	.done = musl_done,
};
