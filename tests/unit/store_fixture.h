/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store in a directory of its own, and what its tests put into it. */
#ifndef HF_TESTS_STORE_FIXTURE_H
#define HF_TESTS_STORE_FIXTURE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/samples.h"
#include "agent/store/store.h"
#include "agent/store/targets.h"
#include "base/strbuf.h"
#include "cmocka_all.h"

#define S_NS      UINT64_C(1000000000)
#define MINUTE_NS (60 * S_NS)
#define HOUR_NS   (60 * MINUTE_NS)
#define DAY_NS    (24 * HOUR_NS)
/* 2026-01-01, a full ten minutes */
#define T0 (UINT64_C(1767225600) * S_NS)

struct store_fixture {
	char directory[64];
	struct store *store;
	struct store_options options;
	uint64_t monotonic_ns;
};

static inline void fixture_open(struct store_fixture *f)
{
	struct hf_error err = HF_ERROR_INIT;

	f->options.directory = f->directory;
	if (store_open(&f->options, &f->store, &err)) {
		error_print(&err, stderr);
		fail();
	}
	assert_false(error_is_set(&err));
	error_done(&err);
}

static inline void fixture_begin(struct store_fixture *f)
{
	/* in memory where possible: these tests make many files */
	const char *place = getenv("TMPDIR")           ? getenv("TMPDIR")
			    : access("/dev/shm", W_OK) ? "/tmp"
						       : "/dev/shm";

	snprintf(f->directory, sizeof(f->directory), "%.40s/hf-store-XXXXXX", place);
	assert_non_null(mkdtemp(f->directory));
	f->store = NULL;
	f->monotonic_ns = S_NS;
	fixture_open(f);
}

static inline void fixture_reopen(struct store_fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	fixture_open(f);
}

static inline void fixture_remove(const struct store_fixture *f)
{
	DIR *directory = opendir(f->directory);
	struct dirent *entry;

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	assert_int_equal(rmdir(f->directory), 0);
}

static inline void fixture_end(struct store_fixture *f)
{
	store_close(f->store);
	fixture_remove(f);
}

/* Number of files whose names hold the word. */
static inline size_t fixture_files(const struct store_fixture *f, const char *word)
{
	DIR *directory = opendir(f->directory);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		count += strstr(entry->d_name, word) != NULL;
	closedir(directory);
	return count;
}

static inline void fixture_path(const struct store_fixture *f, const char *name,
				struct strbuf *path)
{
	strbuf_reset(path);
	assert_int_equal(strbuf_addf(path, "%s/%s", f->directory, name), 0);
}

static inline struct store_state fixture_state(const struct store_fixture *f)
{
	struct store_state state;

	store_state(f->store, &state);
	return state;
}

static inline uint64_t fixture_target(struct store_fixture *f, int32_t pid)
{
	struct store_target target = {.pid = pid,
				      .start_time_ns = (uint64_t)pid * 1000,
				      .first_seen_ns = T0,
				      .last_seen_ns = T0,
				      .comm = "python3"};
	uint64_t id = 0;

	assert_int_equal(store_put_target(f->store, &target, &id), 0);
	assert_true(id > 0);
	return id;
}

/* Values that the time tells, so that a reader can check them. */
static inline struct store_sample fixture_sample(uint64_t target, uint64_t time_ns)
{
	uint64_t n = time_ns / S_NS % 100000;

	return (struct store_sample){
		.target = target,
		.time_ns = time_ns,
		.values = {.rss_bytes = (100000 + n * 7 % 1000) * 4096 + target,
			   .vms_bytes = UINT64_C(1) << 33,
			   .pss_bytes = n % 60 ? STORE_UNKNOWN : n * 4096,
			   .uss_bytes = STORE_UNKNOWN,
			   .swap_bytes = 0,
			   .heap_live_bytes = n * 31 + target,
			   .heap_objects = n,
			   .gc_collections = n / 10,
			   .minor_faults = n * 3,
			   .major_faults = n % 2,
			   .limit_bytes = UINT64_C(4) << 30},
	};
}

static inline void fixture_add(struct store_fixture *f, uint64_t target, uint64_t time_ns)
{
	struct store_sample sample = fixture_sample(target, time_ns);

	assert_int_equal(store_add_samples(f->store, &sample, 1), 0);
}

/* Time passes on both clocks, and upkeep is done until there is none left. */
static inline void fixture_retain(struct store_fixture *f, uint64_t wall_ns, uint64_t passed_ns)
{
	bool more = true;

	f->monotonic_ns += passed_ns;
	for (int i = 0; more && i < 100000; i++)
		assert_int_equal(store_retain(f->store, wall_ns, f->monotonic_ns, &more), 0);
	assert_false(more);
}

/* As if the time had come by and by: the store's clock follows within a second day. */
static inline void fixture_wait_until(struct store_fixture *f, uint64_t wall_ns)
{
	fixture_retain(f, wall_ns, DAY_NS);
	fixture_retain(f, wall_ns, DAY_NS);
}

static inline struct store_series fixture_read(struct store_fixture *f, uint64_t target,
					       uint64_t from_ns, uint64_t to_ns)
{
	struct store_sample_query query = {.target = target, .from_ns = from_ns, .to_ns = to_ns};
	struct store_series series;

	assert_int_equal(store_read_samples(f->store, &query, &series), 0);
	return series;
}

#endif
