/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at the heap of a session's process, again and again while it is watched (account/heap): what they prove, and
 * what they cost it.
 *
 *	look_start(look, &options, pid, now_ns)	when look_due() says so; a process of ours goes to work
 *	look_fd(look)				readable when that is done
 *	look_finish(look, now_ns)		takes the result, plans the next look
 *	look_join(look, ledger)			on the ledger's thread: what is lost, told by site
 *
 * Looks are spaced so that stops take no more than a share of the budget; and where no CPU is idle, our work neither.
 */
#ifndef HOLDFAST_SESSION_LOOK_H
#define HOLDFAST_SESSION_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "account/heap/heap.h"
#include "account/ledger/ledger.h"
#include "base/vec.h"
#include "verdict/lost.h"

VEC_STRUCT(site_ids, site_id);

struct look_options {
	bool census, no_stop;
	uint64_t max_stop_ns, memory_bytes;
	double stop_percent; /* of the time that stops may take */
	double work_percent; /* of a core that our own work may take; 0: what look.c says */
	double displaced; /* the part of a CPU that we take from others when we work: 0: one is idle; 1: none is */
	const struct heap_known
		*known; /* where the allocator is none that is understood; copied by the fork */
	size_t known_count;
	const struct heap_known *mappings; /* the program's own; as above */
	size_t mapping_count;
	const struct heap_question *questions; /* with a census */
	size_t question_count;
	const struct heap_known *watched; /* blocks that may be gone */
	size_t watched_count;
};

struct look {
	struct heap_worker *scan;         /* under way; NULL: none */
	const struct heap_snapshot *last; /* what the last one gave, if it is kept; NULL: it is not */
	struct heap_snapshot *newest;     /* the last complete one, or the only one */
	struct heap_snapshot *census; /* the last one with types of all blocks; may be the newest */
	struct heap_snapshot
		*first; /* the first census, if keep_first: what grew is held against it */
	bool keep_first;
	bool only_traced; /* no walker understands its allocator */
	bool joined;      /* the newest is in the evidence */
	bool census_asked;
	struct site_ids asked;  /* whose blocks the answers of the census are about */
	struct site_ids asking; /* and those of the one under way */
	uint64_t next_ns;
	uint64_t era;      /* how often it was forgotten */
	uint64_t total_ns; /* of the last one */
	uint64_t looks, failed, stop_ns_max, stop_ns_total, incomplete;
	int error;                     /* of the last one; 0: it was fine */
	struct lost_evidence evidence; /* the ledger's thread's */
};

void look_init(struct look *look);
void look_done(struct look *look);
/* After an exec: nothing that was seen holds any more. */
void look_forget(struct look *look);
bool look_due(const struct look *look, uint64_t now_ns);
/*
 * Nobody should wait for a look at so large a heap: its types are counted by looks on the way, every LOOK_CENSUS_NS or so,
 * rather than by one at the end.
 */
bool look_is_slow(const struct look *look);
#define LOOK_CENSUS_NS 10000000000ULL
/* 0 or -errno: then the next one is planned. */
int look_start(struct look *look, const struct look_options *options, int pid, uint64_t now_ns);
int look_fd(const struct look *look);
/* Ends the one under way. */
void look_cancel(struct look *look);
void look_finish(struct look *look, const struct look_options *options, uint64_t now_ns);
/* Until the next one, so that such work takes that part of a core; not more than two minutes. */
uint64_t look_work_gap_ns(uint64_t work_ns, double percent);
/* Was there a look after which all that is lost is known? */
bool look_is_proof(const struct look *look);
int look_join(struct look *look, const struct ledger *ledger);
/* Instead, where it comes from a recording; @snapshot goes to the look. */
void look_replay(struct look *look, struct heap_snapshot *snapshot, bool newest, bool census);

#endif
