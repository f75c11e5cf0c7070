/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger: what one process holds, block by block, and what each call site did in total.
 *
 * A call site is (stack id, function class). Invariant, checked by ledger_verify() and by tests after every
 * operation: the sum of outstanding bytes and counts over the sites equals the sum over the live blocks
 * and mapping pieces.
 *
 * One ledger per process, one writer (ingest), no lock. Pure: time comes in with the calls. A block costs
 * at most 40 bytes at 10 million live; past the memory bound new blocks are refused (-ENOSPC), counted in
 * ledger_counts.refused, and their site's totals still grow (allocs, alloc_bytes), so the loss shows:
 * allocs - frees - outstanding_count of a heap site is what was refused. -ENOMEM is counted the same way.
 *
 * Semantics (each a test):
 *  - ALLOC at an address that is still live: its free was lost; the old block ends, counted as overwritten
 *    and among its site's frees, without a lifetime.
 *  - FREE of an unknown address: a block from before attach (or of a lost ALLOC): counted, not an error.
 *  - tentative FREE takes the block out and counts as a free; UNDO by the same thread puts it back
 *    unchanged (size, site, time, the site's totals and window minimum). The next ALLOC of the same thread
 *    and class family confirms the newest tentative free.
 *  - UNDO of an address that was handed out again meanwhile changes nothing: the newer block is the truth.
 *  - temporary: freed by the thread that allocated it, before that thread's next allocation.
 *  - lifetimes are counted on free, as log2 of ns; sizes on allocation, as log2 of bytes. Slots saturate.
 *  - a custom allocator's block and a heap block may share an address (my_alloc() returns what malloc()
 *    gave it): each class family has addresses of its own.
 */
#ifndef HOLDFAST_LEDGER_H
#define HOLDFAST_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/stack/stack_table.h"

enum site_class {
	SITE_HEAP,    /* malloc family */
	SITE_NEW,     /* operator new of an allocator that has its own; of the heap's family */
	SITE_MAPPING, /* the program's own mmap */
	SITE_BREAK,   /* the program's own brk */
	SITE_STACK,   /* stacks of threads: mapped as such */
	SITE_CUSTOM, /* SITE_CUSTOM + n: the n-th --alloc/--free pair, n < 16; each a family of its own */
};

#define SITE_CUSTOM_MAX        16
#define LEDGER_HISTOGRAM_SLOTS 48

typedef uint32_t site_id; /* 0: none; never reused */

/* Kept as ranges, not as blocks. */
static inline bool site_is_range(uint8_t class)
{
	return class == SITE_MAPPING || class == SITE_BREAK || class == SITE_STACK;
}

/* Only the slots in use are kept: read with histogram_at(). Slot i: 2^i <= value < 2^(i+1); 0 is in slot 0,
 * all from 2^47 on in the last. */
struct histogram {
	uint32_t *slots; /* of slots first .. first + count - 1; owned by the ledger */
	uint8_t first, count;
};

static inline uint32_t histogram_at(const struct histogram *histogram, unsigned int slot)
{
	unsigned int at = slot - histogram->first;

	return at < histogram->count ? histogram->slots[at] : 0;
}

/* What was seen of a site in windows; the ledger's business: read with ledger_estimate(). */
struct sample_sums {
	uint64_t allocs, bytes; /* in the window numbered below */
	double size_squares;
	double est_allocs,
		est_bytes; /* of the windows before it, weighted; and of each the square */
	double square_allocs, square_bytes, poisson_allocs, poisson_bytes;
	uint32_t window;
};

struct call_site {
	stack_id stack;
	uint8_t class;   /* enum site_class */
	bool followed;   /* every call is seen; else only those in windows, if there are windows */
	uint32_t window; /* the ledger's business */
	site_id twin;    /* of the same stack and class, but for @followed; 0: none */
	uint64_t allocs, frees, alloc_bytes,
		free_bytes; /* frees: blocks or mapping pieces that ended */
	uint64_t outstanding_bytes, outstanding_count; /* count: blocks, or pieces of mappings */
	uint64_t inherited_count, inherited_bytes; /* by ledger_inherit(): not among the allocs */
	uint64_t peak_bytes;                       /* of outstanding_bytes */
	uint64_t temporary_count;
	uint64_t first_ns, last_alloc_ns, last_free_ns;
	/* Least outstanding_bytes since ledger_begin_window(), if the site changed since then: read with
	 * ledger_window_min(). */
	uint64_t window_min_bytes;
	struct histogram lifetime_ns_log2, size_log2;
	struct sample_sums sample;
};

struct ledger_counts {
	uint64_t live_bytes, live_count, peak_bytes; /* blocks and mappings */
	uint64_t mapped_bytes, mapped_count;         /* of these: mapping pieces */
	uint64_t allocs, frees;
	uint64_t unmatched_frees; /* blocks from before attach */
	uint64_t overwritten;     /* live blocks replaced by a new allocation at their address */
	uint64_t refused;      /* blocks, mappings or parts not kept because of the memory bound */
	uint64_t undone;       /* tentative frees and unmaps taken back */
	uint64_t undo_unknown; /* UNDOs without their tentative free, or too late */
	uint64_t histogram_lost; /* increments that found no memory for their slot */
	uint64_t threads_forgotten; /* more threads at once than are kept apart; see LEDGER_MAX_THREADS */
	uint64_t memory_bytes;   /* used by this ledger */
	uint64_t windows;        /* that ended: 0: every call is seen */
	double live_share;       /* of the time, the part whose blocks are known: in windows */
	uint64_t labels_refused; /* times that a block got no labels for want of memory */
	uint64_t forgotten; /* blocks that were let go without a free: it was not seen, or may not have been */
};

/* Threads whose pending state is kept; with more, the one known longest is forgotten first. */
#define LEDGER_MAX_THREADS 32768
/* Tentative frees pending on one thread; with more, the oldest counts as confirmed. */
#define LEDGER_MAX_PENDING 16

struct ledger;

int ledger_new(uint64_t memory_bytes, struct ledger **ret);
void ledger_free(struct ledger *ledger);
/*
 * A fork: @child, empty so far, holds what @parent holds, by the same sites. Costs about 100 ns a block.
 * -ENOSPC, -ENOMEM: only a part, counted once as refused.
 */
int ledger_inherit(struct ledger *child, const struct ledger *parent);

#define LEDGER_LABELS_MAX 8

/* What a block counts to beside its site: the spans that it was allocated in, and where it comes from. Borrowed. */
struct ledger_labels {
	uint64_t id; /* of this set; the same id is the same words and origin */
	const uint64_t *words;
	uint32_t count;  /* at most LEDGER_LABELS_MAX */
	uint64_t origin; /* the caller's: rows are kept apart by it (ledger_label_row) */
};

struct ledger_alloc {
	uint64_t address, size_bytes, time_ns;
	stack_id stack;
	uint32_t tid;
	uint8_t class;
	bool followed; /* its call is always seen: a site of its own, beside that of what is seen in windows */
	const struct ledger_labels *labels; /* NULL: none */
};

/* -EINVAL: address 0 or a class that does not fit. */
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
 * Where calls are traced only now and then: a window ended (until_ns). What was recorded since the last one ended, and is
 * not of followed calls, was seen in it. Its counts are those of @seen_ns, a part of @stands_for_ns; its blocks that
 * are kept on, those of @lived_ns (until known_ns, when their contents were noted; whoever ends the window forgets
 * the younger ones). Windows end in their order. With @seen_ns 0 the one before it stands for @stands_for_ns more.
 * -EINVAL, -ENOSPC, -ENOMEM: what was seen counts to the next.
 */
struct ledger_window {
	uint64_t until_ns, known_ns, stands_for_ns, seen_ns, lived_ns;
	double error; /* standard deviation of seen_ns and lived_ns, as a part of them; the same for all windows */
};

int ledger_end_window(struct ledger *ledger, const struct ledger_window *window);

/* With 95 % intervals; where every call is seen low and high are the number itself. */
struct ledger_estimate {
	double allocs, allocs_low, allocs_high;
	double alloc_bytes, alloc_bytes_low, alloc_bytes_high;
	double outstanding_count, outstanding_bytes, outstanding_low, outstanding_high; /* bytes */
};

/* Of every site, into ret[0 .. ledger_site_count() - 1]; site id i at i - 1. Looks at each live block once. */
int ledger_estimate_sites(const struct ledger *ledger, struct ledger_estimate *ret);

/*
 * No more can be outstanding than the heap holds: @live_by_size are its live blocks' bytes by log2 of their usable size,
 * LEDGER_HISTOGRAM_SLOTS of them. What was estimated beyond that is cut, from all sites with blocks of such a size alike.
 */
void ledger_bound_estimates(const struct ledger *ledger, const uint64_t *live_by_size,
			    struct ledger_estimate *estimates);

/* The block that is there is gone, or not known to be there any more: it counts as freed, at an unknown time. */
void ledger_forget(struct ledger *ledger, uint64_t address, uint8_t class, uint64_t now_ns);
/* The live block of that class at @address. */
bool ledger_has(const struct ledger *ledger, uint64_t address, uint8_t class, uint64_t born_ns);

/*
 * Mappings of the program itself, kept as ranges: a map replaces what it overlaps (MAP_FIXED), an unmap
 * cuts head, tail or middle, each piece keeping its site and time. Outstanding bytes are those still
 * mapped: with SITE_MAPPING and SITE_STACK sizes are rounded up to 4096-byte pages as the kernel does; a break is taken
 * to the byte. Adjacent pieces are never joined, except by an undo that restores them.
 */
/*
 * -EINVAL: size 0, an address that is not page-aligned (SITE_MAPPING), or an end beyond 2^56. Labels are kept as a block's are: each piece
 * has those of its mapping.
 */
int ledger_record_map(struct ledger *ledger, const struct ledger_alloc *map);
/* @tentative as above; a range may cut several mappings, UNDO restores each piece that nothing newer overlaps.
 * System calls do not nest: the thread's next map or unmap confirms it. What the kernel refuses (see
 * -EINVAL above) cuts nothing. */
void ledger_record_unmap(struct ledger *ledger, const struct ledger_release *unmap,
			 uint64_t size_bytes);
void ledger_undo_unmap(struct ledger *ledger, uint32_t tid, uint64_t address);

size_t ledger_site_count(const struct ledger *ledger);
/* Sites are numbered 1 .. count. NULL for others. Stays valid and is updated in place. */
const struct call_site *ledger_site(const struct ledger *ledger, site_id id);
void ledger_counts(const struct ledger *ledger, struct ledger_counts *ret);

/* Sums by label, of what was seen; a set of labels counts to each of its own. In the order of their first use. */
struct ledger_label {
	uint64_t word;
	uint64_t allocs, alloc_bytes, outstanding_bytes, outstanding_count;
	uint64_t peak_bytes; /* of outstanding_bytes */
};

size_t ledger_label_count(const struct ledger *ledger);
const struct ledger_label *ledger_label(const struct ledger *ledger, size_t index);

/* The same by site and set, for sites whose counts are estimated by what was seen. */
struct ledger_label_row {
	site_id site;
	uint32_t set;
	uint64_t origin; /* the set's */
	uint64_t allocs, alloc_bytes, outstanding_bytes, outstanding_count;
};

size_t ledger_label_row_count(const struct ledger *ledger);
/* @ret_labels: indexes of its labels. */
const struct ledger_label_row *ledger_label_row(const struct ledger *ledger, size_t index,
						const uint32_t **ret_labels, uint32_t *ret_count);

/* Of the two sites of one stack whose calls were seen first in the one and then in the other way: that of now, if it is
 * not @id's; else 0. */
site_id ledger_heir(const struct ledger *ledger, site_id id);

/* Starts a new window for ledger_window_min(). O(1). If a series samples this ledger, it does this. */
void ledger_begin_window(struct ledger *ledger);
/* Least outstanding bytes of the site since then. */
uint64_t ledger_window_min(const struct ledger *ledger, site_id id);
/* The sites whose outstanding bytes changed since then, each once, in order of their first change. The
 * array is the ledger's and valid until its next change. */
size_t ledger_changed_sites(const struct ledger *ledger, const site_id **ret_ids);

/* A frozen copy of all sites and counts, without the blocks and mappings: for another thread to judge and
 * report. Every const function but ledger_for_each_*, ledger_find and ledger_verify answers as the
 * original did; those find nothing. */
int ledger_copy_sites(const struct ledger *ledger, struct ledger **ret);

struct allocation {
	uint64_t address, size_bytes, time_ns;
	site_id site;
	double weight; /* for how many it stands */
};

/* Every live block (heap and custom classes; order unspecified) until @visit returns non-zero, which is
 * returned. @visit must not change the ledger. */
int ledger_for_each_live(const struct ledger *ledger,
			 int (*visit)(const struct allocation *, void *user), void *user);
/* Every mapping piece, by ascending address; as above. */
int ledger_for_each_mapping(const struct ledger *ledger,
			    int (*visit)(const struct allocation *, void *user), void *user);
/* The live block or mapping piece that starts at @address (heap first, then custom, then mappings). -ENOENT. */
int ledger_find(const struct ledger *ledger, uint64_t address, struct allocation *ret);

/* Debug and tests: recomputes all sums; 0 or -EUCLEAN. */
int ledger_verify(const struct ledger *ledger);

#endif
