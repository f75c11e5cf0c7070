/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SQLite, as the store uses it: one connection, the statements of statements.def, errors as -errno.
 *
 *	_cleanup_(query_done) struct query q = query_of(db, SQL_FIND_TARGET);
 *
 *	query_u64(&q, pid);			parameters in order
 *	err = query_next(&q);			1: a row, 0: none left, -errno
 *	id = query_column_u64(&q, 0);
 *
 * The error of a query is sticky: bind all, and look at what query_next() or query_run() returns. Damage (SQLITE_CORRUPT,
 * SQLITE_NOTADB, a schema that is not ours) sets database.damaged and is -EBADMSG; who owns the database acts on it
 * when no query is open any more. What is bound is borrowed until query_done(); columns until the next query_next().
 */
#ifndef HOLDFAST_AGENT_STORE_DATABASE_H
#define HOLDFAST_AGENT_STORE_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/strbuf.h"

enum sql {
#define STATEMENT(name, text) SQL_##name,
#include "agent/store/statements.def"
#undef STATEMENT
	SQL_COUNT
};

struct sqlite3;
struct sqlite3_stmt;

struct database {
	struct sqlite3 *handle; /* NULL: not open; then every query is -EIO */
	struct sqlite3_stmt *statements[SQL_COUNT];
	bool damaged;
	bool in_transaction;
	uint64_t changes_before; /* the transaction */
};

/* An existing file (it may be empty). -errno, and database.damaged where it is no database. */
int database_open(struct database *db, const char *path, bool read_only);
/* Also one that is not open. */
void database_close(struct database *db);
/* Of a code of SQLite; notes damage. */
int database_error(struct database *db, int code);
/* Runs SQL of ours that gives no rows. */
int database_execute(struct database *db, const char *sql);
/* The first column of the first row. -ENOENT: there is none. */
int database_number(struct database *db, enum sql which, uint64_t *ret_number);
int database_begin(struct database *db);
/* What is read until database_end() is as of one moment, whatever another process writes. */
int database_begin_reading(struct database *db);
/* Commits if @err is 0, and else rolls back; returns @err or the commit's failure, after which nothing has changed. */
int database_end(struct database *db, int err);
/* Whether the last transaction changed a row. */
bool database_has_written(const struct database *db);
/* The file's limit; a write beyond it is -ENOSPC. The -wal is kept to a sixteenth of it, at most 2 MiB. */
void database_limit(struct database *db, uint64_t max_bytes);
uint64_t database_last_id(const struct database *db);
/* Rows that the last statement changed. */
uint64_t database_changes(const struct database *db);

struct query {
	struct database *db;
	struct sqlite3_stmt *statement;
	int parameters; /* bound so far */
	int error;
};

struct query query_of(struct database *db, enum sql which);
void query_done(struct query *query);
void query_u64(struct query *query, uint64_t number);
/* NaN is NULL. */
void query_double(struct query *query, double number);
/* NULL is "". */
void query_text(struct query *query, const char *text);
void query_blob(struct query *query, const void *bytes, size_t size);
int query_next(struct query *query);
/* To its end; 0 or -errno. */
int query_run(struct query *query);
uint64_t query_column_u64(const struct query *query, int column);
/* NULL is NaN. */
double query_column_double(const struct query *query, int column);
/* Copies in @arena, a text cut at its first NUL. NULL: out of memory, and an error of the query. */
const char *query_column_text(struct query *query, int column, struct arena *arena);
const void *query_column_blob(struct query *query, int column, struct arena *arena);
size_t query_column_size(const struct query *query, int column);
/* Replaces @out. */
int query_column_bytes(const struct query *query, int column, struct strbuf *out);

#endif
