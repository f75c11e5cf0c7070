// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/census.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/random.h"

#define TEXT_MIN 4

int census_init(struct census *census, struct heap_image *image)
{
	memset(census, 0, sizeof(*census));
	census->image = image;
	census->random = hash_seed_random() | 1;
	class_names_init(&census->names, image->place.pid, &image->place.maps);
	map64_init(&census->by_key, hash_seed_random());
	/* The kinds without names come first: a kind's number is its type's. */
	for (int kind = HEAP_CLASS; kind <= HEAP_DATA; kind++)
		if (vec_push(&census->types, (struct census_type){(enum heap_kind)kind, NULL}) < 0)
			return -ENOMEM;
	return 0;
}

void census_done(struct census *census)
{
	for (size_t i = 0; i < census->types.count; i++)
		free(census->types.items[i].name);
	vec_done(&census->types);
	vec_done(&census->groups);
	map64_done(&census->by_key);
	class_names_done(&census->names);
}

static int add_class(struct census *census, const char *name, uint32_t *ret_type)
{
	char *copy;

	if (census->types.count >= CENSUS_TYPES_MAX) {
		*ret_type = HEAP_CLASS;
		return 0;
	}
	copy = strdup(name);
	if (!copy || vec_push(&census->types, (struct census_type){HEAP_CLASS, copy}) < 0) {
		free(copy);
		return -ENOMEM;
	}
	*ret_type = (uint32_t)census->types.count - 1;
	return 0;
}

static uint32_t find_class(const struct census *census, const char *name)
{
	for (size_t i = HEAP_DATA + 1; i < census->types.count; i++)
		if (!strcmp(census->types.items[i].name, name))
			return (uint32_t)i;
	return 0;
}

/* > 0: a class, in *ret_type; 0: none. */
static int class_of(struct census *census, uint64_t word, uint32_t *ret_type)
{
	char name[CLASS_NAME_MAX_BYTES];
	uint64_t value;
	int err;

	if (!class_names_find(&census->names, word, &value, name))
		return 0;
	if (value != UINT64_MAX) {
		*ret_type = (uint32_t)value;
		return 1;
	}
	/* Several vtables, of base classes and of copies in other libraries, may mean one class. */
	*ret_type = find_class(census, name);
	err = *ret_type ? 0 : add_class(census, name, ret_type);
	if (!err)
		err = class_names_put(&census->names, word, *ret_type);
	return err ? err : 1;
}

static bool is_text(const uint8_t *bytes, size_t size)
{
	size_t n = 0, most = size < CENSUS_TEXT_BYTES ? size : CENSUS_TEXT_BYTES;

	while (n < most && (isprint(bytes[n]) || bytes[n] == '\n' || bytes[n] == '\t'))
		n++;
	return n >= TEXT_MIN && (n == CENSUS_TEXT_BYTES || (n < size && !bytes[n]) || n == size);
}

static bool refers_to_heap(const struct block_map *map, uint64_t word)
{
	const struct block_segment *s = block_map_segment(map, word);
	uint64_t index;

	return s && block_begin_of(s, word, &index) && !bit_get(s->idle, index);
}

/* 0 and the type, or -ENOMEM. */
static int type_of(struct census *census, const void *content, size_t size, uint32_t *ret_type)
{
	const struct block_map *map = &census->image->place.map;
	size_t count = size / 8;
	uint64_t words[CENSUS_LOOK_BYTES / 8];
	bool zero = true, pointers = false;
	int err;

	memcpy(words, content, count * 8);
	err = count ? class_of(census, words[0], ret_type) : 0;
	if (err)
		return err < 0 ? err : 0;
	for (size_t i = 0; i < count; i++) {
		zero &= !words[i];
		pointers = pointers || refers_to_heap(map, words[i]);
	}
	/* Addresses of a heap may consist of printable characters: 0x55…, 0x56…. */
	if (is_text(content, size) && !(count && refers_to_heap(map, words[0])))
		*ret_type = HEAP_TEXT;
	else
		*ret_type = zero ? HEAP_ZERO : pointers ? HEAP_POINTERS : HEAP_DATA;
	return 0;
}

static int find_group(struct census *census, uint32_t type, uint64_t size, uint32_t *ret_group)
{
	uint64_t key = (uint64_t)type << 48 | (size & ((1ULL << 48) - 1)), value;

	if (census->groups.count >= CENSUS_GROUPS_MAX)
		key &= ~((1ULL << 48) - 1); /* what comes now is of several sizes */
	if (!map64_get(&census->by_key, key, &value)) {
		struct census_group group = {.type = type, .size_bytes = key << 16 >> 16};

		value = census->groups.count;
		if (vec_push(&census->groups, group) < 0 ||
		    map64_put(&census->by_key, key, value) < 0)
			return -ENOMEM;
	}
	*ret_group = (uint32_t)value;
	return 0;
}

static void keep_text(struct census_group *group, const uint8_t *bytes, size_t size)
{
	size_t n = 0;

	while (n < size && n < CENSUS_TEXT_BYTES && bytes[n]) {
		group->text[n] = isprint(bytes[n]) ? (char)bytes[n] : ' ';
		n++;
	}
	group->text[n] = 0;
}

int census_group_of(struct census *census, const void *content, size_t content_bytes,
		    uint64_t size_bytes, uint32_t *ret_group)
{
	size_t look = content_bytes < CENSUS_LOOK_BYTES ? content_bytes : CENSUS_LOOK_BYTES;
	uint32_t type = HEAP_DATA;
	struct census_group *group;
	int err = type_of(census, content, look, &type);

	if (!err)
		err = find_group(census, type, size_bytes, ret_group);
	if (err)
		return err;
	group = &census->groups.items[*ret_group];
	if (type == HEAP_TEXT && !*group->text)
		keep_text(group, content, look);
	return 0;
}

void census_show_lost(struct census *census, uint32_t group, const void *content,
		      size_t content_bytes)
{
	struct census_group *g = &census->groups.items[group];

	if (g->lost_text || census->types.items[g->type].kind != HEAP_TEXT)
		return;
	g->lost_text = true;
	keep_text(g, content, content_bytes);
}

int census_group_by_type(struct census *census, enum heap_kind kind, const char *name,
			 uint64_t size_bytes, uint32_t *ret_group)
{
	uint32_t type = kind;
	int err = 0;

	if (kind == HEAP_CLASS && *name) {
		type = find_class(census, name);
		if (!type)
			err = add_class(census, name, &type);
	}
	return err ? err : find_group(census, type, size_bytes, ret_group);
}

/* Reservoir sampling (Vitter 1985, algorithm R). */
static void keep_sample(struct census *census, struct census_group *group, uint64_t address)
{
	uint64_t at;

	if (group->sample_count < CENSUS_SAMPLES) {
		group->samples[group->sample_count++] = address;
		return;
	}
	at = random_next(&census->random) % group->count;
	if (at < CENSUS_SAMPLES)
		group->samples[at] = address;
}

static int count_block(struct census *census, const struct block_ref *block, const uint8_t *content,
		       size_t content_bytes)
{
	uint64_t size = heap_usable_bytes(census->image->walker->set, block);
	struct census_group *group;
	uint32_t index;
	int err;

	if (bit_get(block->segment->idle, block->index))
		return 0;
	if (size < content_bytes)
		content_bytes = size;
	err = census_group_of(census, content, content_bytes, size, &index);
	if (err)
		return err;
	group = &census->groups.items[index];
	group->count++;
	group->bytes += size;
	keep_sample(census, group, block->start);
	return 0;
}

/* All blocks that begin within one run of pages. */
static int on_pages(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct census *census = user;
	const struct block_map *map = &census->image->place.map;
	uint64_t end = address + page_count * PAGE_BYTES, at = address;

	while (at < end) {
		struct block_segment *s = block_map_segment(map, at);
		uint64_t index;
		struct block_ref block;

		if (!s) {
			at = block_map_next(map, at);
			continue;
		}
		if (s->mapping) {
			at = s->end;
			continue;
		}
		index = block_index(s, at);
		/* Of a segment that is one block only its first page begins it. */
		if (s->shift == BLOCK_WHOLE_SEGMENT && at != s->start)
			index = 1;
		while (block_next(s, index, &block) && block.start < end) {
			int err = count_block(census, &block,
					      (const uint8_t *)words + (block.start - address),
					      end - block.start);

			if (err)
				return err;
			index = block.index + 1;
		}
		at = s->end;
	}
	return 0;
}

int census_take(struct census *census)
{
	struct heap_image *image = census->image;
	int err = 0;

	for (size_t i = 0; !err && i < image->place.maps.count; i++) {
		const struct mapping *m = &image->place.maps.items[i];
		enum stream_choice choice;

		if (heap_image_wants(m, &choice) &&
		    block_map_next(&image->place.map, m->start) < m->end)
			err = memory_stream_range(&image->stream,
						  (struct stream_range){m->start, m->end, choice},
						  on_pages, census);
	}
	return err;
}
