/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What looks at a process's heap have proved to be lost, told by call site: the witness U of the verdict, with its rate.
 *
 *	lost_evidence_take(evidence, snapshot, ledger)	after each look (heap.h), in their order
 *	lost_evidence_rate(evidence, entry, &rate)	how fast it grows
 *
 * A lost block that was traced belongs to the site that allocated it; any other to an entry for its type and size. A
 * block counts as fresh if the first look still found it referred to, or did not know it: so what had been lost before
 * anyone looked makes no rate. Blocks that were called lost and then were freed have `returned`: pointers to them are kept in a
 * way that no look can see, and what is said of their site is not to be trusted.
 *
 * Pure; one owner at a time. Memory: 24 bytes a lost block.
 */
#ifndef HOLDFAST_VERDICT_LOST_H
#define HOLDFAST_VERDICT_LOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/heap.h"
#include "account/ledger/ledger.h"
#include "base/hashmap.h"
#include "base/vec.h"

/* What the evidence was (its fields of these names) when the last look before a site's first fresh loss was over. */
struct lost_onset {
	uint64_t known_until_ns, fresh_looks;
	double second_squares;
};

struct lost_entry {
	site_id site;        /* 0: blocks that were not traced, of this type and size */
	enum heap_kind kind; /* of its newest block, if traced */
	char *class_name;    /* mangled; "" if none; owned by the evidence */
	uint64_t size_bytes; /* of each block, where there is no site */
	uint64_t count, bytes, indirect_count; /* now */
	uint64_t fresh_count, fresh_bytes, unchanged_count;
	double fresh_squares; /* sum of the squares of their sizes */
	uint64_t look_bytes;  /* fresh ones of the newest look */
	double look_squares,
		look_products; /* over the looks, sums of its square and of it times seconds */
	struct lost_onset onset;
	uint64_t fresh_looks;   /* that found fresh ones */
	uint64_t last_fresh_ns; /* the newest of these missed its blocks first then */
	uint64_t returned;
	uint64_t oldest_ns; /* first missed then, or allocated, whichever is earlier */
	/* By lost_evidence_share(): blocks of these sizes whose allocation fell into a window, and of them this site's;
	 * its numbers are then estimates. 0: they are not. */
	uint64_t samples, sampled;
};

/* Where calls are traced in windows: fresh losses of a type and size that were sampled, by site; also those of calls that are
 * followed, which are all seen. */
struct lost_sample {
	uint32_t type_entry, site_entry; /* indexes */
	bool followed;
	uint64_t count;
	double weight;                      /* for so many they stand */
	uint64_t asked_bytes, usable_bytes; /* for, by the program; and of the blocks */
};

VEC_STRUCT(lost_samples, struct lost_sample);

struct lost_block {
	uint64_t address, size_bytes;
	uint64_t first_ns; /* of the look that missed it first */
	uint32_t entry;
	bool indirect;
	bool held; /* referred to again for now */
};

VEC_STRUCT(lost_blocks, struct lost_block);

/* The heap as a whole, at one look. */
struct heap_reading {
	uint64_t time_ns, live_bytes, free_bytes;
	uint64_t live_by_size[HEAP_SIZE_SLOTS]; /* as in the snapshot */
};

#define HEAP_READINGS_MAX 128

struct lost_evidence {
	uint64_t looks;          /* complete ones */
	uint64_t first_look_ns;  /* of the first of them */
	uint64_t known_until_ns; /* what was lost then is confirmed by now; 0: nothing is yet */
	uint64_t fresh_looks;    /* that may have found fresh losses */
	double second_squares;   /* over these, sum of the squares of the seconds between them */
	VEC(struct lost_entry) entries;
	struct lost_samples samples;
	struct map64 by_site;      /* site, or hash of type and size -> entry + 1 */
	struct lost_blocks blocks; /* confirmed, ascending */
	struct lost_block merged;  /* the one at hand */
	/* Of every look, then of every second, fourth, ... one. */
	struct heap_reading readings[HEAP_READINGS_MAX];
	size_t reading_count;
	uint64_t reading_step, reading_skip;
};

void lost_evidence_init(struct lost_evidence *evidence);
void lost_evidence_done(struct lost_evidence *evidence);
/* A snapshot that is not complete says nothing, and changes nothing. -ENOMEM: it is as before. @ledger: NULL: none. */
int lost_evidence_take(struct lost_evidence *evidence, const struct heap_snapshot *snapshot,
		       const struct ledger *ledger);

/*
 * The entries, with what windows did not see shared out: lost blocks of a type and size belong to the sites of those
 * that were sampled, in proportion (their interval: lost_evidence_rate()). One sample more than another may be
 * chance, so a site counts from two on, or where there is only one at all, and no call that is followed loses the like; and only
 * if its samples stand for a tenth at least of what was not sampled. @ret: evidence->entries.count of them;
 * an entry that was shared out is empty. So is that of a site whose calls are seen in another way by now: what it lost
 * counts with the site that goes on (ledger_heir(); @ledger: NULL: none). Names are the evidence's.
 */
void lost_evidence_share(const struct lost_evidence *evidence, const struct ledger *ledger,
			 struct lost_entry *ret);

struct lost_rate {
	double bytes_per_second, low, high; /* 95 % interval */
	double blocks_per_second;
};

/*
 * Compound Poisson over the sizes, exact below 30 blocks; from 6 looks on the spread between looks, which also knows
 * bursts and regular losses (Student's t), and before that where it is far beyond what single blocks make. It is the rate since
 * the losses began, if they began so late that this is no chance. All 0 while nothing is known.
 */
struct lost_rate lost_evidence_rate(const struct lost_evidence *evidence,
				    const struct lost_entry *entry);

#endif
