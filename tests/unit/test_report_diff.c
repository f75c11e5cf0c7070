/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diffs: what counts as the same site, and what the gate sees. */
#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include "report/export/export.h"
#include "unit/report_fixture.h"

#define HEAD "{\"schema\":\"holdfast.report/1\",\"capture\":{\"duration_s\":%g},\"frames\":["
#define SITE "{\"stack\":[0,1],\"allocator\":\"malloc\",\"outstanding_bytes\":%llu}"

static struct report *parse(const char *text)
{
	struct report *r = NULL;

	assert_int_equal(report_read_json(text, strlen(text), &r, NULL), 0);
	return r;
}

/* One site of keep() in @module at @address, line @line. */
static struct report *one_site(const char *module, unsigned int address, double seconds,
			       unsigned long long bytes)
{
	struct strbuf text = STRBUF_INIT;
	struct report *r;

	strbuf_addf(&text, HEAD, seconds);
	strbuf_addf(&text,
		    "{\"function\":\"keep\",\"module\":\"%s\",\"address\":%u,\"line\":%u},"
		    "{\"function\":\"main\",\"module\":\"/app\"}],\"sites\":[" SITE "]}",
		    module, address, address, bytes);
	r = parse(text.buf);
	strbuf_done(&text);
	return r;
}

static void report_with_itself_differs_in_nothing(void **state)
{
	struct report *r = fixture_report();
	struct report_diff *d;

	(void)state;
	assert_int_equal(report_diff(r, r, &d), 0);
	assert_int_equal(d->count_by_kind[DIFF_SAME], d->entry_count);
	assert_true(d->rise_bytes_per_second == 0);
	assert_false(report_diff_exceeds(d, 0));
	report_diff_free(d);
	report_free(r);
}

static void other_build_of_the_same_library_matches(void **state)
{
	struct report *a = one_site("/usr/lib/libfoo.so.1.2", 100, 10, 1000000);
	struct report *b = one_site("/opt/lib/libfoo.so.1.3", 7000, 10, 3000000);
	struct report_diff *d;

	(void)state;
	assert_int_equal(report_diff(a, b, &d), 0);
	assert_int_equal(d->entry_count, 1);
	assert_int_equal(d->entries[0].kind, DIFF_GREW);
	assert_true(fabs(d->entries[0].change_bytes_per_second - 200000) < 1e-6);
	assert_ptr_equal(d->entries[0].of, b);
	assert_true(report_diff_exceeds(d, 199999));
	assert_false(report_diff_exceeds(d, 200001));
	report_diff_free(d);
	report_free(a);
	report_free(b);
}

/* A report whose process holds @objects of a type of Python, 64 bytes each, and blocks of 32 bytes. */
static struct report *with_types(unsigned int objects, unsigned int blocks, bool looked)
{
	struct strbuf text = STRBUF_INIT;
	struct report *r;

	strbuf_addf(&text, HEAD "],\"sites\":[]", 10.0);
	if (looked)
		strbuf_addf(
			&text,
			",\"census\":[{\"type\":\"zeros\",\"size\":32,\"count\":%u,\"bytes\":%u},"
			"{\"type\":\"zeros\",\"size\":48,\"count\":1,\"bytes\":48}],"
			"\"python\":[{\"pid\":1,\"types\":[{\"type\":\"Row\",\"count\":%u,"
			"\"bytes\":%u}]},{\"pid\":2,\"types\":[{\"type\":\"Row\",\"count\":1,"
			"\"bytes\":64}]}]",
			blocks, 32 * blocks, objects, 64 * objects);
	strbuf_addstr(&text, "}");
	r = parse(text.buf);
	strbuf_done(&text);
	return r;
}

static void types_are_compared_by_what_there_was_at_the_end(void **state)
{
	struct report *a = with_types(1000, 900, true), *b = with_types(3000, 900, true);
	struct report_diff *d;

	(void)state;
	assert_int_equal(report_diff(a, b, &d), 0);
	assert_int_equal(d->type_count, 3);
	assert_string_equal(d->types[0].type, "Row");
	assert_true(d->types[0].python);
	assert_int_equal(d->types[0].kind, DIFF_GREW);
	assert_int_equal(d->types[0].a.count, 1001);
	assert_int_equal(d->types[0].b.bytes, 3001 * 64);
	assert_true(d->types[0].change_bytes == 2000 * 64);
	assert_int_equal(d->types[1].size, 32);
	assert_int_equal(d->types[1].kind, DIFF_SAME);
	report_diff_free(d);
	/* The other way round. */
	assert_int_equal(report_diff(b, a, &d), 0);
	assert_int_equal(d->types[2].kind, DIFF_SHRANK);
	report_diff_free(d);
	report_free(a);
	report_free(b);
}

static void types_that_only_one_report_saw_are_no_change(void **state)
{
	struct report *a = with_types(0, 0, false), *b = with_types(3000, 900, true);
	struct report_diff *d;

	(void)state;
	assert_int_equal(report_diff(a, b, &d), 0);
	assert_int_equal(d->type_count, 0);
	report_diff_free(d);
	report_free(a);
	report_free(b);
}

static void rates_count_not_amounts(void **state)
{
	struct report *a = one_site("/app", 1, 10, 1000000);
	struct report *b = one_site("/app", 1, 100, 10000000);
	struct report_diff *d;

	(void)state;
	assert_int_equal(report_diff(a, b, &d), 0);
	assert_int_equal(d->entries[0].kind, DIFF_SAME);
	report_diff_free(d);
	report_free(a);
	report_free(b);
}

static void new_and_gone_sites_are_told(void **state)
{
	struct report *a = one_site("/app", 1, 10, 1000000);
	struct report *b = one_site("/other", 1, 10, 500000);
	struct report_diff *d;

	(void)state;
	assert_int_equal(report_diff(a, b, &d), 0);
	assert_int_equal(d->entry_count, 2);
	assert_int_equal(d->entries[0].kind, DIFF_NEW);
	assert_int_equal(d->entries[1].kind, DIFF_GONE);
	assert_true(d->worst_rise_bytes_per_second == 50000);
	assert_true(d->total_change_bytes_per_second == -50000);
	report_diff_free(d);
	report_free(a);
	report_free(b);
}

static void capture_without_duration_has_no_rate(void **state)
{
	struct report *a = one_site("/app", 1, 0, 1000000);
	struct report_diff *d;

	(void)state;
	assert_int_equal(report_diff(a, a, &d), 0);
	assert_true(d->entries[0].a.bytes_per_second == 0);
	report_diff_free(d);
	report_free(a);
}

static void texts_and_json_name_what_changed(void **state)
{
	struct report *a = one_site("/app", 1, 10, 1000000), *b = fixture_report();
	struct strbuf out = STRBUF_INIT;
	struct sink *sink = malloc(sizeof(*sink));
	struct report_diff *d;
	json_t *root;

	(void)state;
	assert_int_equal(report_diff(a, b, &d), 0);
	sink_init_strbuf(sink, &out);
	assert_int_equal(diff_write_text(d, NULL, sink), 0);
	assert_non_null(strstr(out.buf, "new "));
	assert_non_null(strstr(out.buf, "gone "));
	assert_non_null(strstr(out.buf, "keep_forever"));
	strbuf_reset(&out);
	sink_init_strbuf(sink, &out);
	assert_int_equal(diff_write_json(d, sink), 0);
	root = json_loads(out.buf, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "schema")), "holdfast.diff/1");
	assert_int_equal(json_array_size(json_object_get(root, "entries")), d->entry_count);
	json_decref(root);
	strbuf_reset(&out);
	sink_init_strbuf(sink, &out);
	assert_int_equal(diff_write_folded(d, sink), 0);
	assert_non_null(strstr(out.buf, ";keep_forever "));
	/* "stack A B": what is new has nothing in A, what is gone nothing in B. */
	assert_non_null(strstr(out.buf, " 0 "));
	assert_non_null(strstr(out.buf, " 0\n"));
	report_diff_free(d);
	report_free(a);
	report_free(b);
	strbuf_done(&out);
	free(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_with_itself_differs_in_nothing),
		cmocka_unit_test(other_build_of_the_same_library_matches),
		cmocka_unit_test(types_are_compared_by_what_there_was_at_the_end),
		cmocka_unit_test(types_that_only_one_report_saw_are_no_change),
		cmocka_unit_test(rates_count_not_amounts),
		cmocka_unit_test(new_and_gone_sites_are_told),
		cmocka_unit_test(capture_without_duration_has_no_rate),
		cmocka_unit_test(texts_and_json_name_what_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
