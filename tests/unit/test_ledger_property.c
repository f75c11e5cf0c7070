/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random streams of several threads against a naive model: an array of blocks and an array of pages. The
 * seed is printed; HF_SEED=N repeats a run. What it cannot find: wrong semantics that model and ledger
 * share; the tests by behaviour (test_ledger_ledger.c, test_ledger_mapping.c) state those.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/ledger/ledger.h"
#include "base/hashmap.h"
#include "base/random.h"
#include "cmocka_all.h"

#define SLOTS     4096 /* addresses in use by the model */
#define PAGES     512
#define MAP_BASE  UINT64_C(0x7f0000000000)
#define HEAP_BASE UINT64_C(0x555500000000)
#define THREADS   7
#define STACKS    40

struct model_block {
	bool live;
	uint64_t size, time;
	stack_id stack;
	uint8_t class;
};

struct model_page {
	bool mapped;
	uint64_t time; /* names the mapping: times are unique */
	stack_id stack;
};

struct model {
	struct ledger *ledger;
	uint64_t state, time;
	struct model_block blocks[SLOTS];
	struct model_page pages[PAGES];
	uint64_t lost; /* events that only the target saw */
	unsigned int drop_percent;
};

static uint64_t draw(struct model *m, uint64_t below)
{
	return (random_next(&m->state) >> 11) % below;
}

static uint64_t new_seed(void)
{
	const char *given = getenv("HF_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : hash_seed_random();

	print_message("# HF_SEED=%llu\n", (unsigned long long)seed);
	return seed | 1;
}

static struct model *model_new(uint64_t seed, uint64_t memory_bytes)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->state = seed;
	m->time = 1000;
	assert_int_equal(ledger_new(memory_bytes, &m->ledger), 0);
	return m;
}

static void model_free(struct model *m)
{
	ledger_free(m->ledger);
	free(m);
}

/* Does the ring drop this one? */
static bool dropped(struct model *m)
{
	bool drop = m->drop_percent && draw(m, 100) < m->drop_percent;

	m->lost += drop;
	return drop;
}

static uint64_t address_of(size_t slot)
{
	return HEAP_BASE + slot * 32;
}

static uint64_t random_size(struct model *m)
{
	uint64_t bits = draw(m, 24);

	/* now and then one of several GiB */
	return draw(m, 5000) ? draw(m, 1u << bits) : (UINT64_C(5) << 30) + bits;
}

static void put_block(struct model *m, size_t slot, uint32_t tid)
{
	struct model_block block = {.live = true,
				    .size = random_size(m),
				    .time = ++m->time,
				    .stack = (stack_id)draw(m, STACKS),
				    .class = draw(m, 2) ? SITE_HEAP : SITE_NEW};
	struct ledger_alloc alloc = {.address = address_of(slot),
				     .size_bytes = block.size,
				     .time_ns = block.time,
				     .stack = block.stack,
				     .tid = tid,
				     .class = block.class};

	if (!dropped(m)) {
		assert_int_equal(ledger_record_alloc(m->ledger, &alloc), 0);
		m->blocks[slot] = block;
	}
}

static void release_block(struct model *m, size_t slot, uint32_t tid, bool tentative)
{
	struct ledger_release release = {.address = address_of(slot),
					 .time_ns = ++m->time,
					 .tid = tid,
					 .tentative = tentative};

	if (!dropped(m)) {
		ledger_record_free(m->ledger, &release);
		m->blocks[slot].live = false;
	}
}

/* realloc: moves, stays, or fails; another thread may take the address in between. */
static void do_realloc(struct model *m, size_t slot, uint32_t tid)
{
	struct model_block before = m->blocks[slot];
	uint64_t lost = m->lost;
	size_t other;

	release_block(m, slot, tid, true);
	if (draw(m, 4)) {
		put_block(m, draw(m, 2) ? slot : draw(m, SLOTS), tid);
		return;
	}
	other = draw(m, SLOTS);
	if (other != slot)
		put_block(m, other, tid + 1);
	if (dropped(m))
		return;
	ledger_undo_free(m->ledger, tid, address_of(slot));
	if (lost == m->lost || m->blocks[slot].live == before.live)
		m->blocks[slot] = before;
	else
		m->blocks[slot].live = false;
}

static uint64_t page_address(size_t page)
{
	return MAP_BASE + page * 4096;
}

static void map_pages(struct model *m, size_t first, size_t count, uint32_t tid)
{
	struct ledger_alloc map = {.address = page_address(first),
				   .size_bytes = count * 4096 - draw(m, 4096),
				   .time_ns = ++m->time,
				   .stack = (stack_id)draw(m, STACKS),
				   .tid = tid,
				   .class = SITE_MAPPING};

	if (dropped(m))
		return;
	assert_int_equal(ledger_record_map(m->ledger, &map), 0);
	for (size_t i = first; i < first + count; i++)
		m->pages[i] = (struct model_page){true, map.time_ns, map.stack};
}

static void unmap_pages(struct model *m, size_t first, size_t count, uint32_t tid)
{
	struct ledger_release unmap = {.address = page_address(first),
				       .time_ns = ++m->time,
				       .tid = tid,
				       .class = SITE_MAPPING,
				       .tentative = draw(m, 2)};
	struct model_page before[PAGES];

	if (dropped(m))
		return;
	memcpy(before, m->pages, sizeof(before));
	ledger_record_unmap(m->ledger, &unmap, count * 4096);
	for (size_t i = first; i < first + count; i++)
		m->pages[i].mapped = false;
	if (unmap.tentative && draw(m, 2) && !dropped(m)) {
		ledger_undo_unmap(m->ledger, tid, unmap.address);
		memcpy(m->pages, before, sizeof(before));
	}
}

static void step(struct model *m)
{
	uint32_t tid = 1 + (uint32_t)draw(m, THREADS);
	size_t slot = draw(m, SLOTS), page = draw(m, PAGES);
	size_t count = 1 + draw(m, page % 50 ? 8 : 40);

	if (count > PAGES - page)
		count = PAGES - page;
	switch (draw(m, 20)) {
	case 0:
		map_pages(m, page, count, tid);
		break;
	case 1:
		unmap_pages(m, page, count, tid);
		break;
	case 2:
		/* mremap: the old range is released, then mapped elsewhere */
		unmap_pages(m, page, count, tid);
		map_pages(m, page / 2, count, tid);
		break;
	case 3:
		ledger_thread_exit(m->ledger, tid);
		break;
	case 4 ... 6:
		if (m->blocks[slot].live)
			do_realloc(m, slot, tid);
		break;
	default:
		if (m->blocks[slot].live)
			release_block(m, slot, tid, false);
		else
			put_block(m, slot, tid);
	}
}

struct seen {
	const struct model *m;
	size_t count, pages;
};

static int see_block(const struct allocation *allocation, void *user)
{
	struct seen *seen = user;
	size_t slot = (allocation->address - HEAP_BASE) / 32;
	const struct call_site *site = ledger_site(seen->m->ledger, allocation->site);
	const struct model_block *block = &seen->m->blocks[slot];

	assert_true(slot < SLOTS && block->live);
	assert_int_equal(allocation->size_bytes, block->size);
	assert_int_equal(allocation->time_ns, block->time);
	assert_int_equal(site->stack, block->stack);
	assert_int_equal(site->class, block->class);
	seen->count++;
	return 0;
}

static int see_mapping(const struct allocation *piece, void *user)
{
	struct seen *seen = user;
	size_t first = (piece->address - MAP_BASE) / 4096;
	const struct call_site *site = ledger_site(seen->m->ledger, piece->site);

	for (size_t i = 0; i < piece->size_bytes / 4096; i++) {
		const struct model_page *page = &seen->m->pages[first + i];

		assert_true(page->mapped);
		assert_int_equal(page->time, piece->time_ns);
		assert_int_equal(page->stack, site->stack);
		seen->pages++;
	}
	/* a piece ends where its mapping ends or has a hole */
	if (first + piece->size_bytes / 4096 < PAGES) {
		const struct model_page *next = &seen->m->pages[first + piece->size_bytes / 4096];

		assert_false(next->mapped && next->time == piece->time_ns);
	}
	return 0;
}

static void compare(const struct model *m)
{
	struct seen seen = {.m = m};
	size_t blocks = 0, pages = 0;

	for (size_t i = 0; i < SLOTS; i++)
		blocks += m->blocks[i].live;
	for (size_t i = 0; i < PAGES; i++)
		pages += m->pages[i].mapped;
	assert_int_equal(ledger_for_each_live(m->ledger, see_block, &seen), 0);
	assert_int_equal(ledger_for_each_mapping(m->ledger, see_mapping, &seen), 0);
	assert_int_equal(seen.count, blocks);
	assert_int_equal(seen.pages, pages);
	assert_int_equal(ledger_verify(m->ledger), 0);
}

static void random_streams_agree_with_a_naive_model(void **unused)
{
	struct model *m = model_new(new_seed(), 64 << 20);
	struct ledger_counts counts;

	(void)unused;
	for (int i = 0; i < 1000000; i++) {
		step(m);
		if (i < 2000 ? i % 20 == 0 : i % 5000 == 0)
			compare(m);
	}
	compare(m);
	ledger_counts(m->ledger, &counts);
	assert_true(counts.undone > 1000);
	assert_int_equal(counts.refused, 0);
	assert_int_equal(counts.overwritten + counts.undo_unknown > 0, 1);
	model_free(m);
}

static void lost_events_never_break_the_sums(void **unused)
{
	uint64_t seed = new_seed();

	(void)unused;
	for (unsigned int drop = 1; drop <= 60; drop += 12) {
		struct model *m = model_new(seed + 2 * drop, 64 << 20);

		m->drop_percent = drop;
		for (int i = 0; i < 60000; i++) {
			step(m);
			if (i % 1000 == 0)
				assert_int_equal(ledger_verify(m->ledger), 0);
		}
		assert_int_equal(ledger_verify(m->ledger), 0);
		assert_true(m->lost > 100);
		model_free(m);
	}
}

/* Anything at all, as a damaged recording may hold. */
static void garbage_never_breaks_the_sums(void **unused)
{
	struct model *m = model_new(new_seed(), 300 << 10);

	(void)unused;
	for (int i = 0; i < 200000; i++) {
		uint64_t address = draw(m, 64) << draw(m, 64);
		uint64_t size = draw(m, 64) << draw(m, 64);
		uint32_t tid = (uint32_t)draw(m, 5000);
		struct ledger_alloc alloc = {.address = address,
					     .size_bytes = size,
					     .time_ns = draw(m, UINT64_MAX),
					     .stack = (stack_id)draw(m, 300),
					     .tid = tid,
					     .class = (uint8_t)draw(m, 24)};
		struct ledger_release release = {.address = address,
						 .time_ns = alloc.time_ns,
						 .tid = tid,
						 .class = alloc.class,
						 .tentative = i & 1};

		switch (draw(m, 8)) {
		case 0:
		case 1:
			ledger_record_alloc(m->ledger, &alloc);
			break;
		case 2:
			ledger_record_free(m->ledger, &release);
			break;
		case 3:
			ledger_undo_free(m->ledger, tid, address);
			break;
		case 4:
			ledger_record_map(m->ledger, &alloc);
			break;
		case 5:
			ledger_record_unmap(m->ledger, &release, size);
			break;
		case 6:
			ledger_undo_unmap(m->ledger, tid, address);
			break;
		default:
			ledger_thread_exit(m->ledger, tid);
		}
		if (i % 400 == 0)
			assert_int_equal(ledger_verify(m->ledger), 0);
	}
	assert_int_equal(ledger_verify(m->ledger), 0);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_streams_agree_with_a_naive_model),
		cmocka_unit_test(lost_events_never_break_the_sums),
		cmocka_unit_test(garbage_never_breaks_the_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
