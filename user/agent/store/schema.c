/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/schema.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "base/clock.h"

/* "hfst", in the file's header: what else lies in our place is not ours */
#define APPLICATION_ID 0x68667374

/* Never changed once released: a later version is a line more in the table below. */
static const char version_1[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE target(id INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL,"
	" start_time_ns INTEGER NOT NULL, first_seen_ns INTEGER NOT NULL,"
	" last_seen_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL, name TEXT NOT NULL,"
	" comm TEXT NOT NULL, exe TEXT NOT NULL, unit TEXT NOT NULL, container TEXT NOT NULL,"
	" cgroup TEXT NOT NULL, user TEXT NOT NULL, rule TEXT NOT NULL, end_reason TEXT NOT NULL,"
	" UNIQUE(pid, start_time_ns));"
	"CREATE INDEX target_running ON target(id) WHERE ended_ns = 0;"
	"CREATE INDEX target_ended ON target(ended_ns) WHERE ended_ns <> 0;"
	/* samples as they were committed, then packed by target; tiers: 1 raw, 2 minutes, 3 tens of minutes */
	"CREATE TABLE recent(id INTEGER PRIMARY KEY, last_ns INTEGER NOT NULL,"
	" count INTEGER NOT NULL, bytes BLOB NOT NULL);"
	"CREATE TABLE chunk(id INTEGER PRIMARY KEY, target INTEGER NOT NULL, tier INTEGER NOT NULL,"
	" from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, count INTEGER NOT NULL,"
	" bytes BLOB NOT NULL);"
	"CREATE INDEX chunk_of_target ON chunk(target, tier, to_ns, from_ns);"
	"CREATE INDEX chunk_by_age ON chunk(tier, to_ns, count);"
	/* a stack that no snapshot has used yet has the last_used_ns 2^63 - 1 */
	"CREATE TABLE stack(id INTEGER PRIMARY KEY AUTOINCREMENT, target INTEGER NOT NULL,"
	" hash INTEGER NOT NULL, last_used_ns INTEGER NOT NULL, bytes BLOB,"
	" UNIQUE(target, hash));"
	"CREATE INDEX stack_by_use ON stack(last_used_ns);"
	"CREATE TABLE snapshot(id INTEGER PRIMARY KEY AUTOINCREMENT, target INTEGER NOT NULL,"
	" time_ns INTEGER NOT NULL, outstanding_bytes INTEGER NOT NULL, count INTEGER NOT NULL,"
	" bytes BLOB NOT NULL);"
	"CREATE INDEX snapshot_of_target ON snapshot(target, time_ns);"
	"CREATE INDEX snapshot_by_age ON snapshot(time_ns);"
	"CREATE TABLE profile(id INTEGER PRIMARY KEY AUTOINCREMENT, target INTEGER NOT NULL,"
	" time_ns INTEGER NOT NULL, reason TEXT NOT NULL, state TEXT NOT NULL, growth REAL,"
	" finding_count INTEGER NOT NULL, bytes BLOB NOT NULL);"
	"CREATE INDEX profile_of_target ON profile(target, id, reason);"
	"CREATE TABLE leak(id INTEGER PRIMARY KEY AUTOINCREMENT, leak_id TEXT NOT NULL UNIQUE,"
	" target INTEGER NOT NULL, key TEXT NOT NULL, component TEXT NOT NULL, state TEXT NOT NULL,"
	" detail TEXT NOT NULL, first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,"
	" cleared_ns INTEGER NOT NULL, outstanding_bytes INTEGER NOT NULL,"
	" profile INTEGER NOT NULL, growth REAL, growth_low REAL, growth_high REAL,"
	" active INTEGER NOT NULL);"
	"CREATE INDEX leak_of_target ON leak(target);"
	"CREATE TABLE session(id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE,"
	" target INTEGER NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,"
	" state TEXT NOT NULL, detail TEXT NOT NULL, start_ns INTEGER NOT NULL,"
	" end_ns INTEGER NOT NULL, profile INTEGER NOT NULL);"
	"CREATE INDEX session_profile ON session(profile);"
	"CREATE TABLE event(id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL,"
	" kind TEXT NOT NULL, severity TEXT NOT NULL, target INTEGER NOT NULL, pid INTEGER NOT NULL,"
	" target_name TEXT NOT NULL, text TEXT NOT NULL, detail TEXT NOT NULL);"
	"CREATE INDEX event_by_age ON event(time_ns);"
	"CREATE INDEX event_of_kind ON event(kind, id);"
	"CREATE INDEX event_of_target ON event(target, id);";

/* What is known of a target's end, and of a leak when it was cleared. */
static const char version_2[] = "ALTER TABLE target ADD COLUMN end_detail TEXT NOT NULL DEFAULT '';"
				"ALTER TABLE leak ADD COLUMN evidence TEXT NOT NULL DEFAULT '';";

static const char *const migrations[] = {version_1, version_2};

const struct schema store_schema = {migrations, sizeof(migrations) / sizeof(*migrations)};

/* Statements that only this file needs, before the tables of statements.def may be there. */
static int number_of(struct database *db, const char *sql, uint64_t *ret_number)
{
	sqlite3_stmt *statement = NULL;
	int err, code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret_number = (uint64_t)sqlite3_column_int64(statement, 0);
	err = code == SQLITE_DONE ? -ENOENT : database_error(db, code);
	sqlite3_finalize(statement);
	return err;
}

static int set_version(struct database *db, size_t version)
{
	char sql[256];

	/* twice, so that a flipped bit in the header does not look like a file of a newer program */
	snprintf(sql, sizeof(sql),
		 "PRAGMA application_id=%d; PRAGMA user_version=%zu;"
		 "INSERT OR REPLACE INTO meta VALUES('version', %zu)",
		 APPLICATION_ID, version, version);
	return database_execute(db, sql);
}

static int migrate(struct database *db, const struct schema *schema, size_t version)
{
	int err = database_begin(db);

	for (size_t i = version; !err && i < schema->version; i++)
		err = database_execute(db, schema->migrations[i]);
	if (!err)
		err = set_version(db, schema->version);
	return database_end(db, err);
}

static int read_version(struct database *db, size_t *ret_version)
{
	uint64_t tables, application, version, kept;
	int err = number_of(db, "SELECT count(*) FROM sqlite_schema", &tables);

	if (!err)
		err = number_of(db, "PRAGMA application_id", &application);
	if (!err)
		err = number_of(db, "PRAGMA user_version", &version);
	if (err)
		return err;
	if (!tables && !version) {
		*ret_version = 0;
		return 0;
	}
	err = number_of(db, "SELECT value FROM meta WHERE key = 'version'", &kept);
	if (err && err != -ENOENT)
		return err;
	if (err || application != APPLICATION_ID || version != kept || !version) {
		db->damaged = true;
		return -EBADMSG;
	}
	*ret_version = (size_t)version;
	return 0;
}

int schema_prepare(struct database *db, const struct schema *schema, bool read_only,
		   size_t *ret_version)
{
	size_t version;
	int err = read_version(db, &version);

	if (err)
		return err;
	*ret_version = version;
	if (version > schema->version || (read_only && version < schema->version))
		return -ENOTSUP;
	return version < schema->version ? migrate(db, schema, version) : 0;
}

struct limit {
	uint64_t end_ns;
	bool reached;
};

static int stop_when_late(void *context)
{
	struct limit *limit = context;

	limit->reached = clock_now_ns() >= limit->end_ns;
	return limit->reached;
}

int schema_check(struct database *db, unsigned int seconds)
{
	struct limit limit = {.end_ns = clock_now_ns() + seconds * NS_PER_S};
	sqlite3_stmt *statement = NULL;
	int code, err;

	sqlite3_progress_handler(db->handle, 10000, stop_when_late, &limit);
	code = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	err = limit.reached ? 0 : database_error(db, code);
	if (!err && code == SQLITE_ROW) {
		const unsigned char *text = sqlite3_column_text(statement, 0);

		if (!text || strcmp((const char *)text, "ok")) {
			db->damaged = true;
			err = -EBADMSG;
		}
	}
	sqlite3_finalize(statement);
	sqlite3_progress_handler(db->handle, 0, NULL, NULL);
	return err;
}
