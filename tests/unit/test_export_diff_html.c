/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page of a diff, and the data that it carries. What these can't find: how the page looks and
 * behaves; tests/web does.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include "report/export/export.h"
#include "unit/page_fixture.h"
#include "unit/report_fixture.h"

/* A report as JSON: its frames are function i of line @line + i in @module. */
struct made {
	struct strbuf text;
	size_t sites;
};

static void begin_report(struct made *m, double seconds, unsigned int frames, unsigned int line,
			 const char *module)
{
	*m = (struct made){STRBUF_INIT, 0};
	strbuf_addf(&m->text,
		    "{\"schema\":\"holdfast.report/1\",\"capture\":{\"duration_s\":%g},"
		    "\"target\":{\"pid\":7,\"comm\":\"</script><b>\"},\"frames\":[",
		    seconds);
	for (unsigned int i = 0; i < frames; i++)
		strbuf_addf(&m->text,
			    "%s{\"function\":\"f%u\",\"file\":\"x.c\",\"line\":%u,"
			    "\"module\":\"%s\",\"address\":%u}",
			    i ? "," : "", i, line + i, module, 4096 + line + i);
	strbuf_addstr(&m->text, "],\"sites\":[");
}

/* On the stack @leaf, then @root. */
static void add_site(struct made *m, unsigned int leaf, unsigned int root, uint64_t bytes)
{
	strbuf_addf(&m->text,
		    "%s{\"stack\":[%u,%u],\"allocator\":\"malloc\",\"allocs\":9,"
		    "\"outstanding_bytes\":%" PRIu64 ",\"outstanding_count\":3}",
		    m->sites++ ? "," : "", leaf, root, bytes);
}

static struct report *end_report(struct made *m)
{
	struct report *r = NULL;

	strbuf_addstr(&m->text, "]}");
	assert_int_equal(report_read_json(m->text.buf, m->text.len, &r, NULL), 0);
	strbuf_done(&m->text);
	return r;
}

static void write_page_of(const struct report *a, const struct report *b, struct strbuf *page)
{
	struct sink *sink = malloc(sizeof(*sink));
	struct report_diff *d;

	assert_int_equal(report_diff(a, b, &d), 0);
	sink_init_strbuf(sink, page);
	assert_int_equal(diff_write_html(d, sink), 0);
	report_diff_free(d);
	free(sink);
}

static json_t *data_of(const struct report *a, const struct report *b)
{
	struct strbuf page = STRBUF_INIT, bytes = STRBUF_INIT, text = STRBUF_INIT;
	json_t *root;

	write_page_of(a, b, &page);
	assert_true(page.len < 1 << 20);
	page_bytes(&page, &bytes);
	inflate_all(bytes.buf, bytes.len, &text);
	root = json_loads(text.buf, 0, NULL);
	assert_non_null(root);
	strbuf_done(&page);
	strbuf_done(&bytes);
	strbuf_done(&text);
	return root;
}

static json_int_t number_at(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *text_at(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* The entry whose leaf has the name; its stack's names are those of the page's frames. */
static const json_t *entry_of(const json_t *root, const char *leaf)
{
	const json_t *frames = json_object_get(root, "frames");
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(root, "entries"), i, entry) {
		const json_t *stack = json_object_get(entry, "stack");
		json_int_t first = json_integer_value(json_array_get(stack, 0));

		if (!strcmp(text_at(json_array_get(frames, (size_t)first), "function"), leaf))
			return entry;
	}
	fail_msg("no entry of %s", leaf);
	return NULL;
}

/* f1 grew, f2 is gone, f3 is new, f4 is the same. */
static void two_reports(struct report **ret_a, struct report **ret_b)
{
	struct made a, b;

	begin_report(&a, 10, 5, 100, "/lib/libx.so.1");
	add_site(&a, 1, 0, 1000000);
	add_site(&a, 2, 0, 500000);
	add_site(&a, 4, 0, 70000);
	*ret_a = end_report(&a);
	begin_report(&b, 20, 5, 200, "/lib/libx.so.2");
	add_site(&b, 1, 0, 6000000);
	add_site(&b, 3, 0, 400000);
	add_site(&b, 4, 0, 140000);
	*ret_b = end_report(&b);
}

static void page_is_whole_and_names_do_not_close_an_element(void **state)
{
	struct strbuf page = STRBUF_INIT;
	struct report *a, *b;

	(void)state;
	two_reports(&a, &b);
	write_page_of(a, b, &page);
	assert_null(strstr(page.buf, "HF:"));
	assert_null(strstr(page.buf, "src=\"http"));
	assert_null(strstr(page.buf, "</script><b>"));
	assert_non_null(strstr(page.buf, "Content-Security-Policy"));
	assert_true(page_files(&page, WEB_FOLDER) > 8);
	assert_true(page_files(&page, WEB_FOLDER "diff/") > 4);
	report_free(a);
	report_free(b);
	strbuf_done(&page);
}

static void entries_have_kinds_and_amounts_of_both_sides(void **state)
{
	struct report *a, *b;
	json_t *root;

	(void)state;
	two_reports(&a, &b);
	root = data_of(a, b);
	assert_string_equal(text_at(root, "schema"), "holdfast.diff_page/1");
	assert_int_equal(json_array_size(json_object_get(root, "entries")), 4);
	assert_string_equal(text_at(entry_of(root, "f1"), "kind"), "grew");
	assert_string_equal(text_at(entry_of(root, "f2"), "kind"), "gone");
	assert_string_equal(text_at(entry_of(root, "f3"), "kind"), "new");
	assert_string_equal(text_at(entry_of(root, "f4"), "kind"), "same");
	assert_null(json_object_get(entry_of(root, "f2"), "b"));
	assert_null(json_object_get(entry_of(root, "f3"), "a"));
	assert_int_equal(number_at(json_object_get(entry_of(root, "f1"), "a"), "outstanding_bytes"),
			 1000000);
	assert_int_equal(number_at(json_object_get(entry_of(root, "f1"), "b"), "outstanding_bytes"),
			 6000000);
	assert_true(fabs(json_number_value(json_object_get(root, "rise_bytes_per_second")) -
			 220000) < 1e-6);
	assert_int_equal(number_at(json_object_get(root, "counts"), "gone"), 1);
	json_decref(root);
	report_free(a);
	report_free(b);
}

/* The page names a function by the first of its frames, so B's must come first. */
static void lines_are_those_of_the_second_but_of_what_is_gone(void **state)
{
	const json_t *frames, *gone;
	struct report *a, *b;
	json_t *root, *frame;
	bool past = false;
	size_t i;

	(void)state;
	two_reports(&a, &b);
	root = data_of(a, b);
	frames = json_object_get(root, "frames");
	json_array_foreach(frames, i, frame) {
		bool of_a = number_at(frame, "line") < 200;

		assert_false(past && !of_a);
		past = of_a;
	}
	gone = json_object_get(entry_of(root, "f2"), "stack");
	frame = json_array_get(frames, (size_t)json_integer_value(json_array_get(gone, 0)));
	assert_int_equal(number_at(frame, "line"), 102);
	json_decref(root);
	report_free(a);
	report_free(b);
}

static void diff_of_nothing_is_a_page(void **state)
{
	struct made m;
	struct report *r;
	json_t *root;

	(void)state;
	begin_report(&m, 0, 0, 0, "");
	r = end_report(&m);
	root = data_of(r, r);
	assert_int_equal(json_array_size(json_object_get(root, "entries")), 0);
	json_decref(root);
	report_free(r);
}

static struct report *large_report(unsigned int frames, unsigned int sites, unsigned int seed)
{
	struct made m;

	begin_report(&m, 10, frames, seed, "/app");
	for (unsigned int i = 0; i < sites; i++)
		add_site(&m, i % frames, (unsigned int)rand_r(&seed) % frames,
			 (uint64_t)rand_r(&seed));
	return end_report(&m);
}

/* What is kept changed at least as much as anything that is left out; the rest is counted and summed. */
static void large_diff_is_cut_to_the_largest_changes_and_says_so(void **state)
{
	struct report *a = large_report(9000, 26000, 3), *b = large_report(9000, 26000, 8);
	json_t *root = data_of(a, b), *entry, *left = json_object_get(root, "left_out");
	double kept_b = 0, all_b = 0, least = INFINITY;
	struct report_diff *d;
	size_t i, kept, larger = 0;

	(void)state;
	assert_int_equal(report_diff(a, b, &d), 0);
	json_array_foreach(json_object_get(root, "entries"), i, entry) {
		double in_a = (double)number_at(json_object_get(entry, "a"), "outstanding_bytes");
		double in_b = (double)number_at(json_object_get(entry, "b"), "outstanding_bytes");

		least = fmin(least, fabs(in_b / 10 - in_a / 10));
		kept_b += in_b / 10;
	}
	kept = json_array_size(json_object_get(root, "entries"));
	for (i = 0; i < d->entry_count; i++) {
		larger += fabs(d->entries[i].change_bytes_per_second) > least + 1e-6;
		all_b += d->entries[i].b.bytes_per_second;
	}
	assert_true(kept > 1000 && kept < d->entry_count);
	assert_true(larger < kept);
	assert_int_equal(number_at(left, "sites"), d->entry_count - kept);
	assert_true(fabs(json_number_value(json_object_get(left, "b_bytes_per_second")) + kept_b -
			 all_b) < 1e-9 * all_b);
	report_diff_free(d);
	json_decref(root);
	report_free(a);
	report_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_is_whole_and_names_do_not_close_an_element),
		cmocka_unit_test(entries_have_kinds_and_amounts_of_both_sides),
		cmocka_unit_test(lines_are_those_of_the_second_but_of_what_is_gone),
		cmocka_unit_test(diff_of_nothing_is_a_page),
		cmocka_unit_test(large_diff_is_cut_to_the_largest_changes_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
