/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the store share: its state, and how a public function begins and ends.
 *
 * Every public function that uses the file ends in store_write_end() or store_read_end(), after all its queries are done:
 * these two act on damage (set aside, begin anew) and on a disk that fails (count, tell).
 */
#ifndef HOLDFAST_AGENT_STORE_INTERNAL_H
#define HOLDFAST_AGENT_STORE_INTERNAL_H

#include "agent/store/database.h"
#include "agent/store/directory.h"
#include "agent/store/events.h"
#include "agent/store/packer.h"
#include "agent/store/points.h"
#include "agent/store/retention_clock.h"
#include "agent/store/samples.h"
#include "agent/store/site.h"
#include "agent/store/store.h"
#include "agent/store/targets.h"
#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/vec.h"

/* Tables whose ids are never given twice, also in a fresh file after a damaged one. */
#define STORE_SEQUENCES(X)      \
	X(TARGET, "target")     \
	X(STACK, "stack")       \
	X(SNAPSHOT, "snapshot") \
	X(PROFILE, "profile")   \
	X(LEAK, "leak")         \
	X(SESSION, "session")   \
	X(EVENT, "event")

enum store_sequence {
#define STORE_SEQUENCE_ENUM(name, table) SEQUENCE_##name,
	STORE_SEQUENCES(STORE_SEQUENCE_ENUM) SEQUENCE_COUNT
#undef STORE_SEQUENCE_ENUM
};

struct target_entry {
	struct store_target target;    /* texts on the heap, never NULL */
	uint64_t written_last_seen_ns; /* as the file has it */
	bool dirty;                    /* the file has it otherwise, or not at all */
};

struct pending_event {
	struct store_event event; /* texts in the block */
	char *block;
	size_t size; /* of the block */
};

VEC_STRUCT(sample_vec, struct store_sample);
VEC_STRUCT(target_entry_vec, struct target_entry);
VEC_STRUCT(pending_event_vec, struct pending_event);

/* The table of batches that are not packed yet. */
struct recent {
	uint64_t samples, batches;
	uint64_t last_id;
	uint64_t oldest_ns;  /* the last time in the batch that has the least one */
	uint64_t pack_upto;  /* batches up to this id are being packed; 0: none */
	uint64_t pack_after; /* of those, the targets up to this id are packed */
};

struct store {
	struct store_options options; /* without 0; directory is NULL */
	struct directory directory;
	struct database db;
	struct packer packer;
	uint64_t last_ids[SEQUENCE_COUNT];
	struct sample_vec samples;       /* waiting */
	struct target_entry_vec targets; /* running or waiting, by id */
	struct pending_event_vec events; /* waiting, by id */
	uint64_t events_bytes;           /* of their texts */
	struct recent recent;
	struct retention_clock clock;
	uint64_t clock_saved_ns;  /* monotonic */
	struct store_state state; /* counts and error; text and pending_* are made when asked for */
	struct strbuf state_text, set_aside;
};

/* -EROFS; opens a file that could not be opened before; begins a transaction. */
int store_write_begin(struct store *store);
/* Commits or rolls back by @err; counts and tells what failed. Returns what the public function returns. */
int store_write_end(struct store *store, int err);
int store_read_end(struct store *store, int err);
/* -E2BIG if the text is longer. NULL is fine. */
int store_check_text(const char *text, size_t max_bytes);
int store_set_meta(struct store *store, const char *key, uint64_t value);
/* 0 in *ret_value if it is not there. */
int store_get_meta(struct store *store, const char *key, uint64_t *ret_value);
/* min(limit, STORE_MAX_LIST), and that for 0. */
size_t store_limit(size_t limit);
/* Of a list: one item more than the limit is there, or so much text that it is enough for one page. */
bool store_page_full(const struct arena *arena, size_t count, size_t limit);
/* The memory of a list's texts: a page, and the largest row. */
#define STORE_LIST_BYTES (UINT64_C(64) << 20)

/* targets.c: writes what changed (in a transaction); after its commit; all is to be written again. */
int store_targets_write(struct store *store);
void store_targets_written(struct store *store);
void store_targets_lost(struct store *store);
uint64_t store_targets_pending(const struct store *store);
/* Samples tell when a target was last seen. */
void store_targets_seen(struct store *store, const struct store_sample *sample);
size_t store_targets_running(const struct store *store);
void store_targets_free(struct store *store);

/* events.c: likewise. */
int store_events_write(struct store *store);
void store_events_written(struct store *store);
void store_events_free(struct store *store);

/* recent.c: likewise; and the table's sums, read anew. */
int store_recent_write(struct store *store);
void store_recent_written(struct store *store);
int store_recent_load(struct store *store);
/* Appends the samples of one target in the file's batches and in memory; in a transaction or not. */
int store_recent_read(struct store *store, const struct store_sample_query *query,
		      struct point_vec *points);
/* Packs a few targets' samples, if there is enough to pack. *ret_done: something was done. Its own transaction. */
int store_recent_pack(struct store *store, uint64_t now_ns, bool *ret_done);

/* stacks.c: number → hash of all stacks of the target. */
int store_stacks_hashes(struct store *store, uint64_t target, struct map64 *numbers);
/*
 * Puts numbers of the dictionary in place of the hashes (in a transaction): those that are not in it come in, without bytes; those
 * used are marked so.
 */
int store_stacks_number(struct store *store, uint64_t target, uint64_t time_ns,
			struct store_site *sites, size_t count);

/* chunks.c: tiers of packed points */
enum store_tier { TIER_RAW = 1, TIER_MINUTES, TIER_TENS };

/* Adds a target's points to a tier (in a transaction); sorts them. */
int store_chunks_add(struct store *store, uint64_t target, enum store_tier tier,
		     struct point_vec *points);
int store_chunks_read(struct store *store, const struct store_sample_query *query,
		      struct point_vec *points);
/*
 * Takes the oldest chunk of the tier that ends before @before_ns: its points go to the next tier, or are forgotten after the
 * last. Its own transaction. *ret_done: there was one.
 */
int store_chunks_age(struct store *store, enum store_tier tier, uint64_t before_ns, bool *ret_done);

#endif
