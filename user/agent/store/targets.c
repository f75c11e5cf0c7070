/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/targets.h"

#include <errno.h>
#include <string.h>

#include "agent/store/store_internal.h"
#include "base/clock.h"

#define MAX_TEXT_BYTES   16384 /* running targets are in memory */
#define MAX_IN_MEMORY    20000 /* beyond, while writing fails, no new ones are taken */
#define LAST_SEEN_LAG_NS (60 * NS_PER_S)

VEC_STRUCT(target_vec, struct store_target);

static const size_t texts[] = {
#define TEXT_OFFSET(column) offsetof(struct store_target, column),
	STORE_TARGET_TEXTS(TEXT_OFFSET)};

#define TEXT_COUNT (sizeof(texts) / sizeof(*texts))
#define FIRST_TEXT 6 /* among the columns of statements.def */

static const char **text_at(struct store_target *target, size_t i)
{
	return (const char **)((char *)target + texts[i]);
}

static const char *text_of(const struct store_target *target, size_t i)
{
	return *(const char *const *)((const char *)target + texts[i]);
}

static void free_texts(struct store_target *target)
{
	for (size_t i = 0; i < TEXT_COUNT; i++) {
		free((char *)text_of(target, i));
		*text_at(target, i) = NULL;
	}
}

void store_targets_free(struct store *store)
{
	for (size_t i = 0; i < store->targets.count; i++)
		free_texts(&store->targets.items[i].target);
	vec_done(&store->targets);
}

/* Replaces by a copy. */
static int set_text(struct store_target *target, size_t i, const char *text)
{
	const char **at = text_at(target, i);
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, size);
	free((char *)*at);
	*at = copy;
	return 0;
}

/* A copy with texts of its own. */
static int copy_target(const struct store_target *from, struct store_target *ret)
{
	struct store_target copy = *from;
	int err = 0;

	for (size_t i = 0; i < TEXT_COUNT; i++)
		*text_at(&copy, i) = NULL;
	for (size_t i = 0; !err && i < TEXT_COUNT; i++)
		err = set_text(&copy, i, text_of(from, i) ? text_of(from, i) : "");
	if (err)
		free_texts(&copy);
	else
		*ret = copy;
	return err;
}

static struct target_entry *entry_of_id(struct store *store, uint64_t id)
{
	size_t low = 0, high = store->targets.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (store->targets.items[middle].target.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < store->targets.count && store->targets.items[low].target.id == id)
		return &store->targets.items[low];
	return NULL;
}

static struct target_entry *entry_of_process(struct store *store, int32_t pid,
					     uint64_t start_time_ns)
{
	for (size_t i = 0; i < store->targets.count; i++) {
		struct store_target *target = &store->targets.items[i].target;

		if (target->pid == pid && target->start_time_ns == start_time_ns)
			return &store->targets.items[i];
	}
	return NULL;
}

/* Its texts are the vector's from now on, unless it fails. */
static int insert_entry(struct store *store, const struct target_entry *entry,
			struct target_entry **ret_entry)
{
	struct target_entry_vec *all = &store->targets;
	size_t at = all->count;

	if (all->count >= MAX_IN_MEMORY)
		return store->state.error ? store->state.error : -ENOSPC;
	if (vec_reserve(all, 1))
		return -ENOMEM;
	while (at && all->items[at - 1].target.id > entry->target.id)
		at--;
	memmove(all->items + at + 1, all->items + at, (all->count - at) * sizeof(*all->items));
	all->items[at] = *entry;
	all->count++;
	*ret_entry = &all->items[at];
	return 0;
}

static int row(struct query *query, struct arena *arena, struct store_target *ret_target)
{
	struct store_target target = {
		.id = query_column_u64(query, 0),
		.pid = (int32_t)query_column_u64(query, 1),
		.start_time_ns = query_column_u64(query, 2),
		.first_seen_ns = query_column_u64(query, 3),
		.last_seen_ns = query_column_u64(query, 4),
		.ended_ns = query_column_u64(query, 5),
	};

	for (size_t i = 0; i < TEXT_COUNT; i++)
		*text_at(&target, i) = query_column_text(query, FIRST_TEXT + (int)i, arena);
	*ret_target = target;
	return query->error;
}

/* 1 and the row, 0 if there is none, or -errno. */
static int one_row(struct query *query, struct arena *arena, struct store_target *ret_target)
{
	int more = query_next(query), err = more > 0 ? row(query, arena, ret_target) : 0;

	return err ? err : more;
}

static int find_row(struct store *store, int32_t pid, uint64_t start_time_ns, struct arena *arena,
		    struct store_target *ret_target)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_FIND_TARGET);

	query_u64(&query, (uint64_t)pid);
	query_u64(&query, start_time_ns);
	return one_row(&query, arena, ret_target);
}

static int get_row(struct store *store, uint64_t id, struct arena *arena,
		   struct store_target *ret_target)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_GET_TARGET);

	query_u64(&query, id);
	return one_row(&query, arena, ret_target);
}

/* Takes a row of the file into memory. */
static int adopt(struct store *store, const struct store_target *found,
		 struct target_entry **ret_entry)
{
	struct target_entry entry = {.written_last_seen_ns = found->last_seen_ns};
	int err = copy_target(found, &entry.target);

	if (err)
		return err;
	err = insert_entry(store, &entry, ret_entry);
	if (err)
		free_texts(&entry.target);
	return err;
}

static int add_entry(struct store *store, const struct store_target *target,
		     struct target_entry **ret_entry)
{
	struct store_target new = *target;
	int err;

	new.id = store->last_ids[SEQUENCE_TARGET] + 1;
	err = adopt(store, &new, ret_entry);
	if (!err)
		store->last_ids[SEQUENCE_TARGET]++;
	return err;
}

/* All or nothing: the texts are copied first. */
static int update(struct target_entry *entry, const struct store_target *target)
{
	struct store_target merged = entry->target, fresh;
	int err;

	for (size_t i = 0; i < TEXT_COUNT; i++)
		if (text_of(target, i))
			*text_at(&merged, i) = text_of(target, i);
	if (target->first_seen_ns < merged.first_seen_ns)
		merged.first_seen_ns = target->first_seen_ns;
	if (target->last_seen_ns > merged.last_seen_ns)
		merged.last_seen_ns = target->last_seen_ns;
	merged.ended_ns = target->ended_ns;
	err = copy_target(&merged, &fresh);
	if (err)
		return err;
	free_texts(&entry->target);
	entry->target = fresh;
	entry->dirty = true;
	return 0;
}

static int check(const struct store_target *target)
{
	if (target->first_seen_ns > INT64_MAX || target->last_seen_ns > INT64_MAX ||
	    target->ended_ns > INT64_MAX)
		return -EINVAL;
	for (size_t i = 0; i < TEXT_COUNT; i++)
		if (store_check_text(text_of(target, i), MAX_TEXT_BYTES))
			return -E2BIG;
	return 0;
}

/* In memory, or in the file, from where it comes into memory; -ENOENT. */
static int find_entry(struct store *store, const struct store_target *wanted,
		      struct target_entry **ret_entry)
{
	_cleanup_(arena_done) struct arena arena = {.max_bytes = STORE_LIST_BYTES};
	struct store_target found = {0};
	int err;

	*ret_entry = wanted->id ? entry_of_id(store, wanted->id)
				: entry_of_process(store, wanted->pid, wanted->start_time_ns);
	if (*ret_entry)
		return 0;
	err = wanted->id ? get_row(store, wanted->id, &arena, &found)
			 : find_row(store, wanted->pid, wanted->start_time_ns, &arena, &found);
	err = store_read_end(store, err);
	if (err > 0)
		return adopt(store, &found, ret_entry);
	/* a file that could not be opened will be a fresh one */
	return !err || err == -EBADMSG || !store->db.handle ? -ENOENT : err;
}

int store_put_target(struct store *store, const struct store_target *target, uint64_t *ret_id)
{
	struct store_target wanted = {.pid = target->pid, .start_time_ns = target->start_time_ns};
	struct target_entry *entry;
	int err = check(target);

	if (store->options.read_only)
		return -EROFS;
	if (err)
		return err;
	err = find_entry(store, &wanted, &entry);
	if (err == -ENOENT) {
		err = add_entry(store, target, &entry);
		if (!err)
			entry->dirty = true;
	} else if (!err) {
		err = update(entry, target);
	}
	if (!err)
		*ret_id = entry->target.id;
	return err;
}

int store_end_target(struct store *store, uint64_t id, uint64_t ended_ns, const char *reason,
		     const char *detail)
{
	struct store_target wanted = {.id = id}, ended = {.ended_ns = ended_ns};
	struct target_entry *entry;
	int err;

	if (store->options.read_only)
		return -EROFS;
	if (!id)
		return -ENOENT;
	if (!ended_ns)
		return -EINVAL;
	ended.end_reason = reason ? reason : "";
	ended.end_detail = detail ? detail : "";
	err = check(&ended);
	if (!err)
		err = find_entry(store, &wanted, &entry);
	if (err)
		return err;
	ended.first_seen_ns = entry->target.first_seen_ns;
	return update(entry, &ended);
}

void store_targets_seen(struct store *store, const struct store_sample *sample)
{
	struct target_entry *entry = entry_of_id(store, sample->target);

	if (!entry || sample->time_ns <= entry->target.last_seen_ns)
		return;
	entry->target.last_seen_ns = sample->time_ns;
	if (sample->time_ns - entry->written_last_seen_ns >= LAST_SEEN_LAG_NS)
		entry->dirty = true;
}

uint64_t store_targets_pending(const struct store *store)
{
	uint64_t count = 0;

	for (size_t i = 0; i < store->targets.count; i++)
		count += store->targets.items[i].dirty;
	return count;
}

size_t store_targets_running(const struct store *store)
{
	size_t count = 0;

	for (size_t i = 0; i < store->targets.count; i++)
		count += !store->targets.items[i].target.ended_ns;
	return count;
}

static int write_target(struct store *store, const struct store_target *target)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_PUT_TARGET);

	query_u64(&query, target->id);
	query_u64(&query, (uint64_t)target->pid);
	query_u64(&query, target->start_time_ns);
	query_u64(&query, target->first_seen_ns);
	query_u64(&query, target->last_seen_ns);
	query_u64(&query, target->ended_ns);
	for (size_t i = 0; i < TEXT_COUNT; i++)
		query_text(&query, text_of(target, i));
	return query_run(&query);
}

int store_targets_write(struct store *store)
{
	int err = 0;

	for (size_t i = 0; !err && i < store->targets.count; i++)
		if (store->targets.items[i].dirty)
			err = write_target(store, &store->targets.items[i].target);
	return err;
}

/* Those that ended need no memory any more. */
void store_targets_written(struct store *store)
{
	struct target_entry_vec *all = &store->targets;
	size_t kept = 0;

	for (size_t i = 0; i < all->count; i++) {
		struct target_entry entry = all->items[i];

		if (entry.dirty)
			entry.written_last_seen_ns = entry.target.last_seen_ns;
		entry.dirty = false;
		if (entry.target.ended_ns)
			free_texts(&entry.target);
		else
			all->items[kept++] = entry;
	}
	all->count = kept;
}

void store_targets_lost(struct store *store)
{
	for (size_t i = 0; i < store->targets.count; i++)
		store->targets.items[i].dirty = true;
}

static bool matches(const struct store_target *target, const struct store_target_query *query)
{
	if (target->id <= query->after || (query->pid && target->pid != query->pid))
		return false;
	return query->state == STORE_TARGETS_ALL ||
	       (query->state == STORE_TARGETS_RUNNING) == !target->ended_ns;
}

static int add_row(struct query *rows, const struct store_target_query *query,
		   struct store_targets *list, struct target_vec *found)
{
	struct store_target target;
	int err = row(rows, &list->arena, &target);

	if (!err && matches(&target, query))
		err = vec_push(found, target);
	return err;
}

static int add_entry_copy(const struct store_target *target, struct store_targets *list,
			  struct target_vec *found)
{
	struct store_target copy = *target;

	for (size_t i = 0; i < TEXT_COUNT; i++) {
		const char *text = text_of(target, i);

		*text_at(&copy, i) = arena_strndup(&list->arena, text, strlen(text));
		if (!text_of(&copy, i))
			return -ENOMEM;
	}
	return vec_push(found, copy);
}

/* Rows of the file and entries of memory, both by id, up to one more than the limit. Of a target in both memory has the word. */
static int merge_lists(struct store *store, const struct store_target_query *query,
		       struct store_targets *list, struct target_vec *found)
{
	enum sql which = query->pid                              ? SQL_LIST_TARGETS_OF_PID
			 : query->state == STORE_TARGETS_RUNNING ? SQL_LIST_RUNNING_TARGETS
								 : SQL_LIST_TARGETS;
	_cleanup_(query_done) struct query rows = query_of(&store->db, which);
	size_t limit = store_limit(query->limit), next = 0;
	int more, err = 0;

	query_u64(&rows, query->after);
	if (query->pid)
		query_u64(&rows, (uint64_t)query->pid);
	more = store->db.handle ? query_next(&rows) : 0;
	while (!err && !store_page_full(&list->arena, found->count, limit) &&
	       (more > 0 || next < store->targets.count)) {
		const struct store_target *entry =
			next < store->targets.count ? &store->targets.items[next].target : NULL;

		if (more > 0 && (!entry || query_column_u64(&rows, 0) < entry->id)) {
			err = add_row(&rows, query, list, found);
			if (!err)
				more = query_next(&rows);
		} else {
			if (matches(entry, query))
				err = add_entry_copy(entry, list, found);
			next++;
			if (more > 0 && query_column_u64(&rows, 0) == entry->id)
				more = query_next(&rows);
		}
	}
	return more < 0 ? more : err;
}

static void cut(struct target_vec *found, size_t limit, struct store_targets *list)
{
	if (store_page_full(&list->arena, found->count, limit)) {
		if (found->count > limit)
			found->count = limit;
		list->next = found->items[found->count - 1].id;
	}
	list->items = found->items;
	list->count = found->count;
}

int store_list_targets(struct store *store, const struct store_target_query *query,
		       struct store_targets *ret_targets)
{
	struct store_targets list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	struct target_vec found = VEC_INIT;
	int err = merge_lists(store, query, &list, &found);

	err = store_read_end(store, err);
	cut(&found, store_limit(query->limit), &list);
	if (err)
		store_targets_done(&list);
	else
		*ret_targets = list;
	return err;
}

int store_get_target(struct store *store, uint64_t id, struct store_targets *ret_targets)
{
	struct store_targets list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	const struct target_entry *entry = entry_of_id(store, id);
	struct target_vec found = VEC_INIT;
	struct store_target target = {0};
	int err;

	if (entry) {
		err = add_entry_copy(&entry->target, &list, &found);
	} else {
		err = get_row(store, id, &list.arena, &target);
		if (err >= 0)
			err = err ? vec_push(&found, target) : -ENOENT;
		err = store_read_end(store, err);
	}
	cut(&found, 1, &list);
	if (err)
		store_targets_done(&list);
	else
		*ret_targets = list;
	return err;
}

void store_targets_done(struct store_targets *targets)
{
	free(targets->items);
	arena_done(&targets->arena);
	*targets = (struct store_targets){0};
}
