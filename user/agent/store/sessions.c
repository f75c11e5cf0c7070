/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/sessions.h"

#include <errno.h>
#include <string.h>

#include "agent/store/leaks.h"
#include "agent/store/store_internal.h"

VEC_STRUCT(session_vec, struct store_session);

static int check(const struct store_session *session)
{
	const char *const texts[] = {session->name, session->description, session->state,
				     session->detail};

	if (!session->session_id || strlen(session->session_id) != STORE_ID_LENGTH ||
	    session->start_ns > INT64_MAX || session->end_ns > INT64_MAX)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (store_check_text(texts[i], STORE_MAX_TEXT_BYTES))
			return -E2BIG;
	return 0;
}

static int write_session(struct store *store, const struct store_session *session)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_PUT_SESSION);

	query_text(&query, session->session_id);
	query_u64(&query, session->target);
	query_text(&query, session->name);
	query_text(&query, session->description);
	query_text(&query, session->state);
	query_text(&query, session->detail);
	query_u64(&query, session->start_ns);
	query_u64(&query, session->end_ns);
	query_u64(&query, session->profile);
	return query_run(&query);
}

int store_put_session(struct store *store, const struct store_session *session)
{
	int err = check(session);

	if (err)
		return err;
	err = store_write_begin(store);
	return store_write_end(store, err ? err : write_session(store, session));
}

static int delete_session(struct store *store, const char *session_id)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_DELETE_SESSION);
	int err;

	query_text(&query, session_id);
	err = query_run(&query);
	return err || database_changes(&store->db) ? err : -ENOENT;
}

int store_delete_session(struct store *store, const char *session_id)
{
	int err = store_write_begin(store);

	return store_write_end(store, err ? err : delete_session(store, session_id));
}

/* *ret_id: the row's number. */
static int add_row(struct query *query, struct store_sessions *list, struct session_vec *found,
		   uint64_t *ret_id)
{
	struct store_session session = {
		.session_id = query_column_text(query, 1, &list->arena),
		.target = query_column_u64(query, 2),
		.name = query_column_text(query, 3, &list->arena),
		.description = query_column_text(query, 4, &list->arena),
		.state = query_column_text(query, 5, &list->arena),
		.detail = query_column_text(query, 6, &list->arena),
		.start_ns = query_column_u64(query, 7),
		.end_ns = query_column_u64(query, 8),
		.profile = query_column_u64(query, 9),
	};

	*ret_id = query_column_u64(query, 0);
	return query->error ? query->error : vec_push(found, session);
}

static int read_rows(struct store *store, const struct store_session_query *wanted,
		     struct store_sessions *list, struct session_vec *found)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_LIST_SESSIONS);
	size_t limit = store_limit(wanted->limit);
	uint64_t id = 0, last = 0;
	int more = 0, err = 0;

	query_u64(&query, wanted->after);
	query_u64(&query, wanted->state);
	query_u64(&query, wanted->target);
	query_u64(&query, limit + 1);
	while (!err && !store_page_full(&list->arena, found->count, limit) &&
	       (more = query_next(&query)) > 0) {
		last = id;
		err = add_row(&query, list, found, &id);
	}
	if (store_page_full(&list->arena, found->count, limit)) {
		list->next = found->count > limit ? last : id;
		if (found->count > limit)
			found->count = limit;
	}
	return err ? err : more < 0 ? more : 0;
}

static int hand_out(struct store *store, int err, struct store_sessions *list,
		    const struct session_vec *found, struct store_sessions *ret_sessions)
{
	err = store_read_end(store, err);
	list->items = found->items;
	list->count = found->count;
	if (err)
		store_sessions_done(list);
	else
		*ret_sessions = *list;
	return err;
}

int store_list_sessions(struct store *store, const struct store_session_query *query,
			struct store_sessions *ret_sessions)
{
	struct store_sessions list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	struct session_vec found = VEC_INIT;
	int err = read_rows(store, query, &list, &found);

	return hand_out(store, err, &list, &found, ret_sessions);
}

static int read_one(struct store *store, const char *session_id, struct store_sessions *list,
		    struct session_vec *found)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_GET_SESSION);
	uint64_t id;
	int more;

	query_text(&query, session_id);
	more = query_next(&query);
	if (more <= 0)
		return more ? more : -ENOENT;
	return add_row(&query, list, found, &id);
}

int store_get_session(struct store *store, const char *session_id,
		      struct store_sessions *ret_sessions)
{
	struct store_sessions list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	struct session_vec found = VEC_INIT;
	int err = read_one(store, session_id, &list, &found);

	return hand_out(store, err, &list, &found, ret_sessions);
}

void store_sessions_done(struct store_sessions *sessions)
{
	free(sessions->items);
	arena_done(&sessions->arena);
	*sessions = (struct store_sessions){0};
}
