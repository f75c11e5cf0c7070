/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spool.h - batches that wait on disk, in order, for a receiver that may be away.
 *
 * A folder with one file per batch, NUMBER.batch (16 hex digits): a head of 40 bytes (magic, version, table, rows, time,
 * size, CRC-32 of all the rest), then the body. A file appears under its name only when all of it is on disk (fsync of
 * file and folder), so kill -9 and power cuts leave whole batches. One that is damaged all the same is found when it is
 * read, counted and removed. Numbers only grow, also across restarts.
 *
 * Bounded by size, by the time between the oldest and the newest batch, and by number: the oldest go first.
 * One user at a time: the folder is locked. Thread: its owner's. It blocks for the disk: milliseconds, once per batch.
 */
#ifndef HF_AGENT_SEND_SPOOL_H
#define HF_AGENT_SEND_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

struct spool;

#define SPOOL_BATCHES_MAX 4096

struct spool_limits {
	uint64_t bytes, ns;
};

struct spool_batch {
	uint32_t table;
	uint32_t rows;
	uint64_t made_ns; /* wall time */
	const void *body;
	size_t size;
};

/* Makes the folder (0700). -EBUSY: another process has it; -ENOTDIR, -ELOOP, -EACCES, … */
int spool_open(const char *path, const struct spool_limits *limits, struct spool **ret_spool);
void spool_close(struct spool *spool);
DEFINE_CLEANUP(struct spool *, spool_close);

/* On disk when it returns 0. -ENOSPC and the like: not kept. */
int spool_add(struct spool *spool, const struct spool_batch *batch);

/* A batch taken out to be sent: `memory` holds its body, the caller frees it. */
struct spool_loaded {
	struct spool_batch batch;
	uint64_t number; /* no other batch has it, nor had it */
	char *memory;
};

/* The oldest that is whole, which stays in the spool: 1; 0: none. -EIO, -ENOMEM: there is one, but it cannot be read now. */
int spool_first(struct spool *spool, struct spool_loaded *ret);
/* It has arrived, or is given up: true. False if it had been dropped meanwhile. */
bool spool_remove(struct spool *spool, uint64_t number);

uint64_t spool_count(const struct spool *spool);
uint64_t spool_bytes(const struct spool *spool);
/* Batches that were dropped to make room, or damaged, since the last time it was asked. */
uint64_t spool_take_lost(struct spool *spool);

#endif
