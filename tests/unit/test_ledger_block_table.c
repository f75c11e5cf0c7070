/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hot table by itself: growth over many pages, hostile addresses, sizes beyond 32 bits, its bound. */
#include "account/ledger/block_table.h"

#include <errno.h>
#include <stdlib.h>

#include "cmocka_all.h"

struct fixture {
	struct memory_bound memory;
	struct block_table table;
};

static void setup(struct fixture *f, uint64_t limit_bytes, uint64_t seed)
{
	f->memory = (struct memory_bound){.limit_bytes = limit_bytes};
	assert_int_equal(block_table_init(&f->table, &f->memory, seed), 0);
}

static void teardown(struct fixture *f)
{
	assert_int_equal(block_table_verify(&f->table), 0);
	block_table_done(&f->table);
	assert_int_equal(f->memory.used_bytes, 0); /* what was taken is given back */
}

static int put(struct fixture *f, uint64_t address, uint64_t size)
{
	struct block block = {.key = block_key(&f->table, address),
			      .size_bytes = size,
			      .time_ns = address / 3,
			      .site = (uint32_t)address | 1};
	struct block old;

	return block_table_put(&f->table, &block, &old);
}

static bool drop(struct fixture *f, uint64_t address, struct block *ret)
{
	return block_table_remove(&f->table, block_key(&f->table, address), ret);
}

static void a_key_tells_its_address(void **state)
{
	struct fixture f;

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		setup(&f, 1 << 20, seed);
		for (int bit = 0; bit < 64; bit++) {
			uint64_t address = UINT64_C(1) << bit;

			assert_int_equal(block_tagged(&f.table, block_key(&f.table, address)),
					 address);
			address = ~address;
			assert_int_equal(block_tagged(&f.table, block_key(&f.table, address)),
					 address);
			assert_true(block_key(&f.table, address) != 0);
		}
		block_table_done(&f.table);
	}
}

static int check_order(const struct block *block, void *user)
{
	uint64_t *before = user;

	assert_true(block->key > *before);
	*before = block->key;
	return 0;
}

/* Heap-like, page-like and high-bit-only addresses: none may crowd together, else this takes for ever. */
static void many_pages_keep_every_block(void **state)
{
	static const unsigned int shifts[] = {4, 12, 40};
	const uint64_t count = 60000;

	(void)state;
	for (size_t s = 0; s < sizeof(shifts) / sizeof(*shifts); s++) {
		struct fixture f;
		struct block old;
		uint64_t before = 0;

		setup(&f, UINT64_C(1) << 30, 99 + s);
		for (uint64_t i = 1; i <= count; i++)
			assert_int_equal(put(&f, i << shifts[s], i), 0);
		assert_int_equal(block_table_verify(&f.table), 0);
		assert_int_equal(f.table.count, count);
		assert_true(f.table.depth >= 3);
		assert_int_equal(block_table_for_each(&f.table, check_order, &before), 0);
		for (uint64_t i = count; i >= 1; i--) {
			if (i % 10 == 0)
				continue;
			assert_true(drop(&f, i << shifts[s], &old));
			assert_int_equal(old.size_bytes, i);
			assert_int_equal(old.time_ns, (i << shifts[s]) / 3);
			assert_false(drop(&f, i << shifts[s], &old));
		}
		assert_int_equal(f.table.count, count / 10);
		for (uint64_t i = 10; i <= count; i += 10)
			assert_true(block_table_find(&f.table, block_key(&f.table, i << shifts[s]),
						     &old));
		teardown(&f);
	}
}

/* No address makes such keys on purpose, but chance may: they all want the last slot of their page. */
static void keys_that_crowd_at_the_end_of_a_page_find_room(void **state)
{
	struct fixture f;
	struct block found, old;

	(void)state;
	setup(&f, UINT64_C(1) << 30, 1);
	for (uint64_t i = 0; i < 100; i++) {
		struct block block = {.key = UINT64_MAX - (i << 48), .size_bytes = i, .site = 1};

		assert_int_equal(block_table_put(&f.table, &block, &old), 0);
		assert_int_equal(block_table_verify(&f.table), 0);
	}
	for (uint64_t i = 0; i < 100; i++) {
		assert_true(block_table_find(&f.table, UINT64_MAX - (i << 48), &found));
		assert_int_equal(found.size_bytes, i);
		assert_true(block_table_remove(&f.table, UINT64_MAX - (i << 48), &old));
	}
	teardown(&f);
}

static void sizes_beyond_32_bits_are_kept_exactly(void **state)
{
	struct fixture f;
	struct block old;

	(void)state;
	setup(&f, 1 << 20, 1);
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(put(&f, i * 16, UINT32_MAX - 50 + i), 0);
	for (uint64_t i = 1; i <= 100; i += 3)
		assert_int_equal(put(&f, i * 16, UINT64_MAX - i), 1);
	for (uint64_t i = 2; i <= 100; i += 3)
		assert_int_equal(put(&f, i * 16, i), 1);
	assert_int_equal(f.table.large.count,
			 34 + 17); /* replaced, and one third of the upper half */
	for (uint64_t i = 1; i <= 100; i++) {
		assert_true(drop(&f, i * 16, &old));
		assert_int_equal(old.size_bytes, i % 3 == 1   ? UINT64_MAX - i
						 : i % 3 == 2 ? i
							      : UINT32_MAX - 50 + i);
	}
	assert_int_equal(f.table.large.count, 0);
	teardown(&f);
}

static void a_replaced_block_is_handed_back(void **state)
{
	struct fixture f;
	struct block block = {.site = 1, .size_bytes = 5, .time_ns = 7}, old;

	(void)state;
	setup(&f, 1 << 20, 1);
	block.key = block_key(&f.table, 4096);
	assert_int_equal(block_table_put(&f.table, &block, &old), 0);
	block.size_bytes = 6;
	block.site = 2;
	assert_int_equal(block_table_put(&f.table, &block, &old), 1);
	assert_int_equal(old.size_bytes, 5);
	assert_int_equal(old.site, 1);
	assert_int_equal(f.table.count, 1);
	teardown(&f);
}

static void a_full_table_refuses_and_changes_nothing(void **state)
{
	struct fixture f;
	struct block old;
	uint64_t kept = 0;

	(void)state;
	setup(&f, 300000, 5);
	for (uint64_t i = 1; i <= 20000; i++) {
		uint64_t count = f.table.count;
		int err = put(&f, i * 64, i % 7 ? i : i << 32);

		assert_true(err == 0 || err == -ENOSPC);
		assert_int_equal(f.table.count, count + !err);
		assert_true(f.memory.used_bytes <= f.memory.limit_bytes);
		kept += !err;
	}
	assert_true(kept > 3000 && kept < 20000);
	assert_int_equal(put(&f, 64, 9), 1); /* in place of one that is there: always */
	assert_true(drop(&f, 64, &old));
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_tells_its_address),
		cmocka_unit_test(many_pages_keep_every_block),
		cmocka_unit_test(keys_that_crowd_at_the_end_of_a_page_find_room),
		cmocka_unit_test(sizes_beyond_32_bits_are_kept_exactly),
		cmocka_unit_test(a_replaced_block_is_handed_back),
		cmocka_unit_test(a_full_table_refuses_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
