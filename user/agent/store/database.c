/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/database.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define BUSY_MS         2000 /* a reader at most holds up a checkpoint */
#define CACHE_KIB       "2048"
#define MAX_WAL_BYTES   (UINT64_C(2) << 20) /* what a checkpoint moves, within one commit */
#define PAGE_BYTES      4096
#define MAX_VALUE_BYTES (64 << 20) /* more than the store ever writes */

static const char *const texts[SQL_COUNT] = {
#define STATEMENT(name, text) text,
#include "agent/store/statements.def"
#undef STATEMENT
};

static bool of_disk(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG || error == EROFS;
}

/* The connection's errno is not always that of the failure: the -wal knows its own, too. */
static int disk_error(sqlite3 *handle)
{
	int error = sqlite3_system_errno(handle);
	sqlite3_file *log = NULL;

	if (of_disk(error))
		return -error;
	sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log && log->pMethods &&
	    log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK &&
	    of_disk(error))
		return -error;
	return -EIO;
}

/*
 * SQLite will not write to the file: because of the disk; or because the file's header says so (which no program of ours wrote), or
 * the file is no longer where it was.
 */
static int read_only_error(struct database *db)
{
	const char *path = sqlite3_db_filename(db->handle, "main");

	if (path && access(path, W_OK) < 0 && errno != ENOENT)
		return -EROFS;
	db->damaged = true;
	return -EBADMSG;
}

int database_error(struct database *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return read_only_error(db);
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_INTERRUPT:
		return -ETIMEDOUT;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return disk_error(db->handle);
	default:
		/* SQLITE_CORRUPT and SQLITE_NOTADB; and what our own statements cannot cause in a file that is as
		 * we made it (no such table, datatype mismatch, a constraint) */
		db->damaged = true;
		return -EBADMSG;
	}
}

int database_execute(struct database *db, const char *sql)
{
	if (!db->handle)
		return -EIO;
	return database_error(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

/* Nothing in a file may make us run code or take memory without bound. */
static void harden(sqlite3 *handle)
{
	sqlite3_extended_result_codes(handle, 1);
	sqlite3_busy_timeout(handle, BUSY_MS);
	sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES);
	sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

static int count_pages(struct database *db, int *ret_count)
{
	sqlite3_stmt *statement = NULL;
	int err = database_error(db, sqlite3_prepare_v2(db->handle, "PRAGMA page_count", -1,
							&statement, NULL));

	if (!err)
		err = database_error(db, sqlite3_step(statement));
	if (!err)
		*ret_count = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return err;
}

/* Page size and auto_vacuum count only in a file that is empty yet; in another the latter is a write, which fails on a full disk. */
static int prepare_writing(struct database *db)
{
	int pages, err = count_pages(db, &pages);

	if (!err && !pages)
		err = database_execute(db, "PRAGMA page_size=4096;"
					   "PRAGMA auto_vacuum=INCREMENTAL");
	return err ? err
		   : database_execute(db, "PRAGMA journal_mode=WAL;"
					  "PRAGMA synchronous=NORMAL");
}

int database_open(struct database *db, const char *path, bool read_only)
{
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, code, err;

	*db = (struct database){0};
	code = sqlite3_open_v2(path, &db->handle,
			       flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
	if (code == SQLITE_OK) {
		harden(db->handle);
		err = database_execute(db, "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;"
					   "PRAGMA mmap_size=0; PRAGMA cache_size=-" CACHE_KIB);
		if (!err && !read_only)
			err = prepare_writing(db);
	} else {
		err = db->handle ? database_error(db, code) : -ENOMEM;
	}
	if (err) {
		bool damaged = db->damaged;

		database_close(db);
		db->damaged = damaged;
	}
	return err;
}

void database_close(struct database *db)
{
	for (size_t i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close_v2(db->handle);
	*db = (struct database){0};
}

int database_number(struct database *db, enum sql which, uint64_t *ret_number)
{
	struct query query = query_of(db, which);
	int err = query_next(&query);

	if (err > 0) {
		*ret_number = query_column_u64(&query, 0);
		err = 0;
	} else if (!err) {
		err = -ENOENT;
	}
	query_done(&query);
	return err;
}

static int run(struct database *db, enum sql which)
{
	struct query query = query_of(db, which);
	int err = query_run(&query);

	query_done(&query);
	return err;
}

int database_begin(struct database *db)
{
	int err = run(db, SQL_BEGIN);

	db->in_transaction = !err;
	if (!err)
		db->changes_before = (uint64_t)sqlite3_total_changes64(db->handle);
	return err;
}

int database_begin_reading(struct database *db)
{
	int err = run(db, SQL_BEGIN_READING);

	db->in_transaction = !err;
	return err;
}

int database_end(struct database *db, int err)
{
	if (!db->in_transaction)
		return err;
	db->in_transaction = false;
	if (!err)
		err = run(db, SQL_COMMIT);
	/* some failures have rolled back already */
	if (err && db->handle && !sqlite3_get_autocommit(db->handle))
		run(db, SQL_ROLLBACK);
	return err;
}

bool database_has_written(const struct database *db)
{
	return (uint64_t)sqlite3_total_changes64(db->handle) != db->changes_before;
}

void database_limit(struct database *db, uint64_t max_bytes)
{
	uint64_t wal_bytes = max_bytes / 16 < MAX_WAL_BYTES ? max_bytes / 16 : MAX_WAL_BYTES;
	char sql[128];

	if (!db->handle)
		return;
	/* a pragma takes no parameter */
	snprintf(sql, sizeof(sql),
		 "PRAGMA max_page_count=%llu; PRAGMA journal_size_limit=%llu;"
		 "PRAGMA wal_autocheckpoint=%llu",
		 (unsigned long long)(max_bytes / PAGE_BYTES), (unsigned long long)wal_bytes,
		 (unsigned long long)(wal_bytes / PAGE_BYTES));
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		log_debug("limits of the database are not set: %s", sqlite3_errmsg(db->handle));
}

uint64_t database_last_id(const struct database *db)
{
	return (uint64_t)sqlite3_last_insert_rowid(db->handle);
}

uint64_t database_changes(const struct database *db)
{
	return (uint64_t)sqlite3_changes64(db->handle);
}

struct query query_of(struct database *db, enum sql which)
{
	struct query query = {.db = db};
	sqlite3_stmt **kept = &db->statements[which];

	if (!db->handle)
		query.error = -EIO;
	else if (!*kept)
		query.error = database_error(db, sqlite3_prepare_v3(db->handle, texts[which], -1,
								    SQLITE_PREPARE_PERSISTENT, kept,
								    NULL));
	if (!query.error)
		query.statement = *kept;
	return query;
}

void query_done(struct query *query)
{
	/* what sqlite3_reset() returns was already told by the step */
	sqlite3_reset(query->statement);
	if (query->statement)
		sqlite3_clear_bindings(query->statement);
	query->statement = NULL;
}

static void bound(struct query *query, int code)
{
	if (!query->error && code != SQLITE_OK)
		query->error = database_error(query->db, code);
}

void query_u64(struct query *query, uint64_t number)
{
	if (!query->error)
		bound(query, sqlite3_bind_int64(query->statement, ++query->parameters,
						(sqlite3_int64)number));
}

void query_double(struct query *query, double number)
{
	if (!query->error)
		bound(query, sqlite3_bind_double(query->statement, ++query->parameters, number));
}

void query_text(struct query *query, const char *text)
{
	if (!query->error)
		bound(query,
		      sqlite3_bind_text64(query->statement, ++query->parameters, text ? text : "",
					  text ? strlen(text) : 0, SQLITE_STATIC, SQLITE_UTF8));
}

void query_blob(struct query *query, const void *bytes, size_t size)
{
	/* a NULL pointer would be no blob, but NULL */
	if (!query->error)
		bound(query, sqlite3_bind_blob64(query->statement, ++query->parameters,
						 size ? bytes : "", size, SQLITE_STATIC));
}

int query_next(struct query *query)
{
	int code;

	if (query->error)
		return query->error;
	code = sqlite3_step(query->statement);
	if (code == SQLITE_ROW)
		return 1;
	query->error = database_error(query->db, code);
	return query->error;
}

int query_run(struct query *query)
{
	int err;

	while ((err = query_next(query)) > 0)
		;
	return err;
}

uint64_t query_column_u64(const struct query *query, int column)
{
	return (uint64_t)sqlite3_column_int64(query->statement, column);
}

double query_column_double(const struct query *query, int column)
{
	if (sqlite3_column_type(query->statement, column) == SQLITE_NULL)
		return NAN;
	return sqlite3_column_double(query->statement, column);
}

size_t query_column_size(const struct query *query, int column)
{
	return (size_t)sqlite3_column_bytes(query->statement, column);
}

const char *query_column_text(struct query *query, int column, struct arena *arena)
{
	const char *text = (const char *)sqlite3_column_text(query->statement, column);
	char *copy = arena_strndup(arena, text ? text : "", text ? strlen(text) : 0);

	if (!copy)
		query->error = -ENOMEM;
	return copy;
}

const void *query_column_blob(struct query *query, int column, struct arena *arena)
{
	const void *bytes = sqlite3_column_blob(query->statement, column);
	void *copy = arena_memdup(arena, bytes ? bytes : "",
				  bytes ? query_column_size(query, column) : 0);

	if (!copy)
		query->error = -ENOMEM;
	return copy;
}

int query_column_bytes(const struct query *query, int column, struct strbuf *out)
{
	const void *bytes = sqlite3_column_blob(query->statement, column);

	strbuf_reset(out);
	return bytes ? strbuf_add(out, bytes, query_column_size(query, column)) : 0;
}
