/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/ledger/block_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK_SIZE_LARGE UINT32_MAX
#define PAGE_UNIT_BYTES  ((size_t)4096)
#define PAGE_MAX_BYTES   ((size_t)256 << 10)
#define MAX_DEPTH        28u

struct block_page {
	struct block_slot
		*slots; /* of an anonymous mapping; the last is always free and ends any search */
	uint32_t slot_count;
	uint32_t home_count; /* slots that a key may point to; the rest take what is pushed behind them */
	uint32_t count, limit; /* entries now, and from which on the page is full */
	unsigned int depth;    /* leading key bits that all entries share */
};

static size_t page_bytes(const struct block_page *page)
{
	return (page->slot_count * sizeof(struct block_slot) + PAGE_UNIT_BYTES - 1) &
	       ~(PAGE_UNIT_BYTES - 1);
}

static uint32_t home_of(const struct block_page *page, uint64_t key)
{
	return (uint32_t)(((key << page->depth) >> 32) * page->home_count >> 32);
}

static size_t directory_index(unsigned int depth, uint64_t key)
{
	return key >> 1 >> (63 - depth);
}

static struct block_page *page_of(const struct block_table *table, uint64_t key)
{
	return table->directory[directory_index(table->depth, key)];
}

static void page_free(struct block_table *table, struct block_page *page)
{
	if (!page)
		return;
	memory_give(table->memory, page_bytes(page) + sizeof(*page));
	munmap(page->slots, page_bytes(page));
	free(page);
}

static int page_new(struct block_table *table, size_t bytes, unsigned int depth,
		    struct block_page **ret)
{
	struct block_page *page;

	if (!memory_take(table->memory, bytes + sizeof(*page)))
		return -ENOSPC;
	page = calloc(1, sizeof(*page));
	if (!page)
		goto err_give;
	page->slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (page->slots == MAP_FAILED)
		goto err_free;
	page->slot_count = bytes / sizeof(struct block_slot);
	page->home_count = page->slot_count - (page->slot_count < 1024 ? 16 : 32);
	page->limit = page->home_count / 16 * 13;
	page->depth = depth;
	*ret = page;
	return 0;

err_free:
	free(page);
err_give:
	memory_give(table->memory, bytes + sizeof(*page));
	return -ENOMEM;
}

/* Copies the occupied ones of @slots, in their order, into an empty page. False: its end was too short. */
static bool page_fill(struct block_page *page, const struct block_slot *slots, size_t count)
{
	uint32_t next = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t home;

		if (!slots[i].key)
			continue;
		home = home_of(page, slots[i].key);
		if (next < home)
			next = home;
		if (next + 1 >= page->slot_count)
			return false;
		page->slots[next++] = slots[i];
		page->count++;
	}
	return true;
}

/* A page of at least @bytes that holds what is in @slots. */
static int page_build(struct block_table *table, size_t bytes, const struct block_page *like,
		      struct block_page **ret)
{
	for (;; bytes += PAGE_UNIT_BYTES) {
		struct block_page *page;
		int err = page_new(table, bytes, like->depth, &page);

		if (err)
			return err;
		if (page_fill(page, like->slots, like->slot_count)) {
			*ret = page;
			return 0;
		}
		page_free(table, page);
	}
}

static size_t bytes_for(size_t entries)
{
	/* 0.68 full, so that the next growth is a fifth away */
	size_t bytes = (entries * 3 / 2 + 48) * sizeof(struct block_slot);

	return (bytes + PAGE_UNIT_BYTES - 1) & ~(PAGE_UNIT_BYTES - 1);
}

static void directory_set(struct block_table *table, uint64_t key, struct block_page *page)
{
	size_t count = (size_t)1 << (table->depth - page->depth);
	size_t first = directory_index(table->depth, key) & ~(count - 1);

	for (size_t i = 0; i < count; i++)
		table->directory[first + i] = page;
}

static int page_resize(struct block_table *table, struct block_page *old, size_t bytes,
		       uint64_t key)
{
	struct block_page *page;
	int err = page_build(table, bytes, old, &page);

	if (err)
		return err;
	directory_set(table, key, page);
	page_free(table, old);
	return 0;
}

static int directory_double(struct block_table *table)
{
	size_t count = (size_t)1 << table->depth;
	struct block_page **directory;

	if (table->depth >= MAX_DEPTH || !memory_take(table->memory, count * sizeof(void *)))
		return -ENOSPC;
	directory = calloc(count * 2, sizeof(struct block_page *));
	if (!directory) {
		memory_give(table->memory, count * sizeof(void *));
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		directory[2 * i] = directory[2 * i + 1] = table->directory[i];
	free(table->directory);
	table->directory = directory;
	table->depth++;
	return 0;
}

static int page_split(struct block_table *table, struct block_page *old, uint64_t key)
{
	uint64_t bit = (uint64_t)1 << (63 - old->depth);
	struct block_page *halves[2] = {NULL, NULL};
	struct block_page part = {.depth = old->depth + 1};
	uint32_t middle = 0;
	int err = old->depth < table->depth ? 0 : directory_double(table);

	while (middle < old->slot_count &&
	       (!old->slots[middle].key || !(old->slots[middle].key & bit)))
		middle++;
	for (int i = 0; i < 2 && !err; i++) {
		part.slots = old->slots + (i ? middle : 0);
		part.slot_count = i ? old->slot_count - middle : middle;
		err = page_build(table, bytes_for(old->count / 2), &part, &halves[i]);
	}
	if (err) {
		page_free(table, halves[0]);
		return err;
	}
	directory_set(table, key & ~bit, halves[0]);
	directory_set(table, key | bit, halves[1]);
	page_free(table, old);
	return 0;
}

static int page_grow(struct block_table *table, struct block_page *page, uint64_t key)
{
	size_t bytes = page_bytes(page);
	size_t more = bytes / 5 & ~(PAGE_UNIT_BYTES - 1);

	bytes += more ? more : PAGE_UNIT_BYTES;
	if (bytes > PAGE_MAX_BYTES)
		return page_split(table, page, key);
	return page_resize(table, page, bytes, key);
}

/* The slot of the key, or where it belongs. Free slots count as greater than any key. */
static uint32_t seek(const struct block_page *page, uint64_t key)
{
	uint32_t at = home_of(page, key);

	while (page->slots[at].key - 1 < key - 1)
		at++;
	return at;
}

/* False: no room behind. */
static bool page_insert(struct block_page *page, uint32_t at, const struct block_slot *slot)
{
	uint32_t end = at;

	while (page->slots[end].key)
		end++;
	if (end + 1 >= page->slot_count)
		return false;
	memmove(&page->slots[at + 1], &page->slots[at], (end - at) * sizeof(*slot));
	page->slots[at] = *slot;
	page->count++;
	return true;
}

/* Moves back those behind that are not where their key points to. */
static void page_erase(struct block_page *page, uint32_t at)
{
	uint32_t end = at + 1;

	while (page->slots[end].key && home_of(page, page->slots[end].key) < end)
		end++;
	memmove(&page->slots[at], &page->slots[at + 1], (end - at - 1) * sizeof(struct block_slot));
	page->slots[end - 1].key = 0;
	page->count--;
}

static uint64_t odd_inverse(uint64_t odd)
{
	uint64_t inverse = odd; /* right modulo 8; each step doubles the bits (Newton) */

	for (int i = 0; i < 5; i++)
		inverse *= 2 - odd * inverse;
	return inverse;
}

int block_table_init(struct block_table *table, struct memory_bound *memory, uint64_t seed)
{
	struct block_page *page;
	int err;

	*table = (struct block_table){.memory = memory};
	for (int i = 0; i < 2; i++) {
		table->multiply[i] = hash_u64((uint64_t)i + 1, seed) | 1;
		table->divide[i] = odd_inverse(table->multiply[i]);
	}
	map64_init(&table->large, hash_u64(3, seed));
	err = page_new(table, PAGE_UNIT_BYTES, 0, &page);
	if (err)
		return err;
	/* Not charged: each doubling is. */
	table->directory = malloc(sizeof(struct block_page *));
	if (!table->directory) {
		page_free(table, page);
		return -ENOMEM;
	}
	table->directory[0] = page;
	return 0;
}

void block_table_done(struct block_table *table)
{
	size_t count = (size_t)1 << table->depth;

	if (!table->directory)
		return;
	for (size_t i = 0; i < count;) {
		struct block_page *page = table->directory[i];

		i += (size_t)1 << (table->depth - page->depth);
		page_free(table, page);
	}
	memory_give(table->memory, (count - 1) * sizeof(void *));
	memory_give(table->memory, table->large.capacity * sizeof(struct map64_slot));
	free(table->directory);
	map64_done(&table->large);
	table->directory = NULL;
}

/* Sizes that no slot can hold: rare, so memory is charged by what the map holds. */
static int large_put(struct block_table *table, uint64_t key, uint64_t size)
{
	struct map64 *large = &table->large;
	size_t before = large->capacity;
	uint64_t growth = (before ? before : 16) * sizeof(struct map64_slot);
	bool full = large->count + 1 > before / 4 * 3;
	int err;

	if (full && !memory_take(table->memory, growth))
		return -ENOSPC;
	err = map64_put(large, key, size);
	if (full && large->capacity == before)
		memory_give(table->memory, growth);
	return err;
}

static void to_block(const struct block_table *table, const struct block_slot *slot,
		     struct block *ret)
{
	ret->key = slot->key;
	ret->time_ns = slot->time_ns;
	ret->site = slot->site;
	ret->size_bytes = slot->size;
	if (slot->size == BLOCK_SIZE_LARGE)
		map64_get(&table->large, slot->key, &ret->size_bytes);
}

static int put_slot(struct block_table *table, struct block_page *page, uint32_t at,
		    const struct block_slot *slot)
{
	while (page->count >= page->limit || !page_insert(page, at, slot)) {
		int err = page_grow(table, page, slot->key);

		if (err)
			return err;
		page = page_of(table, slot->key);
		at = seek(page, slot->key);
	}
	table->count++;
	return 0;
}

int block_table_put(struct block_table *table, const struct block *block, struct block *ret_old)
{
	bool large = block->size_bytes >= BLOCK_SIZE_LARGE;
	struct block_slot slot = {.key = block->key,
				  .time_ns = block->time_ns,
				  .site = block->site,
				  .size = large ? BLOCK_SIZE_LARGE : (uint32_t)block->size_bytes};
	struct block_page *page = page_of(table, block->key);
	uint32_t at = seek(page, block->key);
	struct block_slot *found = &page->slots[at];
	bool replaces = found->key == block->key;
	struct block old;
	int err;

	if (replaces)
		to_block(table, found, &old);
	err = large ? large_put(table, block->key, block->size_bytes) : 0;
	if (err)
		return err;
	if (!replaces) {
		err = put_slot(table, page, at, &slot);
		if (err && large)
			map64_remove(&table->large, block->key, NULL);
		return err;
	}
	if (found->size == BLOCK_SIZE_LARGE && !large)
		map64_remove(&table->large, block->key, NULL);
	*found = slot;
	*ret_old = old;
	return 1;
}

/* Gives memory back when a page is far from full; failing to is no harm. */
static void shrink(struct block_table *table, struct block_page *page, uint64_t key)
{
	size_t bytes = bytes_for(page->count);

	if (bytes < page_bytes(page))
		page_resize(table, page, bytes, key);
}

bool block_table_remove(struct block_table *table, uint64_t key, struct block *ret_old)
{
	struct block_page *page = page_of(table, key);
	uint32_t at = seek(page, key);

	if (page->slots[at].key != key || !key)
		return false;
	to_block(table, &page->slots[at], ret_old);
	if (page->slots[at].size == BLOCK_SIZE_LARGE)
		map64_remove(&table->large, key, NULL);
	page_erase(page, at);
	table->count--;
	if (page->count < page->limit / 4 && page->slot_count > 512)
		shrink(table, page, key);
	return true;
}

bool block_table_find(const struct block_table *table, uint64_t key, struct block *ret)
{
	const struct block_page *page = page_of(table, key);
	const struct block_slot *slot = &page->slots[seek(page, key)];

	if (slot->key != key || !key)
		return false;
	to_block(table, slot, ret);
	return true;
}

int block_table_for_each(const struct block_table *table,
			 int (*visit)(const struct block *, void *user), void *user)
{
	size_t count = table->directory ? (size_t)1 << table->depth : 0;

	for (size_t i = 0; i < count;) {
		const struct block_page *page = table->directory[i];

		for (uint32_t j = 0; j < page->slot_count; j++) {
			struct block block;
			int result;

			if (!page->slots[j].key)
				continue;
			to_block(table, &page->slots[j], &block);
			result = visit(&block, user);
			if (result)
				return result;
		}
		i += (size_t)1 << (table->depth - page->depth);
	}
	return 0;
}

static bool page_is_sound(const struct block_table *table, const struct block_page *page,
			  size_t first)
{
	uint64_t before = 0;
	uint32_t count = 0, run = 0; /* run: first slot of the occupied ones up to here */

	for (uint32_t i = 0; i < page->slot_count; i++) {
		uint64_t key = page->slots[i].key;

		if (!key) {
			run = i + 1;
			continue;
		}
		if (key <= before || home_of(page, key) > i || home_of(page, key) < run ||
		    directory_index(page->depth, key) != first >> (table->depth - page->depth))
			return false;
		before = key;
		count++;
	}
	return count == page->count && !page->slots[page->slot_count - 1].key;
}

int block_table_verify(const struct block_table *table)
{
	size_t count = table->directory ? (size_t)1 << table->depth : 0;
	uint64_t blocks = 0;

	for (size_t i = 0; i < count;) {
		const struct block_page *page = table->directory[i];

		if (!page_is_sound(table, page, i))
			return -EUCLEAN;
		blocks += page->count;
		i += (size_t)1 << (table->depth - page->depth);
	}
	return blocks == table->count ? 0 : -EUCLEAN;
}
