/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dictionary of stacks.
 *
 * When a stack was last used is noted once a day at most. So a stack whose note is more than a day older than the oldest snapshot
 * is in none (store_retain() forgets it).
 */
#include "agent/store/stacks.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/store/store_internal.h"
#include "base/clock.h"

#define DAY_NS (24 * 3600 * NS_PER_S)

/* Before a stack's bytes on disk. */
enum form { FORM_PLAIN, FORM_PACKED };

int store_stacks_hashes(struct store *store, uint64_t target, struct map64 *numbers)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_STACKS_OF_TARGET);
	int more, err = 0;

	query_u64(&query, target);
	while ((more = query_next(&query)) > 0 && !err)
		err = map64_put(numbers, query_column_u64(&query, 0), query_column_u64(&query, 1));
	return err ? err : more;
}

/* Of the target's stacks: hash → number; @stale: those numbers whose use is to be noted. */
static int load(struct store *store, uint64_t target, uint64_t time_ns, struct map64 *numbers,
		struct map64 *stale)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_USE_OF_STACKS);
	int more, err = 0;

	query_u64(&query, target);
	while ((more = query_next(&query)) > 0 && !err) {
		uint64_t number = query_column_u64(&query, 0);
		uint64_t used_ns = query_column_u64(&query, 2);

		err = map64_put(numbers, query_column_u64(&query, 1), number);
		if (!err && (used_ns >= INT64_MAX || used_ns + DAY_NS < time_ns))
			err = map64_put(stale, number, 1);
	}
	return err ? err : more;
}

static int add(struct store *store, uint64_t target, uint64_t time_ns, uint64_t hash,
	       uint64_t *ret_number)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_USE_STACK);
	int err;

	query_u64(&query, target);
	query_u64(&query, hash);
	query_u64(&query, time_ns);
	err = query_run(&query);
	if (!err)
		*ret_number = database_last_id(&store->db);
	return err;
}

static int touch(struct store *store, uint64_t number, uint64_t time_ns)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_TOUCH_STACK);

	query_u64(&query, number);
	query_u64(&query, time_ns);
	return query_run(&query);
}

static void done(struct map64 *map)
{
	map64_done(map);
}

int store_stacks_number(struct store *store, uint64_t target, uint64_t time_ns,
			struct store_site *sites, size_t count)
{
	_cleanup_(done) struct map64 numbers = {0}, stale = {0};
	int err;

	map64_init(&numbers, hash_seed_random());
	map64_init(&stale, hash_seed_random());
	err = load(store, target, time_ns, &numbers, &stale);
	for (size_t i = 0; !err && i < count; i++) {
		uint64_t number = 0;

		if (!map64_get(&numbers, sites[i].stack, &number)) {
			err = add(store, target, time_ns, sites[i].stack, &number);
			if (!err)
				err = map64_put(&numbers, sites[i].stack, number);
		} else if (map64_remove(&stale, number, NULL)) {
			err = touch(store, number, time_ns);
		}
		sites[i].stack = number;
	}
	return err;
}

static int write_stack(struct store *store, uint64_t target, const struct store_stack *stack,
		       struct strbuf *bytes)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_PUT_STACK);
	int err;

	strbuf_reset(bytes);
	strbuf_addch(bytes, FORM_PACKED);
	err = packer_pack(&store->packer, stack->bytes, stack->size, bytes);
	if (!err && bytes->len > stack->size) {
		strbuf_reset(bytes);
		strbuf_addch(bytes, FORM_PLAIN);
		err = strbuf_add(bytes, stack->bytes, stack->size);
	}
	if (err)
		return err;
	query_u64(&query, target);
	query_u64(&query, stack->hash);
	query_blob(&query, bytes->buf, bytes->len);
	return query_run(&query);
}

int store_put_stacks(struct store *store, uint64_t target, const struct store_stack *stacks,
		     size_t count)
{
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	int err;

	for (size_t i = 0; i < count; i++)
		if (stacks[i].size > STORE_MAX_TEXT_BYTES)
			return -E2BIG;
	err = store_write_begin(store);
	for (size_t i = 0; !err && i < count; i++)
		err = write_stack(store, target, &stacks[i], &bytes);
	return store_write_end(store, err);
}

static int find(struct store *store, uint64_t target, uint64_t hash, struct strbuf *bytes)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_READ_STACK);
	int more;

	query_u64(&query, target);
	query_u64(&query, hash);
	more = query_next(&query);
	if (more <= 0)
		return more ? more : -ENOENT;
	if (!query_column_size(&query, 0))
		return -ENOENT;
	return query_column_bytes(&query, 0, bytes);
}

/* Without the byte that tells the form. */
static int unpack(struct store *store, const struct strbuf *bytes, struct strbuf *plain)
{
	struct strbuf body = {.buf = bytes->buf + 1, .len = bytes->len - 1};
	int err = -EBADMSG;

	if (bytes->buf[0] == FORM_PACKED)
		err = packer_unpack(&store->packer, &body, STORE_MAX_TEXT_BYTES, plain);
	else if (bytes->buf[0] == FORM_PLAIN)
		err = strbuf_add(plain, body.buf, body.len);
	if (err == -EBADMSG)
		store->state.bad_blobs++;
	return err;
}

int store_read_stack(struct store *store, uint64_t target, uint64_t hash, void **ret_bytes,
		     size_t *ret_size)
{
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT, plain = STRBUF_INIT;
	int err = store_read_end(store, find(store, target, hash, &bytes));
	size_t size;
	char *detached;

	if (!err)
		err = unpack(store, &bytes, &plain);
	if (err)
		return err;
	detached = strbuf_detach(&plain, &size);
	if (!detached)
		return -ENOMEM;
	*ret_bytes = detached;
	*ret_size = size;
	return 0;
}
