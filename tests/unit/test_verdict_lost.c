/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Losses told by site where windows saw only some of the allocations. */
#include "cmocka_all.h"

#include <stdlib.h>

#include "verdict/lost.h"
#include "verdict/verdict.h"

#define SECOND UINT64_C(1000000000)
#define HEAP   UINT64_C(0x7f0000000000)
#define BLOCKS 40

struct world {
	struct ledger *ledger;
	struct lost_evidence evidence;
	struct heap_type types[2];
	struct heap_lost lost[BLOCKS];
	size_t count;
	uint64_t time_ns;
};

static uint64_t address_of(unsigned int number)
{
	return HEAP + 64 * number;
}

static void init(struct world *w)
{
	*w = (struct world){.types = {{HEAP_DATA, ""}, {HEAP_TEXT, ""}}, .time_ns = SECOND};
	assert_int_equal(ledger_new(16 << 20, &w->ledger), 0);
	lost_evidence_init(&w->evidence);
}

static void done(struct world *w)
{
	lost_evidence_done(&w->evidence);
	ledger_free(w->ledger);
}

static void allocate(struct world *w, unsigned int number, stack_id stack, bool followed)
{
	struct ledger_alloc alloc = {.address = address_of(number),
				     .size_bytes = 48,
				     .time_ns = w->time_ns,
				     .stack = stack,
				     .tid = 1,
				     .followed = followed};

	assert_int_equal(ledger_record_alloc(w->ledger, &alloc), 0);
}

static void sample(struct world *w, unsigned int number, stack_id stack)
{
	allocate(w, number, stack, false);
}

/* Of each block that is seen, @share others are not. */
static void end_window_of(struct world *w, unsigned int share)
{
	struct ledger_window window = {.until_ns = w->time_ns,
				       .known_ns = w->time_ns,
				       .stands_for_ns = SECOND,
				       .seen_ns = SECOND / share,
				       .lived_ns = SECOND / share};

	assert_int_equal(ledger_end_window(w->ledger, &window), 0);
}

static void end_window(struct world *w)
{
	end_window_of(w, 50);
}

/* Blocks up to @end are lost, all since the first look; what a look missed is confirmed by it. */
static void look(struct world *w, unsigned int end, unsigned int type, uint64_t size_bytes)
{
	struct heap_snapshot snapshot = {.complete = true,
					 .reason = "",
					 .time_ns = w->time_ns,
					 .known_until_ns = w->time_ns,
					 .types = w->types,
					 .type_count = 2};

	for (; w->count < end; w->count++)
		w->lost[w->count] = (struct heap_lost){.address = address_of(w->count),
						       .size_bytes = size_bytes,
						       .first_ns = w->time_ns,
						       .type = type,
						       .confirmed = true,
						       .unchanged = true};
	snapshot.lost = w->lost;
	snapshot.lost_total = w->count;
	assert_int_equal(lost_evidence_take(&w->evidence, &snapshot, w->ledger), 0);
	w->time_ns += SECOND;
}

/* Its heap was looked at once: what is lost from now on is fresh. */
static void init_looked(struct world *w)
{
	init(w);
	look(w, 0, 0, 56);
}

static struct verdict *judge(const struct world *w)
{
	struct verdict_process process = {
		.pid = 1, .start_ns = SECOND, .ledger = w->ledger, .lost = &w->evidence};
	struct verdict *verdict;

	assert_int_equal(verdict_judge(&process, 1, w->time_ns, &verdict), 0);
	return verdict;
}

static struct lost_entry shared(const struct world *w, site_id site)
{
	struct lost_entry entries[8], found = {0};

	assert_true(w->evidence.entries.count <= 8);
	lost_evidence_share(&w->evidence, w->ledger, entries);
	for (size_t i = 0; i < w->evidence.entries.count; i++)
		if (entries[i].site == site && entries[i].fresh_count >= found.fresh_count)
			found = entries[i];
	return found;
}

static void losses_go_to_the_sites_of_those_that_were_sampled(void **state)
{
	struct world w;

	(void)state;
	init_looked(&w);
	for (unsigned int i = 0; i < 6; i++)
		sample(&w, i, i < 4 ? 1 : 2);
	end_window(&w);
	look(&w, 30, 0, 56);
	/* Of 30, 4 were the first site's and 2 the second's. */
	assert_int_equal(shared(&w, 1).fresh_count, 20);
	assert_int_equal(shared(&w, 2).fresh_count, 10);
	assert_int_equal(shared(&w, 1).samples, 6);
	assert_int_equal(shared(&w, 1).sampled, 4);
	assert_int_equal(shared(&w, 0).fresh_count, 0);
	/* By what was asked for, as of blocks that are traced. */
	assert_int_equal(shared(&w, 1).fresh_bytes, 20 * 48);
	done(&w);
}

static void one_sample_among_more_may_be_chance(void **state)
{
	struct world w;

	(void)state;
	init_looked(&w);
	for (unsigned int i = 0; i < 5; i++)
		sample(&w, i, i < 4 ? 1 : 2);
	end_window(&w);
	look(&w, 30, 0, 56);
	assert_int_equal(shared(&w, 2).fresh_count, 1);
	assert_int_equal(shared(&w, 1).fresh_count, 29);
	done(&w);
}

static void a_single_sample_is_better_than_none(void **state)
{
	struct world w;

	(void)state;
	init_looked(&w);
	sample(&w, 3, 1);
	end_window(&w);
	look(&w, 20, 0, 56);
	assert_int_equal(shared(&w, 1).fresh_count, 20);
	assert_int_equal(shared(&w, 1).samples, 1);
	done(&w);
}

/* They were freed unseen, and what is lost lies in their place: the windows saw none of what lost it. */
static void samples_that_stand_for_far_less_than_was_lost_are_no_answer(void **state)
{
	struct world w;

	(void)state;
	init_looked(&w);
	sample(&w, 0, 1);
	sample(&w, 1, 1);
	sample(&w, 2, 1);
	end_window_of(&w, 1);
	look(&w, 38, 0, 56);
	assert_int_equal(shared(&w, 1).fresh_count, 3);
	assert_int_equal(shared(&w, 0).fresh_count, 35);
	done(&w);
}

static void samples_count_by_what_they_stand_for(void **state)
{
	struct world w;

	(void)state;
	init_looked(&w);
	sample(&w, 0, 1);
	sample(&w, 1, 1);
	end_window_of(&w, 30);
	w.time_ns += SECOND;
	sample(&w, 2, 2);
	sample(&w, 3, 2);
	end_window_of(&w, 10);
	look(&w, 40, 0, 56);
	/* 60 to 20, of the 36 that were not sampled. */
	assert_int_equal(shared(&w, 1).fresh_count, 2 + 27);
	assert_int_equal(shared(&w, 2).fresh_count, 2 + 9);
	done(&w);
}

static void a_type_without_samples_goes_by_one_that_is_alike(void **state)
{
	struct world w;

	(void)state;
	init_looked(&w);
	sample(&w, 0, 1);
	sample(&w, 1, 1);
	end_window(&w);
	look(&w, 10, 0, 56);
	look(&w, 16, 1, 56); /* text, of that size */
	look(&w, 20, 1, 72); /* and with a piece that was too small to be left */
	look(&w, 30, 1, 120);
	assert_int_equal(shared(&w, 1).fresh_count, 20);
	assert_int_equal(shared(&w, 0).fresh_count, 10);
	done(&w);
}

static void what_a_site_lost_before_it_was_followed_counts_with_it(void **state)
{
	struct verdict *verdict;
	struct world w;

	(void)state;
	init_looked(&w);
	sample(&w, 0, 1);
	sample(&w, 1, 1);
	end_window(&w);
	look(&w, 10, 0, 56);
	for (unsigned int i = 10; i < 40; i++) {
		allocate(&w, i, 1, true);
		if (i % 10 == 9)
			look(&w, i + 1, 0, 56);
	}
	verdict = judge(&w);
	assert_int_equal(verdict->finding_count, 1);
	assert_true(ledger_site(w.ledger, verdict->findings[0].site)->followed);
	assert_int_equal(verdict->findings[0].lost_count, 40);
	verdict_free(verdict);
	done(&w);
}

/* 20 losses, one of them sampled from stack 1; then 10 of calls of @stack, which are followed. */
static void sample_once_then_follow(struct world *w, stack_id stack)
{
	init_looked(w);
	sample(w, 3, 1);
	end_window(w);
	look(w, 20, 0, 56);
	for (unsigned int i = 20; i < 30; i++)
		allocate(w, i, stack, true);
	look(w, 30, 0, 56);
}

/* The block of a sample was freed unseen, and one of the followed call's lies in its place. */
static void a_single_sample_is_no_answer_where_a_followed_call_loses_the_like(void **state)
{
	struct world w;

	(void)state;
	sample_once_then_follow(&w, 2);
	assert_int_equal(shared(&w, 1).fresh_count, 1);
	assert_int_equal(shared(&w, 0).fresh_count, 19);
	/* What it was sampled from may be the followed call itself. */
	for (unsigned int i = 30; i < 35; i++)
		allocate(&w, i, 1, true);
	look(&w, 35, 0, 56);
	assert_int_equal(shared(&w, 0).fresh_count, 19);
	done(&w);
}

static void a_single_sample_of_a_call_that_is_followed_since_tells_what_it_lost_before(void **state)
{
	struct world w;

	(void)state;
	sample_once_then_follow(&w, 1);
	assert_int_equal(shared(&w, 0).fresh_count, 0);
	done(&w);
}

static void where_every_call_is_seen_nothing_is_shared_out(void **state)
{
	struct world w;

	(void)state;
	init_looked(&w);
	sample(&w, 0, 1);
	sample(&w, 1, 1);
	look(&w, 10, 0, 56);
	assert_int_equal(shared(&w, 1).fresh_count, 2);
	assert_int_equal(shared(&w, 0).fresh_count, 8);
	assert_int_equal(shared(&w, 1).samples, 0);
	done(&w);
}

/* What was lost before is sure at once; what is being lost is not yet, and more than that. */
static void old_losses_are_no_last_word_while_others_go_on(void **state)
{
	struct verdict *verdict;
	struct world w;
	bool waited = false;

	(void)state;
	init(&w);
	for (unsigned int i = 0; i < 70; i++)
		look(&w, 10, 0, 56);
	for (unsigned int i = 10; i < 40; i++) {
		allocate(&w, i, 1, true);
		look(&w, i + 1, 0, 56);
		verdict = judge(&w);
		if (verdict->state == VERDICT_LOST && verdict->finding_count > 1) {
			assert_false(verdict_is_firm(verdict));
			waited = true;
		}
		verdict_free(verdict);
	}
	assert_true(waited);
	verdict = judge(&w);
	assert_int_equal(verdict->state, VERDICT_LEAKING);
	assert_true(verdict_is_firm(verdict));
	verdict_free(verdict);
	done(&w);
}

static void how_long_until_a_loss_has_its_line_is_told(void **state)
{
	struct verdict *verdict;
	const struct evidence *found = NULL;
	struct world w;

	(void)state;
	init(&w);
	sample(&w, 39, 1);
	end_window(&w);
	for (unsigned int i = 0; i < 7; i++)
		look(&w, 5 * i, 0, 56);
	verdict = judge(&w);
	assert_int_equal(verdict->findings[0].site, 0);
	for (uint8_t i = 0; i < verdict->findings[0].evidence_count; i++)
		if (verdict->findings[0].evidence[i].kind == EVIDENCE_UNSAMPLED)
			found = &verdict->findings[0].evidence[i];
	assert_non_null(found);
	/* 5 a second, of which windows see a fiftieth. */
	assert_float_equal(found->reference, 0.02, 1e-6);
	assert_float_equal(found->value, 10, 0.1);
	verdict_free(verdict);
	done(&w);
}

/* Looks that came every 1.5 s, and found so many new losses of 100 bytes each. */
static struct lost_rate rate_of(const uint64_t *losses, size_t count)
{
	struct lost_evidence evidence = {.first_look_ns = SECOND, .fresh_looks = count};
	struct lost_entry entry = {.site = 1};

	for (size_t i = 0; i < count; i++) {
		double bytes = 100 * (double)losses[i];

		if (losses[i] && !entry.fresh_count)
			entry.onset = (struct lost_onset){SECOND + i * 3 * SECOND / 2, i,
							  evidence.second_squares};
		entry.fresh_count += losses[i];
		entry.fresh_bytes += 100 * losses[i];
		entry.fresh_squares += 100 * bytes;
		entry.look_squares += bytes * bytes;
		entry.look_products += bytes * 1.5;
		entry.fresh_looks += losses[i] > 0;
		evidence.second_squares += 1.5 * 1.5;
	}
	evidence.known_until_ns = SECOND + count * 3 * SECOND / 2;
	return lost_evidence_rate(&evidence, &entry);
}

static void few_looks_at_bursts_tell_a_wide_interval(void **state)
{
	/* 12,000 are lost at once, every second: so five or six such bursts fall into four looks, as they come. */
	static const uint64_t bursts[] = {12000, 12000, 24000, 12000};
	static const uint64_t two[] = {12000, 24000};
	struct lost_rate rate = rate_of(bursts, 4);

	(void)state;
	assert_true(rate.bytes_per_second < 1200000 * 0.9);
	assert_true(rate.low > 0 && rate.high > 1200000);
	rate = rate_of(two, 2);
	assert_true(rate.low > 0 && rate.high > 1200000);
}

static void few_looks_at_an_even_loss_tell_a_narrow_interval(void **state)
{
	static const uint64_t even[] = {15020, 14930, 15110, 14940};
	struct lost_rate rate = rate_of(even, 4);

	(void)state;
	assert_true(rate.low < 1000000 && rate.high > 1000000);
	assert_true(rate.high - rate.low < 20000);
}

static void a_leak_that_begins_late_has_the_rate_that_it_has_since(void **state)
{
	/* Fifty looks found nothing; then some 1,500 bytes are lost every 1.5 s. */
	uint64_t late[58] = {[50] = 15, 14, 15, 16, 15, 15, 14, 16};
	uint64_t rare[58] = {[12] = 4, [25] = 4, [40] = 4, [57] = 4};
	struct lost_rate rate = rate_of(late, 58);

	(void)state;
	assert_float_equal(rate.bytes_per_second, 1000, 1e-6);
	assert_true(rate.low < 1000 && rate.low > 900 && rate.high > 1000 && rate.high < 1100);
	/* Losses that are apart as far as the first is from the beginning did not begin late. */
	rate = rate_of(rare, 58);
	assert_float_equal(rate.bytes_per_second, 1600 / (58 * 1.5), 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losses_go_to_the_sites_of_those_that_were_sampled),
		cmocka_unit_test(one_sample_among_more_may_be_chance),
		cmocka_unit_test(a_single_sample_is_better_than_none),
		cmocka_unit_test(a_single_sample_is_no_answer_where_a_followed_call_loses_the_like),
		cmocka_unit_test(
			a_single_sample_of_a_call_that_is_followed_since_tells_what_it_lost_before),
		cmocka_unit_test(samples_that_stand_for_far_less_than_was_lost_are_no_answer),
		cmocka_unit_test(samples_count_by_what_they_stand_for),
		cmocka_unit_test(a_type_without_samples_goes_by_one_that_is_alike),
		cmocka_unit_test(what_a_site_lost_before_it_was_followed_counts_with_it),
		cmocka_unit_test(where_every_call_is_seen_nothing_is_shared_out),
		cmocka_unit_test(old_losses_are_no_last_word_while_others_go_on),
		cmocka_unit_test(how_long_until_a_loss_has_its_line_is_told),
		cmocka_unit_test(few_looks_at_bursts_tell_a_wide_interval),
		cmocka_unit_test(few_looks_at_an_even_loss_tell_a_narrow_interval),
		cmocka_unit_test(a_leak_that_begins_late_has_the_rate_that_it_has_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
