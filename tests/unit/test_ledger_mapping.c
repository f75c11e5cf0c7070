/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings: cut, replaced, restored. Random streams of them: test_ledger_property.c. */
#include <errno.h>

#include "account/ledger/ledger.h"
#include "cmocka_all.h"

#define BASE UINT64_C(0x7f0000000000)
#define PAGE UINT64_C(4096)

static struct ledger *new_ledger(void)
{
	struct ledger *ledger;

	assert_int_equal(ledger_new(64 << 20, &ledger), 0);
	return ledger;
}

static void done(struct ledger *ledger)
{
	assert_int_equal(ledger_verify(ledger), 0);
	ledger_free(ledger);
}

/* Pages [first, first + count) by stack @stack. */
static void map_pages(struct ledger *l, uint64_t first, uint64_t count, stack_id stack)
{
	struct ledger_alloc map = {.address = BASE + first * PAGE,
				   .size_bytes = count * PAGE,
				   .time_ns = 1000 + first + stack,
				   .stack = stack,
				   .tid = 1,
				   .class = SITE_MAPPING};

	assert_int_equal(ledger_record_map(l, &map), 0);
	assert_int_equal(ledger_verify(l), 0);
}

static void unmap_by(struct ledger *l, uint32_t tid, uint64_t first, uint64_t count, bool tentative)
{
	struct ledger_release unmap = {.address = BASE + first * PAGE,
				       .time_ns = 5000,
				       .tid = tid,
				       .class = SITE_MAPPING,
				       .tentative = tentative};

	ledger_record_unmap(l, &unmap, count * PAGE);
	assert_int_equal(ledger_verify(l), 0);
}

static void unmap_quietly(struct ledger *l, uint64_t page)
{
	struct ledger_release unmap = {
		.address = BASE + page * PAGE, .time_ns = 5000, .tid = 1, .class = SITE_MAPPING};

	ledger_record_unmap(l, &unmap, PAGE);
}

static void unmap_pages(struct ledger *l, uint64_t first, uint64_t count)
{
	unmap_by(l, 1, first, count, false);
}

static struct ledger_counts counts_of(const struct ledger *l)
{
	struct ledger_counts counts;

	ledger_counts(l, &counts);
	return counts;
}

/* The pages of the piece that starts at page @first; 0: none starts there. */
static uint64_t piece_at(const struct ledger *l, uint64_t first)
{
	struct allocation found;

	return ledger_find(l, BASE + first * PAGE, &found) ? 0 : found.size_bytes / PAGE;
}

static void an_unmapped_head_leaves_the_rest(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	map_pages(l, 0, 10, 1);
	unmap_pages(l, 0, 4);
	assert_int_equal(piece_at(l, 4), 6);
	assert_int_equal(ledger_site(l, 1)->outstanding_bytes, 6 * PAGE);
	assert_int_equal(ledger_site(l, 1)->frees, 0);
	done(l);
}

static void an_unmapped_tail_leaves_the_head(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	map_pages(l, 0, 2560, 1); /* 10 MiB, of which 40 KiB stay */
	unmap_pages(l, 10, 2550);
	assert_int_equal(piece_at(l, 0), 10);
	assert_int_equal(counts_of(l).mapped_bytes, 10 * PAGE);
	done(l);
}

static void a_hole_leaves_two_pieces_of_the_same_site(void **state)
{
	struct ledger *l = new_ledger();
	struct allocation head, tail;

	(void)state;
	map_pages(l, 0, 10, 1);
	unmap_pages(l, 3, 4);
	assert_int_equal(ledger_find(l, BASE, &head), 0);
	assert_int_equal(ledger_find(l, BASE + 7 * PAGE, &tail), 0);
	assert_int_equal(head.site, tail.site);
	assert_int_equal(head.time_ns, tail.time_ns);
	assert_int_equal(ledger_site(l, 1)->outstanding_count, 2);
	unmap_pages(l, 0, 10);
	assert_int_equal(ledger_site(l, 1)->outstanding_count, 0);
	assert_int_equal(ledger_site(l, 1)->outstanding_bytes, 0);
	done(l);
}

static void an_unmap_may_cut_several_mappings_and_gaps(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	map_pages(l, 0, 4, 1);
	map_pages(l, 6, 4, 2);
	map_pages(l, 10, 4, 3);
	unmap_pages(l, 2, 10);
	assert_int_equal(piece_at(l, 0), 2);
	assert_int_equal(piece_at(l, 12), 2);
	assert_int_equal(ledger_site(l, 2)->outstanding_count, 0);
	assert_int_equal(ledger_site(l, 2)->frees, 1);
	assert_int_equal(counts_of(l).mapped_count, 2);
	done(l);
}

static void a_map_replaces_what_it_overlaps(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	map_pages(l, 0, 10, 1);
	map_pages(l, 2, 3, 2);
	assert_int_equal(piece_at(l, 0), 2);
	assert_int_equal(piece_at(l, 2), 3);
	assert_int_equal(piece_at(l, 5), 5);
	assert_int_equal(ledger_site(l, 1)->outstanding_bytes, 7 * PAGE);
	assert_int_equal(ledger_site(l, 2)->outstanding_bytes, 3 * PAGE);
	done(l);
}

static void sizes_are_rounded_up_to_pages(void **state)
{
	struct ledger *l = new_ledger();
	struct ledger_alloc map = {
		.address = BASE, .size_bytes = 5000, .stack = 1, .tid = 1, .class = SITE_MAPPING};
	struct ledger_release unmap = {.address = BASE, .tid = 1, .class = SITE_MAPPING};

	(void)state;
	assert_int_equal(ledger_record_map(l, &map), 0);
	assert_int_equal(piece_at(l, 0), 2);
	ledger_record_unmap(l, &unmap, 1);
	assert_int_equal(piece_at(l, 1), 1);
	done(l);
}

static void a_break_is_taken_to_the_byte(void **state)
{
	struct ledger *l = new_ledger();
	struct ledger_alloc map = {
		.address = BASE + 5, .size_bytes = 100, .stack = 1, .tid = 1, .class = SITE_BREAK};
	struct ledger_release unmap = {.address = BASE + 95, .tid = 1, .class = SITE_BREAK};

	(void)state;
	assert_int_equal(ledger_record_map(l, &map), 0);
	map.address += 100;
	assert_int_equal(ledger_record_map(l, &map), 0);
	assert_int_equal(ledger_site(l, 1)->outstanding_bytes, 200);
	ledger_record_unmap(l, &unmap, 110);
	assert_int_equal(ledger_site(l, 1)->outstanding_bytes, 90);
	done(l);
}

static void a_failed_munmap_changes_nothing(void **state)
{
	struct ledger *l = new_ledger();
	struct call_site before, after;

	(void)state;
	map_pages(l, 0, 4, 1);
	map_pages(l, 4, 4, 2);
	map_pages(l, 8, 8, 1);
	ledger_begin_window(l);
	before = *ledger_site(l, 1);
	unmap_by(l, 1, 2, 8, true);
	assert_int_equal(piece_at(l, 4), 0);
	assert_int_equal(counts_of(l).mapped_bytes, 8 * PAGE);
	ledger_undo_unmap(l, 1, BASE + 2 * PAGE);
	assert_int_equal(ledger_verify(l), 0);
	assert_int_equal(piece_at(l, 0), 4);
	assert_int_equal(piece_at(l, 4), 4);
	assert_int_equal(piece_at(l, 8), 8);
	after = *ledger_site(l, 1);
	assert_int_equal(ledger_window_min(l, 1), 12 * PAGE);
	assert_int_equal(after.frees, before.frees);
	assert_int_equal(after.free_bytes, before.free_bytes);
	assert_int_equal(after.outstanding_count, before.outstanding_count);
	assert_int_equal(after.last_free_ns, before.last_free_ns);
	assert_int_equal(counts_of(l).undone, 1);
	done(l);
}

static void an_undone_hole_makes_one_piece_again(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	map_pages(l, 0, 10, 1);
	unmap_by(l, 1, 3, 4, true);
	assert_int_equal(counts_of(l).mapped_count, 2);
	ledger_undo_unmap(l, 1, BASE + 3 * PAGE);
	assert_int_equal(piece_at(l, 0), 10);
	assert_int_equal(ledger_site(l, 1)->outstanding_count, 1);
	done(l);
}

static void the_threads_next_mapping_call_confirms_an_unmap(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	map_pages(l, 0, 10, 1);
	unmap_by(l, 1, 0, 4, true);
	map_pages(l, 20, 1, 1);
	ledger_undo_unmap(l, 1, BASE);
	assert_int_equal(piece_at(l, 0), 0);
	assert_int_equal(counts_of(l).undo_unknown, 1);
	unmap_by(l, 1, 4, 1, true);
	unmap_by(l, 1, 5, 1, true);
	ledger_undo_unmap(l, 1, BASE + 4 * PAGE); /* another address than the newest */
	ledger_undo_unmap(l, 1, BASE + 5 * PAGE);
	assert_int_equal(piece_at(l, 5), 5);
	assert_int_equal(counts_of(l).undo_unknown, 2);
	done(l);
}

static void another_threads_mapping_in_the_hole_stays(void **state)
{
	struct ledger *l = new_ledger();
	struct ledger_alloc map = {.address = BASE + 4 * PAGE,
				   .size_bytes = PAGE,
				   .time_ns = 6000,
				   .stack = 2,
				   .tid = 2,
				   .class = SITE_MAPPING};

	(void)state;
	map_pages(l, 0, 4, 1);
	map_pages(l, 4, 4, 3);
	unmap_by(l, 1, 0, 8, true);
	assert_int_equal(ledger_record_map(l, &map), 0);
	ledger_undo_unmap(l, 1, BASE);
	assert_int_equal(ledger_verify(l), 0);
	assert_int_equal(piece_at(l, 0), 4);
	assert_int_equal(piece_at(l, 4), 1);
	assert_int_equal(counts_of(l).undo_unknown, 1);
	done(l);
}

static void the_rest_may_go_while_an_unmap_is_tentative(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	map_pages(l, 0, 10, 1);
	unmap_by(l, 1, 3, 4, true);
	unmap_by(l, 2, 0, 3, false);
	unmap_by(l, 2, 7, 3, false);
	assert_int_equal(counts_of(l).mapped_count, 0);
	ledger_undo_unmap(l, 1, BASE + 3 * PAGE);
	assert_int_equal(ledger_verify(l), 0);
	assert_int_equal(piece_at(l, 3), 4);
	assert_int_equal(ledger_site(l, 1)->outstanding_count, 1);
	done(l);
}

static void mremap_moves_and_a_failed_one_does_not(void **state)
{
	struct ledger *l = new_ledger();
	struct ledger_alloc moved = {.address = BASE + 100 * PAGE,
				     .size_bytes = 20 * PAGE,
				     .time_ns = 7000,
				     .stack = 2,
				     .tid = 1,
				     .class = SITE_MAPPING};

	(void)state;
	map_pages(l, 0, 10, 1);
	unmap_by(l, 1, 0, 10, true);
	ledger_undo_unmap(l, 1, BASE);
	assert_int_equal(piece_at(l, 0), 10);
	unmap_by(l, 1, 0, 10, true);
	assert_int_equal(ledger_record_map(l, &moved), 0);
	assert_int_equal(piece_at(l, 0), 0);
	assert_int_equal(piece_at(l, 100), 20);
	assert_int_equal(ledger_site(l, 1)->frees, 1);
	done(l);
}

static void what_the_kernel_refuses_cuts_nothing(void **state)
{
	struct ledger *l = new_ledger();
	struct ledger_alloc map = {
		.address = BASE + 1, .size_bytes = PAGE, .tid = 1, .class = SITE_MAPPING};
	struct ledger_release unmap = {
		.address = BASE + 1, .tid = 1, .class = SITE_MAPPING, .tentative = true};

	(void)state;
	map_pages(l, 0, 10, 1);
	assert_int_equal(ledger_record_map(l, &map), -EINVAL);
	map.address = BASE;
	map.size_bytes = 0;
	assert_int_equal(ledger_record_map(l, &map), -EINVAL);
	map.size_bytes = UINT64_MAX;
	assert_int_equal(ledger_record_map(l, &map), -EINVAL);
	map.class = SITE_BREAK;
	assert_int_equal(ledger_record_map(l, &map), -EINVAL);
	ledger_record_unmap(l, &unmap, PAGE);
	ledger_undo_unmap(l, 1, BASE + 1);
	unmap.address = BASE;
	ledger_record_unmap(l, &unmap, 0);
	ledger_undo_unmap(l, 1, BASE);
	ledger_record_unmap(l, &unmap, UINT64_MAX);
	ledger_undo_unmap(l, 1, BASE);
	assert_int_equal(counts_of(l).undone, 3);
	assert_int_equal(piece_at(l, 0), 10);
	done(l);
}

static void lifetimes_of_mappings_are_counted_when_the_last_of_a_piece_goes(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	map_pages(l, 0, 10, 1); /* born at 1001, unmapped at 5000 */
	unmap_pages(l, 0, 5);
	assert_int_equal(histogram_at(&ledger_site(l, 1)->lifetime_ns_log2, 11), 0);
	unmap_pages(l, 0, 10);
	assert_int_equal(histogram_at(&ledger_site(l, 1)->lifetime_ns_log2, 11), 1);
	done(l);
}

static void rising_addresses_fill_their_chunks(void **state)
{
	struct ledger *l = new_ledger();
	uint64_t before = counts_of(l).memory_bytes;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++) {
		struct ledger_alloc map = {.address = BASE + i * 2 * PAGE,
					   .size_bytes = PAGE,
					   .stack = 1,
					   .tid = 1,
					   .class = SITE_MAPPING};

		assert_int_equal(ledger_record_map(l, &map), 0);
	}
	/* 32 each; a first site and its table come on top */
	assert_true(counts_of(l).memory_bytes - before < 10000 * 35 + 15000);
	done(l);
}

/* Far too slow if a change costs as much as there are ranges. */
static void a_hundred_thousand_ranges_come_and_go_in_any_order(void **state)
{
	const uint64_t mask = (1 << 17) - 1;
	struct ledger *l = new_ledger();
	uint64_t memory;

	(void)state;
	for (uint64_t i = 0; i <= mask; i++) {
		struct ledger_alloc map = {.address = BASE + (i * 40503 & mask) * 2 * PAGE,
					   .size_bytes = PAGE,
					   .time_ns = i,
					   .stack = 1,
					   .tid = 1,
					   .class = SITE_MAPPING};

		assert_int_equal(ledger_record_map(l, &map), 0);
	}
	assert_int_equal(counts_of(l).mapped_count, mask + 1);
	assert_int_equal(ledger_verify(l), 0);
	memory = counts_of(l).memory_bytes;
	for (uint64_t i = 0; i < mask; i++) {
		struct ledger_release unmap = {.address = BASE + (i * 30011 & mask) * 2 * PAGE,
					       .time_ns = i,
					       .tid = 1,
					       .class = SITE_MAPPING};

		ledger_record_unmap(l, &unmap, PAGE);
	}
	assert_int_equal(counts_of(l).mapped_count, 1);
	assert_true(counts_of(l).memory_bytes < memory / 10);
	done(l);
}

static void chunks_that_thin_out_are_joined(void **state)
{
	struct ledger *l = new_ledger();
	uint64_t memory;

	(void)state;
	for (uint64_t i = 0; i < 16384; i++) {
		struct ledger_alloc map = {.address = BASE + i * 2 * PAGE,
					   .size_bytes = PAGE,
					   .stack = 1,
					   .tid = 1,
					   .class = SITE_MAPPING};

		assert_int_equal(ledger_record_map(l, &map), 0);
	}
	memory = counts_of(l).memory_bytes;
	for (uint64_t i = 0; i < 16384; i++) {
		if (i % 16)
			unmap_quietly(l, i * 2);
	}
	assert_int_equal(counts_of(l).mapped_count, 1024);
	assert_true(counts_of(l).memory_bytes < memory / 3);
	done(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unmapped_head_leaves_the_rest),
		cmocka_unit_test(an_unmapped_tail_leaves_the_head),
		cmocka_unit_test(a_hole_leaves_two_pieces_of_the_same_site),
		cmocka_unit_test(an_unmap_may_cut_several_mappings_and_gaps),
		cmocka_unit_test(a_map_replaces_what_it_overlaps),
		cmocka_unit_test(sizes_are_rounded_up_to_pages),
		cmocka_unit_test(a_break_is_taken_to_the_byte),
		cmocka_unit_test(a_failed_munmap_changes_nothing),
		cmocka_unit_test(an_undone_hole_makes_one_piece_again),
		cmocka_unit_test(the_threads_next_mapping_call_confirms_an_unmap),
		cmocka_unit_test(another_threads_mapping_in_the_hole_stays),
		cmocka_unit_test(the_rest_may_go_while_an_unmap_is_tentative),
		cmocka_unit_test(mremap_moves_and_a_failed_one_does_not),
		cmocka_unit_test(what_the_kernel_refuses_cuts_nothing),
		cmocka_unit_test(lifetimes_of_mappings_are_counted_when_the_last_of_a_piece_goes),
		cmocka_unit_test(rising_addresses_fill_their_chunks),
		cmocka_unit_test(a_hundred_thousand_ranges_come_and_go_in_any_order),
		cmocka_unit_test(chunks_that_thin_out_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
