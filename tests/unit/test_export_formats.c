/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folded, pprof, speedscope and HTML, each read back by another reader than ours where there is one.
 * What these can't find: how the page looks and behaves; tests/web does.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "report/export/export.h"
#include "unit/page_fixture.h"
#include "unit/report_fixture.h"

static void write_to(enum export_format format, const struct report *report, struct strbuf *out)
{
	struct sink *sink = malloc(sizeof(*sink));

	sink_init_strbuf(sink, out);
	assert_int_equal(export_write(format, report, NULL, sink), 0);
	free(sink);
}

static void folded_lines_are_root_first_with_bytes_held(void **state)
{
	struct report *r = fixture_report();
	struct strbuf out = STRBUF_INIT;

	(void)state;
	write_to(EXPORT_FOLDED, r, &out);
	assert_non_null(
		strstr(out.buf, "server-4312;__libc_start_main;main;keep_forever 1500000\n"));
	assert_non_null(strstr(out.buf, "server-4312;main;outer;inner;strdup 12800\n"));
	assert_non_null(strstr(out.buf, "server-4312;[no stack] 112\n"));
	assert_non_null(strstr(out.buf, "handler (app.py);"));
	assert_non_null(strstr(out.buf, "server-4312;main;plug:in.so+0x4000 3145728\n"));
	assert_null(strstr(out.buf, "give_back")); /* holds nothing */
	strbuf_done(&out);
	report_free(r);
}

/* Runs a filter over a file and gives its output; skips the test where it is not installed. */
static void run_filter(const char *command, struct strbuf *out)
{
	FILE *pipe = popen(command, "r");
	char part[4096];
	size_t got;

	assert_non_null(pipe);
	while ((got = fread(part, 1, sizeof(part), pipe)) > 0)
		strbuf_add(out, part, got);
	assert_int_equal(pclose(pipe), 0);
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		count++;
	return count;
}

static void decode_pprof(const struct report *r, struct strbuf *text)
{
	char path[] = "/tmp/hf-pprof-XXXXXX", command[256];
	struct strbuf packed = STRBUF_INIT, raw = STRBUF_INIT;
	int fd;

	if (system("protoc --version >/dev/null 2>&1") != 0)
		skip_because("protoc is not installed");
	write_to(EXPORT_PPROF, r, &packed);
	inflate_all(packed.buf, packed.len, &raw);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, raw.buf, raw.len), 0);
	close(fd);
	snprintf(command, sizeof(command), "protoc --decode_raw <%s >/dev/null", path);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "protoc --decode=Profile tests/data/profile.proto <%s",
		 path);
	run_filter(command, text);
	unlink(path);
	strbuf_done(&packed);
	strbuf_done(&raw);
}

static void pprof_is_read_back_by_protoc(void **state)
{
	struct report *r = fixture_report();
	struct strbuf text = STRBUF_INIT;

	(void)state;
	decode_pprof(r, &text);
	assert_int_equal(count_of(text.buf, "sample_type {"), 4);
	assert_int_equal(count_of(text.buf, "\nsample {"), r->site_count);
	assert_int_equal(count_of(text.buf, "\nlocation {"), r->frame_count);
	assert_non_null(strstr(text.buf, "string_table: \"\"\n"));
	assert_true(strstr(text.buf, "string_table: \"\"\n") <
		    strstr(text.buf, "string_table: \"alloc_objects\""));
	assert_non_null(strstr(text.buf, "string_table: \"keep_forever\""));
	/* allocs, bytes allocated, blocks held, bytes held, in this order */
	assert_non_null(strstr(
		text.buf, "  value: 1500\n  value: 1500000\n  value: 1500\n  value: 1500000\n"));
	assert_non_null(strstr(text.buf, "duration_nanos: 60000000000\n"));
	assert_non_null(strstr(text.buf, "time_nanos: 1767323045000000000\n"));
	/* nothing that the description does not know */
	assert_null(strstr(text.buf, "\n15:"));
	strbuf_done(&text);
	report_free(r);
}

static void speedscope_weights_match_its_samples(void **state)
{
	struct report *r = fixture_report();
	struct strbuf out = STRBUF_INIT;
	const json_t *profiles, *frames;
	json_t *root;

	(void)state;
	write_to(EXPORT_SPEEDSCOPE, r, &out);
	root = json_loads(out.buf, 0, NULL);
	assert_non_null(root);
	assert_non_null(strstr(json_string_value(json_object_get(root, "$schema")), "speedscope"));
	profiles = json_object_get(root, "profiles");
	frames = json_object_get(json_object_get(root, "shared"), "frames");
	assert_int_equal(json_array_size(frames), r->frame_count + 1);
	assert_int_equal(json_array_size(profiles), 6);
	for (size_t i = 0; i < json_array_size(profiles); i++) {
		const json_t *profile = json_array_get(profiles, i);
		const json_t *samples = json_object_get(profile, "samples");
		const json_t *weights = json_object_get(profile, "weights");
		double sum = 0;

		assert_int_equal(json_array_size(samples), json_array_size(weights));
		for (size_t k = 0; k < json_array_size(samples); k++) {
			const json_t *sample = json_array_get(samples, k);

			assert_true(json_array_size(sample) > 0);
			for (size_t f = 0; f < json_array_size(sample); f++)
				assert_true((size_t)json_integer_value(json_array_get(sample, f)) <=
					    r->frame_count);
			sum += json_number_value(json_array_get(weights, k));
		}
		assert_true(sum == json_number_value(json_object_get(profile, "endValue")));
	}
	json_decref(root);
	strbuf_done(&out);
	report_free(r);
}

/* The report that a page carries. */
static struct report *report_in_page(const struct strbuf *page)
{
	struct strbuf bytes = STRBUF_INIT;
	struct report *report = NULL;

	page_bytes(page, &bytes);
	assert_int_equal(report_read_json(bytes.buf, bytes.len, &report, NULL), 0);
	strbuf_done(&bytes);
	return report;
}

static void page_carries_the_whole_report(void **state)
{
	struct report *r = fixture_report(), *back;
	struct strbuf page = STRBUF_INIT, a = STRBUF_INIT, b = STRBUF_INIT;

	(void)state;
	write_to(EXPORT_HTML, r, &page);
	assert_true(page.len < 1 << 20);
	assert_null(strstr(page.buf, "HF:"));
	assert_null(strstr(page.buf, "src=\"http"));
	back = report_in_page(&page);
	write_to(EXPORT_JSON, r, &a);
	write_to(EXPORT_JSON, back, &b);
	assert_string_equal(a.buf, b.buf);
	report_free(r);
	report_free(back);
	strbuf_done(&page);
	strbuf_done(&a);
	strbuf_done(&b);
}

static void page_contains_every_file_of_its_folders(void **state)
{
	struct report *r = fixture_report();
	struct strbuf page = STRBUF_INIT;

	(void)state;
	write_to(EXPORT_HTML, r, &page);
	assert_true(page_files(&page, WEB_FOLDER) > 8);
	assert_true(page_files(&page, WEB_FOLDER "report/") > 6);
	report_free(r);
	strbuf_done(&page);
}

/* Sites on stacks of 12 frames whose names and numbers compress badly. */
static struct report *large_report(uint32_t sites)
{
	const struct report_builder_options options = {.resolve = fixture_resolve,
						       .tool_version = "0.1"};
	struct report_builder *b;
	struct report *r;
	unsigned int seed = 7;

	assert_int_equal(report_builder_new(&options, &b), 0);
	for (uint32_t i = 0; i < sites; i++) {
		struct fixture_site site = {1,
					    "malloc",
					    100 + (uint64_t)rand_r(&seed) % 100000,
					    (uint64_t)rand_r(&seed) % 100,
					    16 + (uint64_t)rand_r(&seed) % 4096,
					    VERDICT_STEADY,
					    0,
					    8,
					    {0}};

		for (int f = 0; f < 7; f++)
			site.pcs[f] = 0x100000 + (uint64_t)rand_r(&seed) % 60000;
		site.pcs[7] = 0x12;
		fixture_add_site(b, &site);
	}
	assert_int_equal(report_builder_finish(b, &r), 0);
	report_builder_free(b);
	return r;
}

static void page_of_a_large_report_is_cut_to_a_mebibyte_and_says_so(void **state)
{
	struct report *r = large_report(60000), *back;
	struct strbuf page = STRBUF_INIT;

	(void)state;
	write_to(EXPORT_HTML, r, &page);
	assert_true(page.len < 1 << 20);
	assert_true(page.len > 3 << 18); /* and not cut more than needed */
	back = report_in_page(&page);
	assert_true(back->site_count > 1000 && back->site_count < r->site_count);
	assert_int_equal(back->sites[0].outstanding_bytes, r->sites[0].outstanding_bytes);
	assert_true(back->frame_count < r->frame_count);
	assert_non_null(strstr(back->quality.notes[back->quality.note_count - 1].text,
			       "largest of 60,000 sites"));
	report_free(r);
	report_free(back);
	strbuf_done(&page);
}

static void file_is_private_whole_and_no_link_is_followed(void **state)
{
	char folder[] = "/tmp/hf-export-XXXXXX", path[64], link[64];
	struct report *r = fixture_report(), *back = NULL;
	struct hf_error err = HF_ERROR_INIT;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/r.json.gz", folder);
	snprintf(link, sizeof(link), "%s/link.json", folder);
	assert_int_equal(export_file(EXPORT_JSON, r, NULL, path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(report_load(path, &back, &err), 0);
	assert_int_equal(back->site_count, r->site_count);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(export_file(EXPORT_JSON, r, NULL, link, &err), -ELOOP);
	assert_int_equal(err.code, HF_E_CANTWRITE);
	unlink(link);
	unlink(path);
	rmdir(folder);
	error_done(&err);
	report_free(r);
	report_free(back);
}

static void page_takes_the_bytes_packed_for_the_json_file(void **state)
{
	char folder[] = "/tmp/hf-export-XXXXXX", path[64];
	struct strbuf alone = STRBUF_INIT, shared = STRBUF_INIT, packed = STRBUF_INIT;
	struct export_options options = {.packed = &packed};
	struct report *r = fixture_report(), *back = NULL;
	struct hf_error err = HF_ERROR_INIT;
	struct sink sink;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/r.json.gz", folder);
	write_to(EXPORT_HTML, r, &alone);
	assert_int_equal(export_file(EXPORT_JSON, r, &options, path, &err), 0);
	assert_true(packed.len > 0);
	assert_int_equal(report_load(path, &back, &err), 0);
	assert_int_equal(back->site_count, r->site_count);
	sink_init_strbuf(&sink, &shared);
	assert_int_equal(export_write(EXPORT_HTML, r, &options, &sink), 0);
	assert_int_equal(shared.len, alone.len);
	assert_memory_equal(shared.buf, alone.buf, alone.len);
	unlink(path);
	rmdir(folder);
	strbuf_done(&alone);
	strbuf_done(&shared);
	strbuf_done(&packed);
	error_done(&err);
	report_free(r);
	report_free(back);
}

static int refuse(void *user, const void *bytes, size_t size)
{
	(void)user;
	(void)bytes;
	(void)size;
	return -ENOSPC;
}

static void full_disk_is_reported_by_every_exporter(void **state)
{
	struct report *r = large_report(300);
	struct sink *sink = malloc(sizeof(*sink));

	(void)state;
	for (int format = 0; format < EXPORT_FORMAT_COUNT; format++) {
		sink_init(sink, refuse, NULL);
		assert_int_equal(export_write((enum export_format)format, r, NULL, sink), -ENOSPC);
	}
	free(sink);
	report_free(r);
}

static void exporters_are_found_by_option_name(void **state)
{
	(void)state;
	assert_ptr_equal(exporter_by_name("pprof"), &exporters[EXPORT_PPROF]);
	assert_null(exporter_by_name("xml"));
	for (int i = 0; i < EXPORT_FORMAT_COUNT; i++)
		assert_non_null(exporters[i].write);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folded_lines_are_root_first_with_bytes_held),
		cmocka_unit_test(pprof_is_read_back_by_protoc),
		cmocka_unit_test(speedscope_weights_match_its_samples),
		cmocka_unit_test(page_carries_the_whole_report),
		cmocka_unit_test(page_contains_every_file_of_its_folders),
		cmocka_unit_test(page_of_a_large_report_is_cut_to_a_mebibyte_and_says_so),
		cmocka_unit_test(file_is_private_whole_and_no_link_is_followed),
		cmocka_unit_test(page_takes_the_bytes_packed_for_the_json_file),
		cmocka_unit_test(full_disk_is_reported_by_every_exporter),
		cmocka_unit_test(exporters_are_found_by_option_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
