/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* Which component a site and a finding belong to. What it can't find: a wrong cgroup of a process (test_proc_process). */
#include "base/strbuf.h"
#include "oom.h"
#include "report/component.h"
#include "report/export/export.h"
#include "unit/report_fixture.h"

static const struct component_rule rules[] = {
	{.name = "keepers", .function = "keep_*"},
	{.name = "python", .python_module = "app", .unit = "web.service"},
	{.name = "inline", .source = "app/inl.h"},
	{.name = "keepers", .module = "server", .function = "give_*"},
	{.name = "plug", .module = "plug*"},
};

static struct report *report_with(const struct component_rules *given, size_t site_max)
{
	const struct report_builder_options options = {
		.resolve = fixture_resolve, .components = *given, .site_max = site_max};
	const struct report_process parent = {.pid = 4312, .comm = "server"};
	const struct report_process child = {
		.pid = 4313, .comm = "worker", .cgroup = "/system.slice/web.service/x"};
	struct report_builder *b;
	struct report *report = NULL;

	assert_int_equal(report_builder_new(&options, &b), 0);
	assert_int_equal(report_builder_add_process(b, &parent), 0);
	assert_int_equal(report_builder_add_process(b, &child), 0);
	for (size_t i = 0; i < sizeof(fixture_sites) / sizeof(*fixture_sites); i++)
		fixture_add_site(b, &fixture_sites[i]);
	assert_int_equal(report_builder_finish(b, &report), 0);
	report_builder_free(b);
	return report;
}

static const struct report_component *find(const struct report *r, const char *name)
{
	for (size_t i = 0; i < r->component_count; i++)
		if (!strcmp(r->components[i].name, name))
			return &r->components[i];
	fail_msg("no component %s", name);
	return NULL;
}

static const struct component_rules all = {rules, sizeof(rules) / sizeof(rules[0])};

static void each_site_has_the_first_rule_that_fits_and_the_sum_is_the_whole(void **state)
{
	struct report *r = report_with(&all, 0);
	uint64_t held = 0, parts = 0;

	(void)state;
	assert_int_equal(r->component_count, 5); /* two rules are one component */
	assert_string_equal(r->components[0].name, "keepers");
	assert_string_equal(r->components[4].name, COMPONENT_OTHER);
	assert_int_equal(find(r, "keepers")->outstanding_bytes, 1500000);
	assert_int_equal(find(r, "keepers")->outstanding_count, 1500);
	assert_true(find(r, "keepers")->growth_bytes_per_second == 30000);
	assert_int_equal(find(r, "python")->outstanding_bytes, 100 * 4096);
	assert_int_equal(find(r, "inline")->outstanding_bytes, 200 * 64);
	assert_int_equal(find(r, "plug")->outstanding_bytes, 3 << 20);
	assert_int_equal(find(r, COMPONENT_OTHER)->outstanding_bytes, 7 * 16);
	for (size_t i = 0; i < r->site_count; i++)
		held += r->sites[i].outstanding_bytes;
	for (size_t i = 0; i < r->component_count; i++)
		parts += r->components[i].outstanding_bytes;
	assert_int_equal(parts, held);
	for (size_t i = 0; i < r->finding_count; i++)
		assert_string_equal(r->findings[i].component,
				    r->findings[i].pid == 4313 ? "python" : "keepers");
	report_free(r);
}

static void what_is_not_shown_still_counts(void **state)
{
	struct report *r = report_with(&all, 2);

	(void)state;
	assert_int_equal(r->site_count, 2);
	assert_int_equal(r->finding_count, 2);
	assert_int_equal(find(r, COMPONENT_OTHER)->outstanding_bytes, 7 * 16);
	report_free(r);
}

static void without_rules_there_are_no_components(void **state)
{
	struct report *r = report_with(&(struct component_rules){0}, 0);

	(void)state;
	assert_int_equal(r->component_count, 0);
	for (size_t i = 0; i < r->finding_count; i++)
		assert_string_equal(r->findings[i].component, "");
	report_free(r);
}

static void they_are_written_to_json_and_read_back(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct report *r = report_with(&all, 0), *back;
	struct sink sink;

	(void)state;
	sink_init_strbuf(&sink, &text);
	assert_int_equal(export_write(EXPORT_JSON, r, NULL, &sink), 0);
	assert_int_equal(report_read_json(text.buf, text.len, &back, NULL), 0);
	assert_int_equal(back->component_count, r->component_count);
	for (size_t i = 0; i < r->component_count; i++) {
		const struct report_component *x = &r->components[i], *y = &back->components[i];

		assert_string_equal(x->name, y->name);
		assert_int_equal(x->outstanding_bytes, y->outstanding_bytes);
		assert_int_equal(x->outstanding_count, y->outstanding_count);
		assert_int_equal(x->peak_bytes, y->peak_bytes);
	}
	assert_string_equal(back->findings[0].component, r->findings[0].component);
	report_free(back);
	report_free(r);
}

static void modules_of_python_are_told_by_their_files(void **state)
{
	static const struct {
		const char *pattern, *file;
		bool fits;
	} cases[] = {
		{"app.engine", "/srv/app/engine.py", true},
		{"engine", "/srv/app/engine.py", true},
		{"app.*", "/srv/app/engine.py", true},
		{"app", "/srv/app/__init__.py", true},
		{"app", "/srv/app/engine.py", false},
		{"app.engine", "/srv/myapp/engine.py", false},
		{"app.engine", "app/engine.py", true},
		{"app.engine", "/srv/app/engine.pyc", false},
		{"*", "", false},
		{"*", "<frozen importlib._bootstrap>", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(component_python_module_fits(cases[i].pattern, cases[i].file),
				 cases[i].fits);
}

static void units_are_parts_of_a_cgroup_s_path(void **state)
{
	static const struct component_rule units[] = {
		{.name = "a", .unit = "nginx.service"},
		{.name = "b", .unit = "*.slice"},
		{.name = "c", .cgroup = "/kube*/web*"},
		{.name = "d"},
	};
	const struct component_rules given = {units, 4};

	(void)state;
	assert_int_equal(component_rules_of_cgroup(&given, "/system.slice/nginx.service"), 9);
	assert_int_equal(component_rules_of_cgroup(&given, "/system.slice/x-nginx.service"), 8);
	assert_int_equal(component_rules_of_cgroup(&given, "/kubepods/a/web1"), 12);
	assert_int_equal(component_rules_of_cgroup(&given, ""), 8);
	assert_int_equal(component_rules_without_frame(&given), 15);
}

static const struct component_rule thread_rules[] = {
	{.name = "engine", .thread = "engine-*", .function = "keep_*"},
	{.name = "keepers", .function = "keep_*"},
	{.name = "plugins", .thread = "plugin-*"},
};
static const struct component_rules by_thread = {thread_rules, 3};

/* A site of 1,000 bytes in 10 blocks that grows by 50 B/s, with these parts; a finding where that is asked for. */
static struct report *report_of_parts(const struct report_site_part *parts, size_t count)
{
	const struct report_builder_options options = {.resolve = fixture_resolve,
						       .components = by_thread};
	struct call_site site = {.allocs = 10,
				 .outstanding_bytes = 1000,
				 .outstanding_count = 10,
				 .peak_bytes = 2000};
	const uint64_t pcs[] = {0x10};
	struct stack_trace trace = {.depth = 1, .pcs = pcs};
	struct site_verdict verdict = {.state = VERDICT_GROWING, .growth_bytes_per_second = 50};
	struct finding finding = {.state = VERDICT_GROWING, .growth_bytes_per_second = 50};
	struct report_site_input input = {.pid = 1,
					  .site = &site,
					  .trace = &trace,
					  .allocator = "malloc",
					  .verdict = &verdict,
					  .finding = &finding,
					  .parts = parts,
					  .part_count = count};
	struct report_builder *b;
	struct report *r;

	assert_int_equal(report_builder_new(&options, &b), 0);
	assert_int_equal(report_builder_add_site(b, &input), 0);
	assert_int_equal(report_builder_finish(b, &r), 0);
	report_builder_free(b);
	return r;
}

static void names_of_threads_fit_rules_by_thread_alone(void **state)
{
	(void)state;
	assert_int_equal(component_rules_by_thread(&by_thread), 5);
	assert_int_equal(component_rules_of_thread(&by_thread, "engine-1"), 1);
	assert_int_equal(component_rules_of_thread(&by_thread, "plugin-"), 4);
	assert_int_equal(component_rules_of_thread(&by_thread, "keepers"), 0);
}

static void a_site_is_shared_out_by_the_threads_that_allocated(void **state)
{
	/* Twice of one set, as from two sites that became one. */
	const struct report_site_part parts[] = {{1, 300, 3}, {4, 100, 1}, {1, 300, 3}};
	struct report *r = report_of_parts(parts, 3);

	(void)state;
	assert_int_equal(find(r, "engine")->outstanding_bytes, 600);
	assert_int_equal(find(r, "engine")->outstanding_count, 6);
	assert_int_equal(find(r, "engine")->peak_bytes, 1200);
	assert_true(find(r, "engine")->growth_bytes_per_second == 30);
	/* The rule before it fits that stack, too, whoever allocated. */
	assert_int_equal(find(r, "keepers")->outstanding_bytes, 400);
	assert_int_equal(find(r, "plugins")->outstanding_bytes, 0);
	assert_int_equal(find(r, COMPONENT_OTHER)->outstanding_bytes, 0);
	assert_string_equal(r->findings[0].component, "engine");
	report_free(r);
}

static void parts_are_never_more_than_the_whole(void **state)
{
	const struct report_site_part parts[] = {{1, 900, 2}, {4, UINT64_MAX, UINT64_MAX}};
	struct report *r = report_of_parts(parts, 2);
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < r->component_count; i++)
		sum += r->components[i].outstanding_bytes;
	assert_int_equal(sum, 1000);
	report_free(r);
}

static void more_rules_than_there_is_room_for_fit_nothing(void **state)
{
	struct component_rule many[COMPONENT_RULES_MAX + 1];
	const struct component_rules given = {many, COMPONENT_RULES_MAX + 1};
	struct report *r;

	(void)state;
	for (size_t i = 0; i < given.count; i++)
		many[i] = (struct component_rule){.name = "none", .function = "none"};
	many[COMPONENT_RULES_MAX] = (struct component_rule){.name = "late"};
	r = report_with(&given, 0);
	assert_int_equal(r->component_count, 2);
	assert_string_equal(r->components[1].name, COMPONENT_OTHER);
	report_free(r);
}

static void spans_add_up_and_are_written_and_read_back(void **state)
{
	const struct report_builder_options options = {.resolve = fixture_resolve};
	struct report_span span = {.span = "user",
				   .key = "al\"ice",
				   .pid = 1,
				   .outstanding_bytes = 10,
				   .outstanding_count = 1,
				   .allocs = 5,
				   .alloc_bytes = 50,
				   .peak_bytes = 20};
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct report_builder *b;
	struct report *r, *back;
	struct sink sink;

	(void)state;
	assert_int_equal(report_builder_new(&options, &b), 0);
	assert_int_equal(report_builder_add_span(b, &span), 0);
	assert_int_equal(report_builder_add_span(b, &span), 0);
	span.key = "bob";
	span.outstanding_bytes = 100;
	span.estimated = true;
	assert_int_equal(report_builder_add_span(b, &span), 0);
	span.pid = 2;
	assert_int_equal(report_builder_add_span(b, &span), 0);
	assert_int_equal(report_builder_finish(b, &r), 0);
	report_builder_free(b);
	sink_init_strbuf(&sink, &text);
	assert_int_equal(export_write(EXPORT_JSON, r, NULL, &sink), 0);
	assert_int_equal(report_read_json(text.buf, text.len, &back, NULL), 0);
	assert_int_equal(back->span_count, 3);
	assert_string_equal(back->spans[0].key, "bob");
	assert_int_equal(back->spans[1].pid, 2);
	assert_string_equal(back->spans[2].span, "user");
	assert_string_equal(back->spans[2].key, "al\"ice");
	assert_int_equal(back->spans[2].outstanding_bytes, 20);
	assert_int_equal(back->spans[2].allocs, 10);
	assert_int_equal(back->spans[2].alloc_bytes, 100);
	assert_int_equal(back->spans[2].peak_bytes, 40);
	assert_true(back->spans[0].estimated && !back->spans[2].estimated);
	report_free(back);
	report_free(r);
}

static int build_small(struct report **ret)
{
	const struct report_builder_options options = {.resolve = fixture_resolve,
						       .components = all};
	struct call_site site = {.allocs = 3, .outstanding_bytes = 24, .outstanding_count = 3};
	const uint64_t pcs[] = {0x10, 0x12};
	struct stack_trace trace = {.depth = 2, .pcs = pcs};
	struct report_site_input input = {
		.pid = 1, .site = &site, .trace = &trace, .allocator = "malloc"};
	_cleanup_(report_builder_freep) struct report_builder *b = NULL;
	int err = report_builder_new(&options, &b);

	if (!err)
		err = report_builder_add_site(b, &input);
	return err ? err : report_builder_finish(b, ret);
}

static void every_failing_allocation_is_enomem(void **state)
{
	(void)state;
	for (long nth = 1;; nth++) {
		struct report *r = NULL;
		int err;

		oom_arm(nth);
		err = build_small(&r);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			report_free(r);
			return;
		}
		assert_int_equal(err, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_site_has_the_first_rule_that_fits_and_the_sum_is_the_whole),
		cmocka_unit_test(what_is_not_shown_still_counts),
		cmocka_unit_test(without_rules_there_are_no_components),
		cmocka_unit_test(they_are_written_to_json_and_read_back),
		cmocka_unit_test(modules_of_python_are_told_by_their_files),
		cmocka_unit_test(units_are_parts_of_a_cgroup_s_path),
		cmocka_unit_test(names_of_threads_fit_rules_by_thread_alone),
		cmocka_unit_test(a_site_is_shared_out_by_the_threads_that_allocated),
		cmocka_unit_test(parts_are_never_more_than_the_whole),
		cmocka_unit_test(more_rules_than_there_is_room_for_fit_nothing),
		cmocka_unit_test(spans_add_up_and_are_written_and_read_back),
		cmocka_unit_test(every_failing_allocation_is_enomem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
