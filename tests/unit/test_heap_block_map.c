// SPDX-License-Identifier: GPL-2.0-or-later
/* The map of blocks against a naive one: an array of begins per segment. */
#include <stdlib.h>
#include <string.h>

#include "account/heap/block_map.h"
#include "base/random.h"
#include "cmocka_all.h"

#define SEGMENTS 12
#define GRANULES 5000 /* of a segment, at most */
#define ROUNDS   60

struct naive {
	uint64_t start, granules;
	unsigned int shift;
	uint8_t begins[GRANULES], idle[GRANULES];
};

static uint64_t draw(uint64_t below)
{
	static uint64_t state = 88172645463325252;

	return random_next(&state) % below;
}

static void make(struct block_map *map, struct naive *naive)
{
	uint64_t at = 0x10000 + 16 * draw(1000);

	block_map_init(map);
	for (int i = 0; i < SEGMENTS; i++) {
		struct naive *n = &naive[i];

		memset(n, 0, sizeof(*n));
		n->start = at;
		n->granules = 1 + draw(GRANULES);
		n->shift = draw(2) ? 4 : 3;
		at += (n->granules << n->shift) + 16 * draw(draw(2) ? 3 : 1 << 20);
		at = (at + 15) & ~15ULL;
	}
	/* In any order. */
	for (int i = 0; i < SEGMENTS; i++) {
		struct naive *n = &naive[(i * 5 + 3) % SEGMENTS];

		assert_int_equal(block_map_add(map, n->start, n->start + (n->granules << n->shift),
					       n->shift),
				 0);
	}
	block_map_seal(map);
	assert_int_equal(map->count, SEGMENTS);
	for (int i = 0; i < SEGMENTS; i++) {
		uint64_t rare = draw(2) ? 2 : 1 + draw(3000);

		for (uint64_t k = 0; k < naive[i].granules; k++)
			if (draw(rare) == 0) {
				naive[i].begins[k] = 1;
				block_segment_begin(&map->items[i], k);
				naive[i].idle[k] = draw(3) == 0;
				if (naive[i].idle[k])
					bit_set(map->items[i].idle, k);
			}
	}
}

static const struct naive *naive_segment(const struct naive *naive, uint64_t address)
{
	for (int i = 0; i < SEGMENTS; i++)
		if (address >= naive[i].start &&
		    address < naive[i].start + (naive[i].granules << naive[i].shift))
			return &naive[i];
	return NULL;
}

static bool naive_find(const struct naive *n, uint64_t address, uint64_t *start, uint64_t *end)
{
	uint64_t at, next;

	if (!n)
		return false;
	for (at = (address - n->start) >> n->shift; at && !n->begins[at]; at--)
		;
	if (!n->begins[at] || n->idle[at])
		return false;
	for (next = at + 1; next < n->granules && !n->begins[next]; next++)
		;
	*start = n->start + (at << n->shift);
	*end = n->start + (next << n->shift);
	return true;
}

static void what_covers_an_address_is_found_as_by_looking_at_each_granule(void **state)
{
	static struct naive naive[SEGMENTS];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct block_map map;
		uint64_t last;

		make(&map, naive);
		last = naive[SEGMENTS - 1].start + 200000;
		for (int i = 0; i < 2000; i++) {
			uint64_t address = i % 2 ? naive[draw(SEGMENTS)].start + draw(90000) - 8
						 : draw(last);
			const struct naive *n = naive_segment(naive, address);
			uint64_t start = 0, end = 0;
			struct block_ref block;
			bool found = naive_find(n, address, &start, &end);

			assert_int_equal(block_map_segment(&map, address) != NULL, n != NULL);
			assert_int_equal(block_find(&map, address, &block), found);
			if (found) {
				assert_int_equal(block.start, start);
				assert_int_equal(block.end, end);
			}
			assert_int_equal(block_map_next(&map, address) == address, n != NULL);
		}
		block_map_done(&map);
	}
}

static void ordinals_count_begins_and_lead_back_to_them(void **state)
{
	static struct naive naive[SEGMENTS];

	(void)state;
	for (int round = 0; round < ROUNDS / 4; round++) {
		uint32_t count = 0, expected = 0;
		struct block_map map;
		struct block_ref block, other;

		make(&map, naive);
		assert_int_equal(block_map_number(&map, &count), 0);
		for (size_t i = 0; i < map.count; i++)
			for (uint64_t at = 0; block_next(&map.items[i], at, &block);
			     at = block.index + 1) {
				assert_true(naive[i].begins[block.index]);
				assert_int_equal(block_ordinal(block.segment, block.index),
						 expected);
				assert_true(block_by_ordinal(&map, expected, &other));
				assert_int_equal(other.start, block.start);
				assert_int_equal(other.end, block.end);
				expected++;
			}
		assert_int_equal(count, expected);
		assert_false(block_by_ordinal(&map, count, &other));
		block_map_done(&map);
	}
}

static void of_segments_that_overlap_the_later_is_left_out(void **state)
{
	struct block_map map;

	(void)state;
	block_map_init(&map);
	assert_int_equal(block_map_add(&map, 0x3000, 0x5000, 4), 0);
	assert_int_equal(block_map_add(&map, 0x1000, 0x3001, BLOCK_WHOLE_SEGMENT), 0);
	assert_int_equal(block_map_add(&map, 0x5000, 0x6000, BLOCK_WHOLE_SEGMENT), 0);
	assert_int_equal(block_map_add(&map, 0x5000, 0x5000, 4), -EINVAL);
	assert_int_equal(block_map_add(&map, 0x5000, 1ULL << 47, 4), -EINVAL);
	block_map_seal(&map);
	assert_int_equal(map.count, 2);
	assert_null(block_map_segment(&map, 0x4000));
	assert_non_null(block_map_segment(&map, 0x5fff));
	block_map_remove_whole(&map);
	assert_int_equal(map.count, 0);
	assert_null(block_map_segment(&map, 0x5fff));
	block_map_done(&map);
}

static void a_block_may_be_a_whole_segment(void **state)
{
	struct block_map map;
	struct block_ref block;
	uint32_t count;

	(void)state;
	block_map_init(&map);
	assert_int_equal(block_map_add(&map, 0x7f0000000010, 0x7f4000000000, BLOCK_WHOLE_SEGMENT),
			 0);
	block_segment_begin(&map.items[0], 0);
	block_map_seal(&map);
	assert_true(block_find(&map, 0x7f3fffffffff, &block));
	assert_int_equal(block.start, 0x7f0000000010);
	assert_int_equal(block.end, 0x7f4000000000);
	assert_false(block_find(&map, 0x7f4000000000, &block));
	assert_false(block_find(&map, 0x7f000000000f, &block));
	assert_int_equal(block_map_number(&map, &count), 0);
	assert_int_equal(count, 1);
	block_map_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_covers_an_address_is_found_as_by_looking_at_each_granule),
		cmocka_unit_test(ordinals_count_begins_and_lead_back_to_them),
		cmocka_unit_test(of_segments_that_overlap_the_later_is_left_out),
		cmocka_unit_test(a_block_may_be_a_whole_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
