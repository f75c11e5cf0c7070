/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent remembers: one SQLite file (WAL, synchronous=NORMAL) in a directory of its own.
 *
 * This header opens, commits, forgets and tells the state; what is kept has a header by kind: targets.h, samples.h,
 * snapshots.h, stacks.h, profiles.h, leaks.h, sessions.h, events.h. What it costs is told in samples.h and snapshots.h.
 *
 *	store_open(&options, &store, &err);
 *	store_put_target(store, &target, &id);		when one appears
 *	store_add_samples(store, samples, count);	every interval: into memory
 *	store_commit(store);				every few seconds: one transaction
 *	store_retain(store, wall_ns, monotonic_ns, &more);	every second or so: at most about 20 ms of upkeep
 *	store_close(store);
 *
 * Owner: one thread; it is never used in a forked child. Times are wall time in ns since the epoch, at most INT64_MAX
 * (more: -EINVAL), but for the one monotonic argument. Ids are positive and never given twice. Text may be any bytes but
 * NUL; NULL is as good as "". Writing is at once and durable against a kill of the process (against a loss of power up to
 * the last checkpoint), except for samples and targets, which wait in memory for store_commit().
 *
 * Failure. Every function that returns int gives 0 or -errno; ret_* is untouched on failure.
 *	-ENOSPC, -EDQUOT, -EFBIG, -EROFS, -EIO	the disk: nothing was changed. Counted (store_state()); samples, targets and
 *		events stay in memory up to a bound and go with the next store_commit(); reading goes on.
 *	-EBADMSG	the file was found damaged just now: it is set aside as holdfast.db.damaged-TIME (its -wal too) and
 *		a fresh one begun, in which running targets keep their ids and what waited in memory is not lost. What
 *		is active of leaks and sessions should be put again: store_state().damaged_files tells that it happened.
 *		The call that met it may be made again.
 *	-ENOENT no such id; -EROFS a writing call on a store opened read_only; -ENOMEM; -EINVAL; -E2BIG a text of more
 *		than STORE_MAX_TEXT_BYTES (a target's: 16 KiB) or a blob of more than STORE_MAX_BLOB_BYTES; -EBUSY another
 *		process held the file for seconds (as the disk's errors).
 *	A single blob that does not decode is left out and counted (bad_blobs).
 * A page of a list ends at its limit, or when it holds 16 MiB of text.
 */
#ifndef HOLDFAST_AGENT_STORE_H
#define HOLDFAST_AGENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define STORE_MAX_TEXT_BYTES (1u << 20)
#define STORE_MAX_BLOB_BYTES (32u << 20)
#define STORE_MAX_LIST       1000 /* items of one page of a list; also what limit 0 means */

struct store;

struct store_options {
	const char *directory;   /* made with mode 0700 if absent; its parent must be there */
	uint64_t max_bytes;      /* of the file, and those set aside; 0: 1 GiB; at least 1 MiB */
	uint64_t raw_age_ns;     /* samples as they came; 0: 1 h */
	uint64_t minutes_age_ns; /* points of a minute, snapshots; 0: 7 d */
	uint64_t days_age_ns;    /* points of ten minutes, and all else; 0: 90 d */
	uint32_t profiles_per_target; /* 0: 200 */
	uint32_t max_pending_samples; /* waiting in memory, 104 B each; 0: 65,536 */
	bool read_only;               /* beside a running agent; takes no lock, mends nothing */
};

/*
 * Opens or makes it. A file of an older version is migrated in one transaction. A damaged file is set aside and a fresh one
 * begun: no failure, look at store_state(). The check of an old file stops after about 5 s: what lies beyond is found
 * when it is read. Errors in @err: the directory (PERM, CANTWRITE, NOFILE), another agent holds it (PERM, names its pid),
 * a newer version (BADFILE), out of memory; read_only: no file, a damaged one, an older version.
 */
int store_open(const struct store_options *options, struct store **ret_store, struct hf_error *err);
/* Commits what waits (a failure is logged) and closes. NULL is fine. */
void store_close(struct store *store);
/* Other limits from now on; directory and read_only stay what they are. */
void store_configure(struct store *store, const struct store_options *options);

/* Writes all that waits in memory, in one transaction; tries anew to open a file that could not be opened. */
int store_commit(struct store *store);

/*
 * Upkeep in small steps, about 20 ms at most: packs samples, rolls them up and forgets by age, then by size (raw samples
 * become minutes early, minutes tens of minutes, then the oldest snapshots (but of each target the last), profiles, events
 * and points go), gives free pages back. Damaged files that were set aside go by age, too, and before anything else for size. *ret_more: there is more to do now, call again soon; may be NULL.
 *
 * Ages go by a clock that follows @wall_ns with mistrust: it goes on with @monotonic_ns, catches up with a wall clock
 * ahead of it nine times as fast as time passes, believes it altogether once it has been ahead for a day, and never runs
 * ahead of @wall_ns. So a wall clock that jumps far ahead for hours takes nothing but hours of the oldest.
 */
int store_retain(struct store *store, uint64_t wall_ns, uint64_t monotonic_ns, bool *ret_more);

struct store_state {
	int error;        /* of the last write: 0, or -errno as long as writing fails */
	const char *text; /* "ok", or what is wrong, for people; the store's, until the next call */
	const char *set_aside; /* path of the file set aside last, or NULL; the store's */
	uint64_t damaged_files;
	uint64_t aside_bytes; /* of those that are still there, also from before: as store_retain() found them */
	uint64_t bad_blobs;
	uint64_t failed_writes;
	uint64_t pending_samples, pending_targets, pending_events;
	uint64_t dropped_samples,
		dropped_events; /* oldest first, because memory's bound was reached */
};

void store_state(const struct store *store, struct store_state *ret_state);

struct store_statistics {
	uint64_t file_bytes, wal_bytes;
	uint64_t free_bytes; /* of file_bytes: pages to be used again */
	uint64_t recent_samples, raw_samples, minute_points, ten_minute_points;
	uint64_t targets, snapshots, stacks, profiles, leaks, sessions, events;
};

/* Counts rows: some ms where there are a million; not for every request. */
int store_statistics(struct store *store, struct store_statistics *ret_statistics);
/* The path of the file; the store's. */
const char *store_path(const struct store *store);

#endif
