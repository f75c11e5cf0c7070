// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/hidden.h"

#include <errno.h>
#include <string.h>

#define ADDRESS_MASK 0x0000ffffffffffffULL

/* From one suspect to another: counts once the first one is cleared. */
struct hidden_link {
	uint64_t from, to;
};

struct hidden_search {
	struct heap_image *image;
	uint64_t filter[BLOCK_MAP_FILTER_BITS / 64]; /* as in struct block_map, of suspects only */
	size_t dead;                                 /* the next dead range */
	VEC(uint64_t) found;
	VEC(struct hidden_link) links;
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
static int consider(struct hidden_search *search, uint64_t source, uint64_t value)
{
	const struct block_map *map = &search->image->place.map;
	struct block_segment *s;
	uint64_t target, holder, index;

	if (!is_suspect(search, value, &target) || is_dead(search, source))
		return 0;
	if (is_suspect(search, source, &holder))
		return holder == target
			       ? 0
			       : vec_push(&search->links, (struct hidden_link){holder, target});
	s = block_map_segment(map, source);
	if (s && !s->dropped && !s->outside_is_root &&
	    (!block_begin_of(s, source, &index) || bit_get(s->idle, index)))
		return 0;
	return vec_push(&search->found, target);
}

static int on_pages(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct hidden_search *search = user;
	const struct block_map *map = &search->image->place.map;
	const uint8_t *bytes = (const uint8_t *)words;
	size_t size = page_count * PAGE_BYTES;

	for (size_t i = 0; i + sizeof(uint64_t) <= size; i++) {
		uint64_t word, value, piece;
		int err;

		memcpy(&word, bytes + i, sizeof(word));
		value = word & ADDRESS_MASK;
		piece = value >> BLOCK_MAP_FILTER_SHIFT;
		if (value - map->low >= map->high - map->low ||
		    !bit_get(search->filter, piece % BLOCK_MAP_FILTER_BITS))
			continue;
		if (i % 8 == 0 && word == value)
			continue; /* seen by the first look */
		err = consider(search, address + i, value);
		if (err)
			return err;
	}
	return 0;
}

/* What a block that is cleared refers to in a hidden way is cleared too, until nothing changes. */
static int follow_links(struct hidden_search *search)
{
	struct heap_image *image = search->image;
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < search->links.count;) {
			struct hidden_link link = search->links.items[i];
			uint64_t start;
			int err;

			if (is_suspect(search, link.from, &start)) {
				i++;
				continue;
			}
			vec_remove_unordered(&search->links, i);
			err = reach_mark_more(&image->place.map, &image->edges, &link.to, 1);
			if (err)
				return err;
			more = true;
		}
	}
	return 0;
}

static int look_through(struct hidden_search *search)
{
	struct heap_image *image = search->image;
	int err = 0;

	for (size_t i = 0; !err && i < image->place.maps.count; i++) {
		const struct mapping *m = &image->place.maps.items[i];
		enum stream_choice choice;

		if (heap_image_wants(m, &choice))
			err = memory_stream_range(&image->stream,
						  (struct stream_range){m->start, m->end, choice},
						  on_pages, search);
	}
	return err;
}

int hidden_mark(struct heap_image *image, const struct reach_lost_vec *suspects,
		uint64_t *ret_found)
{
	struct hidden_search *search = calloc(1, sizeof(*search));
	int err;

	if (!search)
		return -ENOMEM;
	search->image = image;
	for (size_t i = 0; i < suspects->count; i++) {
		const struct reach_lost *lost = &suspects->items[i];
		uint64_t last = (lost->start + lost->size_bytes) >> BLOCK_MAP_FILTER_SHIFT;

		for (uint64_t p = lost->start >> BLOCK_MAP_FILTER_SHIFT; p <= last; p++)
			bit_set(search->filter, p % BLOCK_MAP_FILTER_BITS);
	}
	err = look_through(search);
	if (!err)
		err = reach_mark_more(&image->place.map, &image->edges, search->found.items,
				      search->found.count);
	if (!err)
		err = follow_links(search);
	*ret_found = search->found.count;
	vec_done(&search->found);
	vec_done(&search->links);
	free(search);
	return err;
}
