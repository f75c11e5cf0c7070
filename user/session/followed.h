/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls of one process's allocators that are followed for good: all that its code makes directly, but for those that are
 * made too often. A call of a wrapper (xmalloc) is followed in place of the one within, where that is too hot.
 *
 *	followed_new(session, member, &followed)
 *	followed_look(followed)		finds the calls in modules that are new, one module a time
 *	followed_choose(followed, ...)	follows those that are rare, by what windows have seen of them
 *	followed_check(followed, ...)	drops those that turned hot
 *
 * Main thread.
 */
#ifndef HOLDFAST_SESSION_FOLLOWED_H
#define HOLDFAST_SESSION_FOLLOWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/ledger/ledger.h"
#include "base/cleanup.h"
#include "base/hashmap.h"
#include "session/accounts.h"

struct session;
struct member;
struct followed;

int followed_new(struct session *session, struct member *member, struct followed **ret);
/* Its probes are gone already, or go with the process. */
void followed_free(struct followed *followed);
DEFINE_CLEANUP(struct followed *, followed_free);

/* True: there was a module to look at, and there may be more. */
bool followed_look(struct followed *followed);

/* How often each way into the allocator was taken, by its innermost return addresses; summed on the ingest thread. */
struct way_counts {
	int pid;
	struct map64 counts; /* hash of the way -> allocations */
};

void way_counts_take(struct accounts *accounts, void *counts);

/*
 * @counts: of @seen_ns in which all calls were seen. @allowed_hits_per_second: what may be followed. Puts probes in for what is
 * newly chosen. How many calls are followed afterwards.
 */
size_t followed_choose(struct followed *followed, const struct way_counts *counts, uint64_t seen_ns,
		       double allowed_hits_per_second);

/* Takes those out that were called more often than is allowed since the last check. Calls made since then. */
uint64_t followed_check(struct followed *followed, uint64_t now_ns, double allowed_hits_per_second);
size_t followed_count(const struct followed *followed);
size_t followed_dropped(const struct followed *followed);
/* How often it changed which they are. */
uint64_t followed_changes(const struct followed *followed);
/* They are followed no more, but known: followed_choose() puts them in again. */
void followed_pause(struct followed *followed);

#endif
