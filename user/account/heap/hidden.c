// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/hidden.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/heap/kernel_held.h"

#define ADDRESS_MASK 0x0000ffffffffffffULL

#define PASSES_MAX 3
#define STRADDLE   (sizeof(uint64_t) - 1)
/* glibc's lists of free chunks point to headers, which begin in the last bytes of the block before. */
#define HEADER_BYTES 16

struct hidden_search {
	struct heap_image *image;
	uint64_t filter[BLOCK_MAP_FILTER_BITS / 64]; /* as in struct block_map, of suspects only */
	size_t dead;                                 /* the next dead range */
	struct word_vec found;
	struct reach_links
		links; /* from one suspect to another: count once the first one is cleared */
	uint64_t end;  /* of the pages before */
	uint8_t last[2 * STRADDLE]; /* their last bytes, and room for the first ones of the next */
};

static bool is_suspect(const struct hidden_search *search, uint64_t address, uint64_t *ret_start)
{
	struct block_segment *s = block_map_segment(&search->image->place.map, address);
	uint64_t index;

	if (!s || !block_begin_of(s, address, &index) || bit_get(s->idle, index) ||
	    bit_get(s->reached, index))
		return false;
	*ret_start = s->start + (index << s->shift);
	return true;
}

static bool is_dead(struct hidden_search *search, uint64_t address)
{
	const struct heap_image *image = search->image;

	while (search->dead < image->dead.count && image->dead.items[search->dead].end <= address)
		search->dead++;
	return search->dead < image->dead.count && address >= image->dead.items[search->dead].start;
}

/* A value that may be a suspect's address stands at @source. */
static int consider(struct hidden_search *search, uint64_t source, uint64_t value, bool plain)
{
	const struct block_map *map = &search->image->place.map;
	struct block_segment *s;
	struct block_ref block;
	uint64_t target, holder, index;

	if (!is_suspect(search, value, &target) || is_dead(search, source))
		return 0;
	if (is_suspect(search, source, &holder))
		return holder == target || plain /* it is an edge */
			       ? 0
			       : vec_push(&search->links, (struct reach_link){holder, target});
	if (plain && value != target && block_find(map, target, &block) &&
	    value >= block.end - HEADER_BYTES)
		return 0;
	s = block_map_segment(map, source);
	if (s && !s->dropped && !s->outside_is_root &&
	    (!block_begin_of(s, source, &index) || bit_get(s->idle, index)))
		return 0;
	return vec_push(&search->found, target);
}

/* A word at each of @count bytes. */
static int look_at(struct hidden_search *search, uint64_t address, const uint8_t *bytes,
		   size_t count)
{
	const struct block_map *map = &search->image->place.map;

	for (size_t i = 0; i < count; i++) {
		uint64_t word, value, piece;
		int err;

		memcpy(&word, bytes + i, sizeof(word));
		value = word & ADDRESS_MASK;
		piece = value >> BLOCK_MAP_FILTER_SHIFT;
		if (value - map->low >= map->high - map->low ||
		    !bit_get(search->filter, piece % BLOCK_MAP_FILTER_BITS))
			continue;
		/* A plain one was none at the first look: it was in a register, or hidden, or moved. */
		err = consider(search, address + i, value, (address + i) % 8 == 0 && word == value);
		if (err)
			return err;
	}
	return 0;
}

static int on_pages(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct hidden_search *search = user;
	const uint8_t *bytes = (const uint8_t *)words;
	size_t size = page_count * PAGE_BYTES;
	int err = 0;

	/* What begins in the pages before and ends here. */
	if (search->end == address) {
		memcpy(search->last + STRADDLE, bytes, STRADDLE);
		err = look_at(search, address - STRADDLE, search->last, STRADDLE);
	}
	memcpy(search->last, bytes + size - STRADDLE, STRADDLE);
	search->end = address + size;
	return err ? err : look_at(search, address, bytes, size - STRADDLE);
}

/* The process runs: mappings may have come and gone. */
static int look_through(struct hidden_search *search)
{
	struct heap_image *image = search->image;
	struct maps maps;
	int err = maps_read(image->place.pid, &maps);

	if (err)
		return err;
	search->dead = 0;
	search->end = 0;
	for (size_t i = 0; !err && i < maps.count; i++) {
		const struct mapping *m = &maps.items[i];
		enum stream_choice choice;

		if (heap_image_wants(m, &choice))
			err = memory_stream_range(&image->stream,
						  (struct stream_range){m->start, m->end, choice},
						  on_pages, search);
	}
	maps_done(&maps);
	return err;
}

/* Clears what is found in one pass; *ret_count: so many references. */
static int pass(struct hidden_search *search, uint64_t *ret_count)
{
	struct heap_image *image = search->image;
	struct reach_more more;
	int err;

	vec_clear(&search->found);
	vec_clear(&search->links);
	err = look_through(search);
	if (!err)
		err = kernel_held_words(image->place.pid, &search->found);
	more = (struct reach_more){search->found.items, search->found.count, search->links.items,
				   search->links.count};
	*ret_count = more.count;
	return err ? err : reach_mark_more(&image->place.map, &image->edges, &more);
}

int hidden_mark(struct heap_image *image, const struct reach_lost_vec *suspects,
		struct hidden_result *ret)
{
	struct hidden_search *search = calloc(1, sizeof(*search));
	uint64_t swapped_bytes = image->stream.swapped_bytes, found = 1;
	int err = 0;

	if (!search)
		return -ENOMEM;
	search->image = image;
	for (size_t i = 0; i < suspects->count; i++) {
		const struct reach_lost *lost = &suspects->items[i];
		uint64_t last = (lost->start + lost->size_bytes) >> BLOCK_MAP_FILTER_SHIFT;

		for (uint64_t p = lost->start >> BLOCK_MAP_FILTER_SHIFT; p <= last; p++)
			bit_set(search->filter, p % BLOCK_MAP_FILTER_BITS);
	}
	*ret = (struct hidden_result){0};
	/* A process that does hide pointers may have moved one from where we had not been to where we had. */
	for (unsigned int i = 0; !err && found && i < PASSES_MAX; i++) {
		err = pass(search, &found);
		ret->found += found;
	}
	ret->blind = image->stream.swapped_bytes > swapped_bytes;
	vec_done(&search->found);
	vec_done(&search->links);
	free(search);
	return err;
}
