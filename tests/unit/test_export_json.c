/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON there and back, and what hostile files do. */
#include <errno.h>
#include <stdlib.h>

#include <jansson.h>

#include "report/export/export.h"
#include "report/export/json_out.h"
#include "unit/report_fixture.h"

static void write_to(enum export_format format, const struct report *report, struct strbuf *out)
{
	struct sink *sink = malloc(sizeof(*sink));

	sink_init_strbuf(sink, out);
	assert_int_equal(export_write(format, report, NULL, sink), 0);
	free(sink);
}

static void gzip(const struct strbuf *in, struct strbuf *out)
{
	struct sink *sink = malloc(sizeof(*sink));
	struct gzip_sink *gz;

	sink_init_strbuf(sink, out);
	assert_int_equal(gzip_sink_new(sink, &gz), 0);
	sink_write(gzip_sink_input(gz), in->buf, in->len);
	assert_int_equal(gzip_sink_finish(gz), 0);
	assert_int_equal(sink_finish(sink), 0);
	gzip_sink_free(gz);
	free(sink);
}

static void written_read_and_written_again_is_the_same(void **state)
{
	struct report *r = fixture_report(), *back = NULL;
	struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;

	(void)state;
	write_to(EXPORT_JSON, r, &first);
	assert_int_equal(report_read_json(first.buf, first.len, &back, NULL), 0);
	write_to(EXPORT_JSON, back, &second);
	assert_string_equal(first.buf, second.buf);
	assert_int_equal(back->frame_count, r->frame_count);
	report_free(r);
	report_free(back);
	strbuf_done(&first);
	strbuf_done(&second);
}

static void compressed_is_read_too_and_compresses_alike(void **state)
{
	struct report *r = fixture_report(), *back = NULL;
	struct strbuf json = STRBUF_INIT, packed = STRBUF_INIT, again = STRBUF_INIT;

	(void)state;
	write_to(EXPORT_JSON, r, &json);
	gzip(&json, &packed);
	gzip(&json, &again);
	assert_int_equal(packed.len, again.len);
	assert_memory_equal(packed.buf, again.buf, packed.len);
	assert_true(report_looks_like_json(packed.buf, packed.len));
	assert_int_equal(report_read_json(packed.buf, packed.len, &back, NULL), 0);
	assert_int_equal(back->site_count, r->site_count);
	for (size_t cut = 0; cut < packed.len; cut += packed.len / 50 + 1) {
		struct report *none = NULL;

		assert_int_equal(report_read_json(packed.buf, cut, &none, NULL), -EBADMSG);
		assert_null(none);
	}
	report_free(r);
	report_free(back);
	strbuf_done(&json);
	strbuf_done(&packed);
	strbuf_done(&again);
}

static const char *const contract_paths[] = {
	"schema",
	"tool.name",
	"tool.version",
	"target.pid",
	"target.comm",
	"target.exe",
	"target.build_id",
	"target.start_time",
	"target.cmdline",
	"target.container",
	"target.allocators.0.name",
	"target.allocators.0.module",
	"target.allocators.0.probed",
	"processes.0.pid",
	"processes.0.parent",
	"processes.0.comm",
	"processes.0.start_time",
	"processes.1.ended",
	"capture.mode",
	"capture.started_at",
	"capture.duration_s",
	"capture.budget_percent",
	"capture.overhead_percent",
	"capture.duty",
	"capture.windows",
	"capture.scans",
	"capture.stop_ms_max",
	"quality.events",
	"quality.lost_events",
	"quality.lost_by_reason.ring_full_alloc",
	"quality.stacks",
	"quality.stacks_incomplete",
	"quality.unmatched_frees",
	"quality.symbols_percent",
	"quality.notes.0",
	"memory.rss_bytes",
	"memory.vms_bytes",
	"memory.pss_bytes",
	"memory.uss_bytes",
	"memory.swap_bytes",
	"memory.heap_live_bytes",
	"memory.heap_used_bytes",
	"memory.heap_free_bytes",
	"memory.fragmentation_percent",
	"memory.limit_bytes",
	"memory.series.0.time",
	"memory.series.0.rss_bytes",
	"verdict.state",
	"verdict.confidence",
	"verdict.growth_bytes_per_second",
	"verdict.growth_rate_mb_per_min",
	"verdict.growth_interval.1",
	"verdict.explained_percent",
	"findings.0.id",
	"findings.0.pid",
	"findings.0.state",
	"findings.0.confidence",
	"findings.0.growth_bytes_per_second",
	"findings.0.growth_rate_mb_per_min",
	"findings.0.growth_interval.0",
	"findings.0.outstanding_bytes",
	"findings.0.outstanding_count",
	"findings.0.lost_bytes",
	"findings.0.lost_count",
	"findings.0.oldest_s",
	"findings.0.component",
	"findings.0.allocator",
	"findings.0.type",
	"findings.0.held_by",
	"findings.0.evidence.0.kind",
	"findings.0.evidence.0.text",
	"findings.0.evidence.0.value",
	"findings.0.recommendation",
	"findings.0.stack.0.function",
	"findings.0.stack.0.file",
	"findings.0.stack.0.line",
	"findings.0.stack.0.module",
	"findings.0.stack.0.build_id",
	"findings.0.stack.0.address",
	"findings.0.stack.0.kind",
	"sites.0.pid",
	"sites.0.stack.0",
	"sites.0.allocator",
	"sites.0.allocs",
	"sites.0.frees",
	"sites.0.alloc_bytes",
	"sites.0.outstanding_bytes",
	"sites.0.outstanding_count",
	"sites.0.peak_bytes",
	"sites.0.temporary_count",
	"sites.0.lifetime_ns_log2",
	"sites.0.size_log2",
	"sites.0.interval.0",
	"sites.0.state",
	"frames.0.function",
	"frames.0.kind",
	"census",
	"components",
	"faults.0.count",
};

/* Every member that the contract names, by path; numbers where it says so. */
static void every_member_of_the_contract_is_there(void **state)
{
	struct report *r = fixture_report();
	struct strbuf out = STRBUF_INIT;
	json_t *root;

	(void)state;
	write_to(EXPORT_JSON, r, &out);
	root = json_loads(out.buf, 0, NULL);
	assert_non_null(root);
	for (size_t i = 0; i < sizeof(contract_paths) / sizeof(*contract_paths); i++) {
		const json_t *at = root;
		char part[64];

		for (const char *p = contract_paths[i]; *p && at;
		     p += strcspn(p, ".") + (p[strcspn(p, ".")] == '.')) {
			snprintf(part, sizeof(part), "%.*s", (int)strcspn(p, "."), p);
			at = json_is_array(at) ? json_array_get(at, (size_t)strtoul(part, NULL, 10))
					       : json_object_get(at, part);
		}
		if (!at)
			print_error("missing: %s\n", contract_paths[i]);
		assert_non_null(at);
	}
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(root, "processes"), 0), "ended")));
	json_decref(root);
	report_free(r);
	strbuf_done(&out);
}

/* What `text` becomes as a JSON string. */
static void expect_quoted(const char *text, const char *expected)
{
	struct strbuf out = STRBUF_INIT;
	struct sink *sink = malloc(sizeof(*sink));
	struct json_out json;

	sink_init_strbuf(sink, &out);
	json_out_init(&json, sink, 0);
	json_out_string(&json, NULL, text);
	assert_int_equal(sink_finish(sink), 0);
	assert_string_equal(out.buf, expected);
	strbuf_done(&out);
	free(sink);
}

static void strings_are_escaped_and_broken_utf8_replaced(void **state)
{
	(void)state;
	expect_quoted("a\"b\\c\n\t\x01\x7f", "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\"");
	expect_quoted("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		      "\"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	expect_quoted("\xff", "\"\xef\xbf\xbd\"");
	expect_quoted("a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\"");                 /* cut off */
	expect_quoted("\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");                   /* overlong */
	expect_quoted("\xed\xa0\x80z", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\""); /* surrogate */
	expect_quoted("\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void expect_double(double number, const char *expected)
{
	struct strbuf out = STRBUF_INIT;
	struct sink *sink = malloc(sizeof(*sink));
	struct json_out json;

	sink_init_strbuf(sink, &out);
	json_out_init(&json, sink, 0);
	json_out_double(&json, NULL, number);
	sink_finish(sink);
	assert_string_equal(out.buf, expected);
	strbuf_done(&out);
	free(sink);
}

static void numbers_are_shortest_and_always_finite(void **state)
{
	(void)state;
	expect_double(0.1, "0.1");
	expect_double(5e-324, "4.94065645841247e-324");
	expect_double(1.0 / 3, "0.3333333333333333");
	expect_double(-0.0, "0");
	expect_double(1e300 * 1e300, "0");
	expect_double(0.0 / 1e-320, "0");
	expect_double(450000, "450000");
}

static int read_text(const char *text, struct report **ret)
{
	return report_read_json(text, strlen(text), ret, NULL);
}

#define S "{\"schema\":\"holdfast.report/1\""

static void wrong_files_are_refused_with_the_member_named(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"[]",
		"{}",
		"null",
		"{\"schema\":1}",
		"{\"schema\":\"holdfast.report/9\"}",
		S,
		S ",\"schema\":\"holdfast.report/1\"}", /* twice */
		S ",\"sites\":[{\"stack\":[0]}]}",      /* frame that is not there */
		S ",\"frames\":[{}],\"sites\":[{\"stack\":[1]}]}",
		S ",\"frames\":[{}],\"sites\":[{\"stack\":[-1]}]}",
		S ",\"frames\":[{}],\"sites\":[{\"stack\":[1e30]}]}",
		S ",\"frames\":[{}],\"faults\":[{\"stack\":[7]}]}",
		S ",\"frames\":[{\"kind\":\"quantum\"}]}",
		S ",\"frames\":[{\"line\":4294967296}]}",
		S ",\"frames\":[{\"address\":\"0x\"}]}",
		S ",\"frames\":[{\"address\":\"0x1g\"}]}",
		S ",\"frames\":[{\"address\":\"0x11112222333344445\"}]}",
		S ",\"frames\":{}}",
		S ",\"sites\":[{\"allocs\":-1}]}",
		S ",\"sites\":[{\"allocs\":\"1\"}]}",
		S ",\"sites\":[{\"interval\":[1]}]}",
		S ",\"sites\":[{\"interval\":[1,\"x\"]}]}",
		S ",\"sites\":[{\"state\":\"great\"}]}",
		S ",\"verdict\":[]}",
		S ",\"verdict\":{\"firm\":1}}",
		S ",\"target\":{\"pid\":4294967296}}",
		S ",\"quality\":{\"lost_by_reason\":{\"a\":\"b\"}}}",
		S ",\"quality\":{\"notes\":[1]}}",
		S ",\"capture\":{\"mode\":\"guess\"}}",
		S
		",\"sites\":[{\"size_log2\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
		"0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct report *r = NULL;
		int err = read_text(bad[i], &r);

		if (err != -EBADMSG)
			print_error("accepted: %s\n", bad[i]);
		assert_int_equal(err, -EBADMSG);
		assert_null(r);
	}
}

static void error_tells_what_is_wrong(void **state)
{
	const char *text = S ",\"sites\":[{\"allocs\":-1}]}";
	struct hf_error err = HF_ERROR_INIT;
	struct report *r;

	(void)state;
	assert_int_equal(report_read_json(text, strlen(text), &r, &err), -EBADMSG);
	assert_int_equal(err.code, HF_E_BADFILE);
	assert_non_null(strstr(err.why.buf, "\"allocs\""));
	error_done(&err);
	assert_int_equal(report_load("/nonexistent/report.json", &r, &err), -ENOENT);
	assert_int_equal(err.code, HF_E_NOFILE);
	error_done(&err);
}

static void missing_members_are_zero(void **state)
{
	struct report *r = NULL;
	struct strbuf out = STRBUF_INIT;

	(void)state;
	assert_int_equal(
		read_text(S ",\"later\":{\"x\":[1]},\"sites\":[{}],\"findings\":[{}]}", &r), 0);
	assert_int_equal(r->site_count, 1);
	assert_string_equal(r->sites[0].allocator, "");
	assert_string_equal(r->findings[0].recommendation, "");
	for (int format = 0; format < EXPORT_FORMAT_COUNT; format++) {
		strbuf_reset(&out);
		write_to((enum export_format)format, r, &out);
	}
	strbuf_done(&out);
	report_free(r);
}

static void findings_frames_beside_the_table_are_added_to_it(void **state)
{
	struct report *r = NULL;

	(void)state;
	assert_int_equal(
		read_text(S
			  ",\"frames\":[{\"function\":\"a\"},{\"function\":\"a\"}],\"findings\":[{"
			  "\"stack\":[{\"function\":\"a\"},{\"function\":\"b\",\"line\":3}]}]}",
			  &r),
		0);
	assert_int_equal(r->frame_count, 3);
	assert_int_equal(r->findings[0].stack.frames[0], 0);
	assert_int_equal(r->findings[0].stack.frames[1], 2);
	report_free(r);
}

static void cut_json_never_passes(void **state)
{
	struct report *r = fixture_report();
	struct strbuf out = STRBUF_INIT;

	(void)state;
	write_to(EXPORT_JSON, r, &out);
	report_free(r);
	for (size_t cut = 0; cut + 2 < out.len; cut += 97) {
		assert_int_equal(report_read_json(out.buf, cut, &r, NULL), -EBADMSG);
	}
	strbuf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_read_and_written_again_is_the_same),
		cmocka_unit_test(compressed_is_read_too_and_compresses_alike),
		cmocka_unit_test(every_member_of_the_contract_is_there),
		cmocka_unit_test(strings_are_escaped_and_broken_utf8_replaced),
		cmocka_unit_test(numbers_are_shortest_and_always_finite),
		cmocka_unit_test(wrong_files_are_refused_with_the_member_named),
		cmocka_unit_test(error_tells_what_is_wrong),
		cmocka_unit_test(missing_members_are_zero),
		cmocka_unit_test(findings_frames_beside_the_table_are_added_to_it),
		cmocka_unit_test(cut_json_never_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
