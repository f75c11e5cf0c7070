/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/ledger/range_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_RANGES 128u

struct range_chunk {
	uint32_t count;
	struct range items[CHUNK_RANGES];
};

void range_set_init(struct range_set *set, struct memory_bound *memory)
{
	*set = (struct range_set){.memory = memory};
}

void range_set_done(struct range_set *set)
{
	for (size_t i = 0; i < set->chunk_count; i++)
		free(set->chunks[i]);
	free(set->chunks);
	range_set_init(set, set->memory);
}

static const struct range *last_of(const struct range_chunk *chunk)
{
	return &chunk->items[chunk->count - 1];
}

struct range_position range_set_seek(const struct range_set *set, uint64_t address)
{
	size_t low = 0, high = set->chunk_count;
	uint32_t first = 0, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (last_of(set->chunks[middle])->end > address)
			high = middle;
		else
			low = middle + 1;
	}
	end = low < set->chunk_count ? set->chunks[low]->count : 0;
	while (first < end) {
		uint32_t middle = first + (end - first) / 2;

		if (set->chunks[low]->items[middle].end > address)
			end = middle;
		else
			first = middle + 1;
	}
	return (struct range_position){low, first};
}

const struct range *range_set_at(const struct range_set *set, struct range_position position)
{
	if (position.chunk >= set->chunk_count)
		return NULL;
	return &set->chunks[position.chunk]->items[position.item];
}

struct range_position range_set_next(const struct range_set *set, struct range_position position)
{
	if (++position.item >= set->chunks[position.chunk]->count)
		position = (struct range_position){position.chunk + 1, 0};
	return position;
}

static int reserve_chunks(struct range_set *set)
{
	size_t capacity = set->chunk_capacity + set->chunk_capacity / 2 + 4;
	uint64_t more = (capacity - set->chunk_capacity) * sizeof(struct range_chunk *);
	struct range_chunk **chunks;

	if (set->chunk_count < set->chunk_capacity)
		return 0;
	if (!memory_take(set->memory, more))
		return -ENOSPC;
	chunks = realloc(set->chunks, capacity * sizeof(struct range_chunk *));
	if (!chunks) {
		memory_give(set->memory, more);
		return -ENOMEM;
	}
	set->chunks = chunks;
	set->chunk_capacity = capacity;
	return 0;
}

/* An empty chunk at @at. */
static int chunk_add(struct range_set *set, size_t at)
{
	struct range_chunk *chunk;
	int err = reserve_chunks(set);

	if (err)
		return err;
	if (!memory_take(set->memory, sizeof(*chunk)))
		return -ENOSPC;
	chunk = malloc(sizeof(*chunk));
	if (!chunk) {
		memory_give(set->memory, sizeof(*chunk));
		return -ENOMEM;
	}
	chunk->count = 0;
	memmove(&set->chunks[at + 1], &set->chunks[at],
		(set->chunk_count - at) * sizeof(struct range_chunk *));
	set->chunks[at] = chunk;
	set->chunk_count++;
	return 0;
}

static void chunk_remove(struct range_set *set, size_t at)
{
	free(set->chunks[at]);
	memory_give(set->memory, sizeof(struct range_chunk));
	set->chunk_count--;
	memmove(&set->chunks[at], &set->chunks[at + 1],
		(set->chunk_count - at) * sizeof(struct range_chunk *));
}

/* Makes room in the chunk where @position points; may move it to the new second half. */
static int make_room(struct range_set *set, struct range_position *position)
{
	struct range_chunk *chunk = set->chunks[position->chunk];
	struct range_chunk *other;
	/* Appending at the very end (addresses that only rise) leaves full chunks behind. */
	bool appends = position->chunk + 1 == set->chunk_count && position->item == CHUNK_RANGES;
	uint32_t kept = appends ? CHUNK_RANGES : CHUNK_RANGES / 2;
	int err;

	if (chunk->count < CHUNK_RANGES)
		return 0;
	err = chunk_add(set, position->chunk + 1);
	if (err)
		return err;
	other = set->chunks[position->chunk + 1];
	other->count = chunk->count - kept;
	memcpy(other->items, &chunk->items[kept], other->count * sizeof(struct range));
	chunk->count = kept;
	if (position->item > kept || appends)
		*position = (struct range_position){position->chunk + 1, position->item - kept};
	return 0;
}

int range_set_insert(struct range_set *set, const struct range *range)
{
	struct range_position position = range_set_seek(set, range->start);
	struct range_chunk *chunk;
	int err;

	if (position.chunk == set->chunk_count && set->chunk_count) {
		position.chunk--;
		position.item = set->chunks[position.chunk]->count;
	}
	err = set->chunk_count ? make_room(set, &position) : chunk_add(set, 0);
	if (err)
		return err;
	chunk = set->chunks[position.chunk];
	memmove(&chunk->items[position.item + 1], &chunk->items[position.item],
		(chunk->count - position.item) * sizeof(*range));
	chunk->items[position.item] = *range;
	chunk->count++;
	set->count++;
	set->bytes += range->end - range->start;
	return 0;
}

/* Two neighbours that fit well into one become one, so that memory falls with the ranges. */
static bool join_with_next(struct range_set *set, size_t at)
{
	struct range_chunk *chunk, *next;

	if (at + 1 >= set->chunk_count)
		return false;
	chunk = set->chunks[at];
	next = set->chunks[at + 1];
	if (chunk->count + next->count > CHUNK_RANGES / 2)
		return false;
	memcpy(&chunk->items[chunk->count], next->items, next->count * sizeof(struct range));
	chunk->count += next->count;
	chunk_remove(set, at + 1);
	return true;
}

static void join_around(struct range_set *set, struct range_position *position)
{
	uint32_t before;

	join_with_next(set, position->chunk);
	if (!position->chunk)
		return;
	before = set->chunks[position->chunk - 1]->count;
	if (!join_with_next(set, position->chunk - 1))
		return;
	position->chunk--;
	position->item += before;
}

void range_set_erase(struct range_set *set, struct range_position *position)
{
	struct range_chunk *chunk = set->chunks[position->chunk];
	struct range *item = &chunk->items[position->item];

	set->count--;
	set->bytes -= item->end - item->start;
	chunk->count--;
	memmove(item, item + 1, (chunk->count - position->item) * sizeof(*item));
	if (!chunk->count) {
		chunk_remove(set, position->chunk);
		return;
	}
	join_around(set, position);
	if (position->item >= set->chunks[position->chunk]->count)
		*position = (struct range_position){position->chunk + 1, 0};
}

void range_set_resize(struct range_set *set, struct range_position position, uint64_t start,
		      uint64_t end)
{
	struct range *item = &set->chunks[position.chunk]->items[position.item];

	set->bytes += (end - start) - (item->end - item->start);
	item->start = start;
	item->end = end;
}

int range_set_verify(const struct range_set *set)
{
	uint64_t count = 0, bytes = 0, end = 0;

	for (size_t i = 0; i < set->chunk_count; i++) {
		const struct range_chunk *chunk = set->chunks[i];

		if (!chunk->count || chunk->count > CHUNK_RANGES)
			return -EUCLEAN;
		for (uint32_t j = 0; j < chunk->count; j++) {
			const struct range *range = &chunk->items[j];

			if (range->start < end || range->end <= range->start)
				return -EUCLEAN;
			end = range->end;
			count++;
			bytes += range->end - range->start;
		}
	}
	return count == set->count && bytes == set->bytes ? 0 : -EUCLEAN;
}
