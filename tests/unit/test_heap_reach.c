// SPDX-License-Identifier: GPL-2.0-or-later
/* Random graphs of blocks in one segment, their edges taken from pages of words; against naive reachability. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/heap/edges.h"
#include "account/heap/memory_stream.h"
#include "account/heap/reach.h"
#include "base/random.h"
#include "cmocka_all.h"

#define BASE   0x7f0000000000ULL
#define OTHER  0x600000000000ULL /* memory that is no heap */
#define PAGES  8
#define WORDS  (PAGES * PAGE_WORDS)
#define BLOCKS 400
#define ROUNDS 200

struct graph {
	uint64_t heap[WORDS], other[PAGE_WORDS];
	struct block_map map;
	struct edge_store edges;
	uint32_t starts[BLOCKS + 1]; /* words */
	uint32_t count;
	bool idle[BLOCKS], reached[BLOCKS];
};

static uint64_t draw(uint64_t below)
{
	static uint64_t state = 362436069362436069;

	return random_next(&state) % below;
}

/* An address within a block: its first byte, mostly. */
static uint64_t address_in(const struct graph *g, uint32_t block)
{
	uint64_t inside = draw(3) ? 0 : draw(8ULL * (g->starts[block + 1] - g->starts[block]));

	return BASE + 8ULL * g->starts[block] + inside;
}

static void make(struct graph *g, uint64_t edge_share)
{
	uint32_t at = 0;

	memset(g, 0, sizeof(*g));
	block_map_init(&g->map);
	assert_int_equal(block_map_add(&g->map, BASE, BASE + sizeof(g->heap), 4), 0);
	block_map_seal(&g->map);
	while (g->count < BLOCKS && at + 4 < WORDS) {
		g->starts[g->count] = at;
		g->idle[g->count] = draw(6) == 0;
		block_segment_begin(g->map.items, at / 2);
		if (g->idle[g->count])
			bit_set(g->map.items->idle, at / 2);
		g->count++;
		at += 2 * (uint32_t)(1 + draw(draw(20) ? 8 : 600));
	}
	at = at < WORDS ? at : WORDS;
	g->starts[g->count] = WORDS;
	for (uint32_t i = 0; i < WORDS; i++)
		if (draw(1000) < edge_share)
			g->heap[i] = address_in(g, (uint32_t)draw(g->count));
	for (uint32_t i = 0; i < PAGE_WORDS; i++)
		if (draw(100) == 0)
			g->other[i] = address_in(g, (uint32_t)draw(g->count));
	assert_int_equal(edge_store_init(&g->edges, WORDS + 4 * PAGE_WORDS, 64), 0);
	edge_store_take(&g->edges, &g->map, OTHER, g->other, 1);
	edge_store_take(&g->edges, &g->map, BASE, g->heap, PAGES);
	assert_false(g->edges.full);
}

static void done(struct graph *g)
{
	block_map_done(&g->map);
	edge_store_done(&g->edges);
}

static uint32_t naive_block(const struct graph *g, uint64_t address)
{
	uint64_t word = (address - BASE) / 8;
	uint32_t i = 0;

	if (address < BASE || word >= WORDS)
		return UINT32_MAX;
	while (g->starts[i + 1] <= word)
		i++;
	return g->idle[i] ? UINT32_MAX : i;
}

static void naive_mark(const struct graph *g, bool *seen, uint32_t from)
{
	uint32_t *todo = malloc(BLOCKS * sizeof(*todo)), count = 0;

	if (from != UINT32_MAX && !seen[from]) {
		seen[from] = true;
		todo[count++] = from;
	}
	while (count) {
		uint32_t block = todo[--count];

		for (uint32_t w = g->starts[block]; w < g->starts[block + 1]; w++) {
			uint32_t to = naive_block(g, g->heap[w]);

			if (to != UINT32_MAX && !seen[to]) {
				seen[to] = true;
				todo[count++] = to;
			}
		}
	}
	free(todo);
}

/* A lost block is direct if all that reach it are in its circle; of a circle, one is. */
static void check_order(const struct graph *g, const struct reach_lost_vec *lost)
{
	static bool reach[BLOCKS][BLOCKS];
	uint32_t ids[BLOCKS];

	for (size_t i = 0; i < lost->count; i++) {
		ids[i] = naive_block(g, lost->items[i].start);
		memset(reach[i], 0, sizeof(reach[i]));
		naive_mark(g, reach[i], ids[i]);
	}
	for (size_t i = 0; i < lost->count; i++) {
		bool from_outside = false;
		size_t direct = 0;

		for (size_t k = 0; k < lost->count; k++) {
			if (!reach[k][ids[i]])
				continue;
			if (reach[i][ids[k]])
				direct += !lost->items[k].indirect;
			else
				from_outside = true;
		}
		assert_int_equal(direct, from_outside ? 0 : 1);
	}
}

static void reachable_is_what_a_naive_walk_reaches(void **state)
{
	static struct graph g;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct address_range dead = {OTHER + 1024, OTHER + 2048};
		uint64_t word;
		struct address_range stack = {OTHER, OTHER + 512};
		struct reach_roots roots = {.words = &word,
					    .word_count = 1,
					    .dead = &dead,
					    .dead_count = 1,
					    .stacks = &stack,
					    .stack_count = (size_t)round % 2};
		struct reach_lost_vec lost = VEC_INIT;
		size_t expected = 0;

		make(&g, draw(200));
		word = address_in(&g, (uint32_t)draw(g.count));
		assert_int_equal(reach_mark(&g.map, &g.edges, &roots, NULL), 0);
		naive_mark(&g, g.reached, naive_block(&g, word));
		for (uint32_t i = 0; i < PAGE_WORDS; i++)
			if (i < 128 || i >= 256)
				naive_mark(&g, g.reached, naive_block(&g, g.other[i]));
		assert_int_equal(reach_collect_lost(&g.map, &lost), 0);
		for (uint32_t i = 0; i < g.count; i++) {
			bool is_lost = !g.idle[i] && !g.reached[i];

			if (!is_lost)
				continue;
			assert_true(expected < lost.count);
			assert_int_equal(lost.items[expected++].start, BASE + 8ULL * g.starts[i]);
		}
		assert_int_equal(lost.count, expected);
		assert_int_equal(reach_order_lost(&g.map, &g.edges, &lost), 0);
		check_order(&g, &lost);
		vec_done(&lost);
		done(&g);
	}
}

/* Ten blocks, each refers to the next: a table to the first, a stack to the fourth, a register to the seventh. */
static void the_way_back_leads_to_memory_before_stacks_and_registers(void **state)
{
	enum { COUNT = 10 };
	static uint64_t heap[PAGE_WORDS], stack_words[PAGE_WORDS], table[PAGE_WORDS];
	struct address_range stack = {OTHER, OTHER + PAGE_BYTES};
	uint64_t word = BASE + 16 * 6;
	struct reach_roots roots = {
		.words = &word, .word_count = 1, .stacks = &stack, .stack_count = 1};

	(void)state;
	for (int with = 0; with < 3; with++) {
		uint32_t parents[COUNT] = {0},
			 first_held = with == 0   ? 0
				      : with == 1 ? 3
						  : 6,
			 begins;
		struct reach_paths paths = {.parents = parents};
		uint64_t from = with == 0   ? OTHER + 2 * PAGE_BYTES
				: with == 1 ? OTHER
					    : REACH_REGISTER;
		struct edge_store edges;
		struct block_map map;

		block_map_init(&map);
		assert_int_equal(block_map_add(&map, BASE, BASE + PAGE_BYTES, 4), 0);
		block_map_seal(&map);
		for (uint64_t i = 0; i < COUNT; i++) {
			block_segment_begin(map.items, i);
			heap[2 * i] = i + 1 < COUNT ? BASE + 16 * (i + 1) : 0;
		}
		table[0] = with < 1 ? BASE : 0;
		stack_words[0] = with < 2 ? BASE + 16 * 3 : 0;
		assert_int_equal(edge_store_init(&edges, 4 * PAGE_WORDS, 16), 0);
		edge_store_take(&edges, &map, OTHER, stack_words, 1);
		edge_store_take(&edges, &map, OTHER + 2 * PAGE_BYTES, table, 1);
		edge_store_take(&edges, &map, BASE, heap, 1);
		assert_int_equal(block_map_number(&map, &begins), 0);
		assert_int_equal(begins, COUNT);
		assert_int_equal(reach_mark(&map, &edges, &roots, &paths), 0);
		for (uint32_t i = 0; i < COUNT; i++)
			assert_int_equal(parents[i], i < first_held    ? 0
						     : i == first_held ? REACH_ROOT
								       : i);
		assert_true(paths.sources.items[0] == from);
		vec_done(&paths.sources);
		edge_store_done(&edges);
		block_map_done(&map);
	}
}

/* The n-th links to the n-1-th, in no other way: a list that grew at its head. */
static void a_long_chain_of_links_is_followed_in_a_moment(void **state)
{
	enum { COUNT = 300000 };
	struct reach_link *links = calloc(COUNT, sizeof(*links));
	struct reach_lost_vec lost = VEC_INIT;
	struct reach_more more = {.links = links, .link_count = COUNT - 1, .count = 1};
	uint64_t head = BASE + 16ULL * (COUNT - 1);
	struct edge_store edges;
	struct block_map map;

	(void)state;
	block_map_init(&map);
	assert_int_equal(block_map_add(&map, BASE, BASE + 16ULL * COUNT, 4), 0);
	block_map_seal(&map);
	for (uint64_t i = 0; i < COUNT; i++)
		block_segment_begin(map.items, i);
	for (uint64_t i = 1; i < COUNT; i++)
		links[i - 1] = (struct reach_link){BASE + 16 * i, BASE + 16 * (i - 1)};
	more.targets = &head;
	assert_int_equal(edge_store_init(&edges, 4096, 16), 0);
	assert_int_equal(edge_store_index(&edges, &map), 0);
	assert_int_equal(reach_mark_more(&map, &edges, &more), 0);
	assert_int_equal(reach_collect_lost(&map, &lost), 0);
	assert_int_equal(lost.count, 0);
	vec_done(&lost);
	free(links);
	edge_store_done(&edges);
	block_map_done(&map);
}

static void a_store_without_room_says_that_it_is_full(void **state)
{
	static uint64_t words[2 * PAGE_WORDS];
	struct edge_store edges;
	struct block_map map;

	(void)state;
	block_map_init(&map);
	assert_int_equal(block_map_add(&map, BASE, BASE + 4096, 4), 0);
	block_map_seal(&map);
	for (size_t i = 0; i < 2 * PAGE_WORDS; i++)
		words[i] = BASE + 8 * (i % 512);
	assert_int_equal(edge_store_init(&edges, PAGE_WORDS + 1, 4), 0);
	edge_store_take(&edges, &map, OTHER, words, 1);
	assert_false(edges.full);
	assert_int_equal(edges.count, PAGE_WORDS);
	edge_store_take(&edges, &map, OTHER + PAGE_BYTES, words + PAGE_WORDS, 1);
	assert_true(edges.full);
	edge_store_done(&edges);
	block_map_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reachable_is_what_a_naive_walk_reaches),
		cmocka_unit_test(the_way_back_leads_to_memory_before_stacks_and_registers),
		cmocka_unit_test(a_long_chain_of_links_is_followed_in_a_moment),
		cmocka_unit_test(a_store_without_room_says_that_it_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
