/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/ledger/site_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"

#define CHUNK_SITES 64u
#define CHUNK_BYTES (CHUNK_SITES * sizeof(struct call_site))
#define FIRST_INDEX 64u
#define MAX_SITES   (UINT32_MAX / 2)

void site_table_init(struct site_table *table, struct memory_bound *memory, uint64_t seed)
{
	*table = (struct site_table){.memory = memory, .seed = seed, .window = 1};
}

/* Room for at least the slots in use; malloc's smallest block has six. */
static size_t histogram_room(size_t count)
{
	return count <= 6 ? 6 : (count + 1) / 4 * 4 + 2;
}

void site_table_done(struct site_table *table)
{
	for (site_id id = 1; !table->frozen_slots && id <= table->count; id++) {
		free(site_table_at(table, id)->lifetime_ns_log2.slots);
		free(site_table_at(table, id)->size_log2.slots);
	}
	for (size_t i = 0; i * CHUNK_SITES < table->count; i++)
		free(table->chunks[i]);
	free(table->chunks);
	free(table->index);
	free(table->changed);
	free(table->frozen_slots);
	site_table_init(table, table->memory, table->seed);
}

struct call_site *site_table_at(const struct site_table *table, site_id id)
{
	id--;
	return id < table->count ? &table->chunks[id / CHUNK_SITES][id % CHUNK_SITES] : NULL;
}

static void copy_histogram(struct histogram *histogram, uint32_t **free_slots)
{
	if (histogram->count)
		memcpy(*free_slots, histogram->slots, histogram->count * sizeof(uint32_t));
	histogram->slots = *free_slots;
	*free_slots += histogram->count;
}

static int copy_sites(const struct site_table *from, struct site_table *to)
{
	uint32_t *slots = to->frozen_slots;

	for (size_t i = 0; i * CHUNK_SITES < from->count; i++) {
		to->chunks[i] = malloc(CHUNK_BYTES);
		if (!to->chunks[i])
			return -ENOMEM;
		to->count = (i + 1) * CHUNK_SITES;
		if (to->count > from->count)
			to->count = from->count;
		memcpy(to->chunks[i], from->chunks[i], CHUNK_BYTES);
		for (site_id id = i * CHUNK_SITES + 1; id <= to->count; id++) {
			copy_histogram(&site_table_at(to, id)->lifetime_ns_log2, &slots);
			copy_histogram(&site_table_at(to, id)->size_log2, &slots);
		}
	}
	return 0;
}

int site_table_copy(const struct site_table *from, struct site_table *to)
{
	size_t slots = 1;
	int err = -ENOMEM;

	site_table_init(to, from->memory, from->seed);
	for (site_id id = 1; id <= from->count; id++)
		slots += site_table_at(from, id)->lifetime_ns_log2.count +
			 site_table_at(from, id)->size_log2.count;
	to->frozen_slots = malloc(slots * sizeof(*to->frozen_slots));
	to->chunks = calloc(from->chunk_capacity + 1, sizeof(void *));
	to->changed = calloc(from->changed_count + 1, sizeof(*to->changed));
	if (to->frozen_slots && to->chunks && to->changed)
		err = copy_sites(from, to);
	if (err) {
		site_table_done(to);
		return err;
	}
	if (from->changed_count)
		memcpy(to->changed, from->changed, from->changed_count * sizeof(*to->changed));
	to->changed_count = from->changed_count;
	to->window = from->window;
	to->histogram_lost = from->histogram_lost;
	return 0;
}

/* *@array gets room for @count items of @size bytes, charged to the bound. */
static int reserve(struct site_table *table, void **array, size_t *capacity, size_t count,
		   size_t size)
{
	size_t bigger = *capacity + *capacity / 2;
	void *moved;

	if (count <= *capacity)
		return 0;
	if (bigger < count + 16)
		bigger = count + 16;
	if (!memory_take(table->memory, (bigger - *capacity) * size))
		return -ENOSPC;
	moved = realloc(*array, bigger * size);
	if (!moved) {
		memory_give(table->memory, (bigger - *capacity) * size);
		return -ENOMEM;
	}
	*array = moved;
	*capacity = bigger;
	return 0;
}

/* Where the site is, or belongs; a free slot has the tag already. There is always a free one. */
static struct site_slot *index_slot(const struct site_table *table, const struct site_key *key)
{
	uint64_t word = (uint64_t)key->followed << 40 | (uint64_t)key->class << 32 | key->stack;
	uint64_t hash = hash_u64(word, table->seed);
	uint32_t tag = (uint32_t)(hash >> 32);

	for (size_t at = hash;; at++) {
		struct site_slot *slot = &table->index[at & (table->index_capacity - 1)];
		const struct call_site *site;

		if (!slot->id) {
			slot->tag = tag;
			return slot;
		}
		if (slot->tag != tag)
			continue;
		site = site_table_at(table, slot->id);
		if (site->stack == key->stack && site->class == key->class &&
		    site->followed == key->followed)
			return slot;
	}
}

static int index_grow(struct site_table *table)
{
	size_t before = table->index_capacity, capacity = before ? before * 2 : FIRST_INDEX;
	struct site_slot *index;

	if (table->count + 1 <= before / 2)
		return 0;
	if (!memory_take(table->memory, capacity * sizeof(*index)))
		return -ENOSPC;
	index = calloc(capacity, sizeof(*index));
	if (!index) {
		memory_give(table->memory, capacity * sizeof(*index));
		return -ENOMEM;
	}
	free(table->index);
	memory_give(table->memory, before * sizeof(*index));
	table->index = index;
	table->index_capacity = capacity;
	for (site_id id = 1; id <= table->count; id++) {
		const struct call_site *site = site_table_at(table, id);
		struct site_key key = {site->stack, site->class, site->followed};

		index_slot(table, &key)->id = id;
	}
	return 0;
}

static int chunk_add(struct site_table *table)
{
	size_t at = table->count / CHUNK_SITES;
	int err = reserve(table, (void **)&table->chunks, &table->chunk_capacity, at + 1,
			  sizeof(void *));

	if (err)
		return err;
	if (!memory_take(table->memory, CHUNK_BYTES))
		return -ENOSPC;
	table->chunks[at] = calloc(1, CHUNK_BYTES);
	if (!table->chunks[at]) {
		memory_give(table->memory, CHUNK_BYTES);
		return -ENOMEM;
	}
	return 0;
}

static void join_twins(struct site_table *table, const struct site_key *key, site_id id)
{
	struct site_key other = {key->stack, key->class, !key->followed};
	site_id twin = index_slot(table, &other)->id;

	if (!twin)
		return;
	site_table_at(table, id)->twin = twin;
	site_table_at(table, twin)->twin = id;
}

static int site_add(struct site_table *table, const struct site_key *key, site_id *ret)
{
	struct call_site *site;
	int err = table->count < MAX_SITES ? index_grow(table) : -ENOSPC;

	if (!err)
		err = reserve(table, (void **)&table->changed, &table->changed_capacity,
			      table->count + 1, sizeof(*table->changed));
	if (!err && table->count % CHUNK_SITES == 0)
		err = chunk_add(table);
	if (err)
		return err;
	*ret = (site_id)++table->count;
	site = site_table_at(table, *ret);
	site->stack = key->stack;
	site->class = key->class;
	site->followed = key->followed;
	index_slot(table, key)->id = *ret;
	join_twins(table, key, *ret);
	return 0;
}

int site_table_get(struct site_table *table, const struct site_key *key, site_id *ret)
{
	site_id id = table->count ? index_slot(table, key)->id : 0;

	if (!id)
		return site_add(table, key, ret);
	*ret = id;
	return 0;
}

void site_table_begin_window(struct site_table *table)
{
	table->changed_count = 0;
	table->window++;
	/* After 2^32 windows a stale number could pass for the new one. */
	for (site_id id = 1; !table->window && id <= table->count; id++)
		site_table_at(table, id)->window = 0;
	if (!table->window)
		table->window = 1;
}

static struct call_site *touch(struct site_table *table, site_id id)
{
	struct call_site *site = site_table_at(table, id);

	if (site->window != table->window) {
		site->window = table->window;
		site->window_min_bytes = site->outstanding_bytes;
		table->changed[table->changed_count++] = id;
	}
	return site;
}

/* Slots first .. first + count - 1 become those from the lesser to the greater of them and @slot. */
static bool histogram_reach(struct site_table *table, struct histogram *histogram, uint8_t slot)
{
	uint8_t first = histogram->count && histogram->first < slot ? histogram->first : slot;
	uint8_t end = histogram->first + histogram->count;
	size_t room = histogram->count ? histogram_room(histogram->count) : 0;
	uint8_t count = (end > slot + 1 ? end : slot + 1) - first;
	size_t bytes = (histogram_room(count) - room) * sizeof(uint32_t) + (room ? 0 : 8);
	uint32_t *slots = histogram->slots;

	if (histogram_room(count) > room) {
		if (!memory_take(table->memory, bytes))
			return false;
		slots = realloc(slots, histogram_room(count) * sizeof(*slots));
		if (!slots) {
			memory_give(table->memory, bytes);
			return false;
		}
	}
	if (histogram->count)
		memmove(slots + (histogram->first - first), slots,
			histogram->count * sizeof(*slots));
	if (histogram->count && first < histogram->first)
		memset(slots, 0, (histogram->first - first) * sizeof(*slots));
	else
		memset(slots + histogram->count, 0, (count - histogram->count) * sizeof(*slots));
	*histogram = (struct histogram){slots, first, count};
	return true;
}

static uint8_t log2_slot(uint64_t value)
{
	unsigned int slot = 63 - __builtin_clzll(value | 1);

	return slot < LEDGER_HISTOGRAM_SLOTS ? slot : LEDGER_HISTOGRAM_SLOTS - 1;
}

/* False: no memory, counted as lost. */
static bool histogram_add(struct site_table *table, struct histogram *histogram, uint8_t slot)
{
	uint32_t *counter;

	if ((uint8_t)(slot - histogram->first) >= histogram->count &&
	    !histogram_reach(table, histogram, slot)) {
		table->histogram_lost++;
		return false;
	}
	counter = &histogram->slots[slot - histogram->first];
	if (*counter != UINT32_MAX)
		++*counter;
	return true;
}

static void histogram_take_back(struct histogram *histogram, uint8_t slot)
{
	uint8_t at = slot - histogram->first;

	/* A full slot has lost its count. */
	if (at < histogram->count && histogram->slots[at] && histogram->slots[at] != UINT32_MAX)
		histogram->slots[at]--;
}

void site_count_alloc(struct site_table *table, site_id id, uint64_t size_bytes, uint64_t time_ns)
{
	struct call_site *site = site_table_at(table, id);

	if (!site->allocs)
		site->first_ns = time_ns;
	site->allocs++;
	site->alloc_bytes += size_bytes;
	site->last_alloc_ns = time_ns;
	histogram_add(table, &site->size_log2, log2_slot(size_bytes));
}

void site_gain(struct site_table *table, site_id id, uint64_t bytes, uint32_t pieces)
{
	struct call_site *site = touch(table, id);

	site->outstanding_bytes += bytes;
	site->outstanding_count += pieces;
	if (site->peak_bytes < site->outstanding_bytes)
		site->peak_bytes = site->outstanding_bytes;
}

struct site_mark site_release(struct site_table *table, site_id id,
			      const struct site_release *release)
{
	struct call_site *site = touch(table, id);
	struct site_mark mark = {.last_free_ns = site->last_free_ns,
				 .window_min_bytes = site->window_min_bytes,
				 .window = site->window,
				 .lifetime_slot = NO_LIFETIME,
				 .temporary = release->temporary,
				 .ended = release->ended};

	site->free_bytes += release->bytes;
	site->outstanding_bytes -= release->bytes;
	if (site->window_min_bytes > site->outstanding_bytes)
		site->window_min_bytes = site->outstanding_bytes;
	site->last_free_ns = release->time_ns;
	if (!release->ended)
		return mark;
	site->frees++;
	site->outstanding_count--;
	site->temporary_count += release->temporary;
	if (release->lifetime_known) {
		/* Events of different CPUs may be a little out of order. */
		uint64_t age_ns = release->time_ns > release->born_ns
					  ? release->time_ns - release->born_ns
					  : 0;

		uint8_t slot = log2_slot(age_ns);

		if (histogram_add(table, &site->lifetime_ns_log2, slot))
			mark.lifetime_slot = slot;
	}
	return mark;
}

/*
 * Between the release and now the true outstanding bytes were greater by @bytes than those counted. So the
 * least of this window is what it was before the release, or the counted one plus @bytes.
 */
void site_unrelease(struct site_table *table, site_id id, uint64_t bytes,
		    const struct site_mark *mark)
{
	struct call_site *site = touch(table, id);

	site->window_min_bytes += bytes;
	if (mark->window == site->window && site->window_min_bytes > mark->window_min_bytes)
		site->window_min_bytes = mark->window_min_bytes;
	site->free_bytes -= bytes;
	site->outstanding_bytes += bytes;
	if (site->peak_bytes < site->outstanding_bytes)
		site->peak_bytes = site->outstanding_bytes;
	site->last_free_ns = mark->last_free_ns;
	if (!mark->ended)
		return;
	site->frees--;
	site->outstanding_count++;
	site->temporary_count -= mark->temporary;
	if (mark->lifetime_slot != NO_LIFETIME)
		histogram_take_back(&site->lifetime_ns_log2, mark->lifetime_slot);
}
