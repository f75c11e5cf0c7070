/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* What the builder makes of sites, frames and findings. */
#include <math.h>
#include <time.h>

#include "oom.h"
#include "unit/report_fixture.h"

static const struct report_site *find_site(const struct report *r, const char *function)
{
	for (size_t i = 0; i < r->site_count; i++) {
		const struct report_site *s = &r->sites[i];

		if (s->stack.depth && !strcmp(r->frames[s->stack.frames[0]].function, function))
			return s;
	}
	return NULL;
}

static void sites_on_one_line_become_one_with_one_finding(void **state)
{
	struct report *r = fixture_report();
	const struct report_site *s = find_site(r, "keep_forever");

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->allocs, 1500);
	assert_int_equal(s->outstanding_bytes, 1500000);
	assert_true(s->interval_low == 1500000 && s->interval_high == 1500000);
	assert_int_equal(s->state, VERDICT_WATCHING);
	assert_int_equal(r->site_count, 6);
	assert_int_equal(r->finding_count, 2);
	assert_true(r->findings[0].growth_bytes_per_second == 30000);
	/* 1000 and 2000 as independent errors, not 3000 */
	assert_true(fabs(r->findings[0].growth_high - 30000 - sqrt(5e6)) < 1);
	report_free(r);
}

static void sites_of_two_processes_stay_apart(void **state)
{
	const struct report_builder_options options = {.resolve = fixture_resolve};
	struct report_builder *b;
	struct report *r;
	struct fixture_site site = fixture_sites[0];

	(void)state;
	assert_int_equal(report_builder_new(&options, &b), 0);
	fixture_add_site(b, &site);
	site.pid = 99;
	fixture_add_site(b, &site);
	site.allocator = "mmap";
	fixture_add_site(b, &site);
	assert_int_equal(report_builder_finish(b, &r), 0);
	report_builder_free(b);
	assert_int_equal(r->site_count, 3);
	assert_int_equal(r->frame_count, 3);
	assert_ptr_equal(r->sites[0].stack.frames, r->sites[1].stack.frames);
	report_free(r);
}

/* A process whose code is another in each era; counts what it is asked. */
struct changing_code {
	uint64_t era;
	unsigned int asked;
};

static int resolve_by_era(void *user, const struct stack_trace *trace, unsigned int index,
			  struct report_frame *ret_frames, size_t *ret_count)
{
	static const char *const names[] = {"before", "after", "none"};
	struct changing_code *code = user;

	code->asked++;
	*ret_count = 1;
	ret_frames[0] = (struct report_frame){index ? "caller" : names[code->era % 3],
					      "",
					      SERVER,
					      ID,
					      trace->pcs[index],
					      0,
					      FRAME_NATIVE};
	return 0;
}

static uint64_t era_of(void *user, const struct stack_trace *trace)
{
	const struct changing_code *code = user;

	(void)trace;
	return code->era == 2 ? REPORT_NO_ERA : code->era;
}

static void pc_is_resolved_once_in_an_era_and_anew_in_the_next(void **state)
{
	struct changing_code code = {0};
	const struct report_builder_options options = {
		.resolve = resolve_by_era, .era = era_of, .user = &code};
	struct report_builder *b;
	struct report *r;
	/* the same pc first and behind it: not the same frame */
	struct fixture_site site = {1, "malloc", 1, 0, 8, VERDICT_STEADY, 0, 2, {0x900, 0x900}};

	(void)state;
	assert_int_equal(report_builder_new(&options, &b), 0);
	assert_int_equal(report_builder_reserve(b, 4), 0);
	fixture_add_site(b, &site);
	fixture_add_site(b, &site);
	assert_int_equal(code.asked, 2);
	site.pid = 2;
	fixture_add_site(b, &site);
	assert_int_equal(code.asked, 4);
	code.era = 1;
	fixture_add_site(b, &site);
	assert_int_equal(code.asked, 6);
	code.era = 2;
	fixture_add_site(b, &site);
	fixture_add_site(b, &site);
	assert_int_equal(code.asked, 10);
	assert_int_equal(report_builder_finish(b, &r), 0);
	report_builder_free(b);
	assert_int_equal(r->site_count, 4);
	assert_int_equal(r->frame_count, 4); /* before, after, none, caller */
	report_free(r);
}

static void frames_without_line_differ_by_address(void **state)
{
	const struct report_builder_options options = {.resolve = fixture_resolve};
	struct report_builder *b;
	struct report *r;
	struct fixture_site site = {1, "malloc", 1, 0, 8, VERDICT_STEADY, 0, 1, {0x900}};

	(void)state;
	assert_int_equal(report_builder_new(&options, &b), 0);
	fixture_add_site(b, &site);
	fixture_add_site(b, &site);
	site.pcs[0] = 0x901;
	fixture_add_site(b, &site);
	assert_int_equal(report_builder_finish(b, &r), 0);
	report_builder_free(b);
	assert_int_equal(r->site_count, 2);
	assert_int_equal(r->frame_count, 2);
	assert_true(r->quality.symbols_percent == 0);
	report_free(r);
}

static void findings_stand_worst_first_and_sites_largest_first(void **state)
{
	struct report *r = fixture_report();

	(void)state;
	assert_int_equal(r->findings[0].state, VERDICT_WATCHING);
	assert_int_equal(r->findings[1].state, VERDICT_WARMING);
	for (size_t i = 1; i < r->site_count; i++)
		assert_true(r->sites[i - 1].outstanding_bytes >= r->sites[i].outstanding_bytes);
	report_free(r);
}

static void advice_names_function_file_and_line(void **state)
{
	struct report *r = fixture_report();

	(void)state;
	assert_non_null(strstr(r->findings[0].recommendation, "keep_forever (keep.c:5)"));
	assert_non_null(strstr(r->findings[0].recommendation, "watch 4 min more"));
	assert_non_null(strstr(r->findings[1].recommendation, "watch longer"));
	assert_string_equal(r->findings[0].evidence[0].kind, "trend");
	assert_non_null(strstr(r->findings[0].evidence[1].text, "of 1,000 blocks"));
	report_free(r);
}

static void id_is_the_same_in_every_run(void **state)
{
	struct report *a = fixture_report(), *b = fixture_report();

	(void)state;
	assert_int_equal(strlen(a->findings[0].id), 16);
	assert_string_equal(a->findings[0].id, b->findings[0].id);
	assert_string_not_equal(a->findings[0].id, a->findings[1].id);
	report_free(a);
	report_free(b);
}

static void own_frame_skips_libraries_and_templates(void **state)
{
	struct report *r = fixture_report();
	const struct report_site *dup = find_site(r, "strdup");
	const struct report_site *vec = find_site(r, "std::vector<int>::push_back(int const&)");

	(void)state;
	assert_int_equal(report_first_own_frame(r, dup->stack), 1);
	assert_string_equal(r->frames[dup->stack.frames[1]].function, "inner");
	assert_int_equal(report_first_own_frame(r, vec->stack), 1);
	report_free(r);
}

static void returned_template_type_does_not_hide_own_function(void **state)
{
	const struct report_frame frames[] = {
		{"std::pair<std::_Node<int>, bool> std::_Rb_tree<int>::insert<int>(int&&)", "", "a",
		 "", 1, 1, FRAME_NATIVE},
		{"std::vector<int> app::make<int>(int)", "", "a", "", 2, 2, FRAME_NATIVE},
	};
	const uint32_t numbers[] = {0, 1};
	const struct report r = {.frames = frames, .frame_count = 2};

	(void)state;
	assert_int_equal(report_first_own_frame(&r, (struct report_stack){numbers, 2}), 1);
}

static void inlined_frames_stand_before_the_one_they_are_in(void **state)
{
	struct report *r = fixture_report();
	const struct report_site *s = find_site(r, "strdup");

	(void)state;
	assert_int_equal(s->stack.depth, 4);
	assert_int_equal(r->frames[s->stack.frames[1]].kind, FRAME_INLINED);
	assert_string_equal(r->frames[s->stack.frames[2]].function, "outer");
	report_free(r);
}

static void no_stack_is_an_empty_one(void **state)
{
	struct report *r = fixture_report();
	size_t without = 0;

	(void)state;
	for (size_t i = 0; i < r->site_count; i++)
		without += r->sites[i].stack.depth == 0;
	assert_int_equal(without, 1);
	report_free(r);
}

static void empty_report_has_no_null_text(void **state)
{
	const struct report_builder_options options = {.resolve = fixture_resolve};
	struct report_builder *b;
	struct report *r;

	(void)state;
	assert_int_equal(report_builder_new(&options, &b), 0);
	assert_int_equal(report_builder_finish(b, &r), 0);
	report_builder_free(b);
	assert_string_equal(r->target.comm, "");
	assert_string_equal(r->target.container, "");
	assert_string_equal(r->capture.started_at, "");
	assert_string_equal(r->tool_version, "");
	assert_true(r->quality.symbols_percent == 100);
	report_free(r);
}

static void histograms_add_up_slot_by_slot(void **state)
{
	struct report *r = fixture_report();
	const struct report_site *s = find_site(r, "keep_forever");

	(void)state;
	assert_int_equal(s->lifetime_slots, 13);
	assert_int_equal(s->lifetime_ns_log2[10], 6);
	assert_int_equal(s->lifetime_ns_log2[11], 0);
	assert_int_equal(s->lifetime_ns_log2[12], 24);
	assert_int_equal(s->size_slots, 8);
	assert_int_equal(s->size_log2[7], 14);
	report_free(r);
}

static void memory_bound_is_an_error_not_a_crash(void **state)
{
	const struct report_builder_options options = {.resolve = fixture_resolve,
						       .memory_bytes = 200000};
	struct report_builder *b;
	struct call_site site = {.allocs = 1, .outstanding_bytes = 1, .outstanding_count = 1};
	uint64_t pcs[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct stack_trace trace = {.depth = 8, .pcs = pcs};
	struct report_site_input input = {.site = &site, .trace = &trace, .allocator = "malloc"};
	int err = 0;

	(void)state;
	assert_int_equal(report_builder_new(&options, &b), 0);
	for (int i = 0; i < 100000 && !err; i++) {
		pcs[0] = (uint64_t)i;
		err = report_builder_add_site(b, &input);
	}
	assert_int_equal(err, -ENOMEM);
	report_builder_free(b);
}

static int build_small(struct report **ret)
{
	const struct report_builder_options options = {.resolve = fixture_resolve};
	struct finding finding = {.state = VERDICT_WATCHING, .growth_bytes_per_second = 5};
	struct call_site site = {.allocs = 3, .outstanding_bytes = 24, .outstanding_count = 3};
	const uint64_t pcs[] = {0x10, 0x12};
	struct stack_trace trace = {.depth = 2, .pcs = pcs};
	struct report_site_input input = {.pid = 1,
					  .site = &site,
					  .trace = &trace,
					  .allocator = "malloc",
					  .finding = &finding};
	_cleanup_(report_builder_freep) struct report_builder *b = NULL;
	int err = report_builder_new(&options, &b);

	if (!err)
		err = report_builder_add_note(b, "note %d", 1);
	if (!err)
		err = report_builder_add_site(b, &input);
	return err ? err : report_builder_finish(b, ret);
}

static void every_failing_allocation_is_enomem_without_leak(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct report *r = NULL;
		int err;

		oom_arm(n);
		err = build_small(&r);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			report_free(r);
			break;
		}
		assert_int_equal(err, -ENOMEM);
		assert_null(r);
	}
}

/* No quadratic step: ten times the sites take far less than a hundred times the time. */
static double seconds_for(unsigned int sites)
{
	const struct report_builder_options options = {.resolve = fixture_resolve};
	struct report_builder *b;
	struct report *r;
	clock_t start = clock();

	assert_int_equal(report_builder_new(&options, &b), 0);
	for (unsigned int i = 0; i < sites; i++) {
		struct fixture_site site = {1, "malloc", 9,
					    1, 64,       VERDICT_STEADY,
					    0, 4,        {0x1000 + i, 0x12, 0x13, 0x14}};

		fixture_add_site(b, &site);
	}
	assert_int_equal(report_builder_finish(b, &r), 0);
	report_builder_free(b);
	report_free(r);
	return (double)(clock() - start) / CLOCKS_PER_SEC;
}

static void cost_grows_in_line_with_the_sites(void **state)
{
	double few = seconds_for(3000), many = seconds_for(30000);

	(void)state;
	assert_true(many < 40 * few + 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites_on_one_line_become_one_with_one_finding),
		cmocka_unit_test(sites_of_two_processes_stay_apart),
		cmocka_unit_test(pc_is_resolved_once_in_an_era_and_anew_in_the_next),
		cmocka_unit_test(frames_without_line_differ_by_address),
		cmocka_unit_test(findings_stand_worst_first_and_sites_largest_first),
		cmocka_unit_test(advice_names_function_file_and_line),
		cmocka_unit_test(id_is_the_same_in_every_run),
		cmocka_unit_test(own_frame_skips_libraries_and_templates),
		cmocka_unit_test(returned_template_type_does_not_hide_own_function),
		cmocka_unit_test(inlined_frames_stand_before_the_one_they_are_in),
		cmocka_unit_test(no_stack_is_an_empty_one),
		cmocka_unit_test(empty_report_has_no_null_text),
		cmocka_unit_test(histograms_add_up_slot_by_slot),
		cmocka_unit_test(memory_bound_is_an_error_not_a_crash),
		cmocka_unit_test(every_failing_allocation_is_enomem_without_leak),
		cmocka_unit_test(cost_grows_in_line_with_the_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
