/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger's semantics on blocks, one test each. Mappings: test_ledger_mapping.c. */
#include "account/ledger/ledger.h"

#include <errno.h>
#include <string.h>

#include "cmocka_all.h"

#define P UINT64_C(0x5555deadb000)
#define Q UINT64_C(0x5555deadc000)

static struct ledger *new_ledger(void)
{
	struct ledger *ledger;

	assert_int_equal(ledger_new(16 << 20, &ledger), 0);
	return ledger;
}

static void done(struct ledger *ledger)
{
	assert_int_equal(ledger_verify(ledger), 0);
	ledger_free(ledger);
}

static void alloc_class(struct ledger *l, uint64_t address, uint64_t size, uint64_t time,
			uint8_t class)
{
	struct ledger_alloc alloc = {.address = address,
				     .size_bytes = size,
				     .time_ns = time,
				     .stack = 7,
				     .tid = 1,
				     .class = class};

	assert_int_equal(ledger_record_alloc(l, &alloc), 0);
	assert_int_equal(ledger_verify(l), 0);
}

static void alloc_at(struct ledger *l, uint64_t address, uint64_t size, uint64_t time)
{
	alloc_class(l, address, size, time, SITE_HEAP);
}

static void alloc_by(struct ledger *l, uint32_t tid, uint64_t address, uint64_t time)
{
	struct ledger_alloc alloc = {
		.address = address, .size_bytes = 8, .time_ns = time, .stack = 7, .tid = tid};

	assert_int_equal(ledger_record_alloc(l, &alloc), 0);
}

static void free_by(struct ledger *l, uint32_t tid, uint64_t address, uint64_t time)
{
	struct ledger_release release = {.address = address, .time_ns = time, .tid = tid};

	ledger_record_free(l, &release);
	assert_int_equal(ledger_verify(l), 0);
}

static void free_tentative(struct ledger *l, uint64_t address, uint64_t time)
{
	struct ledger_release release = {
		.address = address, .time_ns = time, .tid = 1, .tentative = true};

	ledger_record_free(l, &release);
	assert_int_equal(ledger_verify(l), 0);
}

static struct ledger_counts counts_of(const struct ledger *l)
{
	struct ledger_counts counts;

	ledger_counts(l, &counts);
	return counts;
}

static bool lives(const struct ledger *l, uint64_t address)
{
	struct allocation allocation;

	return !ledger_find(l, address, &allocation);
}

static void a_block_lives_until_it_is_freed(void **state)
{
	struct ledger *l = new_ledger();
	struct allocation found;

	(void)state;
	alloc_at(l, P, 100, 10);
	assert_int_equal(ledger_find(l, P, &found), 0);
	assert_int_equal(found.address, P);
	assert_int_equal(found.size_bytes, 100);
	assert_int_equal(found.time_ns, 10);
	assert_int_equal(ledger_site(l, found.site)->stack, 7);
	assert_int_equal(ledger_site(l, found.site)->outstanding_bytes, 100);
	free_by(l, 1, P, 20);
	assert_false(lives(l, P));
	assert_int_equal(ledger_site(l, 1)->outstanding_bytes, 0);
	assert_int_equal(ledger_site(l, 1)->peak_bytes, 100);
	assert_int_equal(ledger_site(l, 1)->frees, 1);
	assert_int_equal(ledger_site(l, 1)->last_free_ns, 20);
	assert_int_equal(counts_of(l).live_count, 0);
	done(l);
}

static void an_alloc_at_a_live_address_ends_the_old_block(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc_at(l, P, 100, 10);
	alloc_at(l, P, 30, 20);
	assert_int_equal(counts_of(l).overwritten, 1);
	assert_int_equal(counts_of(l).live_count, 1);
	assert_int_equal(counts_of(l).live_bytes, 30);
	assert_int_equal(ledger_site(l, 1)->frees, 1);
	assert_int_equal(ledger_site(l, 1)->lifetime_ns_log2.count,
			 0); /* when it ended nobody saw */
	done(l);
}

static void a_free_of_an_unknown_address_is_counted_and_no_more(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc_at(l, P, 100, 10);
	free_by(l, 1, Q, 20);
	assert_int_equal(counts_of(l).unmatched_frees, 1);
	assert_int_equal(counts_of(l).frees, 0);
	assert_true(lives(l, P));
	done(l);
}

static void freed_after_realloc_failure_stays_outstanding(void **state)
{
	struct ledger *l = new_ledger();
	struct call_site before, after;
	struct allocation found;

	(void)state;
	alloc_at(l, Q, 50, 5);
	free_by(l, 1, Q, 9);
	alloc_at(l, P, 100, 10);
	ledger_begin_window(l);
	before = *ledger_site(l, 1);
	free_tentative(l, P, 20);
	assert_false(lives(l, P));
	assert_int_equal(counts_of(l).live_count, 0);
	ledger_undo_free(l, 1, P);
	after = *ledger_site(l, 1);
	after.window = before.window;
	assert_int_equal(ledger_window_min(l, 1), 100);
	after.window_min_bytes = before.window_min_bytes;
	assert_int_equal(histogram_at(&after.lifetime_ns_log2, 3), 0);
	assert_int_equal(histogram_at(&after.lifetime_ns_log2, 2), 1); /* of Q: 4 ns */
	after.lifetime_ns_log2 = before.lifetime_ns_log2;
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(ledger_find(l, P, &found), 0);
	assert_int_equal(found.time_ns, 10);
	assert_int_equal(counts_of(l).undone, 1);
	assert_int_equal(counts_of(l).frees, 1);
	done(l);
}

static void another_thread_may_take_the_address_while_a_free_is_tentative(void **state)
{
	struct ledger *l = new_ledger();
	struct allocation found;

	(void)state;
	alloc_at(l, P, 100, 10);
	free_tentative(l, P, 20);
	alloc_by(l, 2, P, 21);
	alloc_at(l, Q, 200, 22);
	assert_int_equal(counts_of(l).overwritten, 0);
	assert_int_equal(ledger_find(l, P, &found), 0);
	assert_int_equal(found.time_ns, 21);
	/* the ALLOC confirmed: nothing is left to undo */
	ledger_undo_free(l, 1, P);
	assert_int_equal(counts_of(l).undo_unknown, 1);
	assert_int_equal(ledger_site(l, 1)->frees, 1);
	done(l);
}

static void an_undo_that_comes_too_late_leaves_the_newer_block(void **state)
{
	struct ledger *l = new_ledger();
	struct allocation found;

	(void)state;
	alloc_at(l, P, 100, 10);
	free_tentative(l, P, 20);
	alloc_by(l, 2, P, 21);
	ledger_undo_free(l, 1, P);
	assert_int_equal(ledger_find(l, P, &found), 0);
	assert_int_equal(found.time_ns, 21);
	assert_int_equal(counts_of(l).undo_unknown, 1);
	assert_int_equal(counts_of(l).undone, 0);
	done(l);
}

static void an_undo_without_its_tentative_free_is_counted(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	ledger_undo_free(l, 1, P);
	alloc_at(l, P, 100, 10);
	ledger_undo_free(l, 1, P);
	free_by(l, 1, P, 11); /* final, not tentative */
	ledger_undo_free(l, 1, P);
	assert_int_equal(counts_of(l).undo_unknown, 3);
	assert_false(lives(l, P));
	done(l);
}

static void a_failed_realloc_of_an_unknown_block_is_no_unmatched_free(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	free_tentative(l, P, 20);
	assert_int_equal(counts_of(l).unmatched_frees, 1);
	ledger_undo_free(l, 1, P);
	assert_int_equal(counts_of(l).unmatched_frees, 0);
	assert_int_equal(counts_of(l).undone, 1);
	done(l);
}

static void nested_tentative_frees_are_undone_each_for_itself(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		alloc_at(l, P + i * 64, i + 1, i);
	for (uint64_t i = 0; i < 6; i++)
		free_tentative(l, P + i * 64, 10 + i);
	alloc_by(l, 1, Q, 30); /* confirms the newest */
	ledger_undo_free(l, 1, P + 5 * 64);
	assert_false(lives(l, P + 5 * 64));
	for (uint64_t i = 0; i < 5; i++)
		ledger_undo_free(l, 1, P + i * 64);
	assert_int_equal(counts_of(l).undone, 5);
	assert_int_equal(counts_of(l).undo_unknown, 1);
	assert_int_equal(counts_of(l).live_bytes, 1 + 2 + 3 + 4 + 5 + 8);
	done(l);
}

static void more_tentative_frees_than_fit_make_the_oldest_final(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	for (uint64_t i = 0; i <= LEDGER_MAX_PENDING; i++)
		alloc_at(l, P + i * 64, 16, i);
	for (uint64_t i = 0; i <= LEDGER_MAX_PENDING; i++)
		free_tentative(l, P + i * 64, 100 + i);
	for (uint64_t i = 0; i <= LEDGER_MAX_PENDING; i++)
		ledger_undo_free(l, 1, P + i * 64);
	assert_false(lives(l, P));
	assert_int_equal(counts_of(l).undone, LEDGER_MAX_PENDING);
	assert_int_equal(counts_of(l).undo_unknown, 1);
	done(l);
}

static void a_thread_that_ended_has_nothing_to_undo(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc_at(l, P, 100, 10);
	free_tentative(l, P, 20);
	ledger_thread_exit(l, 1);
	ledger_undo_free(l, 1, P);
	assert_int_equal(counts_of(l).undo_unknown, 1);
	assert_false(lives(l, P));
	done(l);
}

static void temporary_is_freed_before_the_threads_next_allocation(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc_by(l, 1, P, 1);
	alloc_by(l, 2, Q, 2); /* of another thread: does not matter */
	free_by(l, 1, P, 3);
	assert_int_equal(ledger_site(l, 1)->temporary_count, 1);
	free_by(l, 1, Q, 4); /* not by the thread that allocated it */
	assert_int_equal(ledger_site(l, 1)->temporary_count, 1);
	alloc_by(l, 1, P, 5);
	alloc_by(l, 1, Q, 6);
	free_by(l, 1, P, 7);
	assert_int_equal(ledger_site(l, 1)->temporary_count, 1);
	free_by(l, 1, Q, 8);
	assert_int_equal(ledger_site(l, 1)->temporary_count, 2);
	/* the address of its last allocation, but another block */
	alloc_by(l, 1, P, 9);
	free_by(l, 2, P, 10);
	alloc_by(l, 2, P, 11);
	free_by(l, 1, P, 12);
	assert_int_equal(ledger_site(l, 1)->temporary_count, 2);
	done(l);
}

static void lifetimes_and_sizes_are_counted_by_powers_of_two(void **state)
{
	struct ledger *l = new_ledger();
	const struct call_site *site;

	(void)state;
	alloc_at(l, P, 0, 1000);
	free_by(l, 1, P, 1000); /* age 0: slot 0 */
	alloc_at(l, P, 1023, 1000);
	free_by(l, 1, P, 2024); /* 1024 ns: slot 10 */
	alloc_at(l, P, 1024, 1000);
	free_by(l, 1, P, 900); /* before it was born: out of order, slot 0 */
	alloc_at(l, P, UINT64_C(1) << 50, 1000);
	free_by(l, 1, P, 1000 + (UINT64_C(1) << 60)); /* the last slot takes all above */
	site = ledger_site(l, 1);
	assert_int_equal(histogram_at(&site->lifetime_ns_log2, 0), 2);
	assert_int_equal(histogram_at(&site->lifetime_ns_log2, 10), 1);
	assert_int_equal(histogram_at(&site->lifetime_ns_log2, LEDGER_HISTOGRAM_SLOTS - 1), 1);
	assert_int_equal(histogram_at(&site->size_log2, 0), 1);
	assert_int_equal(histogram_at(&site->size_log2, 9), 1);
	assert_int_equal(histogram_at(&site->size_log2, 10), 1);
	assert_int_equal(histogram_at(&site->size_log2, 11), 0);
	assert_int_equal(histogram_at(&site->size_log2, LEDGER_HISTOGRAM_SLOTS - 1), 1);
	assert_int_equal(histogram_at(&site->size_log2, 1000), 0);
	done(l);
}

static void a_histogram_grows_both_ways(void **state)
{
	struct ledger *l = new_ledger();
	const struct histogram *sizes;

	(void)state;
	for (unsigned int i = 0; i < 12; i++) {
		unsigned int bit = i % 2 ? 20 + 2 * i : 20 - i; /* 20 22 18 26 16 ... */

		alloc_at(l, P + i * 64, UINT64_C(1) << bit, i);
		sizes = &ledger_site(l, 1)->size_log2;
		for (unsigned int slot = 0, sum = 0; slot < LEDGER_HISTOGRAM_SLOTS; slot++) {
			assert_true(histogram_at(sizes, slot) <= 1);
			sum += histogram_at(sizes, slot);
			assert_true(slot < LEDGER_HISTOGRAM_SLOTS - 1 || sum == i + 1);
		}
		assert_int_equal(histogram_at(sizes, bit), 1);
	}
	done(l);
}

static void a_histogram_slot_saturates(void **state)
{
	struct ledger *l = new_ledger();
	const struct call_site *site;

	(void)state;
	alloc_at(l, P, 8, 0);
	site = ledger_site(l, 1);
	site->size_log2.slots[3 - site->size_log2.first] = UINT32_MAX - 1;
	alloc_at(l, Q, 8, 0);
	assert_int_equal(histogram_at(&site->size_log2, 3), UINT32_MAX);
	alloc_at(l, Q + 8, 8, 0);
	assert_int_equal(histogram_at(&site->size_log2, 3), UINT32_MAX);
	done(l);
}

static void a_custom_block_and_the_heap_block_below_it_live_side_by_side(void **state)
{
	struct ledger *l = new_ledger();
	struct ledger_release release = {
		.address = P, .time_ns = 9, .tid = 1, .class = SITE_CUSTOM + 15};
	struct allocation found;

	(void)state;
	alloc_class(l, P, 48, 1, SITE_HEAP);
	alloc_class(l, P, 32, 2, SITE_CUSTOM);
	alloc_class(l, P, 16, 3, SITE_CUSTOM + 15);
	assert_int_equal(counts_of(l).live_count, 3);
	assert_int_equal(counts_of(l).overwritten, 0);
	ledger_record_free(l, &release);
	assert_int_equal(counts_of(l).live_bytes, 80);
	assert_int_equal(ledger_find(l, P, &found), 0);
	assert_int_equal(found.size_bytes, 48);
	free_by(l, 1, P, 10);
	assert_int_equal(ledger_find(l, P, &found), 0);
	assert_int_equal(found.size_bytes, 32);
	assert_int_equal(found.address, P);
	done(l);
}

static void new_and_malloc_share_their_addresses(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc_class(l, P, 48, 1, SITE_NEW);
	free_by(l, 1, P, 2); /* as SITE_HEAP */
	assert_int_equal(counts_of(l).unmatched_frees, 0);
	assert_int_equal(ledger_site(l, 1)->class, SITE_NEW);
	assert_int_equal(ledger_site(l, 1)->frees, 1);
	done(l);
}

static void what_no_allocator_hands_out_is_refused(void **state)
{
	struct ledger *l = new_ledger();
	struct ledger_alloc alloc = {.address = 0, .size_bytes = 8, .stack = 1, .tid = 1};

	(void)state;
	assert_int_equal(ledger_record_alloc(l, &alloc), -EINVAL);
	alloc.address = P;
	alloc.class = SITE_MAPPING;
	assert_int_equal(ledger_record_alloc(l, &alloc), -EINVAL);
	alloc.class = SITE_CUSTOM + SITE_CUSTOM_MAX;
	assert_int_equal(ledger_record_alloc(l, &alloc), -EINVAL);
	alloc.class = SITE_HEAP;
	alloc.size_bytes = UINT64_MAX;
	assert_int_equal(ledger_record_alloc(l, &alloc), -EINVAL);
	assert_int_equal(ledger_site_count(l), 0);
	assert_int_equal(counts_of(l).allocs, 0);
	done(l);
}

static void invented_sizes_do_not_wrap_the_sums(void **state)
{
	struct ledger *l = new_ledger();
	int err = 0;

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		struct ledger_alloc alloc = {.address = P + i * 16,
					     .size_bytes = UINT64_C(1) << 56,
					     .stack = 1,
					     .tid = 1};

		err = ledger_record_alloc(l, &alloc);
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(counts_of(l).live_count, 64);
	assert_int_equal(counts_of(l).refused, 136);
	done(l);
}

static void past_the_bound_blocks_are_refused_and_their_site_still_counts(void **state)
{
	const uint64_t bound = 1 << 20, total = 100000;
	struct ledger_counts counts;
	const struct call_site *site;
	struct ledger *l;
	uint64_t kept = 0;

	(void)state;
	assert_int_equal(ledger_new(bound, &l), 0);
	for (uint64_t i = 0; i < total; i++) {
		struct ledger_alloc alloc = {
			.address = P + i * 32, .size_bytes = 10, .stack = 1, .tid = 1};
		int err = ledger_record_alloc(l, &alloc);

		assert_true(err == 0 || err == -ENOSPC);
		kept += !err;
		assert_true(counts_of(l).memory_bytes <= bound);
	}
	counts = counts_of(l);
	site = ledger_site(l, 1);
	assert_true(kept > bound / 40 && kept < total);
	assert_int_equal(counts.live_count, kept);
	assert_int_equal(counts.refused, total - kept);
	assert_int_equal(counts.allocs, total);
	assert_int_equal(site->allocs, total);
	assert_int_equal(site->alloc_bytes, 10 * total);
	assert_int_equal(site->allocs - site->frees - site->outstanding_count, counts.refused);
	done(l);
}

static void memory_comes_back_when_blocks_go(void **state)
{
	struct ledger *l = new_ledger();
	uint64_t full;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		alloc_by(l, 1, P + i * 32, i);
	full = counts_of(l).memory_bytes;
	for (uint64_t i = 0; i < 100000; i++) {
		struct ledger_release release = {.address = P + i * 32, .time_ns = i, .tid = 1};

		ledger_record_free(l, &release);
	}
	assert_int_equal(counts_of(l).live_count, 0);
	assert_true(counts_of(l).memory_bytes < full / 4);
	done(l);
}

static void a_block_costs_at_most_40_bytes(void **state)
{
	struct ledger *l;
	double worst = 0;

	(void)state;
	assert_int_equal(ledger_new(UINT64_C(1) << 30, &l), 0);
	for (uint64_t i = 0; i < 250000; i++) {
		alloc_by(l, 1, P + i * 32, i);
		if (i > 100000) {
			double bytes = (double)counts_of(l).memory_bytes / (double)(i + 1);

			worst = bytes > worst ? bytes : worst;
		}
	}
	print_message("# worst bytes per block: %.1f\n", worst);
	assert_true(worst <= 40);
	done(l);
}

static void hostile_numbers_of_threads_are_forgotten_oldest_first(void **state)
{
	struct ledger *l = new_ledger();
	uint32_t threads = LEDGER_MAX_THREADS + 1000;
	uint64_t memory;

	(void)state;
	for (uint32_t tid = 1; tid <= threads; tid++)
		alloc_by(l, tid, P + tid * UINT64_C(32), tid);
	assert_int_equal(counts_of(l).threads_forgotten, 1000);
	free_by(l, 1, P + 32, threads + 1); /* forgotten: no longer known as its last */
	free_by(l, 1000, P + UINT64_C(1000) * 32, threads + 1);
	assert_int_equal(ledger_site(l, 1)->temporary_count, 0);
	free_by(l, 1001, P + UINT64_C(1001) * 32, threads + 1);
	free_by(l, threads - 1, P + (threads - 1) * UINT64_C(32), threads + 1);
	free_by(l, threads, P + threads * UINT64_C(32), threads + 1);
	assert_int_equal(ledger_site(l, 1)->temporary_count, 3);
	memory = counts_of(l).memory_bytes;
	for (uint32_t tid = 1; tid <= threads; tid++)
		ledger_thread_exit(l, tid);
	for (uint32_t tid = 1; tid <= 100; tid++)
		alloc_by(l, tid, Q, tid);
	assert_int_equal(counts_of(l).threads_forgotten, 1000);
	assert_int_equal(counts_of(l).memory_bytes, memory);
	done(l);
}

static void a_window_knows_the_least_and_who_changed(void **state)
{
	struct ledger *l = new_ledger();
	struct ledger_alloc other = {.address = Q + 4096, .size_bytes = 1, .stack = 8, .tid = 1};
	const site_id *changed;

	(void)state;
	alloc_at(l, P, 100, 1);
	assert_int_equal(ledger_record_alloc(l, &other), 0);
	assert_int_equal(ledger_changed_sites(l, &changed), 2);
	ledger_begin_window(l);
	assert_int_equal(ledger_changed_sites(l, &changed), 0);
	assert_int_equal(ledger_window_min(l, 1), 100);
	alloc_at(l, Q, 50, 2);
	assert_int_equal(ledger_window_min(l, 1), 100);
	free_by(l, 1, P, 3);
	assert_int_equal(ledger_window_min(l, 1), 50);
	alloc_at(l, P, 500, 4);
	assert_int_equal(ledger_window_min(l, 1), 50);
	assert_int_equal(ledger_changed_sites(l, &changed), 1);
	assert_int_equal(changed[0], 1);
	ledger_begin_window(l);
	assert_int_equal(ledger_window_min(l, 1), 550);
	assert_int_equal(ledger_window_min(l, 2), 1);
	assert_int_equal(ledger_window_min(l, 99), 0);
	done(l);
}

static void an_undo_in_a_later_window_raises_its_minimum_again(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc_at(l, P, 100, 1);
	alloc_at(l, Q, 10, 2);
	free_tentative(l, P, 3);
	ledger_begin_window(l);
	free_by(l, 2, Q, 4);
	assert_int_equal(ledger_window_min(l, 1), 0);
	ledger_undo_free(l, 1, P);
	assert_int_equal(ledger_window_min(l, 1), 100);
	done(l);
}

/* The true outstanding bytes were 150, 100, 150: the 50 that was counted in between never was. */
static void an_undo_in_the_same_window_leaves_its_minimum(void **state)
{
	struct ledger *l = new_ledger();

	(void)state;
	alloc_at(l, P, 100, 1);
	alloc_at(l, Q, 50, 2);
	ledger_begin_window(l);
	free_by(l, 2, Q, 3);
	alloc_at(l, Q, 50, 4);
	free_tentative(l, P, 5);
	assert_int_equal(ledger_window_min(l, 1), 50);
	ledger_undo_free(l, 1, P);
	assert_int_equal(ledger_window_min(l, 1), 100);
	/* and a lesser one from before the tentative free stays, too */
	free_tentative(l, Q, 6);
	ledger_undo_free(l, 1, Q);
	assert_int_equal(ledger_window_min(l, 1), 100);
	ledger_begin_window(l);
	free_tentative(l, P, 7);
	free_by(l, 2, Q, 8);
	ledger_undo_free(l, 1, P);
	assert_int_equal(ledger_window_min(l, 1), 100);
	done(l);
}

static void a_copy_of_the_sites_stays_as_it_was(void **state)
{
	struct ledger *l = new_ledger(), *copy;
	struct ledger_counts before, after;
	struct allocation found;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct ledger_alloc alloc = {
			.address = P + i * 64, .size_bytes = i, .stack = i % 200, .tid = 1};

		assert_int_equal(ledger_record_alloc(l, &alloc), 0);
	}
	free_by(l, 1, P, 1 << 20);
	before = counts_of(l);
	assert_int_equal(ledger_copy_sites(l, &copy), 0);
	for (uint32_t i = 0; i < 1000; i++)
		free_by(l, 1, P + i * 64, i);
	ledger_free(l);
	after = counts_of(copy);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(ledger_site_count(copy), 200);
	assert_int_equal(ledger_site(copy, 1)->stack, 0);
	assert_int_equal(ledger_site(copy, 1)->frees, 1);
	assert_int_equal(histogram_at(&ledger_site(copy, 1)->lifetime_ns_log2, 20), 1);
	assert_int_equal(histogram_at(&ledger_site(copy, 200)->size_log2, 9),
			 3); /* 599, 799, 999 */
	assert_int_equal(ledger_window_min(copy, 1), 0);
	assert_int_equal(ledger_find(copy, P + 64, &found), -ENOENT);
	ledger_free(copy);
}

static void many_sites_take_little(void **state)
{
	const uint32_t sites = 100000;
	struct ledger *l;

	(void)state;
	assert_int_equal(ledger_new(50 << 20, &l), 0);
	for (uint32_t i = 0; i < 4 * sites; i++) {
		struct ledger_alloc alloc = {.address = P,
					     .size_bytes = UINT64_C(16) << i / sites * 4,
					     .time_ns = i,
					     .stack = i % sites + 1,
					     .tid = 1};
		struct ledger_release release = {
			.address = P, .time_ns = i + (UINT64_C(100) << i / sites * 4), .tid = 1};

		assert_int_equal(ledger_record_alloc(l, &alloc), 0);
		ledger_record_free(l, &release);
	}
	print_message("# bytes per site: %.0f\n", (double)counts_of(l).memory_bytes / sites);
	assert_int_equal(counts_of(l).histogram_lost, 0);
	assert_int_equal(ledger_site_count(l), sites);
	done(l);
}

static void a_ledger_without_room_is_not_made(void **state)
{
	struct ledger *l = NULL;

	(void)state;
	assert_int_equal(ledger_new(100, &l), -ENOSPC);
	assert_int_equal(ledger_new(4000, &l), -ENOSPC);
	assert_null(l);
	ledger_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_lives_until_it_is_freed),
		cmocka_unit_test(an_alloc_at_a_live_address_ends_the_old_block),
		cmocka_unit_test(a_free_of_an_unknown_address_is_counted_and_no_more),
		cmocka_unit_test(freed_after_realloc_failure_stays_outstanding),
		cmocka_unit_test(another_thread_may_take_the_address_while_a_free_is_tentative),
		cmocka_unit_test(an_undo_that_comes_too_late_leaves_the_newer_block),
		cmocka_unit_test(an_undo_without_its_tentative_free_is_counted),
		cmocka_unit_test(a_failed_realloc_of_an_unknown_block_is_no_unmatched_free),
		cmocka_unit_test(nested_tentative_frees_are_undone_each_for_itself),
		cmocka_unit_test(more_tentative_frees_than_fit_make_the_oldest_final),
		cmocka_unit_test(a_thread_that_ended_has_nothing_to_undo),
		cmocka_unit_test(temporary_is_freed_before_the_threads_next_allocation),
		cmocka_unit_test(lifetimes_and_sizes_are_counted_by_powers_of_two),
		cmocka_unit_test(a_histogram_grows_both_ways),
		cmocka_unit_test(a_histogram_slot_saturates),
		cmocka_unit_test(a_custom_block_and_the_heap_block_below_it_live_side_by_side),
		cmocka_unit_test(new_and_malloc_share_their_addresses),
		cmocka_unit_test(what_no_allocator_hands_out_is_refused),
		cmocka_unit_test(invented_sizes_do_not_wrap_the_sums),
		cmocka_unit_test(past_the_bound_blocks_are_refused_and_their_site_still_counts),
		cmocka_unit_test(memory_comes_back_when_blocks_go),
		cmocka_unit_test(a_block_costs_at_most_40_bytes),
		cmocka_unit_test(hostile_numbers_of_threads_are_forgotten_oldest_first),
		cmocka_unit_test(a_window_knows_the_least_and_who_changed),
		cmocka_unit_test(an_undo_in_a_later_window_raises_its_minimum_again),
		cmocka_unit_test(an_undo_in_the_same_window_leaves_its_minimum),
		cmocka_unit_test(a_copy_of_the_sites_stays_as_it_was),
		cmocka_unit_test(many_sites_take_little),
		cmocka_unit_test(a_ledger_without_room_is_not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
