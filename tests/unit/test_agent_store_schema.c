/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Versions of the file: migrated in one piece, an old one is read, a newer one refused. tests/data/store_v1.sql is a file of version 1. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>

#include "agent/store/events.h"
#include "agent/store/leaks.h"
#include "agent/store/profiles.h"
#include "agent/store/schema.h"
#include "agent/store/sessions.h"
#include "agent/store/snapshots.h"
#include "base/cleanup.h"
#include "base/fileio.h"
#include "store_fixture.h"

/* Where the fixture's file is, and its directory, without a store. */
static void begin_bare(struct store_fixture *f, struct strbuf *path)
{
	fixture_begin(f);
	store_close(f->store);
	f->store = NULL;
	fixture_path(f, "holdfast.db", path);
}

static void make_empty(const struct strbuf *path)
{
	assert_int_equal(truncate(path->buf, 0), 0);
}

static void execute(const struct strbuf *path, const char *sql)
{
	sqlite3 *handle;
	char *message = NULL;

	assert_int_equal(sqlite3_open(path->buf, &handle), SQLITE_OK);
	if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s", message);
	sqlite3_close(handle);
}

static int prepare(const struct strbuf *path, const char *const *migrations, size_t version,
		   bool read_only)
{
	struct schema schema = {migrations, version};
	struct database db;
	size_t found = 0;
	int err = database_open(&db, path->buf, read_only);

	assert_int_equal(err, 0);
	err = schema_prepare(&db, &schema, read_only, &found);
	assert_int_equal(db.damaged, err == -EBADMSG);
	database_close(&db);
	return err;
}

static const char *const steps[] = {
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER); CREATE TABLE a(x)",
	"INSERT INTO a VALUES(1); CREATE TABLE b(x)",
	"INSERT INTO a VALUES(2); DROP TABLE b",
	"INSERT INTO a VALUES(3); INSERT INTO nowhere VALUES(1)",
};

static void each_version_is_brought_up_to_date(void **state)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct store_fixture f = {0};

	(void)state;
	begin_bare(&f, &path);
	for (size_t from = 1; from <= 3; from++) {
		make_empty(&path);
		assert_int_equal(prepare(&path, steps, from, false), 0);
		assert_int_equal(prepare(&path, steps, from, false), 0);
		if (from < 3)
			assert_int_equal(prepare(&path, steps, 3, true), -ENOTSUP);
		assert_int_equal(prepare(&path, steps, 3, false), 0);
		assert_int_equal(prepare(&path, steps, 3, true), 0);
		/* one of each, whichever way */
		execute(&path, "CREATE TABLE c(x UNIQUE); INSERT INTO c SELECT x FROM a;"
			       "CREATE TABLE b(x)");
	}
	fixture_remove(&f);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct store_fixture f = {0};

	(void)state;
	begin_bare(&f, &path);
	make_empty(&path);
	assert_int_equal(prepare(&path, steps, 1, false), 0);
	assert_int_equal(prepare(&path, steps, 4, false), -EBADMSG);
	assert_int_equal(prepare(&path, steps, 1, false), 0);
	execute(&path, "CREATE TABLE b(x)");
	fixture_remove(&f);
}

static void a_newer_version_is_refused_and_left_alone(void **state)
{
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct store_fixture f = {0};

	(void)state;
	begin_bare(&f, &path);
	execute(&path, "PRAGMA user_version=99; UPDATE meta SET value = 99 WHERE key = 'version'");
	assert_int_equal(store_open(&f.options, &f.store, &err), -ENOTSUP);
	assert_int_equal(err.code, HF_E_BADFILE);
	assert_non_null(strstr(err.what.buf, "has version 99"));
	assert_non_null(strstr(err.fix.buf, "later one"));
	assert_int_equal(fixture_files(&f, "damaged"), 0);
	/* the header alone: no program wrote that */
	execute(&path, "UPDATE meta SET value = 1 WHERE key = 'version'");
	error_done(&err);
	assert_int_equal(store_open(&f.options, &f.store, &err), 0);
	assert_int_equal(fixture_state(&f).damaged_files, 1);
	fixture_end(&f);
}

static void a_reader_says_what_it_misses(void **state)
{
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct store_fixture f = {0};

	(void)state;
	begin_bare(&f, &path);
	make_empty(&path);
	f.options.read_only = true;
	assert_int_equal(store_open(&f.options, &f.store, &err), -ENOTSUP);
	assert_non_null(strstr(err.fix.buf, "start the agent once"));
	error_done(&err);
	assert_int_equal(unlink(path.buf), 0);
	assert_true(store_open(&f.options, &f.store, &err) < 0);
	assert_int_equal(fixture_files(&f, "holdfast.db"), 0);
	fixture_remove(&f);
}

static void assert_version_1_content(struct store_fixture *f)
{
	struct store_event_query events = {0};
	struct store_events event_list;
	struct store_sessions sessions;
	struct store_profiles profiles;
	struct store_targets targets;
	struct store_snapshots snapshots;
	struct store_leaks leaks;
	struct store_series series;
	struct store_sample sample;
	void *bytes;
	size_t size;

	assert_int_equal(store_get_target(f->store, 1, &targets), 0);
	assert_string_equal(targets.items[0].comm, "python3");
	assert_string_equal(targets.items[0].end_detail, "");
	store_targets_done(&targets);
	/* minutes, samples packed and not packed */
	series = fixture_read(f, 1, 0, 0);
	assert_int_equal(series.count, 40 + 300 + 20);
	assert_int_equal(series.resolution_ns, MINUTE_NS);
	sample = fixture_sample(1, T0 + 2 * HOUR_NS + 319 * S_NS);
	assert_memory_equal(&series.items[359].values, &sample.values, sizeof(sample.values));
	store_series_done(&series);
	assert_int_equal(store_read_snapshot(f->store, 1, &snapshots), 0);
	assert_int_equal(snapshots.items[0].site_count, 2);
	assert_int_equal(snapshots.items[0].sites[0].stack, 77);
	store_snapshots_done(&snapshots);
	assert_int_equal(store_read_stack(f->store, 1, 77, &bytes, &size), 0);
	assert_memory_equal(bytes, "main;f", size);
	free(bytes);
	assert_int_equal(store_read_profile(f->store, 1, &profiles), 0);
	assert_memory_equal(profiles.items[0].bytes, "gzip", 4);
	store_profiles_done(&profiles);
	assert_int_equal(store_get_leak(f->store, "00000000000000aa", &leaks), 0);
	assert_int_equal(leaks.items[0].outstanding_bytes, 12345);
	assert_string_equal(leaks.items[0].evidence, "");
	store_leaks_done(&leaks);
	assert_int_equal(store_get_session(f->store, "00000000000000bb", &sessions), 0);
	assert_string_equal(sessions.items[0].name, "load test");
	store_sessions_done(&sessions);
	assert_int_equal(store_list_events(f->store, &events, &event_list), 0);
	assert_int_equal(event_list.count, 1);
	assert_string_equal(event_list.items[0].text, "it grows");
	store_events_done(&event_list);
}

static void a_file_of_version_1_is_read(void **state)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	_cleanup_free_ char *sql = NULL;
	struct store_fixture f = {0};
	size_t size;

	(void)state;
	begin_bare(&f, &path);
	make_empty(&path);
	assert_int_equal(file_read("tests/data/store_v1.sql", 1 << 20, &sql, &size), 0);
	execute(&path, sql);
	fixture_open(&f);
	assert_int_equal(fixture_state(&f).damaged_files, 0);
	assert_version_1_content(&f);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_version_is_brought_up_to_date),
		cmocka_unit_test(a_migration_that_fails_changes_nothing),
		cmocka_unit_test(a_newer_version_is_refused_and_left_alone),
		cmocka_unit_test(a_reader_says_what_it_misses),
		cmocka_unit_test(a_file_of_version_1_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
