/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/events.h"

#include <errno.h>
#include <string.h>

#include "agent/store/store_internal.h"

#define MAX_WAITING       1024
#define MAX_WAITING_BYTES (UINT64_C(4) << 20)

VEC_STRUCT(event_vec, struct store_event);

static const size_t texts[] = {
	offsetof(struct store_event, kind),        offsetof(struct store_event, severity),
	offsetof(struct store_event, target_name), offsetof(struct store_event, text),
	offsetof(struct store_event, detail),
};

#define TEXT_COUNT (sizeof(texts) / sizeof(*texts))

static const char **text_at(struct store_event *event, size_t i)
{
	return (const char **)((char *)event + texts[i]);
}

/* A copy whose texts, never NULL, lie in one block. */
static int copy_event(const struct store_event *event, struct pending_event *ret)
{
	struct pending_event copy = {.event = *event};
	size_t sizes[TEXT_COUNT], size = 0;

	for (size_t i = 0; i < TEXT_COUNT; i++) {
		const char **text = text_at(&copy.event, i);

		if (!*text)
			*text = "";
		sizes[i] = strlen(*text) + 1;
		size += sizes[i];
	}
	copy.size = size;
	copy.block = malloc(size);
	if (!copy.block)
		return -ENOMEM;
	size = 0;
	for (size_t i = 0; i < TEXT_COUNT; i++) {
		const char **text = text_at(&copy.event, i);

		memcpy(copy.block + size, *text, sizes[i]);
		*text = copy.block + size;
		size += sizes[i];
	}
	*ret = copy;
	return 0;
}

/* The one just put always stays. */
static void drop_oldest(struct store *store)
{
	struct pending_event_vec *events = &store->events;

	while (events->count > MAX_WAITING ||
	       (events->count > 1 && store->events_bytes > MAX_WAITING_BYTES)) {
		store->events_bytes -= events->items[0].size;
		free(events->items[0].block);
		events->count--;
		memmove(events->items, events->items + 1, events->count * sizeof(*events->items));
		store->state.dropped_events++;
	}
}

static int write_event(struct store *store, const struct store_event *event)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_ADD_EVENT);

	query_u64(&query, event->id);
	query_u64(&query, event->time_ns);
	query_text(&query, event->kind);
	query_text(&query, event->severity);
	query_u64(&query, event->target);
	query_u64(&query, (uint64_t)event->pid);
	query_text(&query, event->target_name);
	query_text(&query, event->text);
	query_text(&query, event->detail);
	return query_run(&query);
}

int store_events_write(struct store *store)
{
	int err = 0;

	for (size_t i = 0; !err && i < store->events.count; i++)
		err = write_event(store, &store->events.items[i].event);
	return err;
}

void store_events_written(struct store *store)
{
	for (size_t i = 0; i < store->events.count; i++)
		free(store->events.items[i].block);
	vec_clear(&store->events);
	store->events_bytes = 0;
}

void store_events_free(struct store *store)
{
	store_events_written(store);
	vec_done(&store->events);
}

static int check(const struct store_event *event)
{
	struct store_event copy = *event;

	if (event->time_ns > INT64_MAX)
		return -EINVAL;
	for (size_t i = 0; i < TEXT_COUNT; i++)
		if (store_check_text(*text_at(&copy, i), STORE_MAX_TEXT_BYTES))
			return -E2BIG;
	return 0;
}

/* Behind those that wait already, so that ids on disk only grow. */
static int write_with_waiting(struct store *store, const struct store_event *event)
{
	int err = store_write_begin(store);

	if (!err)
		err = store_events_write(store);
	if (!err)
		err = write_event(store, event);
	err = store_write_end(store, err);
	if (!err)
		store_events_written(store);
	return err;
}

static int keep_waiting(struct store *store, const struct store_event *event)
{
	struct pending_event pending;
	int err = copy_event(event, &pending);

	if (err)
		return err;
	err = vec_push(&store->events, pending);
	if (err) {
		free(pending.block);
		return err;
	}
	store->events_bytes += pending.size;
	drop_oldest(store);
	return 0;
}

int store_add_event(struct store *store, const struct store_event *event, uint64_t *ret_id)
{
	struct store_event new = *event;
	int err = check(event);

	if (store->options.read_only)
		return -EROFS;
	if (err)
		return err;
	new.id = store->last_ids[SEQUENCE_EVENT] + 1;
	if (write_with_waiting(store, &new)) {
		/* damage may have moved the counter on */
		new.id = store->last_ids[SEQUENCE_EVENT] + 1;
		err = keep_waiting(store, &new);
		if (err)
			return err;
	}
	store->last_ids[SEQUENCE_EVENT] = new.id;
	*ret_id = new.id;
	return 0;
}

uint64_t store_last_event_id(const struct store *store)
{
	return store->last_ids[SEQUENCE_EVENT];
}

static int add_row(struct query *query, struct store_events *list, struct event_vec *found)
{
	struct store_event event = {
		.id = query_column_u64(query, 0),
		.time_ns = query_column_u64(query, 1),
		.kind = query_column_text(query, 2, &list->arena),
		.severity = query_column_text(query, 3, &list->arena),
		.target = query_column_u64(query, 4),
		.pid = (int32_t)query_column_u64(query, 5),
		.target_name = query_column_text(query, 6, &list->arena),
		.text = query_column_text(query, 7, &list->arena),
		.detail = query_column_text(query, 8, &list->arena),
	};

	return query->error ? query->error : vec_push(found, event);
}

static uint64_t last_ns(const struct store_event_query *query)
{
	return query->to_ns && query->to_ns < INT64_MAX ? query->to_ns : INT64_MAX;
}

static int add_from_file(struct store *store, const struct store_event_query *query,
			 struct store_events *list, struct event_vec *found)
{
	enum sql which = query->target
				 ? query->kind ? SQL_LIST_EVENTS_OF_BOTH : SQL_LIST_EVENTS_OF_TARGET
			 : query->kind ? SQL_LIST_EVENTS_OF_KIND
				       : SQL_LIST_EVENTS;
	_cleanup_(query_done) struct query rows = query_of(&store->db, which);
	int more = 0, err = 0;

	query_u64(&rows, query->since < INT64_MAX ? query->since : INT64_MAX);
	query_u64(&rows, store_limit(query->limit) + 1);
	query_u64(&rows, query->from_ns < INT64_MAX ? query->from_ns : INT64_MAX);
	query_u64(&rows, last_ns(query));
	if (query->target || query->kind)
		query_u64(&rows, query->target);
	if (query->kind)
		query_text(&rows, query->kind);
	while (!err && !store_page_full(&list->arena, found->count, store_limit(query->limit)) &&
	       (more = query_next(&rows)) > 0)
		err = add_row(&rows, list, found);
	return err ? err : more < 0 ? more : 0;
}

static int add_waiting(const struct store *store, const struct store_event_query *query,
		       struct store_events *list, struct event_vec *found)
{
	size_t limit = store_limit(query->limit);
	int err = 0;

	for (size_t i = 0; !err && i < store->events.count; i++) {
		struct store_event event = store->events.items[i].event;

		if (event.id <= query->since || event.time_ns < query->from_ns ||
		    event.time_ns > last_ns(query) ||
		    (query->target && event.target != query->target) ||
		    (query->kind && strcmp(event.kind, query->kind)))
			continue;
		if (store_page_full(&list->arena, found->count, limit))
			break;
		for (size_t k = 0; k < TEXT_COUNT; k++) {
			const char **text = text_at(&event, k);

			*text = arena_strndup(&list->arena, *text, strlen(*text));
			if (!*text)
				return -ENOMEM;
		}
		err = vec_push(found, event);
	}
	return err;
}

int store_list_events(struct store *store, const struct store_event_query *query,
		      struct store_events *ret_events)
{
	struct store_events list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	struct event_vec found = VEC_INIT;
	size_t limit = store_limit(query->limit);
	int err = store->db.handle ? add_from_file(store, query, &list, &found) : 0;

	err = store_read_end(store, err);
	if (!err)
		err = add_waiting(store, query, &list, &found);
	if (store_page_full(&list.arena, found.count, limit)) {
		if (found.count > limit)
			found.count = limit;
		list.next = found.items[found.count - 1].id;
	}
	list.items = found.items;
	list.count = found.count;
	if (err)
		store_events_done(&list);
	else
		*ret_events = list;
	return err;
}

static int bounds_in_file(struct store *store, const struct store_event_query *query,
			  uint64_t *ret_first, uint64_t *ret_last)
{
	_cleanup_(query_done) struct query row = query_of(&store->db, SQL_EVENT_BOUNDS);
	int more;

	query_u64(&row, query->from_ns < INT64_MAX ? query->from_ns : INT64_MAX);
	query_u64(&row, last_ns(query));
	more = query_next(&row);
	if (more <= 0)
		return more;
	*ret_first = query_column_u64(&row, 0);
	*ret_last = query_column_u64(&row, 1);
	return 0;
}

int store_event_bounds(struct store *store, const struct store_event_query *query,
		       uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t first = 0, last = 0;
	int err = store->db.handle ? bounds_in_file(store, query, &first, &last) : 0;

	err = store_read_end(store, err);
	for (size_t i = 0; !err && i < store->events.count; i++) {
		const struct store_event *event = &store->events.items[i].event;

		if (event->time_ns < query->from_ns || event->time_ns > last_ns(query))
			continue;
		first = first ? first : event->id;
		last = event->id;
	}
	if (err)
		return err;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

void store_events_done(struct store_events *events)
{
	free(events->items);
	arena_done(&events->arena);
	*events = (struct store_events){0};
}
