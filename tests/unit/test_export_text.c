/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text report and diff, held against tests/data. HF_GOLDEN=write renews them: then read the difference
 * in git before you believe it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "report/export/export.h"
#include "unit/report_fixture.h"

static void expect_golden(const char *name, const struct strbuf *out)
{
	struct strbuf path = STRBUF_INIT;
	char *golden = NULL;
	size_t size;

	strbuf_addf(&path, "tests/data/%s", name);
	if (getenv("HF_GOLDEN"))
		assert_int_equal(file_write(path.buf, out->buf, out->len), 0);
	assert_int_equal(file_read(path.buf, 1 << 20, &golden, &size), 0);
	assert_string_equal(out->buf, golden);
	free(golden);
	strbuf_done(&path);
}

static void write_text_with(const struct export_options *options, struct strbuf *out)
{
	struct report *r = fixture_report();
	struct sink *sink = malloc(sizeof(*sink));

	sink_init_strbuf(sink, out);
	assert_int_equal(export_write(EXPORT_TEXT, r, options, sink), 0);
	free(sink);
	report_free(r);
}

static void write_json_as_text(const char *json, const struct export_options *options,
			       struct strbuf *out)
{
	struct sink *sink = malloc(sizeof(*sink));
	struct report *r;

	assert_int_equal(report_read_json(json, strlen(json), &r, NULL), 0);
	sink_init_strbuf(sink, out);
	assert_int_equal(export_write(EXPORT_TEXT, r, options, sink), 0);
	report_free(r);
	free(sink);
}

static void report_reads_as_in_the_golden_file(void **state)
{
	static const char *const files[] = {"hf-server-4312.json.gz", "hf-server-4312.html"};
	const struct export_options options = {
		.utf8 = true, .patterns = true, .written = files, .written_count = 2};
	struct strbuf out = STRBUF_INIT;

	(void)state;
	write_text_with(&options, &out);
	expect_golden("report.txt", &out);
	strbuf_done(&out);
}

static void plain_terminal_gets_ascii_and_no_colour(void **state)
{
	const struct export_options options = {
		.frames = UINT32_MAX, .patterns = true, .width = 120};
	struct strbuf out = STRBUF_INIT;

	(void)state;
	write_text_with(&options, &out);
	for (size_t i = 0; i < out.len; i++)
		assert_true((out.buf[i] >= ' ' && out.buf[i] < 0x7f) || out.buf[i] == '\n');
	expect_golden("report_ascii.txt", &out);
	strbuf_done(&out);
}

static void every_estimated_number_says_so(void **state)
{
	static const char text[] =
		"{\"schema\":\"holdfast.report/1\",\"target\":{\"comm\":\"server\"},"
		"\"frames\":[{\"function\":\"f\"},{\"function\":\"g\"}],"
		"\"sites\":[{\"stack\":[0],\"estimated\":true,\"outstanding_bytes\":5120,"
		"\"outstanding_count\":3,\"allocs\":40},"
		"{\"stack\":[1],\"outstanding_bytes\":4096,\"outstanding_count\":2,\"allocs\":30}],"
		"\"findings\":[{\"estimated\":true,\"outstanding_bytes\":5120,"
		"\"outstanding_count\":3,\"stack\":[]}],"
		"\"memory\":{\"heap_live_bytes\":9216,\"heap_live_estimated\":true,"
		"\"heap_used_bytes\":1048576,\"heap_live_count\":1200}}";
	const struct export_options options = {.patterns = true};
	struct strbuf out = STRBUF_INIT;

	(void)state;
	write_json_as_text(text, &options, &out);
	assert_non_null(strstr(out.buf, "held since attach about 9.00 KiB"));
	assert_non_null(strstr(out.buf, "HEAP     in use 1.00 MiB in 1,200 blocks\n"));
	assert_non_null(strstr(out.buf, "about 3 blocks"));
	assert_non_null(strstr(out.buf, "~5.00 KiB in 3 "));
	assert_non_null(strstr(out.buf, " 4.00 KiB in 2 "));
	assert_non_null(strstr(out.buf, " ~40 "));
	assert_non_null(strstr(out.buf, " 30 "));
	strbuf_done(&out);
}

static void narrow_terminal_is_kept_to(void **state)
{
	const struct export_options options = {.width = 60, .utf8 = true, .frames = UINT32_MAX};
	struct strbuf out = STRBUF_INIT;
	const char *finding;

	(void)state;
	write_text_with(&options, &out);
	finding = strstr(out.buf, "       keep_forever");
	assert_non_null(finding);
	assert_true(strcspn(finding, "\n") <= 64);
	strbuf_done(&out);
}

static void colour_only_where_asked_for(void **state)
{
	const struct export_options options = {.color = true};
	struct strbuf out = STRBUF_INIT;

	(void)state;
	write_text_with(&options, &out);
	assert_non_null(strstr(out.buf, "\x1b[1;33mWATCHING\x1b[0m"));
	strbuf_done(&out);
}

static void foreign_names_cannot_steer_the_terminal(void **state)
{
	static const char text[] =
		"{\"schema\":\"holdfast.report/1\",\"target\":{\"comm\":\"\\u001b[2J\"},"
		"\"frames\":[{\"function\":\"a\\u001b]0;x\\u0007\",\"file\":\"f\\n\"}],"
		"\"sites\":[{\"stack\":[0],\"outstanding_bytes\":5}],"
		"\"findings\":[{\"recommendation\":\"\\u001b[31m\",\"stack\":[]}],"
		"\"quality\":{\"notes\":[\"\\u009b\\u001b\"]}}";
	struct strbuf out = STRBUF_INIT;

	(void)state;
	write_json_as_text(text, NULL, &out);
	assert_null(strchr(out.buf, '\x1b'));
	assert_null(strchr(out.buf, '\a'));
	assert_non_null(strstr(out.buf, "\\x1b[2J"));
	strbuf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_reads_as_in_the_golden_file),
		cmocka_unit_test(plain_terminal_gets_ascii_and_no_colour),
		cmocka_unit_test(every_estimated_number_says_so),
		cmocka_unit_test(narrow_terminal_is_kept_to),
		cmocka_unit_test(colour_only_where_asked_for),
		cmocka_unit_test(foreign_names_cannot_steer_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
