/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger: what one process holds, block by block, and what each call site did in total.
 *
 * A call site is (stack id, function class). Invariant, checked in debug builds and by tests after every
 * operation: the sum of outstanding bytes and counts over the sites equals the sum over the live blocks.
 *
 * One ledger per process, one writer (ingest), no lock. Pure: time comes in with the calls. A block costs
 * at most 40 bytes at 10 million live; past the memory bound new blocks are refused (-ENOSPC), counted in
 * ledger_counts.refused, and their site's totals still grow (allocs, alloc_bytes), so the loss shows.
 *
 * Semantics (each a test):
 *  - ALLOC at an address that is still live: its free was lost; the old block ends, counted as overwritten.
 *  - FREE of an unknown address: a block from before attach (or of a lost ALLOC): counted, not an error.
 *  - tentative FREE takes the block out; UNDO by the same thread puts it back unchanged (size, site, time);
 *    a tentative free that was confirmed by an ALLOC is a free of the old site.
 *  - temporary: freed before the same thread's next allocation.
 *  - lifetimes are counted on free, as log2 of ns; sizes on allocation, as log2 of bytes.
 */
#ifndef HOLDFAST_LEDGER_H
#define HOLDFAST_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/stack/stack_table.h"

enum site_class {
	SITE_HEAP, /* malloc family */
	SITE_NEW, /* operator new of an allocator that has its own */
	SITE_MAPPING, /* the program's own mmap */
	SITE_BREAK, /* the program's own brk */
	SITE_CUSTOM, /* SITE_CUSTOM + n: the n-th --alloc/--free pair, n < 16 */
};

#define LEDGER_HISTOGRAM_SLOTS 48

typedef uint32_t site_id; /* 0: none; never reused */

struct call_site {
	stack_id stack;
	uint8_t class; /* enum site_class */
	uint64_t allocs, frees, alloc_bytes, free_bytes;
	uint64_t outstanding_bytes, outstanding_count;
	uint64_t peak_bytes; /* of outstanding_bytes */
	uint64_t temporary_count;
	uint64_t first_ns, last_alloc_ns, last_free_ns;
	uint64_t window_min_bytes; /* least outstanding_bytes since ledger_begin_window() */
	uint32_t lifetime_ns_log2[LEDGER_HISTOGRAM_SLOTS]; /* slot i: 2^i <= ns < 2^(i+1) */
	uint32_t size_log2[LEDGER_HISTOGRAM_SLOTS];
};

struct ledger_counts {
	uint64_t live_bytes, live_count, peak_bytes;
	uint64_t allocs, frees;
	uint64_t unmatched_frees; /* blocks from before attach */
	uint64_t overwritten; /* live blocks replaced by a new allocation at their address */
	uint64_t refused; /* blocks not kept because of the memory bound */
	uint64_t undone; /* tentative frees taken back */
	uint64_t undo_unknown; /* UNDOs without their tentative free */
	uint64_t memory_bytes; /* used by this ledger */
};

struct ledger;

int ledger_new(uint64_t memory_bytes, struct ledger **ret);
void ledger_free(struct ledger *ledger);

struct ledger_alloc {
	uint64_t address, size_bytes, time_ns;
	stack_id stack;
	uint32_t tid;
	uint8_t class;
};

int ledger_record_alloc(struct ledger *ledger, const struct ledger_alloc *alloc);

struct ledger_release {
	uint64_t address, time_ns;
	uint32_t tid;
	uint8_t class; /* class family of the address: heap and mapping addresses never collide */
	bool tentative;
};

void ledger_record_free(struct ledger *ledger, const struct ledger_release *release);
/* The thread's newest tentative free (of @address) did not happen. */
void ledger_undo_free(struct ledger *ledger, uint32_t tid, uint64_t address);
/* The thread ended: forget its pending state. */
void ledger_thread_exit(struct ledger *ledger, uint32_t tid);

/*
 * Mappings of the program itself, kept as ranges: a map replaces what it overlaps (MAP_FIXED), an unmap
 * cuts head, tail or middle, each piece keeping its site. Outstanding bytes are those still mapped.
 */
int ledger_record_map(struct ledger *ledger, const struct ledger_alloc *map);
/* @tentative as above; a range may cut several mappings, UNDO restores them all. */
void ledger_record_unmap(struct ledger *ledger, const struct ledger_release *unmap, uint64_t size_bytes);
void ledger_undo_unmap(struct ledger *ledger, uint32_t tid, uint64_t address);

size_t ledger_site_count(const struct ledger *ledger);
/* Sites are numbered 1 .. count. */
const struct call_site *ledger_site(const struct ledger *ledger, site_id id);
void ledger_counts(const struct ledger *ledger, struct ledger_counts *ret);

/* Starts a new window for window_min_bytes. */
void ledger_begin_window(struct ledger *ledger);

struct allocation {
	uint64_t address, size_bytes, time_ns;
	site_id site;
};

/* Every live block (heap classes; order unspecified) until @visit returns non-zero, which is returned. */
int ledger_for_each_live(const struct ledger *ledger, int (*visit)(const struct allocation *, void *user),
			 void *user);
/* The live block or mapping piece that starts at @address. -ENOENT. */
int ledger_find(const struct ledger *ledger, uint64_t address, struct allocation *ret);

/* Debug and tests: recomputes all sums; 0 or -EUCLEAN. */
int ledger_verify(const struct ledger *ledger);

#endif
