/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/leaks.h"

#include <errno.h>
#include <string.h>

#include "agent/store/store_internal.h"

VEC_STRUCT(leak_vec, struct store_leak);

static int check(const struct store_leak *leak)
{
	const char *const texts[] = {leak->key, leak->component, leak->state, leak->detail,
				     leak->evidence};

	if (!leak->leak_id || strlen(leak->leak_id) != STORE_ID_LENGTH ||
	    leak->first_seen_ns > INT64_MAX || leak->last_seen_ns > INT64_MAX ||
	    leak->cleared_ns > INT64_MAX)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (store_check_text(texts[i], STORE_MAX_TEXT_BYTES))
			return -E2BIG;
	return 0;
}

static int write_leak(struct store *store, const struct store_leak *leak)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_PUT_LEAK);

	query_text(&query, leak->leak_id);
	query_u64(&query, leak->target);
	query_text(&query, leak->key);
	query_text(&query, leak->component);
	query_text(&query, leak->state);
	query_text(&query, leak->detail);
	query_u64(&query, leak->first_seen_ns);
	query_u64(&query, leak->last_seen_ns);
	query_u64(&query, leak->cleared_ns);
	query_u64(&query, leak->outstanding_bytes);
	query_u64(&query, leak->profile);
	query_double(&query, leak->growth_bytes_per_second);
	query_double(&query, leak->growth_low);
	query_double(&query, leak->growth_high);
	query_u64(&query, leak->active);
	query_text(&query, leak->evidence);
	return query_run(&query);
}

int store_put_leak(struct store *store, const struct store_leak *leak)
{
	int err = check(leak);

	if (err)
		return err;
	err = store_write_begin(store);
	return store_write_end(store, err ? err : write_leak(store, leak));
}

/* *ret_id: the row's number. */
static int add_row(struct query *query, struct store_leaks *list, struct leak_vec *found,
		   uint64_t *ret_id)
{
	struct store_leak leak = {
		.leak_id = query_column_text(query, 1, &list->arena),
		.target = query_column_u64(query, 2),
		.key = query_column_text(query, 3, &list->arena),
		.component = query_column_text(query, 4, &list->arena),
		.state = query_column_text(query, 5, &list->arena),
		.detail = query_column_text(query, 6, &list->arena),
		.first_seen_ns = query_column_u64(query, 7),
		.last_seen_ns = query_column_u64(query, 8),
		.cleared_ns = query_column_u64(query, 9),
		.outstanding_bytes = query_column_u64(query, 10),
		.profile = query_column_u64(query, 11),
		.growth_bytes_per_second = query_column_double(query, 12),
		.growth_low = query_column_double(query, 13),
		.growth_high = query_column_double(query, 14),
		.active = query_column_u64(query, 15) != 0,
		.evidence = query_column_text(query, 16, &list->arena),
	};

	*ret_id = query_column_u64(query, 0);
	return query->error ? query->error : vec_push(found, leak);
}

static int read_rows(struct store *store, const struct store_leak_query *wanted,
		     struct store_leaks *list, struct leak_vec *found)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_LIST_LEAKS);
	size_t limit = store_limit(wanted->limit);
	uint64_t id = 0, last = 0;
	int more = 0, err = 0;

	query_u64(&query, wanted->after);
	query_u64(&query, wanted->state);
	query_u64(&query, wanted->target);
	query_u64(&query, wanted->key != NULL);
	query_text(&query, wanted->key);
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

static int hand_out(struct store *store, int err, struct store_leaks *list,
		    const struct leak_vec *found, struct store_leaks *ret_leaks)
{
	err = store_read_end(store, err);
	list->items = found->items;
	list->count = found->count;
	if (err)
		store_leaks_done(list);
	else
		*ret_leaks = *list;
	return err;
}

int store_list_leaks(struct store *store, const struct store_leak_query *query,
		     struct store_leaks *ret_leaks)
{
	struct store_leaks list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	struct leak_vec found = VEC_INIT;
	int err = read_rows(store, query, &list, &found);

	return hand_out(store, err, &list, &found, ret_leaks);
}

static int read_one(struct store *store, const char *leak_id, struct store_leaks *list,
		    struct leak_vec *found)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_GET_LEAK);
	uint64_t id;
	int more;

	query_text(&query, leak_id);
	more = query_next(&query);
	if (more <= 0)
		return more ? more : -ENOENT;
	return add_row(&query, list, found, &id);
}

int store_get_leak(struct store *store, const char *leak_id, struct store_leaks *ret_leaks)
{
	struct store_leaks list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	struct leak_vec found = VEC_INIT;
	int err = read_one(store, leak_id, &list, &found);

	return hand_out(store, err, &list, &found, ret_leaks);
}

void store_leaks_done(struct store_leaks *leaks)
{
	free(leaks->items);
	arena_done(&leaks->arena);
	*leaks = (struct store_leaks){0};
}
