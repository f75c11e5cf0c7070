/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/store.h"

#include <errno.h>
#include <string.h>

#include "agent/store/schema.h"
#include "agent/store/store_internal.h"
#include "base/clock.h"
#include "base/log.h"

#define CHECK_SECONDS      5
#define MAX_ID             (UINT64_C(1) << 53) /* what a number of JSON can hold */
#define YEAR_2020_S        UINT64_C(1577836800)
#define DEFAULT_BYTES      (UINT64_C(1) << 30)
#define MIN_BYTES          (UINT64_C(1) << 20)
#define HOUR_NS            (3600 * NS_PER_S)
#define DAY_NS             (24 * HOUR_NS)
#define PAGE_OF_LIST_BYTES (UINT64_C(16) << 20)
#define DEFAULT_COUNT      200
#define DEFAULT_SAMPLES    65536

static const char *const sequences[SEQUENCE_COUNT] = {
#define SEQUENCE_NAME(name, table) table,
	STORE_SEQUENCES(SEQUENCE_NAME)};

size_t store_limit(size_t limit)
{
	return limit && limit < STORE_MAX_LIST ? limit : STORE_MAX_LIST;
}

bool store_page_full(const struct arena *arena, size_t count, size_t limit)
{
	return count > limit || (count && arena->used_bytes > PAGE_OF_LIST_BYTES);
}

int store_check_text(const char *text, size_t max_bytes)
{
	return text && strlen(text) > max_bytes ? -E2BIG : 0;
}

int store_set_meta(struct store *store, const char *key, uint64_t value)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_SET_META);

	query_text(&query, key);
	query_u64(&query, value);
	return query_run(&query);
}

int store_get_meta(struct store *store, const char *key, uint64_t *ret_value)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_GET_META);
	int err;

	query_text(&query, key);
	err = query_next(&query);
	if (err >= 0)
		*ret_value = err ? query_column_u64(&query, 0) : 0;
	return err < 0 ? err : 0;
}

/* What the file says of ids given, unless memory knows better. */
static int load_ids(struct store *store)
{
	for (size_t i = 0; i < SEQUENCE_COUNT; i++) {
		_cleanup_(query_done) struct query query = query_of(&store->db, SQL_GET_SEQUENCE);
		uint64_t id = 0;
		int err;

		query_text(&query, sequences[i]);
		err = query_next(&query);
		if (err < 0)
			return err;
		if (err)
			id = query_column_u64(&query, 0);
		if (id > MAX_ID) {
			store->db.damaged = true;
			return -EBADMSG;
		}
		if (id > store->last_ids[i])
			store->last_ids[i] = id;
	}
	return 0;
}

static int save_ids(struct store *store)
{
	int err = database_begin(&store->db);

	for (size_t i = 0; !err && i < SEQUENCE_COUNT; i++) {
		_cleanup_(query_done) struct query query = query_of(&store->db, SQL_SET_SEQUENCE);

		query_text(&query, sequences[i]);
		query_u64(&query, store->last_ids[i]);
		err = query_run(&query);
	}
	return database_end(&store->db, err);
}

static int load(struct store *store)
{
	int err = load_ids(store);

	if (!err)
		err = store_recent_load(store);
	if (!err)
		err = store_get_meta(store, "clock_trusted_ns", &store->clock.trusted_ns);
	if (!err)
		err = store_get_meta(store, "clock_apart_ns", &store->clock.apart_ns);
	return err;
}

/* An existing file, of any age. */
static int open_file(struct store *store, struct hf_error *err)
{
	bool read_only = store->options.read_only;
	const char *path = store->directory.path.buf;
	size_t version = 0;
	int error = read_only ? 0 : directory_prepare_file(&store->directory);

	if (!error)
		error = database_open(&store->db, path, read_only);
	if (!error)
		error = schema_prepare(&store->db, &store_schema, read_only, &version);
	if (!error && version)
		error = schema_check(&store->db, CHECK_SECONDS);
	if (!error)
		error = load(store);
	if (!error) {
		database_limit(&store->db, store->options.max_bytes + store->options.max_bytes / 4);
		return 0;
	}
	if (error == -ENOTSUP) {
		error_set_errno(err, HF_E_BADFILE, ENOTSUP,
				"%s has version %zu, this program's is %zu", path, version,
				store_schema.version);
		error_fix(
			err,
			version > store_schema.version
				? "use the holdfast that wrote it, or a later one; or another directory"
				: "start the agent once, it brings the file up to date");
	} else {
		error_set_errno(err, error == -EBADMSG ? HF_E_BADFILE : HF_E_CANTWRITE, -error,
				"cannot open %s: %s", path, strerror(-error));
	}
	return error;
}

/* The damaged file's last ids, before it goes: as far as they can be read. By the clock, if memory has none either. */
static void salvage_ids(struct store *store, uint64_t wall_ns)
{
	uint64_t floor = wall_ns / NS_PER_S;
	bool read = store->db.handle && load_ids(store) == 0;

	floor = floor > YEAR_2020_S ? floor - YEAR_2020_S : 1;
	for (size_t i = 0; !read && i < SEQUENCE_COUNT; i++)
		if (!store->last_ids[i])
			store->last_ids[i] = floor;
}

/* The damaged file is set aside and a fresh one begun. Without the latter (disk full) store_commit() tries again. */
static int begin_anew(struct store *store, struct hf_error *err)
{
	uint64_t wall_ns = clock_wall_ns();
	int error;

	salvage_ids(store, wall_ns);
	database_close(&store->db);
	store->recent = (struct recent){0};
	store_targets_lost(store);
	error = directory_set_aside(&store->directory, wall_ns, &store->set_aside);
	if (error)
		return error_set_errno(err, HF_E_CANTWRITE, -error,
				       "cannot set the damaged %s aside: %s",
				       store->directory.path.buf, strerror(-error));
	store->state.damaged_files++;
	log_warn("%s was damaged: it is now %s, and a fresh one begun", store->directory.path.buf,
		 store->set_aside.buf);
	error = open_file(store, err);
	if (!error) {
		error = save_ids(store);
		if (error)
			error_set_errno(err, HF_E_CANTWRITE, -error, "cannot write to %s: %s",
					store->directory.path.buf, strerror(-error));
	}
	if (error)
		database_close(&store->db);
	return error;
}

static int open_or_begin_anew(struct store *store, struct hf_error *err)
{
	int error = open_file(store, err);

	if (!error || !store->db.damaged || store->options.read_only) {
		if (error)
			database_close(&store->db);
		return error;
	}
	error_done(err);
	return begin_anew(store, err);
}

static bool of_disk(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -EFBIG || err == -EROFS || err == -EIO ||
	       err == -EBUSY;
}

static void note_failure(struct store *store, int err)
{
	store->state.failed_writes++;
	store->state.error = err;
	strbuf_reset(&store->state_text);
	strbuf_addf(&store->state_text, "cannot write to %s: %s", store->directory.path.buf,
		    strerror(-err));
}

static int act_on_damage(struct store *store)
{
	int err;

	if (store->options.read_only) {
		store->db.damaged = false;
		return -EBADMSG;
	}
	err = begin_anew(store, NULL);
	if (err)
		note_failure(store, err);
	return -EBADMSG;
}

int store_write_begin(struct store *store)
{
	int err = 0;

	if (store->options.read_only)
		return -EROFS;
	if (!store->db.handle)
		err = open_or_begin_anew(store, NULL);
	return err ? err : database_begin(&store->db);
}

int store_write_end(struct store *store, int err)
{
	if (store->options.read_only)
		return err;
	err = database_end(&store->db, err);
	if (store->db.damaged)
		return act_on_damage(store);
	/* an empty transaction says nothing about the disk */
	if (!err && database_has_written(&store->db))
		store->state.error = 0;
	else if (of_disk(err))
		note_failure(store, err);
	return err;
}

int store_read_end(struct store *store, int err)
{
	return store->db.damaged ? act_on_damage(store) : err;
}

static uint64_t or_default(uint64_t value, uint64_t standard)
{
	return value ? value : standard;
}

void store_configure(struct store *store, const struct store_options *options)
{
	struct store_options *own = &store->options;

	own->max_bytes = or_default(options->max_bytes, DEFAULT_BYTES);
	if (own->max_bytes < MIN_BYTES)
		own->max_bytes = MIN_BYTES;
	own->raw_age_ns = or_default(options->raw_age_ns, HOUR_NS);
	own->minutes_age_ns = or_default(options->minutes_age_ns, 7 * DAY_NS);
	own->days_age_ns = or_default(options->days_age_ns, 90 * DAY_NS);
	own->profiles_per_target =
		(uint32_t)or_default(options->profiles_per_target, DEFAULT_COUNT);
	own->max_pending_samples =
		(uint32_t)or_default(options->max_pending_samples, DEFAULT_SAMPLES);
	database_limit(&store->db, own->max_bytes + own->max_bytes / 4);
}

static void store_free(struct store *store)
{
	database_close(&store->db);
	packer_done(&store->packer);
	store_targets_free(store);
	store_events_free(store);
	vec_done(&store->samples);
	strbuf_done(&store->state_text);
	strbuf_done(&store->set_aside);
	directory_close(&store->directory);
	free(store);
}

DEFINE_CLEANUP(struct store *, store_free);

int store_open(const struct store_options *options, struct store **ret_store, struct hf_error *err)
{
	_cleanup_(store_freep) struct store *store = calloc(1, sizeof(*store));
	int error;

	if (!store)
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	store->directory = (struct directory)DIRECTORY_INIT;
	strbuf_init(&store->state_text);
	strbuf_init(&store->set_aside);
	store->options.read_only = options->read_only;
	store_configure(store, options);
	if (packer_init(&store->packer))
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	error = directory_open(&store->directory, options->directory, options->read_only, err);
	if (!error)
		error = open_or_begin_anew(store, err);
	if (error)
		return error;
	*ret_store = no_free_ptr(store);
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (!store->options.read_only) {
		int err = store_commit(store);

		if (err)
			log_err(err, "what was not yet written to %s is lost",
				store->directory.path.buf);
	}
	store_free(store);
}

static int write_all(struct store *store)
{
	int err = store_targets_write(store);

	if (!err)
		err = store_events_write(store);
	return err ? err : store_recent_write(store);
}

int store_commit(struct store *store)
{
	int err;

	if (store->db.handle && !store->samples.count && !store->events.count &&
	    !store_targets_pending(store))
		return 0;
	err = store_write_begin(store);
	if (!err)
		err = write_all(store);
	err = store_write_end(store, err);
	if (err)
		return err;
	store_targets_written(store);
	store_events_written(store);
	store_recent_written(store);
	return 0;
}

void store_state(const struct store *store, struct store_state *ret_state)
{
	*ret_state = store->state;
	ret_state->text = store->state.error ? store->state_text.buf : "ok";
	ret_state->set_aside = store->set_aside.len ? store->set_aside.buf : NULL;
	ret_state->pending_samples = store->samples.count;
	ret_state->pending_targets = store_targets_pending(store);
	ret_state->pending_events = store->events.count;
}

const char *store_path(const struct store *store)
{
	return store->directory.path.buf;
}

static int count_rows(struct store *store, struct store_statistics *found)
{
	const struct {
		enum sql which;
		uint64_t *count;
	} counts[] = {
		{SQL_COUNT_TARGETS, &found->targets}, {SQL_COUNT_SNAPSHOTS, &found->snapshots},
		{SQL_COUNT_STACKS, &found->stacks},   {SQL_COUNT_PROFILES, &found->profiles},
		{SQL_COUNT_LEAKS, &found->leaks},     {SQL_COUNT_SESSIONS, &found->sessions},
		{SQL_COUNT_EVENTS, &found->events},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(counts) / sizeof(*counts); i++)
		err = database_number(&store->db, counts[i].which, counts[i].count);
	return err;
}

static int count_points(struct store *store, enum store_tier tier, uint64_t *ret_count)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_SUM_CHUNKS);
	int err;

	query_u64(&query, tier);
	err = query_next(&query);
	if (err > 0)
		*ret_count = query_column_u64(&query, 0);
	return err < 0 ? err : 0;
}

int store_statistics(struct store *store, struct store_statistics *ret_statistics)
{
	struct store_statistics found = {
		.file_bytes = directory_file_bytes(&store->directory, false),
		.wal_bytes = directory_file_bytes(&store->directory, true),
		.recent_samples = store->recent.samples + store->samples.count,
	};
	int err = count_rows(store, &found);

	if (!err)
		err = database_number(&store->db, SQL_FREE_COUNT, &found.free_bytes);
	if (!err)
		err = count_points(store, TIER_RAW, &found.raw_samples);
	if (!err)
		err = count_points(store, TIER_MINUTES, &found.minute_points);
	if (!err)
		err = count_points(store, TIER_TENS, &found.ten_minute_points);
	found.free_bytes *= 4096;
	err = store_read_end(store, err);
	if (!err)
		*ret_statistics = found;
	return err;
}
