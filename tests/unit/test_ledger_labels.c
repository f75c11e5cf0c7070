/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks with labels: sums by label and by site, through everything that ends a block. */
#include "account/ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

#define P UINT64_C(0x5555deadb000)

static const uint64_t both[] = {11, 22}, second[] = {22};
static const struct ledger_labels labels_both = {1, both, 2, 0}, labels_second = {2, second, 1, 0};

static struct ledger *new_ledger(void)
{
	struct ledger *ledger;

	assert_int_equal(ledger_new(16 << 20, &ledger), 0);
	return ledger;
}

static void alloc(struct ledger *l, uint64_t address, uint64_t size,
		  const struct ledger_labels *labels)
{
	const struct ledger_alloc request = {.address = address,
					     .size_bytes = size,
					     .time_ns = 1,
					     .stack = 7 + (address & 16 ? 1 : 0),
					     .tid = 1,
					     .labels = labels};

	assert_int_equal(ledger_record_alloc(l, &request), 0);
}

static void release(struct ledger *l, uint64_t address, bool tentative)
{
	const struct ledger_release request = {
		.address = address, .time_ns = 2, .tid = 1, .tentative = tentative};

	ledger_record_free(l, &request);
}

/* Of the label with that word: bytes held, blocks, the most bytes. */
static void expect(const struct ledger *l, uint64_t word, uint64_t bytes, uint64_t count,
		   uint64_t peak)
{
	for (size_t i = 0; i < ledger_label_count(l); i++) {
		const struct ledger_label *label = ledger_label(l, i);

		if (label->word != word)
			continue;
		assert_int_equal(label->outstanding_bytes, bytes);
		assert_int_equal(label->outstanding_count, count);
		assert_int_equal(label->peak_bytes, peak);
		return;
	}
	fail_msg("no label %d", (int)word);
}

static void a_block_counts_to_each_of_its_labels_until_it_ends(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc(l, P, 100, &labels_both);
	alloc(l, P + 32, 10, &labels_second);
	alloc(l, P + 64, 1000, NULL);
	expect(l, 11, 100, 1, 100);
	expect(l, 22, 110, 2, 110);
	release(l, P, false);
	release(l, P + 64, false);
	expect(l, 11, 0, 0, 100);
	expect(l, 22, 10, 1, 110);
	assert_int_equal(ledger_verify(l), 0);
	ledger_free(l);
}

static void what_undoes_replaces_and_forgets_blocks_does_so_with_their_labels(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc(l, P, 100, &labels_both);
	release(l, P, true);
	expect(l, 22, 0, 0, 100);
	ledger_undo_free(l, 1, P);
	expect(l, 22, 100, 1, 100);
	alloc(l, P, 60, &labels_second); /* its free was lost */
	expect(l, 11, 0, 0, 100);
	expect(l, 22, 60, 1, 100);
	ledger_forget(l, P, SITE_HEAP, 9);
	expect(l, 22, 0, 0, 100);
	alloc(l, P, 5, NULL); /* the address alone gives none */
	release(l, P, false);
	expect(l, 22, 0, 0, 100);
	assert_int_equal(ledger_verify(l), 0);
	ledger_free(l);
}

static void rows_tell_what_each_site_has_of_a_set(void **state)
{
	struct ledger *l = new_ledger();
	const uint32_t *labels;
	uint32_t count;

	(void)state;
	alloc(l, P, 100, &labels_both);
	alloc(l, P + 32, 50, &labels_both);
	alloc(l, P + 16, 3, &labels_both); /* of another stack */
	release(l, P + 32, false);
	assert_int_equal(ledger_label_row_count(l), 2);
	assert_int_equal(ledger_label_row(l, 0, &labels, &count)->outstanding_bytes, 100);
	assert_int_equal(ledger_label_row(l, 0, &labels, &count)->alloc_bytes, 150);
	assert_int_equal(ledger_label_row(l, 1, &labels, &count)->outstanding_bytes, 3);
	assert_int_equal(count, 2);
	assert_int_equal(ledger_label(l, labels[0])->word, 11);
	assert_int_equal(ledger_label(l, labels[1])->word, 22);
	ledger_free(l);
}

/* Of the row with that origin: bytes held, and pieces. */
static void expect_row(const struct ledger *l, uint64_t origin, uint64_t bytes, uint64_t count)
{
	for (size_t i = 0; i < ledger_label_row_count(l); i++) {
		const uint32_t *labels;
		uint32_t label_count;
		const struct ledger_label_row *row = ledger_label_row(l, i, &labels, &label_count);

		if (row->origin != origin)
			continue;
		assert_int_equal(row->outstanding_bytes, bytes);
		assert_int_equal(row->outstanding_count, count);
		return;
	}
	fail_msg("no row of origin %d", (int)origin);
}

static const struct ledger_labels from_one = {.id = 91, .origin = 1},
				  from_two = {.id = 92, .origin = 2},
				  both_from_one = {93, both, 2, 1};

static void rows_of_one_site_are_kept_apart_by_origin(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc(l, P, 100, &from_one);
	alloc(l, P + 32, 10, &from_two);
	alloc(l, P + 64, 1000, NULL);
	alloc(l, P + 96, 1, &from_one);
	expect_row(l, 1, 101, 2);
	expect_row(l, 2, 10, 1);
	assert_int_equal(ledger_label_count(l), 0);
	release(l, P, false);
	expect_row(l, 1, 1, 1);
	alloc(l, P + 128, 5, &both_from_one);
	expect(l, 11, 5, 1, 5);
	ledger_free(l);
}

static void map(struct ledger *l, uint64_t address, uint64_t size,
		const struct ledger_labels *labels)
{
	const struct ledger_alloc request = {.address = address,
					     .size_bytes = size,
					     .time_ns = 1,
					     .stack = 7,
					     .tid = 1,
					     .class = SITE_MAPPING,
					     .labels = labels};

	assert_int_equal(ledger_record_map(l, &request), 0);
}

static void unmap(struct ledger *l, uint64_t address, uint64_t size, bool tentative)
{
	const struct ledger_release request = {.address = address,
					       .time_ns = 2,
					       .tid = 1,
					       .class = SITE_MAPPING,
					       .tentative = tentative};

	ledger_record_unmap(l, &request, size);
}

static void pieces_of_a_mapping_have_its_labels(void **state)
{
	struct ledger *l = new_ledger(), *child = new_ledger();
	const uint64_t page = 4096;

	(void)state;
	map(l, 64 * page, 8 * page, &from_one);
	map(l, 128 * page, page, &from_two);
	map(l, 256 * page, page, NULL);
	expect_row(l, 1, 8 * page, 1);
	unmap(l, 66 * page, page, false);
	expect_row(l, 1, 7 * page, 2);
	unmap(l, 65 * page, 3 * page, true);
	expect_row(l, 1, 5 * page, 2);
	ledger_undo_unmap(l, 1, 65 * page);
	expect_row(l, 1, 7 * page, 2);
	map(l, 71 * page, 2 * page, &from_two);
	expect_row(l, 1, 6 * page, 2);
	expect_row(l, 2, 3 * page, 2);
	assert_int_equal(ledger_inherit(child, l), 0);
	expect_row(child, 1, 6 * page, 2);
	unmap(child, 64 * page, 2 * page, false);
	expect_row(child, 1, 4 * page, 1);
	expect_row(l, 1, 6 * page, 2);
	assert_int_equal(ledger_verify(l), 0);
	ledger_free(child);
	ledger_free(l);
}

static void a_forked_child_has_its_parent_s(void **state)
{
	struct ledger *l = new_ledger(), *child = new_ledger();

	(void)state;
	alloc(l, P, 100, &labels_both);
	alloc(l, P + 32, 10, &labels_second);
	alloc(l, P + 64, 10, NULL);
	assert_int_equal(ledger_inherit(child, l), 0);
	expect(child, 11, 100, 1, 100);
	expect(child, 22, 110, 2, 110);
	release(child, P, false);
	expect(child, 22, 10, 1, 110);
	expect(l, 22, 110, 2, 110);
	assert_int_equal(ledger_verify(child), 0);
	ledger_free(child);
	ledger_free(l);
}

static void without_memory_a_block_has_no_labels_and_is_counted(void **state)
{
	struct ledger *l;
	struct ledger_counts counts;
	uint64_t word = 1;

	(void)state;
	assert_int_equal(ledger_new(256 << 10, &l), 0);
	for (uint64_t i = 0; i < 5000; i++) {
		const struct ledger_labels labels = {i + 1, &word, 1, 0};
		const struct ledger_alloc request = {.address = P + 16 * i,
						     .size_bytes = 8,
						     .stack = 7,
						     .tid = 1,
						     .labels = &labels};

		word = i + 1;
		ledger_record_alloc(l, &request);
	}
	ledger_counts(l, &counts);
	assert_true(counts.labels_refused > 0);
	assert_true(counts.memory_bytes <= 256 << 10);
	assert_int_equal(ledger_verify(l), 0);
	ledger_free(l);
}

/* Whatever happens, the sums are those of the live blocks. */
static void random_lives_add_up(void **state)
{
	struct ledger *l = new_ledger();
	uint64_t live[64] = {0}, sums[2] = {0};
	unsigned int seed = 5;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		unsigned int at = (unsigned int)rand_r(&seed) % 64,
			     how = (unsigned int)rand_r(&seed);
		uint64_t size = how % 97 + 1;

		if (how % 3) {
			alloc(l, P + 32 * at, size, at % 2 ? &labels_both : &labels_second);
			live[at] = size;
		} else {
			release(l, P + 32 * at, how % 2);
			if (how % 2 && live[at])
				ledger_undo_free(l, 1, P + 32 * at);
			else
				live[at] = 0;
		}
	}
	for (unsigned int at = 0; at < 64; at++) {
		sums[0] += at % 2 ? live[at] : 0;
		sums[1] += live[at];
	}
	for (size_t i = 0; i < ledger_label_count(l); i++)
		assert_int_equal(ledger_label(l, i)->outstanding_bytes,
				 sums[ledger_label(l, i)->word == 22]);
	ledger_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_counts_to_each_of_its_labels_until_it_ends),
		cmocka_unit_test(what_undoes_replaces_and_forgets_blocks_does_so_with_their_labels),
		cmocka_unit_test(rows_tell_what_each_site_has_of_a_set),
		cmocka_unit_test(rows_of_one_site_are_kept_apart_by_origin),
		cmocka_unit_test(pieces_of_a_mapping_have_its_labels),
		cmocka_unit_test(a_forked_child_has_its_parent_s),
		cmocka_unit_test(without_memory_a_block_has_no_labels_and_is_counted),
		cmocka_unit_test(random_lives_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
